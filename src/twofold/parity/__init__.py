"""P+Q parity (the arithmetic of RAID 6) that repairs bursts and scattered bad sectors of a pack.

The data is divided into N shards of 4 KiB, dealt round robin to G = ceil(N / 64) + 1 groups:
shard j is number j // G of group j mod G. Each group has two parity shards over GF(2^8),

    P = D0 ^ D1 ^ D2 ^ ...        Q = D0 ^ 2*D1 ^ 4*D2 ^ ...

so any two lost shards of a group can be computed. The P shards and then the Q shards follow the
data and go on dealing where it stopped; hence any 2G neighbouring shards of data and parity
hold at most two of each group, and losing them all is no loss. Digests of 8 bytes per shard
tell which shards are bad. Specified in ``docs/format/parity.md``.
"""

from twofold.parity.encode import (
    DIGEST_SIZE,
    SHARD_SIZE,
    Buffer,
    Layout,
    damaged_shards,
    encode,
    shard_digests,
)
from twofold.parity.repair import Repaired, repair, salvage

__all__ = [
    "DIGEST_SIZE",
    "SHARD_SIZE",
    "Buffer",
    "Layout",
    "Repaired",
    "damaged_shards",
    "encode",
    "repair",
    "salvage",
    "shard_digests",
]
