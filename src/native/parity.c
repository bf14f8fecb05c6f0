/* P+Q parity of a pack, the quick twin of twofold/parity/encode.py (docs/format/parity.md).

   The shards of one group are folded into its P and Q from the last to the first by Horner's rule,

       P <- P + D        Q <- 2 * Q + D

   which needs one doubling per byte in GF(2^8): shift left, and xor 0x1d where a bit fell out. P
   and Q of a group are 8 KiB and stay in the nearest cache, and each is written straight to its
   turned place, so every byte of data is read once and nothing is copied. Shards of a group lie
   far apart; while one is folded, the next is fetched. That makes 32 bytes at a time as fast as
   memory; 64 were no faster. */

#include "kernels.h"
#include "processor.h"
#include <string.h>

#define SHARD 4096

/* Folds one shard into p and q; ``next`` is where the following one lies, to be fetched. */
typedef void Fold(uint8_t *p, uint8_t *q, const uint8_t *shard, const uint8_t *next);

/* Eight bytes at a time in one register: any processor, any byte order. */
static void
fold_portable(uint8_t *p, uint8_t *q, const uint8_t *shard, const uint8_t *next)
{
    const uint64_t high = UINT64_C(0x8080808080808080);
    (void)next;
    for (size_t i = 0; i < SHARD; i += 8) {
        uint64_t a, b, d;
        memcpy(&a, p + i, 8);
        memcpy(&b, q + i, 8);
        memcpy(&d, shard + i, 8);
        uint64_t carry = b & high;
        a ^= d;
        b = ((b ^ carry) << 1) ^ ((carry >> 7) * 0x1d) ^ d;
        memcpy(p + i, &a, 8);
        memcpy(q + i, &b, 8);
    }
}

#if TWOFOLD_X86

FOR_AVX2 static void
fold_avx2(uint8_t *p, uint8_t *q, const uint8_t *shard, const uint8_t *next)
{
    const __m256i zero = _mm256_setzero_si256(), reduction = _mm256_set1_epi8(0x1d);
    for (size_t i = 0; i < SHARD; i += 32) {
        __m256i d = _mm256_loadu_si256((const __m256i *)(shard + i));
        __m256i a = _mm256_loadu_si256((const __m256i *)(p + i));
        __m256i b = _mm256_loadu_si256((const __m256i *)(q + i));
        __m256i carry = _mm256_and_si256(_mm256_cmpgt_epi8(zero, b), reduction);
        _mm_prefetch((const char *)(next + i), _MM_HINT_T0);
        b = _mm256_xor_si256(_mm256_add_epi8(b, b), _mm256_xor_si256(carry, d));
        _mm256_storeu_si256((__m256i *)(p + i), _mm256_xor_si256(a, d));
        _mm256_storeu_si256((__m256i *)(q + i), b);
    }
}

#endif

static Kernels kernels;

/* The shard that ends the data, if it is a short one, filled up with zeros. */
typedef struct {
    const uint8_t *data;
    size_t whole; /* shards of full length */
    uint8_t tail[SHARD];
} Shards;

static const uint8_t *
shard_at(const Shards *shards, size_t number)
{
    return number < shards->whole ? shards->data + number * SHARD : shards->tail;
}

/* Fills ``parity`` (zeros, 2 * groups shards) from ``size`` bytes of data. */
static void
encode(Fold *fold, const uint8_t *data, size_t size, size_t groups, uint8_t *parity)
{
    Shards shards = {data, size / SHARD, {0}};
    size_t count = shards.whole + (size % SHARD != 0);
    memcpy(shards.tail, data + shards.whole * SHARD, size % SHARD);
    for (size_t group = 0; group < groups && group < count; group++) {
        uint8_t *p = parity + (group + groups - count % groups) % groups * SHARD;
        size_t number = group + (count - 1 - group) / groups * groups; /* its last one */
        const uint8_t *shard = shard_at(&shards, number);
        while (number >= groups) {
            const uint8_t *next = shard_at(&shards, number -= groups);
            fold(p, p + groups * SHARD, shard, next);
            shard = next;
        }
        fold(p, p + groups * SHARD, shard, shard_at(&shards, group + 1 < count ? group + 1 : group));
    }
}

static PyObject *
parity(PyObject *module, PyObject *arguments)
{
    Py_buffer data;
    Py_ssize_t groups;
    const char *name = NULL;
    PyObject *result = NULL;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*n|z", &data, &groups, &name))
        return NULL;
    const Kernel *kernel = kernel_named(&kernels, name);
    if (groups < 1 || groups > PY_SSIZE_T_MAX / (2 * SHARD))
        PyErr_SetString(PyExc_ValueError, "an impossible number of groups");
    else if (kernel != NULL)
        result = PyBytes_FromStringAndSize(NULL, groups * 2 * SHARD);
    if (result != NULL) {
        uint8_t *bytes = (uint8_t *)PyBytes_AsString(result);
        Py_BEGIN_ALLOW_THREADS
        memset(bytes, 0, (size_t)groups * 2 * SHARD);
        encode((Fold *)kernel->run, data.buf, (size_t)data.len, (size_t)groups, bytes);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&data);
    return result;
}

static PyMethodDef functions[] = {
    {"parity", parity, METH_VARARGS,
     "parity(data, groups, kernel=None): P shards and Q shards of the data, turned; see encode."},
    {NULL, NULL, 0, NULL},
};

int
add_parity(PyObject *module)
{
    kernels.count = 0;
#if TWOFOLD_X86
    if (has_avx2())
        add_kernel(&kernels, "avx2", 32, (void (*)(void))fold_avx2);
#endif
    add_kernel(&kernels, "portable", 8, (void (*)(void))fold_portable);
    return publish_kernels(module, "PARITY_KERNELS", &kernels) < 0
               ? -1
               : PyModule_AddFunctions(module, functions);
}
