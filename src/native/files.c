#include "native.h"

int
add_files(PyObject *module)
{
    (void)module;
    return 0;
}
