/* Streams of NTFS: the quick twin of Scan._record (twofold/disk/ntfs/scan.py) for usual records.

   A usual record is of no file of the system's and names none in a folder that has files to be left
   out; it has no attribute list, and in clusters only unnamed content that is neither compressed nor
   encrypted, or the index of a folder. Of every other one, and wherever anything at all is not as
   it should be, only the index is told: then Python decides, and finds the words.

   The layouts of records and attributes stand in twofold/disk/ntfs/attributes.py. */

#include "disk.h"

#include <string.h>

enum {
    STANDARD_INFORMATION = 0x10,
    ATTRIBUTE_LIST = 0x20,
    FILE_NAME = 0x30,
    DATA = 0x80,
    INDEX_ALLOCATION = 0xA0,
    CODED = 0x4000 | 0x00FF, /* flags of an attribute: encrypted, compressed */
    STORED_SIZE = 64,
    MOST_STORED = 64,
    PARENT = 6,
    FIRST_USER_RECORD = 16,
    LEAST_RECORD = 64
};

static const uint32_t END = 0xFFFFFFFF;
static const uint64_t LIMIT = (uint64_t)1 << 63;
static const char FOLDER_INDEX[] = "$I30:$INDEX_ALLOCATION";
static const uint8_t I30[] = {'$', 0, 'I', 0, '3', 0, '0', 0};

struct volume {
    Py_buffer block, parents, recipe;
    Py_ssize_t record;
    unsigned long long cluster, units, first;
    PyObject *damaged, *own;
    struct stream_makers makers;
};

/* What is noted of a record on the way through its attributes. */
struct record {
    const uint8_t *bytes;
    uint32_t stored[MOST_STORED]; /* places of the attributes in clusters */
    size_t stored_count;
    const uint8_t *info;
    uint32_t info_size;
};

static int
in_listed_folder(const struct volume *volume, const uint8_t *name)
{
    const uint8_t *parents = volume->parents.buf;
    for (Py_ssize_t at = 0; at + PARENT <= volume->parents.len; at += PARENT)
        if (!memcmp(parents + at, name, PARENT))
            return 1;
    return 0;
}

/* A resident attribute; 0 when it is to be asked about. */
static int
note_value(const struct volume *volume, struct record *record, uint32_t kind,
           const uint8_t *attribute, uint32_t length)
{
    if (kind != STANDARD_INFORMATION && kind != FILE_NAME)
        return 1;
    uint32_t size = le32(attribute + 16), start = le16(attribute + 20);
    if (start > length || size > length - start)
        return 0;
    if (kind == FILE_NAME)
        return size < PARENT || !in_listed_folder(volume, attribute + start);
    if (record->info == NULL) {
        record->info = attribute + start;
        record->info_size = size;
    }
    return 1;
}

/* Goes through the attributes; 0 when the record is to be asked about. */
static int
walk(const struct volume *volume, struct record *record)
{
    uint32_t size = (uint32_t)volume->record, used = le32(record->bytes + 24);
    uint32_t limit = used < size ? used : size, place = le16(record->bytes + 20);
    for (;;) {
        if (place > limit || limit - place < 8)
            return 0;
        const uint8_t *attribute = record->bytes + place;
        uint32_t kind = le32(attribute), length = le32(attribute + 4);
        if (kind == END)
            return 1;
        if (length < 24 || length & 7 || length > limit - place || kind == ATTRIBUTE_LIST)
            return 0;
        if (attribute[8]) {
            if (record->stored_count == MOST_STORED)
                return 0;
            record->stored[record->stored_count++] = place;
        } else if (!note_value(volume, record, kind, attribute, length)) {
            return 0;
        }
        place += length;
    }
}

/* A number of so many bytes, little endian and signed. */
static int64_t
signed_number(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << 8 * i;
    if (bytes && bytes < 8 && at[bytes - 1] & 0x80)
        value |= ~(uint64_t)0 << 8 * bytes;
    int64_t number;
    memcpy(&number, &value, sizeof number);
    return number;
}

/* Moves to the first cluster of a run; 0 when that lies outside. */
static int
move(uint64_t *first, int64_t distance, uint64_t units)
{
    if (distance < 0) {
        uint64_t back = (uint64_t)-(distance + 1) + 1;
        if (back > *first)
            return 0;
        *first -= back;
        return 1;
    }
    if ((uint64_t)distance > units - *first)
        return 0;
    *first += (uint64_t)distance;
    return 1;
}

/* Decodes a run list; how many runs, with their units in all, or -1. */
static int
decode(const uint8_t *at, const uint8_t *end, uint64_t units, struct run *runs, uint64_t *total)
{
    int count = 0;
    uint64_t first = 0;
    *total = 0;
    for (; at < end && *at; count++) {
        unsigned of_length = *at & 15, of_distance = *at >> 4;
        if (of_length > 8 || of_distance > 8 || count == MOST_RUNS ||
            end - at < 1 + (long)of_length + (long)of_distance)
            return -1;
        int64_t length = signed_number(at + 1, of_length);
        if (length <= 0 || *total >= LIMIT - (uint64_t)length)
            return -1;
        runs[count].units = (uint64_t)length;
        runs[count].first = -1;
        if (of_distance) {
            int64_t distance = signed_number(at + 1 + of_length, of_distance);
            if (!move(&first, distance, units) || (uint64_t)length > units - first)
                return -1;
            runs[count].first = (int64_t)first;
        }
        *total += (uint64_t)length;
        at += 1 + of_length + of_distance;
    }
    return count;
}

/* Whether an attribute is one that is told here, and if it is, its name. */
static int
is_usual(const uint8_t *attribute, uint32_t length, struct stream *stream)
{
    uint32_t kind = le32(attribute), characters = attribute[9], start = le16(attribute + 10);
    stream->is_file = kind == DATA;
    stream->name = stream->is_file ? "" : FOLDER_INDEX;
    if (stream->is_file)
        return !characters && !(le16(attribute + 12) & CODED);
    return kind == INDEX_ALLOCATION && characters * 2 == sizeof I30 &&
           start + sizeof I30 <= length && !memcmp(attribute + start, I30, sizeof I30);
}

static PyObject *
stamp_of(const struct volume *volume, const struct record *record)
{
    uint8_t stamp[64];
    size_t size = (size_t)volume->recipe.len;
    if (!size || record->info == NULL)
        return PyBytes_FromStringAndSize(NULL, 0);
    memcpy(stamp, volume->recipe.buf, size);
    memcpy(stamp + size, record->bytes + 8, 10); /* log number and sequence */
    size += 10;
    for (uint32_t at = 8; at < 72 && at < record->info_size; at++)
        if (at < 24 || at >= 64)
            stamp[size++] = record->info[at];
    return PyBytes_FromStringAndSize((const char *)stamp, (Py_ssize_t)size);
}

static enum told
tell(const struct volume *volume, const struct record *record, uint64_t number, uint32_t place,
     PyObject *into)
{
    const uint8_t *attribute = record->bytes + place;
    uint32_t length = le32(attribute + 4);
    struct run runs[MOST_RUNS];
    struct stream stream = {.owner = number, .runs = runs};
    if (length < STORED_SIZE || !is_usual(attribute, length, &stream))
        return ASK;
    uint64_t first = le64(attribute + 16), last = le64(attribute + 24), total;
    uint32_t start = le16(attribute + 32);
    stream.size = le64(attribute + 48);
    stream.valid = le64(attribute + 56) < stream.size ? le64(attribute + 56) : stream.size;
    if (start > length || stream.size >= LIMIT || attribute[34] > 16 || first)
        return ASK;
    int count = decode(attribute + start, attribute + length, volume->units, runs, &total);
    uint64_t needed = stream.size / volume->cluster + (stream.size % volume->cluster != 0);
    if (count < 0 || total != last + 1 || needed > total)
        return ASK;
    int somewhere = 0;
    for (int i = 0; i < count; i++)
        somewhere |= runs[i].first >= 0;
    if (!somewhere)
        return TOLD;
    stream.run_count = (size_t)count;
    PyObject *stamp =
        stream.is_file ? stamp_of(volume, record) : PyBytes_FromStringAndSize(NULL, 0);
    return append_stream(into, &volume->makers, &stream, stamp) < 0 ? FAILED : TOLD;
}

static enum told
of_record(const struct volume *volume, uint64_t index, PyObject *into)
{
    struct record record = {.bytes = (const uint8_t *)volume->block.buf +
                                     index * (uint64_t)volume->record};
    uint64_t number = volume->first + index;
    if (le64(record.bytes + 32))
        return TOLD; /* it extends another one */
    if (number < FIRST_USER_RECORD)
        return ASK;
    if (!walk(volume, &record))
        return ASK;
    if (!record.stored_count)
        return TOLD;
    int owned = set_has(volume->own, number);
    if (owned)
        return owned < 0 ? FAILED : ASK;
    Py_ssize_t before = PyList_Size(into);
    enum told told = TOLD;
    for (size_t i = 0; told == TOLD && i < record.stored_count; i++)
        told = tell(volume, &record, number, record.stored[i], into);
    if (told == ASK && PyList_SetSlice(into, before, PyList_Size(into), NULL) < 0)
        return FAILED;
    return told;
}

static PyObject *
of_block(const struct volume *volume)
{
    PyObject *into = PyList_New(0);
    uint64_t count = (uint64_t)(volume->block.len / volume->record);
    const uint8_t *block = volume->block.buf;
    for (uint64_t index = 0; into && index < count; index++) {
        if (!(block[index * (uint64_t)volume->record + 22] & 1))
            continue; /* not in use */
        int damaged = set_has(volume->damaged, index);
        enum told told = damaged < 0 ? FAILED : damaged ? TOLD : of_record(volume, index, into);
        if (append_asked(into, told, index) < 0)
            Py_CLEAR(into);
    }
    return into;
}

PyObject *
ntfs_streams(PyObject *module, PyObject *arguments)
{
    (void)module;
    struct volume volume;
    PyObject *makers, *found = NULL;
    if (!PyArg_ParseTuple(arguments, "y*nKKKOOy*y*O!", &volume.block, &volume.record,
                          &volume.cluster, &volume.units, &volume.first, &volume.damaged,
                          &volume.own, &volume.parents, &volume.recipe, &PyTuple_Type, &makers))
        return NULL;
    if (volume.record < LEAST_RECORD || volume.record > UINT16_MAX || !volume.cluster ||
        volume.recipe.len > 8)
        PyErr_SetString(PyExc_ValueError, "a volume with impossible sizes");
    else if (take_stream_makers(makers, &volume.makers))
        found = of_block(&volume);
    PyBuffer_Release(&volume.block);
    PyBuffer_Release(&volume.parents);
    PyBuffer_Release(&volume.recipe);
    return found;
}
