/* Small files read whole, back to back into one buffer: first all system calls, with the GIL
   released, then the objects that tell of them.

   Each file is opened without following a link, waiting or touching its access time, read, looked
   at after reading, and asked for its extended attributes and inode flags. Few files have any, so
   these lie in a side buffer that grows with them. */

#include "files_read.h"

#ifdef __linux__

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { FIRST_TRY = 256, MOST = 1 << 16 }; /* bytes of names, or of one value; most the kernel has */

struct wanted {
    const char *name;
    size_t size;
    int valid; /* is a single name */
};

/* Makes room for as many more bytes; NULL when memory has run out. */
static char *
reserve(struct side *side, size_t more)
{
    if (side->room - side->used < more) {
        size_t room = 2 * side->room + more;
        char *grown = realloc(side->bytes, room);
        if (grown == NULL) {
            side->full = 1;
            return NULL;
        }
        side->bytes = grown;
        side->room = room;
    }
    return side->bytes + side->used;
}

/* Adds a record; its value, if ``value`` is a size, was read into its place already. */
static void
add_record(struct side *side, const char *name, size_t size, ssize_t value)
{
    int32_t head[2] = {(int32_t)size, (int32_t)value};
    char *at = reserve(side, sizeof head + size);
    if (at == NULL)
        return;
    memcpy(at, head, sizeof head);
    memcpy(at + sizeof head, name, size);
    side->used += sizeof head + size + (value > 0 ? (size_t)value : 0);
}

/* Reads a value into the place it will have; its size, or minus errno. */
static ssize_t
get_value(int fd, const char *name, size_t before, struct side *side, size_t most)
{
    char *at = reserve(side, before + most);
    if (at == NULL)
        return -ENOMEM;
    ssize_t got = fgetxattr(fd, name, at + before, most);
    return got < 0 ? -errno : got;
}

static void
read_xattr(int fd, const char *name, struct side *side)
{
    size_t size = strlen(name), before = 2 * sizeof(int32_t) + size;
    ssize_t value = get_value(fd, name, before, side, FIRST_TRY);
    if (value == -ERANGE)
        value = get_value(fd, name, before, side, MOST);
    if (value != -ENODATA && !side->full) /* ENODATA: removed meanwhile */
        add_record(side, name, size, value);
}

/* Puts all extended attributes into the side buffer, or under an empty name why there are none.
   The kernel sets aside as much memory as it is offered, so little is offered first. */
static void
read_xattrs(int fd, struct side *side)
{
    char few[FIRST_TRY + 1], *many = NULL, *names = few;
    ssize_t size = flistxattr(fd, few, FIRST_TRY);
    if (size < 0 && errno == ERANGE) {
        names = many = malloc(MOST + 1);
        side->full = many == NULL;
        size = many ? flistxattr(fd, many, MOST) : 0;
    }
    if (size < 0 && errno != ENOTSUP && errno != ENOSYS)
        add_record(side, "", 0, -errno);
    if (size > 0)
        names[size] = 0;
    for (ssize_t at = 0; at < size && !side->full; at += (ssize_t)strlen(names + at) + 1)
        read_xattr(fd, names + at, side);
    free(many);
}

/* Reads until the room is full or the file ends; bytes read, or minus errno. A file of just the
   size expected is not asked for more. */
static ssize_t
fill(int fd, char *room, size_t size)
{
    size_t done = 0;
    for (;;) {
        struct iovec piece = {room + done, size + 1 - done};
        ssize_t got = done ? preadv(fd, &piece, 1, (off_t)done) : readv(fd, &piece, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        int first = done == 0;
        done += (size_t)got;
        if (got == 0 || done > size || (first && done == size))
            return (ssize_t)done;
    }
}

static int
open_retrying(int dir_fd, const char *name, int flags)
{
    int fd;
    do
        fd = openat(dir_fd, name, flags | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* Opens a regular file that another program holds a lease on, waiting for its return. */
static int
open_leased(int dir_fd, const char *name)
{
    int pinned = open_retrying(dir_fd, name, O_PATH | O_NOFOLLOW), fd = -1;
    struct stat status;
    char path[32];
    if (pinned < 0)
        return -1;
    PyOS_snprintf(path, sizeof path, "/proc/self/fd/%d", pinned);
    if (fstat(pinned, &status) == 0) {
        if (S_ISREG(status.st_mode))
            fd = open_retrying(AT_FDCWD, path, O_RDONLY);
        else
            errno = EINVAL;
    }
    int error = errno;
    close(pinned);
    errno = error;
    return fd;
}

static int
open_regular(int dir_fd, const char *name)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    int fd = open_retrying(dir_fd, name, flags | O_NOATIME);
    if (fd < 0 && errno == EPERM) /* only the owner and root may ask for that */
        fd = open_retrying(dir_fd, name, flags);
    if (fd < 0 && errno == EAGAIN)
        fd = open_leased(dir_fd, name);
    return fd;
}

/* Reads one open file; an errno. */
static int
read_open(int fd, size_t size, char *room, struct outcome *outcome, struct side *side)
{
    ssize_t length = fill(fd, room, size);
    if (length < 0)
        return (int)-length;
    while (fstat(fd, &outcome->status) < 0) /* after reading, so that a change meanwhile shows */
        if (errno != EINTR)
            return errno;
    if (!S_ISREG(outcome->status.st_mode))
        return EINVAL;
    outcome->length = (size_t)length;
    read_xattrs(fd, side);
    outcome->flags = inode_flags(fd);
    return 0;
}

static void
read_one(int dir_fd, const struct wanted *wanted, char *buffer, struct outcome *outcome,
         struct side *side)
{
    outcome->side_begin = outcome->side_end = side->used;
    outcome->error = EINVAL;
    if (!wanted->valid)
        return;
    int fd = open_regular(dir_fd, wanted->name);
    if (fd < 0) {
        outcome->error = errno;
        return;
    }
    outcome->error = read_open(fd, wanted->size, buffer + outcome->offset, outcome, side);
    if (close(fd) < 0 && outcome->error == 0)
        outcome->error = errno;
    if (outcome->error)
        outcome->length = 0;
    outcome->side_end = side->used;
}

static void
read_all(int dir_fd, const struct wanted *wanted, struct outcome *outcomes, size_t count,
         char *buffer, struct side *side)
{
    size_t at = 0;
    for (size_t i = 0; i < count && !side->full; i++) {
        outcomes[i].offset = at;
        read_one(dir_fd, &wanted[i], buffer, &outcomes[i], side);
        at += outcomes[i].length;
    }
}

/* Fills in what is wanted; -1 with an exception when the numbers do not fit the buffer. */
static int
take_wanted(PyObject *entries, size_t room, struct wanted *wanted)
{
    Py_ssize_t count = PyTuple_Size(entries);
    size_t left = room;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *entry = PyTuple_GetItem(entries, i);
        if (!PyTuple_Check(entry) || PyTuple_Size(entry) != ENTRY_FIELDS) {
            PyErr_SetString(PyExc_TypeError, "files are wanted by their entries");
            return -1;
        }
        char *name;
        Py_ssize_t length, size = PyLong_AsSsize_t(PyTuple_GetItem(entry, ENTRY_SIZE));
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(entry, ENTRY_NAME), &name, &length) < 0 ||
            (size == -1 && PyErr_Occurred()))
            return -1;
        if (size < 0 || (size_t)size >= left) {
            PyErr_SetString(PyExc_ValueError, "the buffer is too small for the batch");
            return -1;
        }
        left -= (size_t)size + 1;
        wanted[i] = (struct wanted){name, (size_t)size, is_single_name(name, (size_t)length)};
    }
    return 0;
}

static PyObject *
read_entries(int fd, PyObject *entries, const Py_buffer *buffer, const struct makers *makers)
{
    size_t count = (size_t)PyTuple_Size(entries);
    struct wanted *wanted = calloc(count + 1, sizeof *wanted);
    struct outcome *outcomes = calloc(count + 1, sizeof *outcomes);
    struct side side = {0};
    PyObject *list = NULL;
    if (wanted == NULL || outcomes == NULL) {
        PyErr_NoMemory();
    } else if (take_wanted(entries, (size_t)buffer->len, wanted) == 0) {
        Py_BEGIN_ALLOW_THREADS
        read_all(fd, wanted, outcomes, count, buffer->buf, &side);
        Py_END_ALLOW_THREADS
        list = side.full ? PyErr_NoMemory() : make_list(makers, entries, outcomes, &side);
    }
    free(side.bytes);
    free(outcomes);
    free(wanted);
    return list;
}

/* Whether results can be made with the classes given; the constructor of tuples takes only its own. */
static int
make_tuples(const struct makers *makers)
{
    return PyType_IsSubtype((PyTypeObject *)makers->read, &PyTuple_Type) &&
           PyType_IsSubtype((PyTypeObject *)makers->entry, &PyTuple_Type);
}

PyObject *
read_batch(PyObject *module, PyObject *args)
{
    (void)module;
    int fd;
    PyObject *wanted, *list = NULL;
    Py_buffer buffer;
    struct makers makers;
    if (!PyArg_ParseTuple(args, "iOw*LIO!O!O", &fd, &wanted, &buffer, &makers.settled,
                          &makers.kept, &PyType_Type, &makers.read, &PyType_Type, &makers.entry,
                          &makers.extras))
        return NULL;
    makers.tuple_new = (newfunc)PyType_GetSlot(&PyTuple_Type, Py_tp_new);
    PyObject *entries = PySequence_Tuple(wanted);
    if (entries && !make_tuples(&makers))
        PyErr_SetString(PyExc_TypeError, "results are named tuples");
    else if (entries)
        list = read_entries(fd, entries, &buffer, &makers);
    Py_XDECREF(entries);
    PyBuffer_Release(&buffer);
    return list;
}

#endif
