/* Small files written whole: temporary name, content, metadata, final name.

   Only what is usual is done here: a new file in a directory that passes nothing on, without
   set-id bits, access control lists, capabilities or inode flags, to which nothing is refused. At
   the first file that is not, or goes wrong in any way, nothing of it is left and the caller goes
   on in Python, which begins it anew and knows all rules and words. */

#include "files_write.h"

#ifdef __linux__

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { TEMPORARY = 9 + 2 * RANDOM + 5 + 1 };
static const int64_t SECOND = 1000000000;
static const int64_t LAST_ID = 0xFFFFFFFE; /* one more means "leave unchanged" to the system */

struct xattr {
    const char *name, *value;
    size_t size;
};

/* What new files of this directory turned out to have from their birth, so that it need not be
   given to the next ones: an owner, once one was looked at, and one mode that came out as asked. */
struct birth {
    int owner_known, mode_known;
    uid_t uid;
    gid_t gid;
    mode_t mode;
};

/* As twofold/platform/names.py gives temporary names. */
static void
name_temporary(const uint8_t *random, char *name)
{
    static const char digits[] = "0123456789abcdef";
    char *at = name + strlen(strcpy(name, ".twofold-"));
    for (int i = 0; i < RANDOM; i++) {
        *at++ = digits[random[i] >> 4];
        *at++ = digits[random[i] & 15];
    }
    strcpy(at, ".part");
}

static int
write_content(int fd, const char *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pwrite(fd, data + done, size - done, (off_t)done);
        if (got < 0 && errno != EINTR)
            return 0;
        done += got > 0 ? (size_t)got : 0;
    }
    return 1;
}

struct timespec
time_of(int64_t ns)
{
    int64_t below = ns % SECOND < 0; /* division rounds towards zero */
    return (struct timespec){(time_t)(ns / SECOND - below), (long)(ns % SECOND + below * SECOND)};
}

int
give_time(int fd, const struct batch *batch, int64_t ns)
{
    const int64_t early = 315532800 * SECOND, late = ((int64_t)1 << 31) * SECOND;
    struct timespec times[2] = {batch->now, time_of(ns)};
    if (futimens(fd, times) < 0)
        return 0;
    if (early <= ns && ns < late) /* 1980 to 2038: any file system holds them */
        return 1;
    struct stat status;
    return fstat(fd, &status) == 0 && status.st_mtim.tv_sec == times[1].tv_sec &&
           status.st_mtim.tv_nsec == times[1].tv_nsec;
}

static int
is_born_with_owner(const struct birth *birth, const struct item *item)
{
    return birth->owner_known && (item->uid < 0 || item->uid == (int64_t)birth->uid) &&
           (item->gid < 0 || item->gid == (int64_t)birth->gid);
}

/* The mode to ask for: the one wanted if that shows the file to nobody whom it is not for. */
static mode_t
mode_at_birth(const struct birth *birth, const struct item *item)
{
    return is_born_with_owner(birth, item) && (item->mode & ~(mode_t)0777) == 0 ? item->mode : 0600;
}

/* Owner and mode, unless it was born with them. */
static int
give_rights(int fd, mode_t asked, struct birth *birth, const struct item *item)
{
    struct stat status;
    int looks = !birth->owner_known || (asked == item->mode && !birth->mode_known);
    if (looks && fstat(fd, &status) < 0)
        return 0;
    if (looks && !birth->owner_known) {
        birth->owner_known = 1, birth->uid = status.st_uid, birth->gid = status.st_gid;
    } else if (looks) {
        birth->mode = status.st_mode & 07777;
        birth->mode_known = birth->mode == item->mode;
    }
    if (!is_born_with_owner(birth, item) && fchown(fd, (uid_t)item->uid, (gid_t)item->gid) < 0)
        return 0;
    if (asked == item->mode && birth->mode_known && birth->mode == item->mode)
        return 1;
    return fchmod(fd, item->mode) == 0;
}

/* In the order metadata.py explains. */
static int
give_metadata(int fd, const struct batch *batch, const struct item *item)
{
    for (Py_ssize_t i = 0; i < item->xattr_count; i++) {
        const struct xattr *xattr = &item->xattrs[i];
        if (fsetxattr(fd, xattr->name, xattr->value, xattr->size, 0) < 0)
            return 0;
    }
    return give_time(fd, batch, item->mtime);
}

/* Whether the file is there under its final name; nothing of it is there otherwise. */
static int
write_one(const struct batch *batch, struct birth *birth, const struct item *item,
          const uint8_t *random)
{
    char temporary[TEMPORARY];
    mode_t asked = mode_at_birth(birth, item);
    int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    name_temporary(random, temporary);
    int fd = openat(batch->fd, temporary, flags, asked);
    if (fd < 0)
        return 0;
    int done = write_content(fd, item->data.buf, (size_t)item->data.len) &&
               !(item->flags_matter && inode_flags(fd) & batch->kept) &&
               give_rights(fd, asked, birth, item) && give_metadata(fd, batch, item);
    if (close(fd) < 0) /* where a network file system tells of a full disk: before the rename */
        done = 0;
    if (done && renameat(batch->fd, temporary, batch->fd, item->name) == 0)
        return 1;
    unlinkat(batch->fd, temporary, 0);
    return 0;
}

size_t
write_items(const struct batch *batch, const struct item *items, size_t count,
            const uint8_t *random)
{
    struct birth birth = {0};
    size_t done = 0;
    while (done < count && write_one(batch, &birth, &items[done], random + done * RANDOM))
        done++;
    return done;
}

/* A number of an object: 1 and the number, or 0 if it is none or too large. */
static int
number_of(PyObject *object, const char *name, int64_t *number)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    int overflow = 0;
    *number = value ? PyLong_AsLongLongAndOverflow(value, &overflow) : -1;
    Py_XDECREF(value);
    return !overflow && !(*number == -1 && PyErr_Occurred());
}

/* An id, or -1 for None; 0 if it is no id. */
static int
id_of(PyObject *object, const char *name, int64_t *id)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    int none = value == Py_None;
    Py_XDECREF(value);
    *id = -1;
    return none || (number_of(object, name, id) && *id >= 0 && *id <= LAST_ID);
}

/* Whether an attribute means no more than it says: no access control list, no capabilities. */
static int
is_simple(const char *name, Py_ssize_t size)
{
    static const char user[] = "user.", label[] = "security.selinux";
    return (Py_ssize_t)strlen(name) == size &&
           (strncmp(name, user, sizeof user - 1) == 0 || strcmp(name, label) == 0);
}

static int
take_xattr(PyObject *pair, struct xattr *xattr)
{
    char *name, *value;
    Py_ssize_t name_size, size;
    if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2 ||
        PyBytes_AsStringAndSize(PyTuple_GetItem(pair, 0), &name, &name_size) < 0 ||
        PyBytes_AsStringAndSize(PyTuple_GetItem(pair, 1), &value, &size) < 0)
        return 0;
    *xattr = (struct xattr){name, value, (size_t)size};
    return is_simple(name, name_size);
}

static int
take_xattrs(PyObject *attributes, struct item *item)
{
    PyObject *given = PyObject_GetAttrString(attributes, "xattrs");
    if (given == NULL || given == Py_None) {
        Py_XDECREF(given);
        return given != NULL;
    }
    item->owned = PySequence_Tuple(given);
    Py_DECREF(given);
    Py_ssize_t count = item->owned ? PyTuple_Size(item->owned) : 0;
    item->xattrs = count ? calloc((size_t)count, sizeof *item->xattrs) : NULL;
    if (item->owned == NULL || (count && item->xattrs == NULL))
        return 0;
    for (; item->xattr_count < count; item->xattr_count++)
        if (!take_xattr(PyTuple_GetItem(item->owned, item->xattr_count),
                        &item->xattrs[item->xattr_count]))
            return 0;
    return 1;
}

static int
take_flags(PyObject *attributes, struct item *item)
{
    PyObject *flags = PyObject_GetAttrString(attributes, "flags");
    item->flags_matter = flags != Py_None;
    int none = flags && (flags == Py_None || PyObject_Not(flags) == 1);
    Py_XDECREF(flags);
    return none;
}

int
take_attributes(PyObject *attributes, struct item *item)
{
    int64_t mode;
    if (!number_of(attributes, "mode", &mode) || !number_of(attributes, "mtime_ns", &item->mtime) ||
        mode & (S_ISUID | S_ISGID) || S_ISLNK((mode_t)mode))
        return 0;
    item->mode = (mode_t)mode & 07777;
    return id_of(attributes, "uid", &item->uid) && id_of(attributes, "gid", &item->gid) &&
           take_flags(attributes, item) && take_xattrs(attributes, item);
}

static int
take_item(PyObject *name, PyObject *data, PyObject *attributes, struct item *item)
{
    Py_ssize_t size;
    char *bytes;
    if (PyBytes_AsStringAndSize(name, &bytes, &size) < 0 ||
        PyObject_GetBuffer(data, &item->data, PyBUF_SIMPLE) < 0)
        return 0;
    item->name = bytes;
    return is_single_name(bytes, (size_t)size) && take_attributes(attributes, item);
}

void
drop_items(struct item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].data.obj)
            PyBuffer_Release(&items[i].data);
        Py_XDECREF(items[i].owned);
        free(items[i].xattrs);
    }
    free(items);
}

size_t
take_items(PyObject *lists[3], Py_ssize_t start, struct item *items)
{
    size_t taken = 0;
    for (Py_ssize_t i = start; i < PyTuple_Size(lists[0]); i++, taken++)
        if (!take_item(PyTuple_GetItem(lists[0], i), PyTuple_GetItem(lists[1], i),
                       PyTuple_GetItem(lists[2], i), &items[taken]))
            break;
    PyErr_Clear();
    return taken;
}

static PyObject *
write_from(const struct batch *batch, PyObject *lists[3], Py_ssize_t start, const Py_buffer *random)
{
    Py_ssize_t count = PyTuple_Size(lists[0]);
    if (PyTuple_Size(lists[1]) != count || PyTuple_Size(lists[2]) != count || start < 0 ||
        start > count || random->len < (count - start) * RANDOM) {
        PyErr_SetString(PyExc_ValueError, "the parts of the batch do not go together");
        return NULL;
    }
    struct item *items = calloc((size_t)(count - start) + 1, sizeof *items);
    if (items == NULL)
        return PyErr_NoMemory();
    size_t taken = take_items(lists, start, items), done;
    Py_BEGIN_ALLOW_THREADS
    done = write_items(batch, items, taken, random->buf);
    Py_END_ALLOW_THREADS
    drop_items(items, (size_t)(count - start));
    return PyLong_FromSsize_t(start + (Py_ssize_t)done);
}

PyObject *
write_batch(PyObject *module, PyObject *args)
{
    (void)module;
    struct batch batch;
    PyObject *given[3], *lists[3] = {NULL, NULL, NULL}, *done = NULL;
    Py_ssize_t start;
    Py_buffer random;
    long long now;
    if (!PyArg_ParseTuple(args, "iOOOny*LI", &batch.fd, &given[0], &given[1], &given[2], &start,
                          &random, &now, &batch.kept))
        return NULL;
    batch.now = time_of(now);
    int complete = 1;
    for (int i = 0; i < 3 && complete; i++)
        complete = (lists[i] = PySequence_Tuple(given[i])) != NULL;
    if (complete)
        done = write_from(&batch, lists, start, &random);
    for (int i = 0; i < 3; i++)
        Py_XDECREF(lists[i]);
    PyBuffer_Release(&random);
    return done;
}

#endif
