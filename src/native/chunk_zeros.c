/* Zero runs at memory speed.

   Any run of 64 KiB contains a whole aligned block of 32 KiB, so it is enough to look at those, and
   the first byte of each rules out nearly all of them. From a block that is zero the run's borders
   are found by comparing with constant zeros, as the C library does that with its widest vectors. */

#include "chunk_zeros.h"

#include <string.h>

enum { BLOCK = ZERO_RUN / 2 };

static const uint8_t ZEROS[4096]; /* compared in steps of 4096, of 64, and of single bytes */

size_t
leading_zeros(const uint8_t *data, size_t size)
{
    size_t at = 0;
    for (size_t step = sizeof ZEROS; step > 0; step /= 64)
        while (size - at >= step && memcmp(data + at, ZEROS, step) == 0)
            at += step;
    return at;
}

size_t
trailing_zeros(const uint8_t *data, size_t size)
{
    size_t end = size;
    for (size_t step = sizeof ZEROS; step > 0; step /= 64)
        while (end >= step && memcmp(data + end - step, ZEROS, step) == 0)
            end -= step;
    return size - end;
}

size_t
next_zero_run(const uint8_t *data, size_t size, size_t *at)
{
    const size_t first = *at;
    size_t block = first + (BLOCK - first % BLOCK) % BLOCK;
    while (block < size && size - block >= BLOCK) {
        size_t zeros = data[block] ? 0 : leading_zeros(data + block, size - block);
        if (zeros >= BLOCK) {
            size_t before = trailing_zeros(data + first, block - first);
            if (before + zeros >= ZERO_RUN) {
                *at = block - before;
                return before + zeros;
            }
        }
        block += zeros / BLOCK * BLOCK + BLOCK;
    }
    return 0;
}
