/* Searching a buffer for the positions where aes16 cuts. No Python in here.

   A position i of a buffer stands for its window, the 16 bytes that end with byte i; its value v
   is the first four bytes, as a little-endian number, of AES-128 of the window (chunking.md).
   A kernel finds the first position with v below a threshold. All kernels give the same answers;
   which of them a processor can run is asked at run time. */

#ifndef TWOFOLD_CHUNK_KERNELS_H
#define TWOFOLD_CHUNK_KERNELS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    AES_BLOCK = 16, /* bytes of a window, and of a key */
    AES_ROUNDS = 10,
    STEP = 64, /* kernels look at a multiple of this many positions */
};

/* A key made ready for all kernels: the round keys, and tables that only the portable one reads. */
struct cipher {
    uint8_t round[AES_ROUNDS + 1][AES_BLOCK];
    uint32_t table[4][256];
};

/* The first j < count such that the window bytes[j .. j+15] has a value below `threshold`, else
   `count`. `count` is a multiple of STEP, `threshold` is not 0; reads bytes[0 .. count+14]. */
typedef size_t scan_function(const struct cipher *cipher, const uint8_t *bytes, size_t count,
                             uint32_t threshold);

struct kernel {
    const char *name;
    scan_function *scan;
    int (*usable)(void); /* whether this processor and its operating system can run it */
};

/* Fastest first; the last one is usable everywhere. */
extern const struct kernel chunk_kernels[];
extern const size_t chunk_kernel_count;

void expand_key(struct cipher *cipher, const uint8_t key[AES_BLOCK]);

/* The first position i of start <= i < stop with a value below `threshold`, else `stop`.
   `start` is at least 15 and `threshold` not 0; reads data[start-15 .. stop-1]. */
size_t first_below(const struct kernel *kernel, const struct cipher *cipher, const uint8_t *data,
                   size_t start, size_t stop, uint32_t threshold);

/* The kernels, and what those of chunk_scan.h share. */

scan_function scan_portable;

#if defined(__x86_64__) || defined(_M_X64)
#define CHUNK_X86 1
scan_function scan_vaes512, scan_vaes256, scan_aesni;
int usable_vaes512(void), usable_vaes256(void), usable_aesni(void);
#elif defined(__aarch64__) && defined(__linux__) && !defined(__AARCH64EB__)
#define CHUNK_ARM 1
scan_function scan_armv8;
int usable_armv8(void);
#endif

/* The first four bytes of the last round key, as a vector register holds them. */
static inline uint32_t
last_key(const struct cipher *cipher)
{
    uint32_t key;
    memcpy(&key, cipher->round[AES_ROUNDS], sizeof key);
    return key;
}

/* The first position below the threshold, which is there, among 16 * lanes: number 4 lanes g + 4 l
   + c belongs to position 16 l + 4 g + c, as loads are one byte apart and lanes 16. */
static inline size_t
first_number(const uint32_t *number, size_t lanes, uint32_t threshold)
{
    size_t at = 0;
    while (number[at % 16 / 4 * lanes * 4 + at / 16 * 4 + at % 4] >= threshold)
        at++;
    return at;
}

#endif
