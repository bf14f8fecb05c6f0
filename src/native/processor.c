/* Asking the processor: cpuid leaves 1 and 7, and the state the system saves (XCR0).
   Source: Intel 64 and IA-32 Software Developer's Manual, volume 1, chapters 14.3 and 15.2. */

#include "processor.h"

#if TWOFOLD_X86

#include <stdint.h>

#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif

enum { OSXSAVE = 1u << 27, AVX2 = 1u << 5, AVX512F = 1u << 16, AVX512BW = 1u << 30 };
enum { SSE41 = 1u << 19, AESNI = 1u << 25, VAES = 1u << 9 };
enum { STATE_AVX = 0x06, STATE_AVX512 = 0xE6 }; /* XMM, YMM; and the masks, ZMM low and high */

/* EBX and ECX of a leaf, zero if the processor does not know it. */
static void
ask(unsigned leaf, unsigned *ebx, unsigned *ecx)
{
#if defined(_MSC_VER)
    int out[4];
    __cpuid(out, 0);
    if ((unsigned)out[0] < leaf)
        out[1] = out[2] = 0;
    else
        __cpuidex(out, (int)leaf, 0);
    *ebx = (unsigned)out[1], *ecx = (unsigned)out[2];
#else
    unsigned eax, edx;
    if (!__get_cpuid_count(leaf, 0, &eax, ebx, ecx, &edx))
        *ebx = *ecx = 0;
#endif
}

static uint64_t
saved_state(void)
{
    unsigned ebx, ecx;
    ask(1, &ebx, &ecx);
    if (!(ecx & OSXSAVE))
        return 0;
#if defined(_MSC_VER)
    return _xgetbv(0);
#else
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
#endif
}

static int
has(uint64_t state, unsigned features)
{
    unsigned ebx, ecx;
    ask(7, &ebx, &ecx);
    return (saved_state() & state) == state && (ebx & features) == features;
}

int
has_avx2(void)
{
    return has(STATE_AVX, AVX2);
}

int
has_avx512(void)
{
    return has(STATE_AVX512, AVX2 | AVX512F | AVX512BW);
}

int
has_aesni(void)
{
    unsigned ebx, ecx;
    ask(1, &ebx, &ecx);
    return (ecx & (AESNI | SSE41)) == (AESNI | SSE41);
}

int
has_vaes(void)
{
    unsigned ebx, ecx;
    ask(7, &ebx, &ecx);
    return (ecx & VAES) != 0;
}

#else

int
has_avx2(void)
{
    return 0;
}

int
has_avx512(void)
{
    return 0;
}

int
has_aesni(void)
{
    return 0;
}

int
has_vaes(void)
{
    return 0;
}

#endif
