/* What the parts of files*.c share; Linux only.

   The Python twins are in twofold/platform/linux/source.py and target.py. */

#ifndef TWOFOLD_FILES_H
#define TWOFOLD_FILES_H

#include "listing.h"
#include "native.h"

#ifdef __linux__

PyObject *scan_dir(PyObject *module, PyObject *args);
PyObject *scan_tree(PyObject *module, PyObject *args);
PyObject *read_batch(PyObject *module, PyObject *args);
PyObject *write_batch(PyObject *module, PyObject *args);
PyObject *write_below(PyObject *module, PyObject *args);
PyObject *apply_below(PyObject *module, PyObject *args);

/* Inode flags (FS_IOC_GETFLAGS) of an open regular file; 0 where there are none to be had. */
unsigned inode_flags(int fd);

#endif
#endif
