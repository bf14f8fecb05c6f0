/* BLAKE3 of several 4 KiB shards at once, one per lane; a template to be included per vector type.

   The includer defines LANES, VECTOR (LANES 32-bit words), ADD, XOR, ROTATE(v, n) to the right,
   SPREAD(word), LOAD_BLOCK (see below), TARGET and HASH_SHARDS, the name of the function made.

   A shard is four chunks of 16 blocks and so a tree of three parents over them. Lane i does shard
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
COMPRESS(VECTOR cv[8], const VECTOR m[16], uint32_t chunk, uint32_t flags)
{
    VECTOR v[16];
    for (int i = 0; i < 8; i++)
        v[i] = cv[i];
    for (int i = 0; i < 4; i++)
        v[8 + i] = SPREAD(START[i]);
    v[12] = SPREAD(chunk), v[13] = SPREAD(0), v[14] = SPREAD(BLOCK), v[15] = SPREAD(flags);
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

/* cv <- the chaining values of one chunk of every shard. */
TARGET static void
HASH_CHUNK(VECTOR cv[8], const uint8_t *const shards[LANES], uint32_t chunk)
{
    VECTOR m[16];
    for (int i = 0; i < 8; i++)
        cv[i] = SPREAD(START[i]);
    for (size_t block = 0; block < CHUNK / BLOCK; block++) {
        uint32_t first = block == 0 ? CHUNK_START : 0;
        uint32_t last = block == CHUNK / BLOCK - 1 ? CHUNK_END : 0;
        LOAD_BLOCK(m, shards, chunk * CHUNK + block * BLOCK);
        COMPRESS(cv, m, chunk, first | last);
    }
}

/* cv <- the parent of two, which lie in m one after the other. */
TARGET static void
HASH_PARENT(VECTOR cv[8], const VECTOR m[16], uint32_t flags)
{
    for (int i = 0; i < 8; i++)
        cv[i] = SPREAD(START[i]);
    COMPRESS(cv, m, 0, PARENT | flags);
}

/* The first two words of the hash of every shard: out[0] of all lanes, then out[1]. */
TARGET static void
HASH_SHARDS(const uint8_t *const shards[LANES], uint32_t out[2 * LANES])
{
    VECTOR chunks[32], parents[16], root[8];
    for (uint32_t chunk = 0; chunk < 4; chunk++)
        HASH_CHUNK(chunks + 8 * chunk, shards, chunk);
    HASH_PARENT(parents, chunks, 0);
    HASH_PARENT(parents + 8, chunks + 16, 0);
    HASH_PARENT(root, parents, ROOT);
    memcpy(out, root, 2 * sizeof(VECTOR));
}

#undef MIX
#undef ROUND
#undef LANES
#undef VECTOR
#undef ADD
#undef XOR
#undef ROTATE
#undef SPREAD
#undef LOAD_BLOCK
#undef TARGET
#undef COMPRESS
#undef HASH_CHUNK
#undef HASH_PARENT
#undef HASH_SHARDS
