/* The objects that tell of files read: SmallRead, Entry and, where there is something to say, Extras. */

#include "files_read.h"

#ifdef __linux__

#include <string.h>

/* A named tuple out of a new tuple, without the price of its Python-level constructor. */
static PyObject *
named(const struct makers *makers, PyObject *type, PyObject *fields)
{
    PyObject *args = fields ? PyTuple_Pack(1, fields) : NULL;
    PyObject *made = args ? makers->tuple_new((PyTypeObject *)type, args, NULL) : NULL;
    Py_XDECREF(args);
    Py_XDECREF(fields);
    return made;
}

static PyObject *
exact_time(struct timespec time)
{
    const int64_t near = INT64_MAX / 1000000000;
    if (-near < time.tv_sec && time.tv_sec < near)
        return PyLong_FromLongLong((int64_t)time.tv_sec * 1000000000 + time.tv_nsec);
    PyObject *seconds = PyLong_FromLongLong(time.tv_sec), *unit = PyLong_FromLong(1000000000);
    PyObject *whole = seconds && unit ? PyNumber_Multiply(seconds, unit) : NULL;
    PyObject *part = PyLong_FromLong(time.tv_nsec);
    PyObject *sum = whole && part ? PyNumber_Add(whole, part) : NULL;
    Py_XDECREF(seconds);
    Py_XDECREF(unit);
    Py_XDECREF(whole);
    Py_XDECREF(part);
    return sum;
}

static PyObject *
make_entry(const struct makers *makers, const struct stat *status)
{
    PyObject *mtime = exact_time(status->st_mtim), *ctime = exact_time(status->st_ctim);
    PyObject *fields =
        mtime && ctime
            ? Py_BuildValue("(KLOOIIIkiy#)", (unsigned long long)status->st_ino,
                            (long long)status->st_size, mtime, ctime, status->st_mode,
                            status->st_uid, status->st_gid, (unsigned long)status->st_nlink, 0, "",
                            (Py_ssize_t)0)
            : NULL;
    Py_XDECREF(mtime);
    Py_XDECREF(ctime);
    return named(makers, makers->entry, fields);
}

/* Adds a pair made by Py_BuildValue to a list; -1 on failure. */
static int
add_pair(PyObject *list, PyObject *pair)
{
    int failed = pair == NULL || PyList_Append(list, pair) < 0;
    Py_XDECREF(pair);
    return failed ? -1 : 0;
}

/* Sorts records of the side buffer out into xattrs and failures; -1 on failure. */
static int
sort_out(const char *at, const char *end, PyObject *xattrs, PyObject *failures)
{
    while (at < end) {
        int32_t head[2];
        memcpy(head, at, sizeof head);
        const char *name = at + sizeof head, *value = name + head[0];
        int failed = head[1] < 0
                         ? add_pair(failures, Py_BuildValue("(y#i)", name, (Py_ssize_t)head[0],
                                                            (int)-head[1]))
                         : add_pair(xattrs, Py_BuildValue("(y#y#)", name, (Py_ssize_t)head[0],
                                                          value, (Py_ssize_t)head[1]));
        if (failed)
            return -1;
        at = value + (head[1] > 0 ? head[1] : 0);
    }
    return 0;
}

static PyObject *
make_extras(const struct makers *makers, const struct outcome *outcome, const struct side *side)
{
    unsigned flags = outcome->flags & makers->kept;
    if (outcome->side_begin == outcome->side_end && flags == 0)
        return Py_NewRef(Py_None);
    PyObject *xattrs = PyList_New(0), *failures = PyList_New(0), *extras = NULL;
    if (xattrs && failures &&
        sort_out(side->bytes + outcome->side_begin, side->bytes + outcome->side_end, xattrs,
                 failures) == 0)
        extras = PyObject_CallFunction(makers->extras, "OIO", xattrs, flags, failures);
    Py_XDECREF(xattrs);
    Py_XDECREF(failures);
    return extras;
}

static PyObject *
make_read(const struct makers *makers, const struct outcome *outcome, const struct side *side)
{
    PyObject *entry, *extras;
    if (outcome->error) {
        entry = Py_NewRef(Py_None);
        extras = Py_NewRef(Py_None);
    } else {
        entry = make_entry(makers, &outcome->status);
        extras = entry ? make_extras(makers, outcome, side) : NULL;
    }
    PyObject *fields = entry && extras ? Py_BuildValue("(nniOO)", (Py_ssize_t)outcome->offset,
                                                       (Py_ssize_t)outcome->length, outcome->error,
                                                       entry, extras)
                                       : NULL;
    Py_XDECREF(entry);
    Py_XDECREF(extras);
    return named(makers, makers->read, fields);
}

/* Whether a field of an entry has this value; one that is out of range has none. */
static int
holds(PyObject *entry, enum entry_field field, unsigned long long value)
{
    unsigned long long held = PyLong_AsUnsignedLongLong(PyTuple_GetItem(entry, field));
    if (held == (unsigned long long)-1 && PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    return held == value;
}

/* Whether a field holds this time, and it is settled. */
static int
holds_settled(PyObject *entry, enum entry_field field, struct timespec time, long long settled)
{
    const long long second = 1000000000;
    long long held = PyLong_AsLongLong(PyTuple_GetItem(entry, field));
    if (held == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    long long before = held % second < 0; /* seconds are rounded down, those of C towards 0 */
    return held <= settled && held / second - before == time.tv_sec &&
           held % second + before * second == time.tv_nsec;
}

/* Whether a file is what its entry says, nothing can hide behind its times, and there is no more
   to be told of it. */
static int
is_as_listed(const struct makers *makers, PyObject *entry, const struct outcome *outcome)
{
    const struct stat *status = &outcome->status;
    return outcome->error == 0 && outcome->side_begin == outcome->side_end &&
           (outcome->flags & makers->kept) == 0 &&
           (off_t)outcome->length == status->st_size && holds(entry, ENTRY_FLAGS, 0) &&
           (holds(entry, ENTRY_INODE, 0) || holds(entry, ENTRY_INODE, status->st_ino)) &&
           holds(entry, ENTRY_SIZE, outcome->length) &&
           holds_settled(entry, ENTRY_MTIME, status->st_mtim, makers->settled) &&
           holds_settled(entry, ENTRY_CTIME, status->st_ctim, makers->settled) &&
           holds(entry, ENTRY_MODE, status->st_mode) && holds(entry, ENTRY_UID, status->st_uid) &&
           holds(entry, ENTRY_GID, status->st_gid) && holds(entry, ENTRY_LINKS, status->st_nlink);
}

PyObject *
make_list(const struct makers *makers, PyObject *entries, const struct outcome *outcomes,
          const struct side *side)
{
    Py_ssize_t count = PyTuple_Size(entries);
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list && i < count; i++) {
        PyObject *read = is_as_listed(makers, PyTuple_GetItem(entries, i), &outcomes[i])
                             ? Py_NewRef(Py_None)
                             : make_read(makers, &outcomes[i], side);
        if (read)
            PyList_SetItem(list, i, read);
        else
            Py_CLEAR(list);
    }
    return list;
}

#endif
