"""Find damaged shards by their digests and compute them from the rest of their groups.

With the known shards of a group folded into P and Q, what remains is, for missing shards number
a and b,

    p = Da ^ Db        q = 2^a*Da ^ 2^b*Db

and so Da = (q ^ 2^b*p) / (2^a ^ 2^b), Db = p ^ Da. A single missing shard is p, or q / 2^a when
P is damaged as well. Whatever is computed counts only if its digest agrees.
"""

from collections.abc import Container, Sequence
from typing import NamedTuple

import msgspec

from twofold.errors import FormatError, ObjectDamaged
from twofold.parity.encode import (
    DIGEST_SIZE,
    SHARD_SIZE,
    Buffer,
    Layout,
    damaged_shards,
    shard_digests,
)
from twofold.parity.field import divide, fold, power_of_two, scale


class Repaired(NamedTuple):
    """The data after repair, and the ordinals of its shards that were rebuilt or are lost.

    ``parity_shards`` are the damaged positions of the parity (not rebuilt: ``encode`` does it).
    """

    data: bytes
    rebuilt: tuple[int, ...]
    lost: tuple[int, ...]
    parity_shards: tuple[int, ...]


def repair(
    data: Buffer, size: int, parity: Buffer, data_digests: Buffer, parity_digests: Buffer
) -> Repaired:
    """Like ``salvage``, but raises ObjectDamaged if any data shard is beyond repair."""
    result = salvage(data, size, parity, data_digests, parity_digests)
    if result.lost:
        raise ObjectDamaged(
            f"{len(result.lost)} of {-(-size // SHARD_SIZE)} shards are beyond repair"
            f" ({len(result.rebuilt)} could be rebuilt,"
            f" {len(result.parity_shards)} parity shards are damaged too)"
        )
    return result


def salvage(
    data: Buffer, size: int, parity: Buffer, data_digests: Buffer, parity_digests: Buffer
) -> Repaired:
    """Find damaged shards by their digests and rebuild those that parity can restore.

    ``size`` is the true length of the data. Data and parity may be cut short (missing bytes are
    damage) or too long (ignored). Every rebuilt shard is checked against its digest; lost
    shards keep the bytes found. The digests must be known to be good; FormatError if their
    number does not fit ``size``. The number of groups follows from the parity's digests.
    """
    layout = Layout.with_groups(size, len(parity_digests) // (2 * DIGEST_SIZE))
    if len(data_digests) + len(parity_digests) != layout.digests_size:
        raise FormatError(f"the number of shard digests does not fit {size} bytes of data")
    pack = _Pack(layout, _resized(data, size), _resized(parity, layout.parity_size))
    damaged = damaged_shards(pack.data, data_digests)
    damaged_parity = damaged_shards(pack.parity, parity_digests)
    by_group: dict[int, list[int]] = {}
    for shard in damaged:
        by_group.setdefault(shard % layout.groups, []).append(shard)
    bad_parity = frozenset(damaged_parity)
    rebuilt: list[int] = []
    for group, shards in by_group.items():
        for shard, content in pack.rebuild(group, shards, bad_parity):
            at = shard * DIGEST_SIZE
            if pack.restore(shard, content, bytes(data_digests[at : at + DIGEST_SIZE])):
                rebuilt.append(shard)
    lost = tuple(sorted(set(damaged).difference(rebuilt)))
    return Repaired(bytes(pack.data), tuple(sorted(rebuilt)), lost, tuple(damaged_parity))


class _Pack(msgspec.Struct, frozen=True):
    """Data and parity at their full lengths, some of it wrong."""

    layout: Layout
    data: bytearray
    parity: bytearray

    def rebuild(
        self, group: int, missing: Sequence[int], bad_parity: Container[int]
    ) -> list[tuple[int, bytes]]:
        """The missing data shards of one group, computed; none if its parity does not suffice."""
        p_at, q_at = self.layout.parity_shards(group)
        if len(missing) > (p_at not in bad_parity) + (q_at not in bad_parity):
            return []
        p, q = self._remainders(group, missing)
        powers = [power_of_two(shard // self.layout.groups) for shard in missing]
        if len(missing) == 1:
            content = _bytes(p) if p_at not in bad_parity else divide(_bytes(q), powers[0])
            return [(missing[0], content)]
        mixed = q ^ _integer(scale(_bytes(p), powers[1]))
        content = divide(_bytes(mixed), powers[0] ^ powers[1])
        return [(missing[0], content), (missing[1], _bytes(p ^ _integer(content)))]

    def _remainders(self, group: int, missing: Sequence[int]) -> tuple[int, int]:
        """P and Q of a group with all shards that are there taken out of them."""
        members = range(group, self.layout.shards, self.layout.groups)
        p, q = fold(
            (0 if shard in missing else _shard(self.data, shard) for shard in reversed(members)),
            SHARD_SIZE,
        )
        p_at, q_at = self.layout.parity_shards(group)
        return p ^ _shard(self.parity, p_at), q ^ _shard(self.parity, q_at)

    def restore(self, shard: int, content: bytes, digest: bytes) -> bool:
        """Put computed content in place if it is what the digest says."""
        start = shard * SHARD_SIZE
        stored = content[: self.layout.size - start]
        if shard_digests(stored) != digest:
            return False
        self.data[start : start + len(stored)] = stored
        return True


def _resized(data: Buffer, size: int) -> bytearray:
    result = bytearray(memoryview(data).cast("B")[:size])
    result.extend(bytes(size - len(result)))
    return result


def _shard(data: bytearray, shard: int) -> int:
    return _integer(data[shard * SHARD_SIZE : (shard + 1) * SHARD_SIZE])


def _integer(shard: Buffer) -> int:
    return int.from_bytes(shard, "little")


def _bytes(shard: int) -> bytes:
    return shard.to_bytes(SHARD_SIZE, "little")
