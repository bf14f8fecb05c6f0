/* One directory as a packed listing: all names, sorted by their bytes, then a look at each.

   A record is that of twofold/platform/base.py (RECORD): 56 bytes, little-endian, then the name.
   Names are kept one after the other in one piece of memory, so that a million of them take little
   more than their own bytes. Names are compared by their first eight bytes as one number, and only
   where those are equal by the rest. */

#include "files_scan.h"

#ifdef __linux__

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RECORD_SIZE = 56, FLAG_FAILED = 2, FLAG_FAR_TIME = 4 };
enum { LOOKS_BETWEEN_SIGNALS = 1024, FIRST_ROOM = 1 << 12 };

struct listed { /* as getdents64(2) gives it */
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

struct name {
    uint64_t key; /* the first eight bytes, so that most names compare as numbers */
    const char *bytes;
};

static int
add_name(struct names *names, const char *name)
{
    size_t size = strlen(name) + 1;
    if (names->room - names->used < size) {
        size_t room = 2 * names->room + FIRST_ROOM + size;
        char *bytes = realloc(names->bytes, room);
        if (bytes == NULL)
            return ENOMEM;
        names->bytes = bytes;
        names->room = room;
    }
    memcpy(names->bytes + names->used, name, size);
    names->used += size;
    names->count++;
    return 0;
}

/* Adds every name of a directory but "." and ".."; an errno. */
static int
list_names(int fd, struct names *names)
{
    _Alignas(struct listed) char raw[32768];
    for (;;) {
        long got = syscall(SYS_getdents64, fd, raw, sizeof raw);
        if (got <= 0)
            return got < 0 ? errno : 0;
        for (long at = 0; at < got;) {
            const struct listed *entry = (const void *)(raw + at);
            const char *name = entry->name;
            int error = 0;
            if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
                error = add_name(names, name);
            if (error)
                return error;
            at += entry->size;
        }
    }
}

static uint64_t
key_of(const char *name)
{
    uint64_t key = 0;
    for (int i = 0; i < 8; i++)
        key = key << 8 | (*name ? (uint8_t)*name++ : 0);
    return key;
}

static int
compare(const void *left, const void *right)
{
    const struct name *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return strcmp(a->bytes, b->bytes);
}

/* Sorts the names, each once: some file systems list one twice while the directory changes. */
static int
sort_names(struct names *names)
{
    names->sorted = malloc((names->count + 1) * sizeof *names->sorted);
    if (names->sorted == NULL)
        return ENOMEM;
    const char *at = names->bytes;
    for (size_t i = 0; i < names->count; i++, at += strlen(at) + 1)
        names->sorted[i] = (struct name){key_of(at), at};
    qsort(names->sorted, names->count, sizeof *names->sorted, compare);
    size_t kept = 0;
    for (size_t i = 0; i < names->count; i++) {
        if (i > 0 && compare(&names->sorted[kept - 1], &names->sorted[i]) == 0)
            continue;
        names->packed += RECORD_SIZE + strlen(names->sorted[i].bytes);
        names->sorted[kept++] = names->sorted[i];
    }
    names->count = kept;
    return 0;
}

int
collect_names(int fd, struct names *names)
{
    int error = list_names(fd, names);
    lseek(fd, 0, SEEK_SET);
    return error ? error : sort_names(names);
}

void
free_names(struct names *names)
{
    free(names->sorted);
    free(names->bytes);
    *names = (struct names){0};
}

static char *
put(char *at, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (char)(number >> 8 * i);
    return at + bytes;
}

/* Whether a time is one of 64 bits of nanoseconds. */
static int
is_near(struct timespec time)
{
    int64_t last = INT64_MAX / 1000000000, first = INT64_MIN / 1000000000 - 1;
    if (time.tv_sec == last)
        return time.tv_nsec <= INT64_MAX % 1000000000;
    if (time.tv_sec == first)
        return time.tv_nsec >= 1000000000 + INT64_MIN % 1000000000;
    return first < time.tv_sec && time.tv_sec < last;
}

static uint64_t
nanoseconds(struct timespec time) /* modulo 2**64 */
{
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

static char *
put_record(char *at, const struct stat *status, const char *name, unsigned flags)
{
    size_t size = strlen(name);
    if (!is_near(status->st_mtim) || !is_near(status->st_ctim))
        flags |= FLAG_FAR_TIME;
    at = put(at, status->st_ino, 8);
    at = put(at, (uint64_t)status->st_size, 8);
    at = put(at, nanoseconds(status->st_mtim), 8);
    at = put(at, nanoseconds(status->st_ctim), 8);
    at = put(at, status->st_mode, 4);
    at = put(at, status->st_uid, 4);
    at = put(at, status->st_gid, 4);
    at = put(at, status->st_nlink, 4);
    at = put(at, size, 2);
    at = put(at, flags, 6);
    memcpy(at, name, size);
    return at + size;
}

char *
examine_names(int fd, const struct names *names, size_t start, size_t stop, char *at)
{
    for (size_t i = start; i < stop; i++) {
        const char *name = names->sorted[i].bytes;
        struct stat status;
        if (fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
            at = put_record(at, &status, name, 0);
        } else if (errno != ENOENT) {
            struct stat nothing = {.st_size = errno};
            at = put_record(at, &nothing, name, FLAG_FAILED);
        }
    }
    return at;
}

static PyObject *
pack(int fd, const struct names *names)
{
    PyObject *listing = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)names->packed);
    if (listing == NULL)
        return NULL;
    char *begin = PyBytes_AsString(listing), *end = begin;
    for (size_t start = 0, stop; start < names->count; start = stop) {
        size_t left = names->count - start;
        stop = start + (left < LOOKS_BETWEEN_SIGNALS ? left : LOOKS_BETWEEN_SIGNALS);
        Py_BEGIN_ALLOW_THREADS
        end = examine_names(fd, names, start, stop, end);
        Py_END_ALLOW_THREADS
        if (PyErr_CheckSignals() < 0) { /* a slow file system must not hold off an interrupt */
            Py_DECREF(listing);
            return NULL;
        }
    }
    if ((size_t)(end - begin) == names->packed)
        return listing;
    PyObject *exact = PyBytes_FromStringAndSize(begin, end - begin); /* some vanished */
    Py_DECREF(listing);
    return exact;
}

PyObject *
scan_dir(PyObject *module, PyObject *args)
{
    (void)module;
    int fd, error;
    struct names names = {0};
    if (!PyArg_ParseTuple(args, "i", &fd))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    error = collect_names(fd, &names);
    Py_END_ALLOW_THREADS
    PyObject *listing = NULL;
    if (error == 0) {
        listing = pack(fd, &names);
    } else {
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
    }
    free_names(&names);
    return listing;
}

#endif
