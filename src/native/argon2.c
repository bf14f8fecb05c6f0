/* The long part of Argon2id: filling its memory (RFC 9106, sections 3.2, 3.4 and 3.5).

   Memory is a matrix of blocks of 1 KiB, a row for each lane. A pass goes over it in four slices; within
   a slice lanes do not read of one another what the slice writes, so each thread has lanes of its own and
   they meet after every slice. Each block is made of the one before it and of one that is chosen by
   numbers: in the first half of the first pass numbers that do not depend on the secret, after that the
   first word of the block before. The hashes before and after are made in Python (repository/argon2id.py);
   the twin is the library's Argon2id. */

#include "argon2.h"
#include <pythread.h>
#include <string.h>

enum { SLICES = 4, ARGON2ID = 2, MOST_THREADS = 8, AT_ONCE = 2 };

static Kernels kernels;
static const unsigned long NO_THREAD = (unsigned long)-1;

typedef struct {
    const Mixing *mixing;
    uint64_t *memory;
    uint32_t passes, lanes, row, segment; /* blocks of a lane, and of a lane in a slice */
} Filling;

typedef struct {
    uint32_t pass, slice, lane;
} Place;

static uint64_t *
block_at(const Filling *filling, uint32_t lane, uint32_t column)
{
    return filling->memory + ((size_t)lane * filling->row + column) * WORDS;
}

static void
to_kernel(const Mixing *mixing, const uint64_t *from, uint64_t *to)
{
    for (size_t i = 0; i < UNITS; i++)
        memcpy(to + mixing->order[i] * UNIT, from + i * UNIT, UNIT * sizeof *to);
}

static void
from_kernel(const Mixing *mixing, const uint64_t *from, uint64_t *to)
{
    for (size_t i = 0; i < UNITS; i++)
        memcpy(to + i * UNIT, from + mixing->order[i] * UNIT, UNIT * sizeof *to);
}

/* The 128 numbers of addresses ``counter`` of a segment (section 3.4.1.2). */
static void
addresses(const Filling *filling, Place at, uint64_t counter, uint64_t *numbers)
{
    static const uint64_t zero[WORDS];
    uint64_t input[WORDS] = {at.pass,         at.lane,  at.slice,
                             (uint64_t)filling->lanes * filling->row,
                             filling->passes, ARGON2ID, counter};
    uint64_t once[WORDS], twice[WORDS];
    to_kernel(filling->mixing, input, once);
    filling->mixing->compress(zero, once, twice, 0);
    filling->mixing->compress(zero, twice, once, 0);
    from_kernel(filling->mixing, once, numbers);
}

/* The block that a number chooses for the one in column ``index`` of a segment (section 3.4.2). */
static const uint64_t *
chosen(const Filling *filling, Place at, uint32_t index, uint64_t number)
{
    int first = at.pass == 0;
    uint32_t lane = (uint32_t)((number >> 32) % filling->lanes);
    if (first && at.slice == 0)
        lane = at.lane;
    uint32_t area = first ? at.slice * filling->segment : filling->row - filling->segment;
    if (lane == at.lane)
        area += index - 1;
    else if (index == 0)
        area -= 1;
    uint64_t low = number & UINT32_MAX, back = area * (low * low >> 32) >> 32;
    uint32_t begin = first ? 0 : (at.slice + 1) % SLICES * filling->segment;
    uint64_t column = (begin + (uint64_t)area - 1 - back) % filling->row;
    return block_at(filling, lane, (uint32_t)column);
}

/* A lane of a segment while it is filled. */
typedef struct {
    Place at;
    uint64_t *next;
    const uint64_t *previous, *reference;
    uint64_t numbers[WORDS];
} Row;

/* Asks for a block before it is needed. */
static void
fetch(const uint64_t *block)
{
#if defined(__GNUC__)
    for (size_t i = 0; i < WORDS; i += 8)
        __builtin_prefetch(block + i);
#else
    (void)block;
#endif
}

static int
is_told(Place at)
{
    return at.pass == 0 && at.slice < SLICES / 2;
}

/* Finds the block for the one in column ``index`` of the segment. */
static void
choose(const Filling *filling, Row *row, uint32_t index)
{
    int told = is_told(row->at);
    if (told && index % WORDS == 0)
        addresses(filling, row->at, index / WORDS + 1, row->numbers);
    uint64_t number = told ? row->numbers[index % WORDS] : row->previous[0];
    row->reference = chosen(filling, row->at, index, number);
    fetch(row->reference);
}

static void
begin_row(const Filling *filling, Row *row, uint32_t index)
{
    uint32_t column = row->at.slice * filling->segment + index;
    row->next = block_at(filling, row->at.lane, column);
    row->previous = block_at(filling, row->at.lane, (column ? column : filling->row) - 1);
    if (is_told(row->at) && index)
        addresses(filling, row->at, 1, row->numbers);
    choose(filling, row, index);
}

/* Fills the segments of a few lanes in turns: while one is worked on, memory for others comes. */
static void
fill_rows(const Filling *filling, Row *rows, size_t count)
{
    uint32_t first = rows->at.pass == 0 && rows->at.slice == 0 ? 2 : 0;
    for (size_t i = 0; i < count; i++)
        begin_row(filling, rows + i, first);
    for (uint32_t index = first; index < filling->segment; index++)
        for (Row *row = rows; row < rows + count; row++) {
            filling->mixing->compress(row->previous, row->reference, row->next, row->at.pass != 0);
            row->previous = row->next;
            row->next += WORDS;
            if (index + 1 < filling->segment)
                choose(filling, row, index + 1);
        }
}

/* A thread's share: every ``stride``th lane from its own on. It works when ``go`` is let go. */
typedef struct {
    const Filling *filling;
    uint32_t lane, stride;
    PyThread_type_lock go, done;
} Share;

static void
fill_share(const Share *share, uint32_t step)
{
    Row rows[AT_ONCE];
    size_t count = 0;
    for (uint32_t lane = share->lane; lane < share->filling->lanes; lane += share->stride) {
        rows[count++].at = (Place){step / SLICES, step % SLICES, lane};
        if (count == AT_ONCE || share->filling->lanes - lane <= share->stride) {
            fill_rows(share->filling, rows, count);
            count = 0;
        }
    }
}

static void
work(void *argument)
{
    const Share *share = argument;
    const uint32_t steps = share->filling->passes * SLICES;
    for (uint32_t step = 0; step < steps; step++) {
        PyThread_acquire_lock(share->go, WAIT_LOCK);
        fill_share(share, step);
        PyThread_release_lock(share->done); /* after the last step the share may be gone at once */
    }
}

static void
free_lock(PyThread_type_lock lock)
{
    if (lock != NULL)
        PyThread_free_lock(lock);
}

/* A lock that is taken, to be let go by another thread; NULL without memory. */
static PyThread_type_lock
taken_lock(void)
{
    PyThread_type_lock lock = PyThread_allocate_lock();
    if (lock != NULL)
        PyThread_acquire_lock(lock, WAIT_LOCK);
    return lock;
}

/* Whether a thread now waits for its share. */
static int
start(Share *share)
{
    share->go = taken_lock();
    share->done = taken_lock();
    if (share->go != NULL && share->done != NULL &&
        PyThread_start_new_thread(work, share) != NO_THREAD)
        return 1;
    free_lock(share->go);
    free_lock(share->done);
    return 0;
}

/* Fills the memory; shares for which no thread can be had are done by this one. */
static void
fill(const Filling *filling, uint32_t threads)
{
    Share shares[MOST_THREADS];
    uint32_t started = 1;
    for (uint32_t i = 0; i < threads; i++)
        shares[i] = (Share){filling, i, threads, NULL, NULL};
    while (started < threads && start(&shares[started]))
        started++;
    for (uint32_t step = 0; step < filling->passes * SLICES; step++) {
        for (uint32_t i = 1; i < started; i++)
            PyThread_release_lock(shares[i].go);
        fill_share(&shares[0], step);
        for (uint32_t i = started; i < threads; i++)
            fill_share(&shares[i], step);
        for (uint32_t i = 1; i < started; i++)
            PyThread_acquire_lock(shares[i].done, WAIT_LOCK);
    }
    for (uint32_t i = 1; i < started; i++) {
        free_lock(shares[i].go);
        free_lock(shares[i].done);
    }
}

/* The first two blocks of every lane as the kernel has them. */
static void
take_first(const Filling *filling)
{
    uint64_t kept[WORDS];
    for (uint32_t lane = 0; lane < filling->lanes; lane++)
        for (uint32_t column = 0; column < 2; column++) {
            uint64_t *block = block_at(filling, lane, column);
            memcpy(kept, block, sizeof kept);
            to_kernel(filling->mixing, kept, block);
        }
}

/* The last blocks of all lanes, XORed (section 3.2, step 7). */
static void
give_last(const Filling *filling, uint64_t *out)
{
    uint64_t block[WORDS];
    memset(out, 0, sizeof block);
    for (uint32_t lane = 0; lane < filling->lanes; lane++) {
        from_kernel(filling->mixing, block_at(filling, lane, filling->row - 1), block);
        for (size_t i = 0; i < WORDS; i++)
            out[i] ^= block[i];
    }
}

/* Whether the numbers are such as Argon2 can have: a buffer of whole slices, of two blocks at least. */
static int
is_possible(Py_ssize_t size, unsigned passes, unsigned lanes)
{
    Py_ssize_t block = WORDS * sizeof(uint64_t);
    if (passes == 0 || passes > UINT32_MAX / SLICES || lanes == 0 || lanes > UINT32_MAX / 8)
        return 0;
    return size >= (Py_ssize_t)lanes * 2 * SLICES * block &&
           size % ((Py_ssize_t)lanes * SLICES * block) == 0 && size / block <= (Py_ssize_t)INT32_MAX;
}

static PyObject *
argon2id_fill(PyObject *module, PyObject *arguments)
{
    Py_buffer memory;
    unsigned passes, lanes, threads;
    const char *name = NULL;
    PyObject *result = NULL;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "w*III|z", &memory, &passes, &lanes, &threads, &name))
        return NULL;
    const Kernel *kernel = kernel_named(&kernels, name);
    if (kernel != NULL && !is_possible(memory.len, passes, lanes))
        PyErr_SetString(PyExc_ValueError, "no memory of Argon2");
    else if (kernel != NULL && (uintptr_t)memory.buf % sizeof(uint64_t))
        PyErr_SetString(PyExc_ValueError, "memory that is not aligned");
    else if (kernel != NULL)
        result = PyBytes_FromStringAndSize(NULL, WORDS * sizeof(uint64_t));
    if (result != NULL) {
        uint32_t row = (uint32_t)(memory.len / (Py_ssize_t)sizeof(uint64_t) / WORDS / lanes);
        Filling filling = {argon2_mixing(kernel), memory.buf, passes, lanes, row, row / SLICES};
        uint32_t most = lanes < MOST_THREADS ? lanes : MOST_THREADS;
        uint64_t last[WORDS];
        Py_BEGIN_ALLOW_THREADS
        take_first(&filling);
        fill(&filling, threads < 1 ? 1 : threads > most ? most : threads);
        give_last(&filling, last);
        Py_END_ALLOW_THREADS
        memcpy(PyBytes_AsString(result), last, sizeof last);
    }
    PyBuffer_Release(&memory);
    return result;
}

static PyMethodDef functions[] = {
    {"argon2id_fill", argon2id_fill, METH_VARARGS,
     "argon2id_fill(memory, passes, lanes, threads, kernel=None) -> the last blocks, XORed\n\n"
     "The memory holds the first two blocks of every lane. Only for a kernel of ARGON2_KERNELS."},
    {NULL, NULL, 0, NULL}};

int
add_argon2(PyObject *module)
{
    kernels.count = 0;
    add_argon2_kernels(&kernels);
    if (publish_kernels(module, "ARGON2_KERNELS", &kernels) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
