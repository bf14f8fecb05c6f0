#include "kernels.h"
#include <string.h>

void
add_kernel(Kernels *kernels, const char *name, size_t lanes, void (*run)(void))
{
    kernels->list[kernels->count++] = (Kernel){name, lanes, run};
}

const Kernel *
kernel_named(const Kernels *kernels, const char *name)
{
    for (int i = 0; i < kernels->count; i++)
        if (name == NULL || strcmp(kernels->list[i].name, name) == 0)
            return &kernels->list[i];
    PyErr_SetString(PyExc_ValueError, "no such kernel here");
    return NULL;
}

int
publish_kernels(PyObject *module, const char *constant, const Kernels *kernels)
{
    PyObject *names = PyTuple_New(kernels->count);
    for (int i = 0; names != NULL && i < kernels->count; i++)
        if (PyTuple_SetItem(names, i, PyUnicode_FromString(kernels->list[i].name)) < 0)
            Py_CLEAR(names);
    int failed = names == NULL || PyModule_AddObjectRef(module, constant, names) < 0;
    Py_XDECREF(names);
    return failed ? -1 : 0;
}
