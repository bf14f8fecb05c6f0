/* Argon2's compression on vectors of 8 words (AVX-512) and of 4 (AVX2).

   Rows lie in vectors as they come. Of columns, two lie in a unit: its words 0 and 1 and its words 2 and
   3. AVX2 has their upper words in another vector than the lower ones; AVX-512 keeps two rows in a
   vector, so that it has both in one, and a step to the diagonals is one instruction a vector. */

#include "argon2.h"
#include "processor.h"

#if TWOFOLD_X86

#define VECTOR __m256i
#define COUNT 32
#define TARGET FOR_AVX2
#define LOAD(at) _mm256_loadu_si256((const __m256i *)(at))
#define STORE(at, v) _mm256_storeu_si256((__m256i *)(at), v)
#define ADD _mm256_add_epi64
#define XOR _mm256_xor_si256
#define MULTIPLY _mm256_mul_epu32
#define ROTATE_32(v) _mm256_shuffle_epi32(v, 0xB1)
#define ROTATE_24(v) _mm256_shuffle_epi8(v, bytes_24())
#define ROTATE_16(v) _mm256_shuffle_epi8(v, bytes_16())
#define ROTATE_63(v) _mm256_xor_si256(_mm256_srli_epi64(v, 63), _mm256_add_epi64(v, v))
#define TURN _mm256_permute4x64_epi64
#define FUSE fuse_avx2
#define STEP step_avx2
#define ROWS rows_avx2
#define COLUMNS columns_avx2
#define COMPRESS compress_avx2

FOR_AVX2 static inline __m256i
bytes_24(void)
{
    return _mm256_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 3, 4, 5, 6, 7, 0,
                            1, 2, 11, 12, 13, 14, 15, 8, 9, 10);
}

FOR_AVX2 static inline __m256i
bytes_16(void)
{
    return _mm256_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 2, 3, 4, 5, 6, 7,
                            0, 1, 10, 11, 12, 13, 14, 15, 8, 9);
}

#include "argon2_rounds.h"

/* Four words in two vectors, each one place to the left: 1, 2 and 3, 0. */
FOR_AVX2 static inline void
turn_left(__m256i *low, __m256i *high)
{
    __m256i first = _mm256_alignr_epi8(*high, *low, 8);
    *high = _mm256_alignr_epi8(*low, *high, 8);
    *low = first;
}

/* One place to the right: 3, 0 and 1, 2. */
FOR_AVX2 static inline void
turn_right(__m256i *low, __m256i *high)
{
    __m256i first = _mm256_alignr_epi8(*low, *high, 8);
    *high = _mm256_alignr_epi8(*high, *low, 8);
    *low = first;
}

FOR_AVX2 static inline void
exchange(__m256i *low, __m256i *high)
{
    __m256i kept = *low;
    *low = *high;
    *high = kept;
}

/* P on the two columns of which ``unit`` holds words: rows 0 and 1 are a, 2 and 3 are b, ... */
FOR_AVX2 static inline void
two_columns(__m256i *unit)
{
    step_avx2(unit, unit + 8, unit + 16, unit + 24);
    step_avx2(unit + 4, unit + 12, unit + 20, unit + 28);
    turn_left(unit + 8, unit + 12);
    exchange(unit + 16, unit + 20);
    turn_right(unit + 24, unit + 28);
    step_avx2(unit, unit + 8, unit + 16, unit + 24);
    step_avx2(unit + 4, unit + 12, unit + 20, unit + 28);
    turn_right(unit + 8, unit + 12);
    exchange(unit + 16, unit + 20);
    turn_left(unit + 24, unit + 28);
}

FOR_AVX2 static inline void
columns_avx2(__m256i *block)
{
    for (size_t i = 0; i < 4; i++)
        two_columns(block + i);
}

#define VECTOR __m512i
#define COUNT 16
#define TARGET FOR_AVX512
#define LOAD(at) _mm512_loadu_si512(at)
#define STORE(at, v) _mm512_storeu_si512(at, v)
#define ADD _mm512_add_epi64
#define XOR _mm512_xor_si512
#define MULTIPLY _mm512_mul_epu32
#define ROTATE_32(v) _mm512_ror_epi64(v, 32)
#define ROTATE_24(v) _mm512_ror_epi64(v, 24)
#define ROTATE_16(v) _mm512_ror_epi64(v, 16)
#define ROTATE_63(v) _mm512_ror_epi64(v, 63)
#define TURN _mm512_permutex_epi64
#define FUSE fuse_avx512
#define STEP step_avx512
#define ROWS rows_avx512
#define COLUMNS columns_avx512
#define COMPRESS compress_avx512
#include "argon2_rounds.h"

/* The four words of either column one place to the left: those of the first are at 0, 1, 4, 5. */
FOR_AVX512 static inline __m512i
left(__m512i words)
{
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(1, 4, 3, 6, 5, 0, 7, 2), words);
}

FOR_AVX512 static inline __m512i
right(__m512i words)
{
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(5, 0, 7, 2, 1, 4, 3, 6), words);
}

FOR_AVX512 static inline void
columns_avx512(__m512i *block)
{
    for (size_t i = 0; i < 4; i++) {
        __m512i *v = block + i;
        step_avx512(v, v + 4, v + 8, v + 12);
        v[4] = left(v[4]);
        v[8] = _mm512_shuffle_i64x2(v[8], v[8], 0x4E);
        v[12] = right(v[12]);
        step_avx512(v, v + 4, v + 8, v + 12);
        v[4] = right(v[4]);
        v[8] = _mm512_shuffle_i64x2(v[8], v[8], 0x4E);
        v[12] = left(v[12]);
    }
}

static const Mixing mixing_avx2 = {
    compress_avx2, {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31}};
static const Mixing mixing_avx512 = {
    compress_avx512, {0,  2,  4,  6,  1,  3,  5,  7,  8,  10, 12, 14, 9,  11, 13, 15,
                      16, 18, 20, 22, 17, 19, 21, 23, 24, 26, 28, 30, 25, 27, 29, 31}};

#endif

void
add_argon2_kernels(Kernels *kernels)
{
#if TWOFOLD_X86
    if (has_avx512())
        add_kernel(kernels, "avx512", 8, NULL);
    if (has_avx2())
        add_kernel(kernels, "avx2", 4, NULL);
#else
    (void)kernels;
#endif
}

const Mixing *
argon2_mixing(const Kernel *kernel)
{
#if TWOFOLD_X86
    return kernel->lanes == 8 ? &mixing_avx512 : &mixing_avx2;
#else
    (void)kernel;
    return NULL;
#endif
}
