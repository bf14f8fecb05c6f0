/* Directories and small files of Linux: the functions offered, and what their parts share. */

#include "files.h"

#ifdef __linux__

#include <linux/fs.h>
#include <sys/ioctl.h>

unsigned
inode_flags(int fd)
{
    unsigned flags[2] = {0, 0}; /* declared long, but the kernel moves an int */
    return ioctl(fd, FS_IOC_GETFLAGS, flags) < 0 ? 0 : flags[0];
}

static PyMethodDef functions[] = {
    {"scan_dir", scan_dir, METH_VARARGS,
     "scan_dir(fd) -> bytes: the packed listing of an open directory."},
    {"scan_tree", scan_tree, METH_VARARGS,
     "scan_tree(fd, names, depths, limit) -> list of what each directory of a tree holds."},
    {"read_batch", read_batch, METH_VARARGS,
     "read_batch(fd, wanted, buffer, settled, kept, read, entry, extras) -> list of small files read."},
    {"write_batch", write_batch, METH_VARARGS,
     "write_batch(fd, names, data, attributes, start, random, now, kept) -> how far it came."},
    {"write_below", write_below, METH_VARARGS,
     "write_below(fd, steps, depths, counts, names, data, attributes, random, now, kept) -> files."},
    {"apply_below", apply_below, METH_VARARGS,
     "apply_below(fd, steps, depths, attributes, now, guards) -> how many directories have theirs."},
    {NULL, NULL, 0, NULL},
};

int
add_files(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}

#else

int
add_files(PyObject *module)
{
    (void)module;
    return 0;
}

#endif
