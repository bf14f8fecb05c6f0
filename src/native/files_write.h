/* Small files to be written and metadata to be given, for those who do it in one directory or many. */

#ifndef TWOFOLD_FILES_WRITE_H
#define TWOFOLD_FILES_WRITE_H

#include "files.h"

#ifdef __linux__

#include <sys/types.h>
#include <time.h>

enum { RANDOM = 8 }; /* bytes in a temporary name */

struct xattr;

struct item {
    const char *name;
    Py_buffer data;
    mode_t mode;
    int64_t uid, gid; /* -1: leave */
    int64_t mtime;
    int flags_matter; /* it must have none of those that are kept */
    PyObject *owned;  /* the xattrs' tuple, which keeps them alive */
    struct xattr *xattrs;
    Py_ssize_t xattr_count;
};

/* What all files of a batch share. */
struct batch {
    int fd;
    struct timespec now;
    unsigned kept;
};

/* The time from nanoseconds since 1970. */
struct timespec time_of(int64_t ns);

/* Takes attributes that are usual; 0 for others, perhaps with an exception. */
int take_attributes(PyObject *attributes, struct item *item);

/* Takes the usual files of three tuples of one length from ``start`` on; what is odd about the first
   that is not is left to Python to find again. Returns how many; to be dropped in any case. */
size_t take_items(PyObject *lists[3], Py_ssize_t start, struct item *items);
void drop_items(struct item *items, size_t count);

/* Writes files of one directory, each with RANDOM bytes for its temporary name, until one fails, of
   which nothing is left. Returns how many are there. */
size_t write_items(const struct batch *batch, const struct item *items, size_t count,
                   const uint8_t *random);

/* Whether an open file or directory has this time now, or one that any file system can hold. */
int give_time(int fd, const struct batch *batch, int64_t ns);

#endif
#endif
