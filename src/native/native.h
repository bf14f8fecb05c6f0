/* What the parts of the extension share: one table of functions per file, and buffer arguments.

   Every function releases the GIL around work on bytes. A function takes buffers, numbers and
   tuples, keeps nothing between calls except in objects of its own, and has a Python twin with
   identical results; which of the two runs is decided in twofold/native.py alone. */

#ifndef TWOFOLD_NATIVE_H
#define TWOFOLD_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

/* Adds the part's functions and types to the module; -1 with an exception set on failure. */
int add_chunk(PyObject *module);
int add_parity(PyObject *module);
int add_blake3(PyObject *module);
int add_index(PyObject *module);
int add_files(PyObject *module);
int add_memory(PyObject *module);
int add_disk(PyObject *module);
int add_argon2(PyObject *module);
int add_crc32c(PyObject *module);
int add_listing(PyObject *module);

#endif
