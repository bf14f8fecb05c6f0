/* CRC-32C (Castagnoli) eight bytes at a time, through eight tables of 256 words ("slicing by 8":
   Kounavis and Berry, "A Systematic Approach to Building High Performance Software-based CRC
   Generators", 2005). Its twin is twofold/disk/crc32c.py, which says what it is for. */

#include "native.h"

enum { SLICES = 8, HELD_UP_TO = 4096 }; /* bytes for which it is not worth giving the lock away */

static const uint32_t polynomial = 0x82F63B78; /* reflected */
static uint32_t tables[SLICES][256]; /* tables[n][b]: what a byte has become n bytes later */

static void
make_tables(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t value = byte;
        for (int bit = 0; bit < 8; bit++)
            value = value >> 1 ^ (value & 1 ? polynomial : 0);
        tables[0][byte] = value;
    }
    for (int slice = 1; slice < SLICES; slice++)
        for (int byte = 0; byte < 256; byte++) {
            uint32_t before = tables[slice - 1][byte];
            tables[slice][byte] = before >> 8 ^ tables[0][before & 0xFF];
        }
}

static uint32_t
summed(uint32_t seed, const uint8_t *at, size_t length)
{
    for (; length >= SLICES; at += SLICES, length -= SLICES) {
        uint32_t next = 0;
        for (int i = 0; i < SLICES; i++) {
            uint32_t folded = i < 4 ? seed >> 8 * i & 0xFF : 0;
            next ^= tables[SLICES - 1 - i][at[i] ^ folded];
        }
        seed = next;
    }
    for (; length; at++, length--)
        seed = seed >> 8 ^ tables[0][(seed ^ *at) & 0xFF];
    return seed;
}

static PyObject *
crc32c_remainder(PyObject *module, PyObject *arguments)
{
    (void)module;
    unsigned long seed;
    Py_buffer data;
    if (!PyArg_ParseTuple(arguments, "ky*", &seed, &data))
        return NULL;
    uint32_t sum = (uint32_t)seed;
    if (data.len <= HELD_UP_TO)
        sum = summed(sum, data.buf, (size_t)data.len);
    else {
        Py_BEGIN_ALLOW_THREADS
        sum = summed(sum, data.buf, (size_t)data.len);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&data);
    return PyLong_FromUnsignedLong(sum);
}

static PyMethodDef functions[] = {
    {"crc32c_remainder", crc32c_remainder, METH_VARARGS,
     "crc32c_remainder(seed, data): the remainder after some bytes, without inversions."},
    {NULL, NULL, 0, NULL},
};

int
add_crc32c(PyObject *module)
{
    make_tables();
    return PyModule_AddFunctions(module, functions);
}
