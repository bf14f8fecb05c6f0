/* Packed listings taken apart; the Python twin is in twofold/platform/listing.py.

   A record is 56 bytes, little endian: inode, size, mtime, ctime (64 bits each), mode, uid, gid,
   links (32 each), length of the name, flags (16 each), 4 bytes of nothing; then the name. Who
   gets fewer records than asked for, and not the last one, has a bad one behind them: the twin
   is to say what is wrong with it. */

#include "listing.h"

#include <string.h>

enum { RECORD = 56, NAME_SIZE = 48, FLAGS = 50 };

struct name {
    const char *at;
    size_t size;
};

int
is_single_name(const char *name, size_t size)
{
    if (size == 0 || (size <= 2 && memcmp(name, "..", size) == 0))
        return 0;
    return memchr(name, '/', size) == NULL && memchr(name, 0, size) == NULL;
}

static uint64_t
number(const char *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = bytes; i-- > 0;)
        value = value << 8 | (uint8_t)at[i];
    return value;
}

static int
is_above(struct name name, struct name before)
{
    int order = memcmp(name.at, before.at, name.size < before.size ? name.size : before.size);
    return order ? order > 0 : name.size > before.size;
}

static int
set(PyObject *tuple, Py_ssize_t field, PyObject *value)
{
    return value == NULL || PyTuple_SetItem(tuple, field, value) < 0;
}

/* An Entry, filled in place: without the price of a constructor of named tuples. */
static PyObject *
make_entry(PyObject *type, const char *at, struct name name)
{
    PyObject *entry = PyType_GenericAlloc((PyTypeObject *)type, ENTRY_FIELDS);
    if (entry == NULL)
        return NULL;
    int failed = set(entry, ENTRY_INODE, PyLong_FromUnsignedLongLong(number(at, 8))) ||
                 set(entry, ENTRY_SIZE, PyLong_FromUnsignedLongLong(number(at + 8, 8))) ||
                 set(entry, ENTRY_MTIME, PyLong_FromLongLong((int64_t)number(at + 16, 8))) ||
                 set(entry, ENTRY_CTIME, PyLong_FromLongLong((int64_t)number(at + 24, 8)));
    for (int i = 0; !failed && i < 4; i++) /* mode, uid, gid, links */
        failed = set(entry, ENTRY_MODE + i, PyLong_FromUnsignedLongLong(number(at + 32 + 4 * i, 4)));
    failed = failed || set(entry, ENTRY_FLAGS, PyLong_FromLong((long)number(at + FLAGS, 2))) ||
             set(entry, ENTRY_NAME, PyBytes_FromStringAndSize(name.at, (Py_ssize_t)name.size));
    if (failed)
        Py_CLEAR(entry);
    return entry;
}

/* Appends (Entry, record with its name); -1 with an exception set. */
static int
append_pair(PyObject *into, PyObject *type, const char *at, struct name name)
{
    PyObject *entry = make_entry(type, at, name);
    PyObject *record = PyBytes_FromStringAndSize(at, RECORD + (Py_ssize_t)name.size);
    PyObject *pair = entry && record ? PyTuple_Pack(2, entry, record) : NULL;
    int failed = pair == NULL || PyList_Append(into, pair) < 0;
    Py_XDECREF(entry);
    Py_XDECREF(record);
    Py_XDECREF(pair);
    return failed ? -1 : 0;
}

/* Appends pairs of at most so many records; where the first one lies that was not taken, or -1. */
static Py_ssize_t
append_pairs(PyObject *into, PyObject *type, const char *listing, Py_ssize_t size, Py_ssize_t at,
             Py_ssize_t most, struct name before)
{
    for (; most > 0 && size - at > RECORD; most--) {
        const char *record = listing + at;
        struct name name = {record + RECORD, (size_t)number(record + NAME_SIZE, 2)};
        if ((Py_ssize_t)name.size > size - at - RECORD || !is_above(name, before) ||
            !is_single_name(name.at, name.size))
            break;
        if (append_pair(into, type, record, name) < 0)
            return -1;
        before = name;
        at += RECORD + (Py_ssize_t)name.size;
    }
    return at;
}

static PyObject *
list_records(PyObject *module, PyObject *arguments)
{
    (void)module;
    Py_buffer listing, before;
    Py_ssize_t at, most;
    PyObject *type, *list = NULL;
    if (!PyArg_ParseTuple(arguments, "y*nny*O!", &listing, &at, &most, &before, &PyType_Type,
                          &type))
        return NULL;
    if (at < 0 || at > listing.len)
        PyErr_SetString(PyExc_ValueError, "beyond the listing");
    else if (!PyType_IsSubtype((PyTypeObject *)type, &PyTuple_Type))
        PyErr_SetString(PyExc_TypeError, "entries are named tuples");
    else
        list = PyList_New(0);
    if (list) {
        struct name last = {before.buf, (size_t)before.len};
        at = append_pairs(list, type, listing.buf, listing.len, at, most, last);
        if (at < 0)
            Py_CLEAR(list);
    }
    PyBuffer_Release(&listing);
    PyBuffer_Release(&before);
    return list ? Py_BuildValue("(Nn)", list, at) : NULL;
}

static PyMethodDef functions[] = {
    {"list_records", list_records, METH_VARARGS,
     "list_records(listing, at, most, before, entry) -> (pairs of entry and record, where it ended)."},
    {NULL, NULL, 0, NULL},
};

int
add_listing(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
