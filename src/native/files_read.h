/* What reading small files finds out, and what turns that into objects. */

#ifndef TWOFOLD_FILES_READ_H
#define TWOFOLD_FILES_READ_H

#include "files.h"

#ifdef __linux__

#include <sys/stat.h>

struct outcome {
    size_t offset, length;
    int error;
    unsigned flags;
    struct stat status;
    size_t side_begin, side_end; /* xattrs in the side buffer */
};

struct side { /* records of int32 name size, int32 value size or minus errno, name, value */
    char *bytes;
    size_t used, room;
    int full; /* memory ran out */
};

/* The classes and functions objects are made with, and what needs none. */
struct makers {
    long long settled; /* times up to this one cannot hide a change */
    unsigned kept; /* inode flags that are kept */
    PyObject *read, *entry, *extras;
    newfunc tuple_new;
};

/* The list of results for a tuple of entries: None for a file that is as its entry says, which was
   read whole and has no extras. NULL with an exception set on failure. */
PyObject *make_list(const struct makers *makers, PyObject *entries, const struct outcome *outcomes,
                    const struct side *side);

#endif
#endif
