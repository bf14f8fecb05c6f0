/* The extension module: puts its parts together. */

#include "native.h"

static int
fill(PyObject *module)
{
    int (*const parts[])(PyObject *) = {add_chunk, add_parity, add_blake3,
                                        add_index, add_files,  add_memory, add_disk,
                                        add_argon2, add_crc32c, add_listing};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i](module) < 0)
            return -1;
    return 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)fill}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "twofold._native",
    .m_doc = "The quick twins of a few inner loops; see the modules that use them.",
    .m_size = 0,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
