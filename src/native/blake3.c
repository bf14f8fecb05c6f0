/* BLAKE3 of many short inputs, of 16 or 8 of them at a time.

   A library call per input hashes its own chunks at once at best, costs more in calling than in
   hashing, and takes the interpreter's lock every time. Here every lane of a vector does a chunk of
   its own, whichever input it is of (blake3_lanes.h): digests of 4 KiB shards, and keyed hashes of
   pieces of a buffer, level by level of all their trees. There are kernels for AVX-512 and AVX2; without them the library is as good, and this part offers no kernel.
   Source: the BLAKE3 paper, sections 2.1 to 2.5. */

#include "kernels.h"
#include "processor.h"
#include <string.h>

enum { SHARD = 4096, CHUNK = 1024, BLOCK = 64, DIGEST = 8, HASH = 32, MOST_LANES = 16 };
enum { SPAN = 2 * sizeof(uint64_t) };

/* Digests of up to ``lanes`` shards; lane i goes to out[i] and out[lanes + i]. */
typedef void HashShards(const uint8_t *const *shards, uint32_t *out);

/* One block per lane. */
typedef struct {
    const uint8_t *data[MOST_LANES];
    uint32_t ordinals[MOST_LANES], lengths[MOST_LANES], flags[MOST_LANES], mask[MOST_LANES];
} Blocks;

/* Chaining values of up to ``lanes`` whole chunks; word w of lane i goes to out[w * lanes + i]. */
typedef void HashChunks(const uint32_t *key, const uint8_t *const *chunks,
                        const uint32_t *ordinals, uint32_t *out);
typedef void HashBlocks(const Blocks *blocks, uint32_t *values);

typedef struct {
    HashShards *shards;
    HashChunks *chunks;
    HashBlocks *blocks;
} Hashing;

static Kernels kernels;

enum { CHUNK_START = 1, CHUNK_END = 2, PARENT = 4, ROOT = 8, KEYED = 16 };

static const uint32_t START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

#if TWOFOLD_X86

/* Eight words of eight lanes from ``at`` on: rows become columns in three steps. */
FOR_AVX2 static void
load_avx2(__m256i out[8], const uint8_t *const shards[8], size_t at)
{
    __m256i r[8], s[8];
    for (int i = 0; i < 8; i++)
        r[i] = _mm256_loadu_si256((const __m256i *)(shards[i] + at));
    for (int i = 0; i < 8; i += 2) {
        s[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_unpacklo_epi64(s[i], s[i + 2]);
        r[i + 1] = _mm256_unpackhi_epi64(s[i], s[i + 2]);
        r[i + 2] = _mm256_unpacklo_epi64(s[i + 1], s[i + 3]);
        r[i + 3] = _mm256_unpackhi_epi64(s[i + 1], s[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        out[i] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x20);
        out[i + 4] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x31);
    }
}

FOR_AVX2 static void
block_avx2(__m256i m[16], const uint8_t *const shards[8], size_t at)
{
    load_avx2(m, shards, at);
    load_avx2(m + 8, shards, at + 32);
}

#define LANES 8
#define VECTOR __m256i
#define ADD _mm256_add_epi32
#define XOR _mm256_xor_si256
#define AND _mm256_and_si256
#define ROTATE(v, n) _mm256_or_si256(_mm256_srli_epi32(v, n), _mm256_slli_epi32(v, 32 - (n)))
#define SPREAD(word) _mm256_set1_epi32((int)(word))
#define LOAD_WORDS(at) _mm256_loadu_si256((const __m256i *)(at))
#define LOAD_BLOCK block_avx2
#define TARGET FOR_AVX2
#define COMPRESS compress_avx2
#define HASH_CHUNK hash_chunk_avx2
#define HASH_PARENT hash_parent_avx2
#define HASH_SHARDS hash_shards_avx2
#define HASH_CHUNKS hash_chunks_avx2
#define HASH_BLOCKS hash_blocks_avx2
#include "blake3_lanes.h"

static const Hashing hashing_avx2 = {hash_shards_avx2, hash_chunks_avx2, hash_blocks_avx2};

/* Sixteen words of sixteen lanes: words and pairs within quarters, then the quarters themselves. */
FOR_AVX512 static void
block_avx512(__m512i m[16], const uint8_t *const shards[16], size_t at)
{
    __m512i r[16], s[16];
    for (int i = 0; i < 16; i++)
        r[i] = _mm512_loadu_si512(shards[i] + at);
    for (int i = 0; i < 16; i += 2) {
        s[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        s[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(s[i], s[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(s[i], s[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(s[i + 1], s[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(s[i + 1], s[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        s[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        s[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        s[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        s[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        m[i] = _mm512_shuffle_i32x4(s[i], s[i + 8], 0x88);
        m[i + 4] = _mm512_shuffle_i32x4(s[i + 4], s[i + 12], 0x88);
        m[i + 8] = _mm512_shuffle_i32x4(s[i], s[i + 8], 0xdd);
        m[i + 12] = _mm512_shuffle_i32x4(s[i + 4], s[i + 12], 0xdd);
    }
}

#define LANES 16
#define VECTOR __m512i
#define ADD _mm512_add_epi32
#define XOR _mm512_xor_si512
#define AND _mm512_and_si512
#define ROTATE _mm512_ror_epi32
#define SPREAD(word) _mm512_set1_epi32((int)(word))
#define LOAD_WORDS(at) _mm512_loadu_si512(at)
#define LOAD_BLOCK block_avx512
#define TARGET FOR_AVX512
#define COMPRESS compress_avx512
#define HASH_CHUNK hash_chunk_avx512
#define HASH_PARENT hash_parent_avx512
#define HASH_SHARDS hash_shards_avx512
#define HASH_CHUNKS hash_chunks_avx512
#define HASH_BLOCKS hash_blocks_avx512
#include "blake3_lanes.h"

static const Hashing hashing_avx512 = {hash_shards_avx512, hash_chunks_avx512, hash_blocks_avx512};

#endif

/* The functions of a kernel, of which there is none on processors without lanes. */
static const Hashing *
hashing_of(const Kernel *kernel)
{
#if TWOFOLD_X86
    return kernel->lanes == 16 ? &hashing_avx512 : &hashing_avx2;
#else
    (void)kernel;
    return NULL;
#endif
}

/* Eight bytes per shard into ``digests``; idle lanes do the last shard once more. */
static void
digest(const Kernel *kernel, const uint8_t *data, size_t count, uint8_t *digests)
{
    const uint8_t *shards[MOST_LANES];
    uint32_t words[2 * MOST_LANES];
    for (size_t done = 0; done < count; done += kernel->lanes) {
        size_t here = count - done < kernel->lanes ? count - done : kernel->lanes;
        for (size_t i = 0; i < kernel->lanes; i++)
            shards[i] = data + (done + (i < here ? i : here - 1)) * SHARD;
        hashing_of(kernel)->shards(shards, words);
        for (size_t i = 0; i < here; i++, digests += DIGEST) {
            memcpy(digests, words + i, 4);
            memcpy(digests + 4, words + kernel->lanes + i, 4);
        }
    }
}

static PyObject *
shard_digests(PyObject *module, PyObject *arguments)
{
    Py_buffer data;
    const char *name = NULL;
    PyObject *result = NULL;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*|z", &data, &name))
        return NULL;
    const Kernel *kernel = kernel_named(&kernels, name);
    if (data.len % SHARD)
        PyErr_SetString(PyExc_ValueError, "not whole shards");
    else if (kernel != NULL)
        result = PyBytes_FromStringAndSize(NULL, data.len / SHARD * DIGEST);
    if (result != NULL) {
        uint8_t *bytes = (uint8_t *)PyBytes_AsString(result);
        Py_BEGIN_ALLOW_THREADS
        digest(kernel, data.buf, (size_t)data.len / SHARD, bytes);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&data);
    return result;
}

/* Pieces of a buffer, one after the other, as their chunks. */
typedef struct {
    const uint8_t *data;
    const uint64_t *spans; /* begin and end of every piece */
    size_t count;
} Pieces;

/* The chaining value of a chunk or of a subtree. Two in a row are the block of their parent. */
typedef struct {
    uint32_t words[8];
} Value;

/* Lanes being filled, and where the value of each goes. */
typedef struct {
    const Hashing *hashing;
    size_t lanes, used;
    const uint32_t *key;
    Blocks blocks;
    uint32_t words[8 * MOST_LANES];
    Value *out[MOST_LANES];
} Batch;

static uint64_t
size_of(const Pieces *pieces, size_t piece)
{
    return pieces->spans[2 * piece + 1] - pieces->spans[2 * piece];
}

static uint64_t
chunks_of(const Pieces *pieces, size_t piece)
{
    uint64_t size = size_of(pieces, piece);
    return size ? (size - 1) / CHUNK + 1 : 1;
}

/* Gives every lane the key as its value. */
static void
begin(Batch *batch)
{
    for (size_t word = 0; word < 8; word++)
        for (size_t lane = 0; lane < batch->lanes; lane++)
            batch->words[word * batch->lanes + lane] = batch->key[word];
}

/* Puts down what the used lanes hold and empties them. */
static void
collect(Batch *batch)
{
    for (size_t lane = 0; lane < batch->used; lane++)
        for (size_t word = 0; word < 8; word++)
            batch->out[lane]->words[word] = batch->words[word * batch->lanes + lane];
    batch->used = 0;
}

/* Lets idle lanes do what the first one does; nobody looks at what they make of it. */
static void
fill_idle(Batch *batch)
{
    for (size_t lane = batch->used; lane < batch->lanes; lane++)
        batch->blocks.data[lane] = batch->blocks.data[0];
}

static void
hash_chunks(Batch *batch)
{
    if (batch->used == 0)
        return;
    fill_idle(batch);
    batch->hashing->chunks(batch->key, batch->blocks.data, batch->blocks.ordinals, batch->words);
    collect(batch);
}

/* All chunks but the last of every piece. */
static void
do_whole_chunks(Batch *batch, const Pieces *pieces, Value *values)
{
    for (size_t piece = 0; piece < pieces->count; piece++) {
        const uint8_t *data = pieces->data + pieces->spans[2 * piece];
        uint64_t count = chunks_of(pieces, piece);
        for (uint64_t i = 0; i + 1 < count; i++) {
            batch->blocks.data[batch->used] = data + i * CHUNK;
            batch->blocks.ordinals[batch->used] = (uint32_t)i;
            batch->out[batch->used++] = values + i;
            if (batch->used == batch->lanes)
                hash_chunks(batch);
        }
        values += count;
    }
    hash_chunks(batch);
}

/* Block ``step`` of a last chunk goes to a lane; ``padded`` takes one that is not full. */
static void
put_block(Blocks *blocks, size_t lane, const Pieces *pieces, size_t piece, size_t step,
          uint8_t *padded)
{
    uint64_t count = chunks_of(pieces, piece), before = (count - 1) * CHUNK;
    uint64_t size = size_of(pieces, piece) - before, at = step * BLOCK;
    int is_there = at < size || step == 0;
    uint64_t left = is_there ? size - at : 0, length = left < BLOCK ? left : BLOCK;
    const uint8_t *data = pieces->data + pieces->spans[2 * piece] + before + at;
    uint32_t first = step == 0 ? CHUNK_START : 0;
    uint32_t last = left <= BLOCK ? CHUNK_END | (count == 1 ? ROOT : 0) : 0;
    blocks->mask[lane] = is_there ? UINT32_MAX : 0;
    blocks->ordinals[lane] = (uint32_t)(count - 1);
    blocks->lengths[lane] = (uint32_t)length;
    blocks->flags[lane] = KEYED | first | last;
    if (length < BLOCK) {
        memset(padded, 0, BLOCK);
        if (length)
            memcpy(padded, data, length);
        data = padded;
    }
    blocks->data[lane] = data;
}

/* The last chunk of every piece, block by block of as many pieces as there are lanes. */
static void
do_last_chunks(Batch *batch, const Pieces *pieces, Value *values)
{
    uint8_t padded[MOST_LANES][BLOCK];
    for (size_t done = 0, here; done < pieces->count; done += here) {
        here = pieces->count - done < batch->lanes ? pieces->count - done : batch->lanes;
        begin(batch);
        for (size_t step = 0; step < CHUNK / BLOCK; step++) {
            for (size_t lane = 0; lane < batch->lanes; lane++)
                put_block(&batch->blocks, lane, pieces, done + (lane < here ? lane : 0), step,
                          padded[lane]);
            batch->hashing->blocks(&batch->blocks, batch->words);
        }
        for (size_t lane = 0; lane < here; lane++) {
            values += chunks_of(pieces, done + lane);
            batch->out[lane] = values - 1;
        }
        batch->used = here;
        collect(batch);
    }
}

static void
hash_parents(Batch *batch)
{
    if (batch->used == 0)
        return;
    fill_idle(batch);
    begin(batch);
    batch->hashing->blocks(&batch->blocks, batch->words);
    collect(batch);
}

/* Joins neighbours in all trees; what is left over in one goes up as it is. Whether any is open. */
static int
join_level(Batch *batch, const Pieces *pieces, Value *const values, uint64_t *counts)
{
    int open = 0;
    Value *tree = values;
    for (size_t piece = 0; piece < pieces->count; tree += chunks_of(pieces, piece++)) {
        for (uint64_t i = 0; i < counts[piece] / 2; i++) {
            size_t lane = batch->used++;
            batch->blocks.data[lane] = (const uint8_t *)(tree + 2 * i);
            batch->blocks.flags[lane] = KEYED | PARENT | (counts[piece] == 2 ? ROOT : 0);
            batch->out[lane] = tree + i; /* taken already, or in this batch, as part of a pair */
            if (batch->used == batch->lanes)
                hash_parents(batch);
        }
    }
    hash_parents(batch);
    tree = values;
    for (size_t piece = 0; piece < pieces->count; tree += chunks_of(pieces, piece++)) {
        if (counts[piece] % 2)
            tree[counts[piece] / 2] = tree[counts[piece] - 1];
        counts[piece] = (counts[piece] + 1) / 2;
        open |= counts[piece] > 1;
    }
    return open;
}

/* 32 bytes per piece into ``out``. */
static void
hash_all(const Hashing *hashing, size_t lanes, const uint32_t *key, const Pieces *pieces,
         Value *values, uint64_t *counts, uint8_t *out)
{
    Batch batch = {.hashing = hashing, .lanes = lanes, .key = key};
    do_whole_chunks(&batch, pieces, values);
    do_last_chunks(&batch, pieces, values);
    for (size_t piece = 0; piece < pieces->count; piece++)
        counts[piece] = chunks_of(pieces, piece);
    for (size_t lane = 0; lane < lanes; lane++) {
        batch.blocks.mask[lane] = UINT32_MAX;
        batch.blocks.lengths[lane] = BLOCK;
        batch.blocks.ordinals[lane] = 0;
    }
    while (join_level(&batch, pieces, values, counts))
        ;
    for (size_t piece = 0; piece < pieces->count; piece++, out += HASH) {
        memcpy(out, values, HASH); /* only kernels of little-endian processors are here */
        values += chunks_of(pieces, piece);
    }
}

/* Bytes of all values and counts; 0 with ValueError set if a span is none of the buffer. */
static size_t
room_for(const Pieces *pieces, size_t size)
{
    uint64_t bytes = 1;
    for (size_t i = 0; i < pieces->count; i++) {
        uint64_t begin = pieces->spans[2 * i], end = pieces->spans[2 * i + 1];
        if (begin > end || end > size || end - begin > UINT32_MAX) {
            PyErr_SetString(PyExc_ValueError, "a piece is not within the buffer");
            return 0;
        }
        bytes += chunks_of(pieces, i) * sizeof(Value) + sizeof(uint64_t);
    }
    if (bytes <= PY_SSIZE_T_MAX)
        return (size_t)bytes;
    PyErr_NoMemory();
    return 0;
}

static PyObject *
hash_pieces(const Kernel *kernel, const uint8_t *key_bytes, const Pieces *pieces, size_t size)
{
    size_t room = room_for(pieces, size);
    if (room == 0)
        return NULL;
    uint64_t *counts = PyMem_Malloc(room);
    PyObject *result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(pieces->count * HASH));
    if (counts != NULL && result != NULL) {
        const Hashing *hashing = hashing_of(kernel);
        uint8_t *out = (uint8_t *)PyBytes_AsString(result);
        uint32_t key[8];
        memcpy(key, key_bytes, sizeof key);
        Py_BEGIN_ALLOW_THREADS
        hash_all(hashing, kernel->lanes, key, pieces, (Value *)(counts + pieces->count), counts,
                 out);
        Py_END_ALLOW_THREADS
    } else if (result != NULL) {
        Py_CLEAR(result);
        PyErr_NoMemory();
    }
    PyMem_Free(counts);
    return result;
}

static PyObject *
keyed_hashes(PyObject *module, PyObject *arguments)
{
    Py_buffer key, data, spans;
    const char *name = NULL;
    PyObject *result = NULL;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*y*y*|z", &key, &data, &spans, &name))
        return NULL;
    const Kernel *kernel = kernel_named(&kernels, name);
    int skewed = spans.len && (uintptr_t)spans.buf % sizeof(uint64_t);
    if (key.len != HASH || spans.len % SPAN || skewed)
        PyErr_SetString(PyExc_ValueError, "32 bytes of key and pairs of 64-bit numbers are wanted");
    else if (kernel != NULL) {
        Pieces pieces = {data.buf, spans.buf, (size_t)spans.len / SPAN};
        result = hash_pieces(kernel, key.buf, &pieces, (size_t)data.len);
    }
    PyBuffer_Release(&key);
    PyBuffer_Release(&data);
    PyBuffer_Release(&spans);
    return result;
}

static PyMethodDef functions[] = {
    {"keyed_hashes", keyed_hashes, METH_VARARGS,
     "keyed_hashes(key, data, spans, kernel=None): keyed BLAKE3 of pieces of data, 32 bytes each; "
     "spans are 64-bit begins and ends, in turn."},
    {"shard_digests", shard_digests, METH_VARARGS,
     "shard_digests(data, kernel=None): 8 bytes of BLAKE3 per shard; whole shards only."},
    {NULL, NULL, 0, NULL},
};

int
add_blake3(PyObject *module)
{
    kernels.count = 0;
#if TWOFOLD_X86
    if (has_avx512())
        add_kernel(&kernels, "avx512", 16, NULL);
    if (has_avx2())
        add_kernel(&kernels, "avx2", 8, NULL);
#endif
    return publish_kernels(module, "BLAKE3_KERNELS", &kernels) < 0
               ? -1
               : PyModule_AddFunctions(module, functions);
}
