/* A set of blob ids: those of index objects, by reference, and further ones of its own.

   Open addressing with linear probing. A slot is 8 bytes: a hash of 36 bits, and in 28 bits the
   ordinal of the id plus one (0 is an empty slot). Ordinals count through segments of ids: an index
   object is one, so are blocks of ids put in one by one. Equal hashes are confirmed by the whole id
   in its segment; each that lies costs a page of a mapped file, so the hash has as many bits as fit.
   The home of a hash h among C slots is about h * C / 2^36, so growing needs no id again and goes
   through the old and the new slots in the same order. At most three quarters of the slots are
   taken: 11 to 16 bytes per id, and 32 more for ids of its own.

   The hash is multilinear under a random seed, so nobody can make ids that collide (Carter and
   Wegman, Universal classes of hash functions, 1979). Everything here runs under the interpreter's
   lock, which makes "claim" true exactly once; it takes less time than to give the lock away. */

#include "index.h"

enum { BLOCK = 1 << 14, AHEAD = 16, ORDINAL_BITS = 28, MOST = (1 << ORDINAL_BITS) - 1 };

typedef struct {
    const uint8_t *ids;
    uint64_t first; /* ordinal of its first id */
    PyObject *owner; /* the index object; NULL for a block, which is ours */
} Segment;

typedef struct {
    PyObject_HEAD
    uint64_t seed[4];
    uint64_t *slots;
    uint64_t capacity, used;
    Segment *segments;
    size_t segment_count;
    uint64_t ordinals; /* how many are given to segments */
    uint8_t *block;    /* takes the next id of our own */
    uint64_t block_first;
    uint32_t block_used;
} Table;

static uint64_t
hash(const Table *table, const uint8_t *id)
{
    uint64_t words[4], sum = 0;
    memcpy(words, id, ID);
    for (int i = 0; i < 4; i++)
        sum += words[i] * table->seed[i];
    return sum >> ORDINAL_BITS;
}

static uint64_t
home(const Table *table, uint64_t hashed)
{
    return (hashed >> (32 - ORDINAL_BITS)) * table->capacity >> 32;
}

static const uint8_t *
id_at(const Table *table, uint64_t ordinal)
{
    size_t low = 0, high = table->segment_count;
    while (high - low > 1) { /* the last segment that does not begin behind it */
        size_t middle = low + (high - low) / 2;
        if (table->segments[middle].first <= ordinal)
            low = middle;
        else
            high = middle;
    }
    return table->segments[low].ids + (ordinal - table->segments[low].first) * ID;
}

/* The slot of an id, or the empty one where it belongs; there is always an empty one. */
static uint64_t *
slot_of(const Table *table, uint64_t hashed, const uint8_t *id)
{
    uint64_t at = home(table, hashed);
    for (;;) {
        uint64_t slot = table->slots[at];
        if (slot == 0)
            return &table->slots[at];
        if (slot >> ORDINAL_BITS == hashed && !memcmp(id_at(table, (slot & MOST) - 1), id, ID))
            return &table->slots[at];
        if (++at == table->capacity)
            at = 0;
    }
}

/* Makes room for more ids; -1 with MemoryError set. */
static int
reserve(Table *table, uint64_t more)
{
    uint64_t needed = (table->used + more) * 4 / 3 + 2;
    if (needed <= table->capacity)
        return 0;
    Table old = *table;
    table->capacity = needed > old.capacity * 3 / 2 ? needed : old.capacity * 3 / 2;
    table->slots = table->capacity >> 32 ? NULL : PyMem_Calloc(table->capacity, sizeof(uint64_t));
    if (table->slots == NULL) {
        *table = old;
        PyErr_NoMemory();
        return -1;
    }
    for (uint64_t i = 0; i < old.capacity; i++) {
        if (old.slots[i] == 0)
            continue;
        uint64_t at = home(table, old.slots[i] >> ORDINAL_BITS);
        while (table->slots[at] != 0)
            if (++at == table->capacity)
                at = 0;
        table->slots[at] = old.slots[i];
    }
    PyMem_Free(old.slots);
    return 0;
}

/* Gives ordinals to a segment of ids; -1 with an exception set. */
static int
add_segment(Table *table, const uint8_t *ids, uint64_t count, PyObject *owner)
{
    size_t size = (table->segment_count + 1) * sizeof(Segment);
    if (table->ordinals + count >= MOST) {
        PyErr_SetString(PyExc_OverflowError, "too many blobs");
        return -1;
    }
    Segment *segments = PyMem_Realloc(table->segments, size);
    if (segments == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    table->segments = segments;
    segments[table->segment_count++] = (Segment){ids, table->ordinals, owner};
    table->ordinals += count;
    Py_XINCREF(owner);
    return 0;
}

/* The frame after the last one of a pack. */
static uint64_t
end_of(const Columns *columns, int64_t pack)
{
    const uint8_t *row = columns->packs + pack * PACK_ROW;
    return (uint64_t)u32(row + 24) + u32(row + 28);
}

/* Which frames may hold blobs: 1 per frame that has a pack, and one that is usable. */
static uint8_t *
usable_frames(const Columns *columns, const uint8_t *usable)
{
    uint8_t *good = PyMem_Calloc((size_t)columns->frame_count + 1, 1);
    int regular = is_regular(columns);
    int64_t pack = 0;
    for (uint32_t frame = 0; good != NULL && frame < columns->frame_count; frame++) {
        if (!regular)
            pack = pack_of(columns, frame);
        while (regular && pack < columns->pack_count && frame >= end_of(columns, pack))
            pack++;
        int owned = pack >= 0 && pack < columns->pack_count;
        good[frame] = owned && (usable == NULL || usable[pack]);
    }
    return good;
}

/* Whether the place of a blob is possible and good. */
static int
is_good(const Columns *columns, const uint8_t *good, uint32_t position)
{
    const uint8_t *row = columns->rows + (size_t)position * BLOB_ROW;
    uint32_t number = u32(row);
    if (number >= columns->frame_count || !good[number])
        return 0;
    uint64_t end = (uint64_t)u32(row + 4) + u32(row + 8);
    return end <= u32(columns->frames + (size_t)number * FRAME_ROW + 8);
}

/* Puts in the good ids of an object whose first ordinal is ``first``, a few of them at a time. */
static void
insert_all(Table *table, const Columns *columns, const uint8_t *good, uint64_t first)
{
    uint64_t hashes[AHEAD];
    for (uint32_t start = 0, here; start < columns->blob_count; start += here) {
        here = columns->blob_count - start < AHEAD ? columns->blob_count - start : AHEAD;
        for (uint32_t i = 0; i < here; i++) {
            hashes[i] = hash(table, columns->ids + (size_t)(start + i) * ID);
#if defined(__GNUC__)
            __builtin_prefetch(&table->slots[home(table, hashes[i])], 1);
#endif
        }
        for (uint32_t i = 0; i < here; i++) {
            const uint8_t *id = columns->ids + (size_t)(start + i) * ID;
            if (!is_good(columns, good, start + i))
                continue;
            uint64_t *slot = slot_of(table, hashes[i], id);
            if (*slot == 0) {
                *slot = hashes[i] << ORDINAL_BITS | (first + start + i + 1);
                table->used++;
            }
        }
    }
}

static PyObject *
table_add(PyObject *object, PyObject *arguments)
{
    Table *table = (Table *)object;
    PyObject *argument;
    const char *usable = NULL;
    Py_ssize_t length = 0;
    if (!PyArg_ParseTuple(arguments, "O!|z#", columns_type, &argument, &usable, &length))
        return NULL;
    const Columns *columns = (Columns *)argument;
    if (usable != NULL && (size_t)length != columns->pack_count)
        return PyErr_SetString(PyExc_ValueError, "one byte per pack is wanted"), NULL;
    uint64_t first = table->ordinals;
    uint8_t *good = usable_frames(columns, (const uint8_t *)usable);
    if (good == NULL)
        return PyErr_NoMemory();
    int failed = reserve(table, columns->blob_count) < 0
                 || add_segment(table, columns->ids, columns->blob_count, argument) < 0;
    if (!failed)
        insert_all(table, columns, good, first);
    PyMem_Free(good);
    return failed ? NULL : Py_NewRef(Py_None);
}

/* The bytes of an id in ``view``; -1 with an exception set, and nothing to release. */
static int
take_id(PyObject *argument, Py_buffer *view)
{
    if (PyObject_GetBuffer(argument, view, PyBUF_SIMPLE) < 0)
        return -1;
    if (view->len == ID)
        return 0;
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_ValueError, "an id has 32 bytes");
    return -1;
}

/* Room for one more id of our own, in a new block if need be. */
static int
next_of_ours(Table *table)
{
    if (table->block != NULL && table->block_used < BLOCK)
        return 0;
    uint8_t *block = PyMem_Malloc((size_t)BLOCK * ID);
    if (block == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (add_segment(table, block, BLOCK, NULL) < 0) {
        PyMem_Free(block);
        return -1;
    }
    table->block = block;
    table->block_first = table->ordinals - BLOCK;
    table->block_used = 0;
    return 0;
}

static int
claim(Table *table, const uint8_t *id)
{
    if (reserve(table, 1) < 0)
        return -1;
    uint64_t hashed = hash(table, id);
    uint64_t *slot = slot_of(table, hashed, id);
    if (*slot != 0)
        return 0;
    if (next_of_ours(table) < 0)
        return -1;
    memcpy(table->block + (size_t)table->block_used * ID, id, ID);
    *slot = hashed << ORDINAL_BITS | (table->block_first + table->block_used + 1);
    table->block_used++;
    table->used++;
    return 1;
}

static PyObject *
table_claim(PyObject *object, PyObject *argument)
{
    Py_buffer id;
    if (take_id(argument, &id) < 0)
        return NULL;
    int outcome = claim((Table *)object, id.buf);
    PyBuffer_Release(&id);
    return outcome < 0 ? NULL : PyBool_FromLong(outcome);
}

/* Claims ids that ``known`` (which may be NULL) does not hold: 1 per id that was not there, else 0. */
static int
claim_all(Table *table, const Table *known, const uint8_t *ids, size_t count, uint8_t *fresh)
{
    for (size_t i = 0; i < count; i++, ids += ID) {
        int there = known != NULL && *slot_of(known, hash(known, ids), ids) != 0;
        int outcome = there ? 0 : claim(table, ids);
        if (outcome < 0)
            return -1;
        fresh[i] = (uint8_t)outcome;
    }
    return 0;
}

static PyObject *
table_claim_many(PyObject *object, PyObject *arguments)
{
    Py_buffer ids;
    PyObject *known = Py_None, *result = NULL;
    if (!PyArg_ParseTuple(arguments, "y*|O", &ids, &known))
        return NULL;
    if (known != Py_None && Py_TYPE(known) != Py_TYPE(object))
        PyErr_SetString(PyExc_TypeError, "another IndexTable or None is wanted");
    else if (ids.len % ID)
        PyErr_SetString(PyExc_ValueError, "an id has 32 bytes");
    else
        result = PyBytes_FromStringAndSize(NULL, ids.len / ID);
    if (result != NULL) {
        const Table *other = known == Py_None ? NULL : (Table *)known;
        uint8_t *fresh = (uint8_t *)PyBytes_AsString(result);
        if (claim_all((Table *)object, other, ids.buf, (size_t)ids.len / ID, fresh) < 0)
            Py_CLEAR(result);
    }
    PyBuffer_Release(&ids);
    return result;
}

static int
table_contains(PyObject *object, PyObject *argument)
{
    const Table *table = (Table *)object;
    Py_buffer id;
    if (take_id(argument, &id) < 0)
        return -1;
    int found = *slot_of(table, hash(table, id.buf), id.buf) != 0;
    PyBuffer_Release(&id);
    return found;
}

static Py_ssize_t
table_length(PyObject *object)
{
    return (Py_ssize_t)((Table *)object)->used;
}

static PyObject *
table_new(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    const char *seed;
    Py_ssize_t length, expected = 0;
    if (names != NULL && PyDict_Size(names) > 0)
        return PyErr_SetString(PyExc_TypeError, "IndexTable takes no names"), NULL;
    if (!PyArg_ParseTuple(arguments, "y#|n", &seed, &length, &expected))
        return NULL;
    if (expected < 0 || expected >= MOST)
        return PyErr_SetString(PyExc_OverflowError, "too many blobs"), NULL;
    if (length != ID)
        return PyErr_SetString(PyExc_ValueError, "a seed has 32 bytes"), NULL;
    Table *table = (Table *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (table == NULL)
        return NULL;
    memcpy(table->seed, seed, ID);
    for (int i = 0; i < 4; i++)
        table->seed[i] |= 1; /* an even factor would lose bits */
    if (reserve(table, (uint64_t)expected) < 0)
        Py_CLEAR(table);
    return (PyObject *)table;
}

static void
table_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    Table *table = (Table *)object;
    for (size_t i = 0; i < table->segment_count; i++) {
        if (table->segments[i].owner == NULL)
            PyMem_Free((void *)table->segments[i].ids);
        Py_XDECREF(table->segments[i].owner);
    }
    PyMem_Free(table->segments);
    PyMem_Free(table->slots);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"add", table_add, METH_VARARGS,
     "add(columns, usable=None): all blobs at possible places, in packs with a byte other than 0."},
    {"claim", table_claim, METH_O, "claim(id): put an id in; whether it was not there."},
    {"claim_many", table_claim_many, METH_VARARGS,
     "claim_many(ids, known=None): the same for many that ``known`` does not hold; a byte for each."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)table_new},
    {Py_tp_dealloc, (void *)table_dealloc},
    {Py_tp_methods, methods},
    {Py_sq_contains, (void *)table_contains},
    {Py_sq_length, (void *)table_length},
    {Py_tp_doc, "IndexTable(seed, expected=0): a set of blob ids, most of them kept in index objects."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "twofold._native.IndexTable",
    .basicsize = sizeof(Table),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int
add_index_table(PyObject *module)
{
    PyTypeObject *type = add_type(module, &spec, "IndexTable");
    Py_XDECREF((PyObject *)type); /* the module holds it */
    return type == NULL ? -1 : 0;
}
