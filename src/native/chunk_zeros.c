/* Zero runs at memory speed.

   Any run of 64 KiB contains a whole aligned block of 32 KiB, so it is enough to look at those, and
   the first byte of each rules out nearly all of them. From a block that is zero the run's borders
   are found by looking on, 64 bytes at a time. */

#include "chunk_zeros.h"

#include <string.h>

enum { BLOCK = ZERO_RUN / 2, WIDE = 64 };

/* Whether the next WIDE bytes are zero. */
static int
wide_zero(const uint8_t *data)
{
    uint64_t word[WIDE / 8], any = 0;
    memcpy(word, data, WIDE);
    for (size_t i = 0; i < WIDE / 8; i++)
        any |= word[i];
    return any == 0;
}

size_t
leading_zeros(const uint8_t *data, size_t size)
{
    size_t at = 0;
    while (size - at >= WIDE && wide_zero(data + at))
        at += WIDE;
    while (at < size && data[at] == 0)
        at++;
    return at;
}

size_t
trailing_zeros(const uint8_t *data, size_t size)
{
    size_t end = size;
    while (end >= WIDE && wide_zero(data + end - WIDE))
        end -= WIDE;
    while (end > 0 && data[end - 1] == 0)
        end--;
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
