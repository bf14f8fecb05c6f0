/* Claiming units: the quick twin of the loop of gather (twofold/imaging/gather.py) for streams that
   lie in one run, hold what is to be kept, and meet nothing that was claimed before. It ends at the
   first stream that is another, which Python then looks at. */

#include "disk.h"

enum { OWNER, NAME, ROLE, SIZE, VALID, RUNS, STAMP, DISCARD, ASLEEP, FIELDS };

static const uint64_t MOST = (uint64_t)1 << 62; /* units or bytes: more than any disk has */

struct volume {
    Py_buffer claimed;
    unsigned long long unit, units;
    PyObject *into, *wanted, *file, *meta, *file_entry, *meta_entry;
};

/* A number that is not negative; 0 if it is something else. */
static int
number_of(PyObject *object, uint64_t *number)
{
    *number = PyLong_AsUnsignedLongLong(object);
    if (*number == (uint64_t)-1 && PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    return *number < MOST;
}

/* The only run of a stream; 0 if there are more, or it is a hole. */
static int
only_run(PyObject *runs, uint64_t *first, uint64_t *units)
{
    if (!PyTuple_Check(runs) || PyTuple_Size(runs) != 1)
        return 0;
    PyObject *run = PyTuple_GetItem(runs, 0);
    return PyTuple_Check(run) && PyTuple_Size(run) == 2 &&
           number_of(PyTuple_GetItem(run, 0), first) && number_of(PyTuple_GetItem(run, 1), units);
}

/* Claims units if none of them is claimed; whether it did. */
static int
claim(uint8_t *bits, uint64_t first, uint64_t units)
{
    uint64_t end = first + units;
    for (uint64_t unit = first; unit < end;) {
        if (!(unit & 7) && end - unit >= 8) {
            if (bits[unit >> 3])
                return 0;
            unit += 8;
        } else {
            if (bits[unit >> 3] >> (unit & 7) & 1)
                return 0;
            unit++;
        }
    }
    for (uint64_t unit = first; unit < end;) {
        if (!(unit & 7) && end - unit >= 8) {
            bits[unit >> 3] = 0xFF;
            unit += 8;
        } else {
            bits[unit >> 3] |= (uint8_t)(1 << (unit & 7));
            unit++;
        }
    }
    return 1;
}

static size_t
put(uint8_t *out, uint64_t number)
{
    size_t size = 0;
    for (; number > 0x7F; number >>= 7)
        out[size++] = (uint8_t)(number & 0x7F) | 0x80;
    out[size++] = (uint8_t)number;
    return size;
}

/* Whether it is a stream that is taken here, and if so, its numbers. */
static int
is_usual(const struct volume *volume, PyObject *stream, uint64_t *first, uint64_t *units)
{
    uint64_t size;
    if (!PyTuple_Check(stream) || PyTuple_Size(stream) != FIELDS)
        return 0;
    PyObject *role = PyTuple_GetItem(stream, ROLE);
    if ((role != volume->file && role != volume->meta) ||
        PyTuple_GetItem(stream, DISCARD) != Py_False ||
        PyTuple_GetItem(stream, ASLEEP) != Py_False ||
        !only_run(PyTuple_GetItem(stream, RUNS), first, units) ||
        !number_of(PyTuple_GetItem(stream, SIZE), &size))
        return 0;
    uint64_t needed = size / volume->unit + (size % volume->unit != 0);
    return *units && *units <= needed && *units <= volume->units &&
           *first <= volume->units - *units;
}

static enum told
take(const struct volume *volume, PyObject *stream)
{
    uint64_t first, units, size, valid;
    uint8_t packed[20];
    if (!is_usual(volume, stream, &first, &units) ||
        !number_of(PyTuple_GetItem(stream, SIZE), &size) ||
        !number_of(PyTuple_GetItem(stream, VALID), &valid) ||
        !claim(volume->claimed.buf, first, units))
        return ASK;
    size_t length = put(packed, units << 1);
    length += put(packed + length, first << 1);
    PyObject *role = PyTuple_GetItem(stream, ROLE) == volume->file ? volume->file_entry
                                                                    : volume->meta_entry;
    PyObject *fields = Py_BuildValue(
        "(KOOOOOy#OK)", (unsigned long long)first, role, PyTuple_GetItem(stream, OWNER),
        PyTuple_GetItem(stream, NAME), PyTuple_GetItem(stream, SIZE),
        PyTuple_GetItem(stream, valid < size ? VALID : SIZE), packed, (Py_ssize_t)length,
        PyTuple_GetItem(stream, STAMP), (unsigned long long)units);
    PyObject *made = named_tuple(volume->wanted, fields);
    int failed = made == NULL || PyList_Append(volume->into, made) < 0;
    Py_XDECREF(made);
    return failed ? FAILED : TOLD;
}

PyObject *
claim_streams(PyObject *module, PyObject *arguments)
{
    (void)module;
    struct volume volume;
    PyObject *streams;
    Py_ssize_t at;
    if (!PyArg_ParseTuple(arguments, "O!nKKw*O!(OOOO)O!", &PyList_Type, &streams, &at,
                          &volume.unit, &volume.units, &volume.claimed, &PyList_Type,
                          &volume.into, &volume.file, &volume.file_entry, &volume.meta,
                          &volume.meta_entry, &PyType_Type, &volume.wanted))
        return NULL;
    enum told told = TOLD;
    if (at < 0 || !volume.unit || volume.units >= MOST ||
        (uint64_t)volume.claimed.len < (volume.units + 7) / 8) {
        PyErr_SetString(PyExc_ValueError, "a volume with impossible sizes");
        told = FAILED;
    }
    for (; told == TOLD && at < PyList_Size(streams); at += told == TOLD)
        told = take(&volume, PyList_GetItem(streams, at));
    PyBuffer_Release(&volume.claimed);
    return told == FAILED ? NULL : PyLong_FromSsize_t(at);
}
