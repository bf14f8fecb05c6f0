/* What the processor and the operating system let a kernel use, and how a kernel is marked.

   A vector instruction may run only if the processor has it (cpuid) and the system saves its
   registers when it switches threads (xgetbv). Kernels are compiled for more than the rest of the
   extension is, one function at a time, and chosen when the module is loaded. */

#ifndef TWOFOLD_PROCESSOR_H
#define TWOFOLD_PROCESSOR_H

#if defined(__x86_64__) || defined(_M_X64)
#define TWOFOLD_X86 1
#include <immintrin.h>
#else
#define TWOFOLD_X86 0
#endif

/* MSVC compiles every intrinsic everywhere; others want to be told per function. */
#if defined(_MSC_VER)
#define FOR_AVX2
#define FOR_AVX512
#else
#define FOR_AVX2 __attribute__((target("avx2")))
#define FOR_AVX512 __attribute__((target("avx512f,avx512bw")))
#endif

/* Whether code of these sets may run; always 0 on other processors. */
int has_avx2(void);
int has_avx512(void); /* F and BW */
int has_aesni(void);  /* with SSE4.1 */
int has_vaes(void);   /* on vectors of the sizes that the two above allow */

#endif
