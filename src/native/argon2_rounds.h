/* The round P of Argon2 (RFC 9106, section 3.6) over vectors of words; included once per kernel.

   The includer defines VECTOR, COUNT (vectors in a block), TARGET, the operations LOAD, STORE, ADD,
   XOR, MULTIPLY (the low halves of words), ROTATE_32, _24, _16, _63 (to the right), TURN (words within
   units), the names FUSE, STEP, ROWS, and COMPRESS; and a function COLUMNS(VECTOR *) that does P on all
   columns of a block. */

/* x + y + 2 * low(x) * low(y), which is what makes it hard to do in less time. */
TARGET static inline VECTOR
FUSE(VECTOR x, VECTOR y)
{
    VECTOR product = MULTIPLY(x, y);
    return ADD(ADD(x, y), ADD(product, product));
}

/* GB on every word of four vectors. */
TARGET static inline void
STEP(VECTOR *a, VECTOR *b, VECTOR *c, VECTOR *d)
{
    *a = FUSE(*a, *b);
    *d = ROTATE_32(XOR(*d, *a));
    *c = FUSE(*c, *d);
    *b = ROTATE_24(XOR(*b, *c));
    *a = FUSE(*a, *b);
    *d = ROTATE_16(XOR(*d, *a));
    *c = FUSE(*c, *d);
    *b = ROTATE_63(XOR(*b, *c));
}

/* P on as many rows as a vector has units. */
TARGET static inline void
ROWS(VECTOR *row)
{
    STEP(row, row + 1, row + 2, row + 3);
    row[1] = TURN(row[1], 0x39);
    row[2] = TURN(row[2], 0x4E);
    row[3] = TURN(row[3], 0x93);
    STEP(row, row + 1, row + 2, row + 3);
    row[1] = TURN(row[1], 0x93);
    row[2] = TURN(row[2], 0x4E);
    row[3] = TURN(row[3], 0x39);
}

TARGET static inline void COLUMNS(VECTOR *block);

TARGET static void
COMPRESS(const uint64_t *previous, const uint64_t *reference, uint64_t *next, int over)
{
    const size_t words = WORDS / COUNT;
    VECTOR block[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        block[i] = XOR(LOAD(previous + i * words), LOAD(reference + i * words));
        STORE(next + i * words, over ? XOR(block[i], LOAD(next + i * words)) : block[i]);
    }
    for (size_t i = 0; i < COUNT; i += 4)
        ROWS(block + i);
    COLUMNS(block);
    for (size_t i = 0; i < COUNT; i++)
        STORE(next + i * words, XOR(block[i], LOAD(next + i * words)));
}

#undef VECTOR
#undef COUNT
#undef TARGET
#undef LOAD
#undef STORE
#undef ADD
#undef XOR
#undef MULTIPLY
#undef ROTATE_32
#undef ROTATE_24
#undef ROTATE_16
#undef ROTATE_63
#undef TURN
#undef FUSE
#undef STEP
#undef ROWS
#undef COLUMNS
#undef COMPRESS
