/* The body of every vector kernel; included once for each kind of processor.

   One load takes in the windows of LANES positions that lie 16 apart, so 16 loads, each one byte
   further, take in 16 * LANES consecutive positions. Two batches of eight keep the AES units busy.

   Only four bytes of each result are wanted: column 0. In the last round they depend on 4 of the
   16 bytes of the state, so MERGE packs the states of four loads into one vector, each state's
   four bytes into another column, and one last round serves all four. That is exact, makes the
   last round cost a quarter, and leaves as many values as fit in a vector, for a single compare.

   The includer defines

       SCAN, TARGET         the function's name and its attribute
       VECTOR, LANES        a vector of LANES blocks of 16 bytes
       LOAD(p), SPREAD(p)   LANES blocks from p; one block from p in every lane
       FILL(number)         a 32-bit number in every place of 32 bits
       BEGIN(x, key)        the first key addition
       ROUND(x, keys, r)    full round r of 1 to 9; keys are those of rounds 0 to 9
       MERGE(a, b, c, d)    described above: column 0 of a, b, c, d become columns 0 to 3
       LAST_KEYS(cipher)    constants that LAST needs, as declarations
       LAST(x)              the last round
       MIN(a, b)            smaller unsigned numbers of 32 bits
       ANY_BELOW(x, limit)  whether any number of x is at most that in limit */

#ifndef EIGHT
#define EIGHT(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#endif

TARGET size_t
SCAN(const struct cipher *cipher, const uint8_t *bytes, size_t count, uint32_t threshold)
{
    const VECTOR limit = FILL(threshold - 1);
    VECTOR keys[AES_ROUNDS], value[4];
    LAST_KEYS(cipher);

    for (int r = 0; r < AES_ROUNDS; r++)
        keys[r] = SPREAD(cipher->round[r]);
    for (size_t at = 0; at < count; at += 16 * LANES) {
        for (int half = 0; half < 2; half++) {
            const uint8_t *from = bytes + at + 8 * half;
#define START_ONE(i) VECTOR x##i = BEGIN(LOAD(from + i), keys[0]);
#define ROUND_ONE(i) x##i = ROUND(x##i, keys, r);
            EIGHT(START_ONE)
            for (int r = 1; r < AES_ROUNDS; r++) {
                EIGHT(ROUND_ONE)
            }
            value[2 * half] = LAST(MERGE(x0, x1, x2, x3));
            value[2 * half + 1] = LAST(MERGE(x4, x5, x6, x7));
        }
        if (ANY_BELOW(MIN(MIN(value[0], value[1]), MIN(value[2], value[3])), limit)) {
            uint32_t number[16 * LANES];
            memcpy(number, value, sizeof number);
            return at + first_number(number, LANES, threshold);
        }
    }
    return count;
}

#undef START_ONE
#undef ROUND_ONE
#undef SCAN
#undef TARGET
#undef VECTOR
#undef LANES
#undef LOAD
#undef SPREAD
#undef FILL
#undef BEGIN
#undef ROUND
#undef MERGE
#undef LAST_KEYS
#undef LAST
#undef MIN
#undef ANY_BELOW
