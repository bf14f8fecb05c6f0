/* Searching an index object where it lies (docs/format/index.md): the quick twin of IndexRun.

   The counts in the head are checked once against the bytes that are there, so no number found in a
   column can lead out of the buffer: frame numbers are compared with the count before they are used.
   Lookups keep the interpreter's lock: they take less time than giving it away and back. */

#include "index.h"

PyTypeObject *columns_type;

void
format_error(const char *message)
{
    PyObject *errors = PyImport_ImportModule("twofold.errors");
    PyObject *type = errors == NULL ? NULL : PyObject_GetAttrString(errors, "FormatError");
    if (type != NULL)
        PyErr_SetString(type, message);
    Py_XDECREF(type);
    Py_XDECREF(errors);
}

/* Where the columns begin; 0 when the counts do not fill the data exactly. */
static int
divide(Columns *columns)
{
    const uint8_t *data = columns->buffer.buf;
    uint64_t size = (uint64_t)columns->buffer.len;
    if (size < HEAD_ROW)
        return 0;
    uint64_t packs = u32(data), frames = u32(data + 4), blobs = u32(data + 8);
    if (HEAD_ROW + packs * PACK_ROW + frames * FRAME_ROW + blobs * (ID + BLOB_ROW) != size)
        return 0;
    columns->pack_count = (uint32_t)packs;
    columns->frame_count = (uint32_t)frames;
    columns->blob_count = (uint32_t)blobs;
    columns->packs = data + HEAD_ROW;
    columns->frames = columns->packs + packs * PACK_ROW;
    columns->ids = columns->frames + frames * FRAME_ROW;
    columns->rows = columns->ids + blobs * ID;
    return 1;
}

static PyObject *
columns_new(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    PyObject *data;
    if (names != NULL && PyDict_Size(names) > 0) {
        PyErr_SetString(PyExc_TypeError, "IndexColumns takes no names");
        return NULL;
    }
    if (!PyArg_ParseTuple(arguments, "O", &data))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Columns *self = (Columns *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    if (PyObject_GetBuffer(data, &self->buffer, PyBUF_SIMPLE) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    if (!divide(self)) {
        format_error("an index object has impossible counts");
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void
columns_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    Columns *self = (Columns *)object;
    if (self->buffer.obj != NULL)
        PyBuffer_Release(&self->buffer);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

/* The first position whose id is not below the one wanted. */
static uint32_t
lower_bound(const Columns *columns, const uint8_t *id)
{
    uint32_t low = 0, high = columns->blob_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (memcmp(columns->ids + (size_t)middle * ID, id, ID) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* (first, end) of the positions of an id, the same number twice if there are none. */
static PyObject *
columns_span(PyObject *object, PyObject *argument)
{
    const Columns *self = (Columns *)object;
    Py_buffer id;
    if (PyObject_GetBuffer(argument, &id, PyBUF_SIMPLE) < 0)
        return NULL;
    uint32_t first = 0, end = 0;
    if (id.len == ID) {
        end = first = lower_bound(self, id.buf);
        while (end < self->blob_count && !memcmp(self->ids + (size_t)end * ID, id.buf, ID))
            end++;
    }
    PyBuffer_Release(&id);
    return Py_BuildValue("II", first, end);
}

/* The first place of an id that can be one: (position, frame, offset, length), None for none. */
static PyObject *
columns_first(PyObject *object, PyObject *argument)
{
    const Columns *self = (Columns *)object;
    Py_buffer id;
    if (PyObject_GetBuffer(argument, &id, PyBUF_SIMPLE) < 0)
        return NULL;
    uint32_t at = id.len == ID ? lower_bound(self, id.buf) : self->blob_count;
    uint32_t frame = 0, offset = 0, length = 0;
    int found = 0;
    for (; at < self->blob_count && !memcmp(self->ids + (size_t)at * ID, id.buf, ID); at++) {
        const uint8_t *row = self->rows + (size_t)at * BLOB_ROW;
        frame = u32(row), offset = u32(row + 4), length = u32(row + 8);
        found = frame < self->frame_count
                && (uint64_t)offset + length <= u32(self->frames + (size_t)frame * FRAME_ROW + 8)
                && pack_of(self, frame) >= 0;
        if (found)
            break;
    }
    PyBuffer_Release(&id);
    if (!found)
        Py_RETURN_NONE;
    return Py_BuildValue("IIII", at, frame, offset, length);
}

int64_t
pack_of(const Columns *columns, uint32_t frame)
{
    uint32_t low = 0, high = columns->pack_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const uint8_t *row = columns->packs + (size_t)middle * PACK_ROW;
        uint64_t first = u32(row + 24), count = u32(row + 28);
        if (frame < first)
            high = middle;
        else if (frame >= first + count)
            low = middle + 1;
        else
            return middle;
    }
    return -1;
}

static PyObject *
place(const Columns *self, const uint8_t *row)
{
    uint32_t number = u32(row), offset = u32(row + 4), length = u32(row + 8);
    if (number >= self->frame_count)
        return format_error("an index object names a frame it does not list"), NULL;
    const uint8_t *frame = self->frames + (size_t)number * FRAME_ROW;
    if ((uint64_t)offset + length > u32(frame + 8))
        return format_error("an index object places a blob outside its frame"), NULL;
    int64_t owner = pack_of(self, number);
    if (owner < 0)
        return format_error("an index object lists a frame without a pack"), NULL;
    const uint8_t *pack = self->packs + owner * PACK_ROW;
    unsigned long long size = u32(pack + 16) | (unsigned long long)u32(pack + 20) << 32;
    return Py_BuildValue("(y#Ky#Ib)(IIIIb)II", pack, (Py_ssize_t)16, size, pack + 32,
                         (Py_ssize_t)32, u32(pack + 64), pack[68], u32(frame + 12) & 0xffffff,
                         u32(frame), u32(frame + 4), u32(frame + 8), frame[15], offset, length);
}

static PyObject *
columns_place(PyObject *object, PyObject *argument)
{
    const Columns *self = (Columns *)object;
    size_t position = PyLong_AsSize_t(argument);
    if (position == (size_t)-1 && PyErr_Occurred())
        return NULL;
    if (position >= self->blob_count)
        return PyErr_SetString(PyExc_IndexError, "no such position"), NULL;
    return place(self, self->rows + position * BLOB_ROW);
}

int
is_regular(const Columns *columns)
{
    uint64_t taken = 0;
    for (uint32_t i = 0; i < columns->pack_count; i++) {
        const uint8_t *row = columns->packs + (size_t)i * PACK_ROW;
        if (u32(row + 24) != taken)
            return 0;
        taken += u32(row + 28);
    }
    return taken == columns->frame_count;
}

static int
is_ascending(const Columns *columns)
{
    for (uint32_t i = 1; i < columns->blob_count; i++)
        if (memcmp(columns->ids + (size_t)(i - 1) * ID, columns->ids + (size_t)i * ID, ID) > 0)
            return 0;
    return 1;
}

static PyObject *
columns_prove(PyObject *object, PyObject *none)
{
    const Columns *self = (Columns *)object;
    int regular, ascending;
    (void)none;
    Py_BEGIN_ALLOW_THREADS
    regular = is_regular(self), ascending = is_ascending(self);
    Py_END_ALLOW_THREADS
    if (!regular)
        return format_error("an index object does not divide its frames among its packs"), NULL;
    if (!ascending)
        return format_error("the blobs of an index object are out of order"), NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"span", columns_span, METH_O, "span(id): (first, end) of the positions of a blob."},
    {"first", columns_first, METH_O, "first(id): position, frame, offset, length; None if unlisted."},
    {"place", columns_place, METH_O, "place(position): the fields of pack and frame, offset, length."},
    {"prove", columns_prove, METH_NOARGS, "prove(): FormatError unless it can be searched."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)columns_new},
    {Py_tp_dealloc, (void *)columns_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_doc, "IndexColumns(data): the contents of an index object, searched in place."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "twofold._native.IndexColumns",
    .basicsize = sizeof(Columns),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

PyTypeObject *
add_type(PyObject *module, PyType_Spec *of, const char *name)
{
    PyObject *type = PyType_FromSpec(of);
    if (type != NULL && PyModule_AddObjectRef(module, name, type) < 0)
        Py_CLEAR(type);
    return (PyTypeObject *)type;
}

int
add_index(PyObject *module)
{
    columns_type = add_type(module, &spec, "IndexColumns"); /* kept: objects are compared with it */
    return columns_type == NULL ? -1 : add_index_table(module);
}
