/* Memory that is freed stays with the process, where the C library would hand it back at once.

   Buffers of a frame, a MiB or two, come and go hundreds of times a second. glibc gives such back to
   the system when they are freed and takes them again page by page, each one cleared first, which
   costs more than to hash what is put there (mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD). */

#include "native.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

enum { LARGEST_FROM_HEAP = 32 << 20, FREE_AT_MOST = 64 << 20 };

static PyObject *
keep_memory(PyObject *module, PyObject *arguments)
{
    (void)module;
    (void)arguments;
    int kept = 0;
#ifdef __GLIBC__
    kept = mallopt(M_MMAP_THRESHOLD, LARGEST_FROM_HEAP) && mallopt(M_TRIM_THRESHOLD, FREE_AT_MOST);
#endif
    return PyBool_FromLong(kept);
}

static PyObject *
raw_memory(PyObject *module, PyObject *argument)
{
    (void)module;
    Py_ssize_t size = PyLong_AsSsize_t(argument);
    if (size < 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "memory of less than nothing");
        return NULL;
    }
    return PyByteArray_FromStringAndSize(NULL, size);
}

static PyMethodDef functions[] = {
    {"raw_memory", raw_memory, METH_O,
     "raw_memory(size): a bytearray whose bytes may be anything."},
    {"keep_memory", keep_memory, METH_NOARGS,
     "keep_memory(): do not give freed memory back to the system; whether that can be had here."},
    {NULL, NULL, 0, NULL},
};

int
add_memory(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
