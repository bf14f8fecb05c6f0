#include "native.h"

int
add_index(PyObject *module)
{
    (void)module;
    return 0;
}
