/* BLAKE3 of several inputs at once, one per lane; a template to be included per vector type.

   The includer defines LANES, VECTOR (LANES 32-bit words), ADD, XOR, ROTATE(v, n) to the right,
   SPREAD(word), AND, LOAD_WORDS(address), LOAD_BLOCK (see below), TARGET, and the names of the three
   functions made: HASH_SHARDS does 4 KiB shards, HASH_CHUNKS whole chunks of any inputs, HASH_BLOCKS
   single blocks, of which each lane has its own length and flags.

   A shard is four chunks of 16 blocks and so a tree of three parents over them. Lane i does input
   i, all lanes do the same step at the same time, so what one step leaves in the registers is what
   the next one needs, and words are transposed only when blocks are read.
   Source: the BLAKE3 paper (O'Connor, Aumasson, Neves, Wilcox-O'Hearn), sections 2.2 to 2.5. */

#define MIX(a, b, c, d, x, y)                                                                      \
    v[a] = ADD(ADD(v[a], m[x]), v[b]), v[d] = ROTATE(XOR(v[d], v[a]), 16);                         \
    v[c] = ADD(v[c], v[d]), v[b] = ROTATE(XOR(v[b], v[c]), 12);                                    \
    v[a] = ADD(ADD(v[a], m[y]), v[b]), v[d] = ROTATE(XOR(v[d], v[a]), 8);                          \
    v[c] = ADD(v[c], v[d]), v[b] = ROTATE(XOR(v[b], v[c]), 7)

/* One round; its arguments are the order of the message words in it. */
#define ROUND(a, b, c, d, e, f, g, h, i, j, k, l, n, o, p, q)                                      \
    MIX(0, 4, 8, 12, a, b);                                                                        \
    MIX(1, 5, 9, 13, c, d);                                                                        \
    MIX(2, 6, 10, 14, e, f);                                                                       \
    MIX(3, 7, 11, 15, g, h);                                                                       \
    MIX(0, 5, 10, 15, i, j);                                                                       \
    MIX(1, 6, 11, 12, k, l);                                                                       \
    MIX(2, 7, 8, 13, n, o);                                                                        \
    MIX(3, 4, 9, 14, p, q)

/* cv <- the first half of compressing the block m under cv. */
TARGET static void
COMPRESS(VECTOR cv[8], const VECTOR m[16], VECTOR chunk, VECTOR length, VECTOR flags)
{
    VECTOR v[16];
    for (int i = 0; i < 8; i++)
        v[i] = cv[i];
    for (int i = 0; i < 4; i++)
        v[8 + i] = SPREAD(START[i]);
    v[12] = chunk, v[13] = SPREAD(0), v[14] = length, v[15] = flags;
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ROUND(2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8);
    ROUND(3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1);
    ROUND(10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6);
    ROUND(12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4);
    ROUND(9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7);
    ROUND(11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13);
    for (int i = 0; i < 8; i++)
        cv[i] = XOR(v[i], v[8 + i]);
}

/* cv <- the chaining values of the chunk at ``at`` in every input, its ordinal in ``chunk``. */
TARGET static void
HASH_CHUNK(VECTOR cv[8], const uint32_t key[8], const uint8_t *const inputs[LANES], size_t at,
           VECTOR chunk, uint32_t flags)
{
    VECTOR m[16];
    for (int i = 0; i < 8; i++)
        cv[i] = SPREAD(key[i]);
    for (size_t block = 0; block < CHUNK / BLOCK; block++) {
        uint32_t first = block == 0 ? CHUNK_START : 0;
        uint32_t last = block == CHUNK / BLOCK - 1 ? CHUNK_END : 0;
        LOAD_BLOCK(m, inputs, at + block * BLOCK);
        COMPRESS(cv, m, chunk, SPREAD(BLOCK), SPREAD(first | last | flags));
    }
}

/* cv <- the parent of two, which lie in m one after the other. */
TARGET static void
HASH_PARENT(VECTOR cv[8], const VECTOR m[16], uint32_t flags)
{
    for (int i = 0; i < 8; i++)
        cv[i] = SPREAD(START[i]);
    COMPRESS(cv, m, SPREAD(0), SPREAD(BLOCK), SPREAD(PARENT | flags));
}

/* The first two words of the hash of every shard: out[0] of all lanes, then out[1]. */
TARGET static void
HASH_SHARDS(const uint8_t *const shards[LANES], uint32_t out[2 * LANES])
{
    VECTOR chunks[32], parents[16], root[8];
    for (uint32_t chunk = 0; chunk < 4; chunk++)
        HASH_CHUNK(chunks + 8 * chunk, START, shards, (size_t)chunk * CHUNK, SPREAD(chunk), 0);
    HASH_PARENT(parents, chunks, 0);
    HASH_PARENT(parents + 8, chunks + 16, 0);
    HASH_PARENT(root, parents, ROOT);
    memcpy(out, root, 2 * sizeof(VECTOR));
}

/* The chaining values of a whole chunk per lane, under a key: out[i] of all lanes, then out[i+1]. */
TARGET static void
HASH_CHUNKS(const uint32_t key[8], const uint8_t *const inputs[LANES],
            const uint32_t ordinals[LANES], uint32_t out[8 * LANES])
{
    VECTOR cv[8];
    HASH_CHUNK(cv, key, inputs, 0, LOAD_WORDS(ordinals), KEYED);
    memcpy(out, cv, sizeof cv);
}

/* Compresses one block per lane into cv (laid out as in HASH_CHUNKS), but in lanes of mask 0. */
TARGET static void
HASH_BLOCKS(const Blocks *blocks, uint32_t cv[8 * LANES])
{
    VECTOR m[16], old[8], new[8], mask = LOAD_WORDS(blocks->mask);
    for (int i = 0; i < 8; i++)
        new[i] = old[i] = LOAD_WORDS(cv + i * LANES);
    LOAD_BLOCK(m, blocks->data, 0);
    COMPRESS(new, m, LOAD_WORDS(blocks->ordinals), LOAD_WORDS(blocks->lengths),
             LOAD_WORDS(blocks->flags));
    for (int i = 0; i < 8; i++)
        new[i] = XOR(old[i], AND(mask, XOR(old[i], new[i])));
    memcpy(cv, new, sizeof new);
}

#undef MIX
#undef ROUND
#undef LANES
#undef VECTOR
#undef ADD
#undef XOR
#undef AND
#undef ROTATE
#undef SPREAD
#undef LOAD_WORDS
#undef LOAD_BLOCK
#undef TARGET
#undef COMPRESS
#undef HASH_CHUNK
#undef HASH_PARENT
#undef HASH_SHARDS
#undef HASH_CHUNKS
#undef HASH_BLOCKS
