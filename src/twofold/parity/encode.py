"""Layout, parity and digests of a pack's shards.

G neighbouring shards are one row, and the shards of a row have the same ordinal in their groups.
So the parity of all groups at once is a fold over rows, done in slabs that fit the cache. The
parity shards are then turned so that position p belongs to group (N + p) mod G. The extension does
the same group by group, and hashes several shards at once.
"""

from typing import Self

import msgspec
from blake3 import blake3

from twofold.errors import FormatError
from twofold.native import EXTENSION
from twofold.parity.field import fold

Buffer = bytes | bytearray | memoryview

SHARD_SIZE = 4096
"""Bytes of a shard; the last data shard may be shorter and counts as padded with zeros."""

DIGEST_SIZE = 8
"""Bytes of a shard digest: the first of BLAKE3 over the stored bytes of the shard."""

_GROUP_SHARDS = 64  # bounds the shards of one group; fewer than 255 keep all powers distinct
_SLAB = 32 * 1024  # bytes of a row folded at a time: all operands stay in the L2 cache


class Layout(msgspec.Struct, frozen=True):
    """How ``size`` bytes of data are dealt: N shards, G groups, R rows (shards per group)."""

    size: int
    shards: int
    groups: int
    rows: int

    @classmethod
    def of(cls, size: int, beside: int = 0) -> Self:
        """The layout for a number of data bytes.

        ``beside``: bytes that will share the object with data and parity. They lengthen a burst of
        a given share of the object, so they buy groups too.
        """
        shards = -(-size // SHARD_SIZE)
        return cls.with_groups(size, -(-(shards + -(-beside // SHARD_SIZE)) // _GROUP_SHARDS) + 1)

    @classmethod
    def with_groups(cls, size: int, groups: int) -> Self:
        """The layout for a number of data bytes and groups. FormatError for impossible numbers."""
        shards = -(-size // SHARD_SIZE)
        if groups < 1 or -(-shards // groups) > _GROUP_SHARDS:
            raise FormatError(f"{shards} shards cannot be dealt to {groups} groups")
        return cls(size, shards, groups, -(-shards // groups))

    @property
    def parity_size(self) -> int:
        """Bytes of parity."""
        return 2 * self.groups * SHARD_SIZE

    @property
    def digests_size(self) -> int:
        """Bytes of all digests, those of the parity included."""
        return (self.shards + 2 * self.groups) * DIGEST_SIZE

    def parity_shards(self, group: int) -> tuple[int, int]:
        """Positions of P and Q of a group among the parity shards."""
        position = (group - self.shards) % self.groups
        return position, position + self.groups


def encode(data: Buffer, beside: int = 0) -> bytes:
    """The parity of ``data``: G shards P, then G shards Q, ``Layout.parity_size`` bytes.

    ``beside`` as in ``Layout.of``.
    """
    view = memoryview(data).cast("B")
    layout = Layout.of(len(view), beside)
    if EXTENSION is not None:
        found: bytes = EXTENSION.parity(view, layout.groups)
        return found
    return encode_twin(view, layout)


def encode_twin(view: memoryview, layout: Layout) -> bytes:
    """``encode`` without the extension."""
    width = layout.groups * SHARD_SIZE
    sums: list[bytes] = []
    powers: list[bytes] = []
    for start in range(0, width, _SLAB):
        slab = min(_SLAB, width - start)
        # Slices past the end come out short or empty, which reads as padding with zeros.
        last = (layout.rows - 1) * width + start
        rows = (int.from_bytes(view[at : at + slab], "little") for at in range(last, -1, -width))
        p, q = fold(rows, slab)
        sums.append(p.to_bytes(slab, "little"))
        powers.append(q.to_bytes(slab, "little"))
    turn = layout.shards % layout.groups * SHARD_SIZE
    return b"".join(part[turn:] + part[:turn] for part in (b"".join(sums), b"".join(powers)))


def shard_digests(data: Buffer) -> bytes:
    """The digests of all shards of data or of parity, ``DIGEST_SIZE`` bytes each, in order."""
    view = memoryview(data).cast("B")
    if EXTENSION is None or not EXTENSION.BLAKE3_KERNELS:
        return shard_digests_twin(view)
    whole = len(view) // SHARD_SIZE * SHARD_SIZE
    digests: bytes = EXTENSION.shard_digests(view[:whole])
    return digests + shard_digests_twin(view[whole:])


def shard_digests_twin(view: memoryview) -> bytes:
    """``shard_digests`` without the extension."""
    return b"".join(
        blake3(view[at : at + SHARD_SIZE]).digest(DIGEST_SIZE)
        for at in range(0, len(view), SHARD_SIZE)
    )


def damaged_shards(data: Buffer, digests: Buffer) -> list[int]:
    """Ordinals of the shards that do not match their digest.

    Raises FormatError if the number of digests is not that of the shards.
    """
    found = shard_digests(data)
    wanted = bytes(digests)
    if len(found) != len(wanted):
        raise FormatError(f"{len(wanted)} bytes of shard digests where {len(found)} belong")
    if found == wanted:
        return []
    starts = range(0, len(found), DIGEST_SIZE)
    return [
        at // DIGEST_SIZE
        for at in starts
        if found[at : at + DIGEST_SIZE] != wanted[at : at + DIGEST_SIZE]
    ]
