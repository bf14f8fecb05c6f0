/* Streams of ext4: the quick twin of StreamPass._of_inode (twofold/disk/ext/streams.py) for usual
   inodes, where units are blocks.

   A usual inode is of no file of the system's, and has extents that all stand in itself. Of every
   other one that may have blocks, and wherever anything at all is not as it should be, only the
   index is told: then Python decides, and finds the words.

   The layouts stand in twofold/disk/ext/inode.py and twofold/disk/ext/extents.py. */

#include "disk.h"

#include <string.h>

enum {
    LEAST_INODE = 128,
    FIRST_USER_INODE = 11,
    KIND = 0xF000,
    REGULAR = 0x8000,
    DIRECTORY = 0x4000,
    LINK = 0xA000,
    UNUSUAL = 0x4 | 0x800 | 0x100000 | 0x200000, /* compressed, encrypted, verity, attributes */
    EXTENTS = 0x80000,
    INLINE_DATA = 0x10000000,
    MAP = 40,
    MAP_SIZE = 60,
    MAGIC = 0xF30A,
    MOST_EXTENTS = 4,
    LONGEST = 32768,
    STAMPED = 96
};

struct volume {
    Py_buffer table;
    Py_ssize_t size;
    unsigned long long first, block_size, blocks, first_block;
    long long latest;
    PyObject *own, *digest;
    struct stream_makers makers;
};

struct piece {
    uint64_t logical, blocks, physical;
    int written;
};

/* The extents in an inode, neighbours joined; how many, or -1. */
static int
extents_of(const struct volume *volume, const uint8_t *map, struct piece *pieces)
{
    unsigned extents = le16(map + 2);
    if (le16(map) != MAGIC || extents > MOST_EXTENTS || le16(map + 6))
        return -1;
    uint64_t end = 0, total = 0;
    int count = 0;
    for (unsigned i = 0; i < extents; i++) {
        const uint8_t *at = map + 12 + 12 * i;
        unsigned length = le16(at + 4);
        struct piece piece = {.logical = le32(at),
                              .blocks = length <= LONGEST ? length : length - LONGEST,
                              .physical = le32(at + 8) | (uint64_t)le16(at + 6) << 32,
                              .written = length <= LONGEST};
        total += piece.blocks;
        if (!piece.blocks || piece.logical < end || total > volume->blocks ||
            piece.physical <= volume->first_block || piece.physical >= volume->blocks ||
            piece.blocks > volume->blocks - piece.physical)
            return -1;
        struct piece *last = count ? &pieces[count - 1] : NULL;
        if (last && end == piece.logical && last->physical + last->blocks == piece.physical &&
            last->written == piece.written)
            last->blocks += piece.blocks;
        else
            pieces[count++] = piece;
        end = piece.logical + piece.blocks;
    }
    return count;
}

/* What is written of the first blocks, with holes where nothing is; how many runs. */
static size_t
runs_of(const struct volume *volume, const struct piece *pieces, int count, uint64_t blocks,
        struct run *runs)
{
    size_t found = 0;
    uint64_t at = 0;
    for (int i = 0; i < count && pieces[i].logical < blocks; i++) {
        const struct piece *piece = &pieces[i];
        if (!piece->written)
            continue;
        uint64_t inside = blocks - piece->logical;
        if (piece->logical > at)
            runs[found++] = (struct run){-1, piece->logical - at};
        runs[found].first = (int64_t)(piece->physical - volume->first_block);
        runs[found].units = piece->blocks < inside ? piece->blocks : inside;
        at = piece->logical + runs[found++].units;
    }
    if (found && at < blocks)
        runs[found++] = (struct run){-1, blocks - at};
    return found;
}

/* Copies some bytes of an inode, as many as it has. */
static size_t
copy(uint8_t *into, const uint8_t *inode, size_t size, size_t from, size_t end)
{
    end = end < size ? end : size;
    if (end <= from)
        return 0;
    memcpy(into, inode + from, end - from);
    return end - from;
}

/* Whether the time of change is known here, and what it is. */
static int
changed_at(const uint8_t *inode, size_t size, int64_t *changed)
{
    size_t extra_end = 128 + (size >= 132 ? le16(inode + 128) : 0);
    int32_t seconds;
    uint32_t stored = le32(inode + 12), extra = 0;
    memcpy(&seconds, &stored, sizeof seconds);
    if (extra_end >= 136) {
        if (size < 136)
            return 0;
        extra = le32(inode + 132);
    }
    *changed = (int64_t)seconds * 1000000000 + (extra >> 2);
    return !(extra & 3); /* later than 2038 */
}

static PyObject *
stamp_of(const struct volume *volume, const uint8_t *inode, int64_t changed)
{
    static const uint8_t places[][2] = {{4, 8},     {12, 20},   {36, 104},
                                        {108, 112}, {132, 140}, {152, 156}};
    uint8_t parts[STAMPED];
    size_t filled = 0;
    if (changed > volume->latest)
        return PyBytes_FromStringAndSize(NULL, 0);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        filled +=
            copy(parts + filled, inode, (size_t)volume->size, places[i][0], places[i][1]);
    return PyObject_CallFunction(volume->digest, "y#", parts, (Py_ssize_t)filled);
}

static enum told
tell(const struct volume *volume, const uint8_t *inode, uint64_t number, PyObject *into)
{
    struct piece pieces[MOST_EXTENTS];
    struct run runs[2 * MOST_EXTENTS + 1];
    struct stream stream = {.owner = number, .name = "", .runs = runs};
    stream.is_file = (le16(inode) & KIND) == REGULAR;
    stream.size = stream.valid = le32(inode + 4) | (uint64_t)le32(inode + 108) << 32;
    uint64_t blocks =
        stream.size / volume->block_size + (stream.size % volume->block_size != 0);
    if (blocks > (uint64_t)1 << 32)
        return ASK;
    int count = extents_of(volume, inode + MAP, pieces);
    if (count < 0)
        return ASK;
    stream.run_count = runs_of(volume, pieces, count, blocks, runs);
    if (!stream.run_count)
        return TOLD;
    int64_t changed = 0;
    if (stream.is_file && !changed_at(inode, (size_t)volume->size, &changed))
        return ASK;
    PyObject *stamp = stream.is_file ? stamp_of(volume, inode, changed)
                                     : PyBytes_FromStringAndSize(NULL, 0);
    return append_stream(into, &volume->makers, &stream, stamp) < 0 ? FAILED : TOLD;
}

static enum told
of_inode(const struct volume *volume, uint64_t index, PyObject *into)
{
    const uint8_t *inode = (const uint8_t *)volume->table.buf + index * (uint64_t)volume->size;
    uint64_t number = volume->first + index;
    unsigned kind = le16(inode) & KIND;
    uint32_t flags = le32(inode + 32);
    if (number < FIRST_USER_INODE)
        return ASK;
    int owned = set_has(volume->own, number);
    if (owned)
        return owned < 0 ? FAILED : ASK;
    if (flags & INLINE_DATA || (kind != REGULAR && kind != DIRECTORY && kind != LINK))
        return TOLD; /* no blocks */
    if (kind == LINK)
        return le32(inode + 4) < MAP_SIZE && !(flags & EXTENTS) ? TOLD : ASK;
    if (flags & UNUSUAL || !(flags & EXTENTS))
        return ASK;
    return tell(volume, inode, number, into);
}

static PyObject *
of_table(const struct volume *volume, PyObject *indexes)
{
    PyObject *into = PyList_New(0);
    uint64_t inodes = (uint64_t)(volume->table.len / volume->size);
    for (Py_ssize_t i = 0; into && i < PyList_Size(indexes); i++) {
        uint64_t index = PyLong_AsUnsignedLongLong(PyList_GetItem(indexes, i));
        enum told told = FAILED;
        if (PyErr_Occurred())
            ;
        else if (index >= inodes)
            PyErr_SetString(PyExc_ValueError, "an inode outside of the table");
        else
            told = of_inode(volume, index, into);
        if (append_asked(into, told, index) < 0)
            Py_CLEAR(into);
    }
    return into;
}

PyObject *
ext_streams(PyObject *module, PyObject *arguments)
{
    (void)module;
    struct volume volume;
    PyObject *makers, *indexes, *found = NULL;
    if (!PyArg_ParseTuple(arguments, "y*nO!K(KKK)OLOO!", &volume.table, &volume.size,
                          &PyList_Type, &indexes, &volume.first, &volume.block_size,
                          &volume.blocks, &volume.first_block, &volume.own, &volume.latest,
                          &volume.digest, &PyTuple_Type, &makers))
        return NULL;
    if (volume.size < LEAST_INODE || volume.size > UINT16_MAX || !volume.block_size)
        PyErr_SetString(PyExc_ValueError, "a volume with impossible sizes");
    else if (take_stream_makers(makers, &volume.makers))
        found = of_table(&volume, indexes);
    PyBuffer_Release(&volume.table);
    return found;
}
