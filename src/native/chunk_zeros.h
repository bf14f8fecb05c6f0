/* Runs of zero bytes in memory. No Python in here. */

#ifndef TWOFOLD_CHUNK_ZEROS_H
#define TWOFOLD_CHUNK_ZEROS_H

#include <stddef.h>
#include <stdint.h>

enum { ZERO_RUN = 64 * 1024 }; /* fewest zero bytes that make a zero run; chunking.md */

size_t leading_zeros(const uint8_t *data, size_t size);
size_t trailing_zeros(const uint8_t *data, size_t size);

/* The first maximal zero run of data[*at .. size-1], where data[*at] does not continue a run of
   zeros. Returns its length, 0 if there is none; sets *at to where it begins. */
size_t next_zero_run(const uint8_t *data, size_t size, size_t *at);

#endif
