/* The kernel for 64-bit ARM with the AES instructions of ARMv8, on Linux.

   AESE adds its key before it substitutes, and AESMC mixes columns apart. So round r takes the key
   of round r - 1, the last round takes the key of round 9 (merged like the states), and the last
   key addition is an exclusive or. It was compared with the others under an emulator (qemu-aarch64)
   only: nothing is known of its speed. */

#include "chunk_kernels.h"

#ifdef CHUNK_ARM

#include <arm_neon.h>
#include <sys/auxv.h>

#ifdef __clang__
#define FOR_AES __attribute__((target("aes")))
#else
#define FOR_AES __attribute__((target("+crypto")))
#endif

static inline FOR_AES uint8x16_t
merge_neon(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d)
{
    static const uint8_t places[3][16] = {
        {0, 0, 0, 255, 255, 0, 0, 0, 0, 255, 0, 0, 0, 0, 255, 0},
        {0, 0, 255, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0, 255, 0, 0},
        {0, 255, 0, 0, 0, 0, 255, 0, 0, 0, 0, 255, 255, 0, 0, 0},
    };
    a = vbslq_u8(vld1q_u8(places[0]), vextq_u8(b, b, 12), a);
    a = vbslq_u8(vld1q_u8(places[1]), vextq_u8(c, c, 8), a);
    return vbslq_u8(vld1q_u8(places[2]), vextq_u8(d, d, 4), a);
}

#define WORDS vreinterpretq_u32_u8
#define BYTES vreinterpretq_u8_u32

#define SCAN scan_armv8
#define TARGET FOR_AES
#define VECTOR uint8x16_t
#define LANES 1
#define LOAD(p) vld1q_u8(p)
#define SPREAD(p) vld1q_u8(p)
#define FILL(number) BYTES(vdupq_n_u32(number))
#define BEGIN(x, key) (x)
#define ROUND(x, key, r) vaesmcq_u8(vaeseq_u8(x, (key)[(r) - 1]))
#define MERGE merge_neon
#define LAST_KEYS(cipher) \
    const VECTOR before = SPREAD((cipher)->round[AES_ROUNDS - 1]); \
    const VECTOR merged = merge_neon(before, before, before, before); \
    const VECTOR last = FILL(last_key(cipher))
#define LAST(x) veorq_u8(vaeseq_u8(x, merged), last)
#define MIN(a, b) BYTES(vminq_u32(WORDS(a), WORDS(b)))
#define ANY_BELOW(x, limit) vmaxvq_u32(vcleq_u32(WORDS(x), WORDS(limit)))
#include "chunk_scan.h"

int
usable_armv8(void)
{
    enum { HAS_AES = 1 << 3 }; /* HWCAP_AES of Linux on this processor */
    return (getauxval(AT_HWCAP) & HAS_AES) != 0;
}

#endif
