/* One compression of Argon2 (G of RFC 9106, section 3.5), as a kernel does it.

   A block is 8 rows of 4 units of 4 words. Each kernel keeps units in memory in the order that suits
   its vectors; ``order`` tells where. Only first, last and address blocks are ever seen from outside,
   so only they are put in order. Unit 0 is first in every order, and with it the word that decides
   which block is taken next. */

#ifndef TWOFOLD_ARGON2_H
#define TWOFOLD_ARGON2_H

#include "kernels.h"

enum { WORDS = 128, UNITS = 32, UNIT = WORDS / UNITS };

/* next = G(previous, reference), XORed with what next holds if ``over``. */
typedef void Compress(const uint64_t *previous, const uint64_t *reference, uint64_t *next,
                      int over);

typedef struct {
    Compress *compress;
    uint8_t order[UNITS]; /* at which unit of memory unit i of RFC 9106 is */
} Mixing;

/* Adds the kernels that run here, none on processors that have no lanes. */
void add_argon2_kernels(Kernels *kernels);
const Mixing *argon2_mixing(const Kernel *kernel);

#endif
