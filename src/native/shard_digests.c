/* Digests of 4 KiB shards: the first 8 bytes of BLAKE3, of 16 or 8 shards at a time.

   A library call per shard hashes four chunks at once at best and costs more in calling than in
   hashing. Here every lane of a vector does a shard of its own (blake3_lanes.h). There are kernels
   for AVX-512 and AVX2; without them the library is as good, and this part offers no kernel. */

#include "kernels.h"
#include "processor.h"
#include <string.h>

enum { SHARD = 4096, CHUNK = 1024, BLOCK = 64, DIGEST = 8, MOST_LANES = 16 };

/* Digests of up to ``lanes`` shards; lane i goes to out[i] and out[lanes + i]. */
typedef void HashShards(const uint8_t *const *shards, uint32_t *out);

static Kernels kernels;

#if TWOFOLD_X86

enum { CHUNK_START = 1, CHUNK_END = 2, PARENT = 4, ROOT = 8 };

static const uint32_t START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

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
#define ROTATE(v, n) _mm256_or_si256(_mm256_srli_epi32(v, n), _mm256_slli_epi32(v, 32 - (n)))
#define SPREAD(word) _mm256_set1_epi32((int)(word))
#define LOAD_BLOCK block_avx2
#define TARGET FOR_AVX2
#define COMPRESS compress_avx2
#define HASH_CHUNK hash_chunk_avx2
#define HASH_PARENT hash_parent_avx2
#define HASH_SHARDS hash_shards_avx2
#include "blake3_lanes.h"

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
#define ROTATE _mm512_ror_epi32
#define SPREAD(word) _mm512_set1_epi32((int)(word))
#define LOAD_BLOCK block_avx512
#define TARGET FOR_AVX512
#define COMPRESS compress_avx512
#define HASH_CHUNK hash_chunk_avx512
#define HASH_PARENT hash_parent_avx512
#define HASH_SHARDS hash_shards_avx512
#include "blake3_lanes.h"

#endif

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
        ((HashShards *)kernel->run)(shards, words);
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

static PyMethodDef functions[] = {
    {"shard_digests", shard_digests, METH_VARARGS,
     "shard_digests(data, kernel=None): 8 bytes of BLAKE3 per shard; whole shards only."},
    {NULL, NULL, 0, NULL},
};

int
add_shard_digests(PyObject *module)
{
    kernels.count = 0;
#if TWOFOLD_X86
    if (has_avx512())
        add_kernel(&kernels, "avx512", 16, (void (*)(void))hash_shards_avx512);
    if (has_avx2())
        add_kernel(&kernels, "avx2", 8, (void (*)(void))hash_shards_avx2);
#endif
    return publish_kernels(module, "DIGEST_KERNELS", &kernels) < 0
               ? -1
               : PyModule_AddFunctions(module, functions);
}
