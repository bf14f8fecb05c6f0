/* What the parts that read tables of file systems share: numbers as they lie on disks, and named
   tuples as twofold.disk.base and twofold.imaging.gather define them. */

#ifndef TWOFOLD_DISK_H
#define TWOFOLD_DISK_H

#include "native.h"

/* What came of one file. */
enum told {
    FAILED = -1, /* an exception is set */
    ASK,         /* it is not a usual one: the Python twin is to be asked, which alone knows all */
    TOLD
};

enum { MOST_RUNS = 128 }; /* of a file that is told here */

struct run {
    int64_t first; /* -1 for a hole */
    uint64_t units;
};

/* Classes of the caller, as borrowed references. */
struct stream_makers {
    PyObject *stream, *run, *file, *meta;
};

/* A Stream to be made. */
struct stream {
    uint64_t owner, size, valid;
    const char *name;
    int is_file;
    const struct run *runs;
    size_t run_count;
};

static inline uint16_t
le16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t
le32(const uint8_t *at)
{
    return (uint32_t)le16(at) | (uint32_t)le16(at + 2) << 16;
}

static inline uint64_t
le64(const uint8_t *at)
{
    return (uint64_t)le32(at) | (uint64_t)le32(at + 4) << 32;
}

/* Takes (Stream, Run, Role.FILE, Role.META) apart; 0 with an exception set if it is something else. */
int take_stream_makers(PyObject *tuple, struct stream_makers *makers);

/* A named tuple of a type out of a new tuple, which is given away; NULL with an exception set. */
PyObject *named_tuple(PyObject *type, PyObject *fields);

/* Appends a Stream; the stamp is given away, and NULL if it could not be made. -1 on failure. */
int append_stream(PyObject *into, const struct stream_makers *makers, const struct stream *stream,
                  PyObject *stamp);

/* Whether a set has a number; -1 with an exception set. */
int set_has(PyObject *set, uint64_t number);

/* Appends the index of a file that Python is to be asked about; -1 on failure, also on one before. */
int append_asked(PyObject *into, enum told told, uint64_t index);

PyObject *ntfs_streams(PyObject *module, PyObject *arguments);
PyObject *ext_streams(PyObject *module, PyObject *arguments);
PyObject *claim_streams(PyObject *module, PyObject *arguments);

#endif
