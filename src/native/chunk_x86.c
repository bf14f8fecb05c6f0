/* Kernels for x86-64.

   Each is compiled for its own processors through function attributes, so the extension as a whole
   needs no processor flags. A kernel runs only after its `usable` said that the processor has the
   instructions and that the operating system saves the wide registers. */

#include "chunk_kernels.h"

#ifdef CHUNK_X86

#include "processor.h"

#if defined(__GNUC__) || defined(__clang__)
#define FOR(features) __attribute__((target(features)))
#else
#define FOR(features) /* MSVC offers all instructions everywhere */
#endif

/* MERGE: turning a state by one, two, three columns moves its bytes 0, 5, 10, 15 (the last round
   makes column 0 of them) to where the last round makes column 1, 2, 3 of them. The masks have a
   bit, or a byte, for each of those places. */
#define TURN1 _MM_SHUFFLE(2, 1, 0, 3)
#define TURN2 _MM_SHUFFLE(1, 0, 3, 2)
#define TURN3 _MM_SHUFFLE(0, 3, 2, 1)
#define PLACES1 _mm_setr_epi8(0, 0, 0, -1, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 0)
#define PLACES2 _mm_setr_epi8(0, 0, -1, 0, 0, 0, 0, -1, -1, 0, 0, 0, 0, -1, 0, 0)
#define PLACES3 _mm_setr_epi8(0, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, -1, 0, 0, 0)

/* ---- AES-NI: one block at a time (since 2010) ---- */

static inline FOR("aes,sse4.1") __m128i
merge_128(__m128i a, __m128i b, __m128i c, __m128i d)
{
    a = _mm_blendv_epi8(a, _mm_shuffle_epi32(b, TURN1), PLACES1);
    a = _mm_blendv_epi8(a, _mm_shuffle_epi32(c, TURN2), PLACES2);
    return _mm_blendv_epi8(a, _mm_shuffle_epi32(d, TURN3), PLACES3);
}

#define SCAN scan_aesni
#define TARGET FOR("aes,sse4.1")
#define VECTOR __m128i
#define LANES 1
#define LOAD(p) _mm_loadu_si128((const void *)(p))
#define SPREAD(p) LOAD(p)
#define FILL(number) _mm_set1_epi32((int)(number))
#define BEGIN _mm_xor_si128
#define ROUND(x, key, r) _mm_aesenc_si128(x, (key)[r])
#define MERGE merge_128
#define LAST_KEYS(cipher) const VECTOR last = FILL(last_key(cipher))
#define LAST(x) _mm_aesenclast_si128(x, last)
#define MIN _mm_min_epu32
#define ANY_BELOW(x, limit) _mm_movemask_epi8(_mm_cmpeq_epi32(MIN(x, limit), x))
#include "chunk_scan.h"

/* ---- VAES on 256 bits: two blocks (Zen 3, Alder Lake) ---- */

static inline FOR("avx2,vaes") __m256i
merge_256(__m256i a, __m256i b, __m256i c, __m256i d)
{
    a = _mm256_blendv_epi8(a, _mm256_shuffle_epi32(b, TURN1), _mm256_broadcastsi128_si256(PLACES1));
    a = _mm256_blendv_epi8(a, _mm256_shuffle_epi32(c, TURN2), _mm256_broadcastsi128_si256(PLACES2));
    d = _mm256_shuffle_epi32(d, TURN3);
    return _mm256_blendv_epi8(a, d, _mm256_broadcastsi128_si256(PLACES3));
}

#define SCAN scan_vaes256
#define TARGET FOR("avx2,vaes")
#define VECTOR __m256i
#define LANES 2
#define LOAD(p) _mm256_loadu_si256((const void *)(p))
#define SPREAD(p) _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)(p)))
#define FILL(number) _mm256_set1_epi32((int)(number))
#define BEGIN _mm256_xor_si256
#define ROUND(x, key, r) _mm256_aesenc_epi128(x, (key)[r])
#define MERGE merge_256
#define LAST_KEYS(cipher) const VECTOR last = FILL(last_key(cipher))
#define LAST(x) _mm256_aesenclast_epi128(x, last)
#define MIN _mm256_min_epu32
#define ANY_BELOW(x, limit) _mm256_movemask_epi8(_mm256_cmpeq_epi32(MIN(x, limit), x))
#include "chunk_scan.h"

/* ---- VAES on 512 bits: four blocks (Ice Lake, Zen 4) ---- */

#define MASK512(places) (0x0001000100010001u * (uint64_t)(places))

/* A byte shuffle under a mask turns and merges at once. */
static inline FOR("avx512f,avx512bw,vaes") __m512i
merge_512(__m512i a, __m512i b, __m512i c, __m512i d)
{
    const __m512i turn1 = _mm512_broadcast_i32x4(
        _mm_setr_epi8(12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
    const __m512i turn2 = _mm512_shuffle_epi32(turn1, TURN1);
    const __m512i turn3 = _mm512_shuffle_epi32(turn1, TURN2);
    a = _mm512_mask_shuffle_epi8(a, MASK512(0x4218), b, turn1);
    a = _mm512_mask_shuffle_epi8(a, MASK512(0x2184), c, turn2);
    return _mm512_mask_shuffle_epi8(a, MASK512(0x1842), d, turn3);
}

#define SCAN scan_vaes512
#define TARGET FOR("avx512f,avx512bw,vaes")
#define VECTOR __m512i
#define LANES 4
#define LOAD(p) _mm512_loadu_si512(p)
#define SPREAD(p) _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)(p)))
#define FILL(number) _mm512_set1_epi32((int)(number))
#define BEGIN _mm512_xor_si512
#define ROUND(x, key, r) _mm512_aesenc_epi128(x, (key)[r])
#define MERGE merge_512
#define LAST_KEYS(cipher) const VECTOR last = FILL(last_key(cipher))
#define LAST(x) _mm512_aesenclast_epi128(x, last)
#define MIN _mm512_min_epu32
#define ANY_BELOW(x, limit) _mm512_cmple_epu32_mask(x, limit)
#include "chunk_scan.h"

/* ---- Which of them run here ---- */

int
usable_aesni(void)
{
    return has_aesni();
}

int
usable_vaes256(void)
{
    return has_avx2() && has_vaes();
}

int
usable_vaes512(void)
{
    return has_avx512() && has_vaes();
}

#endif
