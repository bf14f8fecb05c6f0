/* The list of kernels, and what makes one that works in whole steps search any range. */

#include "chunk_kernels.h"

static int
always(void)
{
    return 1;
}

const struct kernel chunk_kernels[] = {
#ifdef CHUNK_X86
    {"vaes512", scan_vaes512, usable_vaes512},
    {"vaes256", scan_vaes256, usable_vaes256},
    {"aesni", scan_aesni, usable_aesni},
#endif
#ifdef CHUNK_ARM
    {"armv8", scan_armv8, usable_armv8},
#endif
    {"portable", scan_portable, always},
};
const size_t chunk_kernel_count = sizeof chunk_kernels / sizeof *chunk_kernels;

size_t
first_below(const struct kernel *kernel, const struct cipher *cipher, const uint8_t *data,
            size_t start, size_t stop, uint32_t threshold)
{
    const size_t reach = AES_BLOCK - 1; /* bytes of a window before its position */
    if (start >= stop)
        return stop;
    const size_t count = stop - start, whole = count - count % STEP;
    const uint8_t *windows = data + start - reach;

    size_t found = kernel->scan(cipher, windows, whole, threshold);
    if (found < whole || whole == count)
        return start + found;
    if (whole) { /* the last step again, moved on to the end: nothing before it was below */
        size_t last = count - STEP;
        return start + last + kernel->scan(cipher, windows + last, STEP, threshold);
    }
    uint8_t few[AES_BLOCK - 1 + STEP] = {0};
    memcpy(few, windows, reach + count);
    found = kernel->scan(cipher, few, STEP, threshold);
    return found < count ? start + found : stop;
}
