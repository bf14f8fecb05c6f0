"""The promise of three per cent: any burst of that share of data and parity is repaired."""

import random
from collections.abc import Iterator

import pytest

from twofold import parity
from twofold.parity import SHARD_SIZE, Layout

pytestmark = pytest.mark.usefixtures("code")

MIB = 1 << 20
INVERTED = bytes(range(255, -1, -1))


def burst_length(layout: Layout) -> int:
    """Three per cent of what is stored, in whole bytes."""
    return 3 * (layout.size + layout.parity_size) // 100


def shards_hit(layout: Layout, start: int, length: int) -> range:
    """Shards that a burst of bytes touches; the parity directly follows the data."""

    def shard_of(offset: int) -> int:
        if offset < layout.size:
            return offset // SHARD_SIZE
        return layout.shards + (offset - layout.size) // SHARD_SIZE

    return range(shard_of(start), shard_of(start + length - 1) + 1)


def worst_offsets(layout: Layout, rng: random.Random, samples: int) -> Iterator[int]:
    """Both ends, the seam of data and parity, last bytes of shards, and random places."""
    last = layout.size + layout.parity_size - burst_length(layout)
    seam = layout.size - burst_length(layout)
    whole = (layout.shards - 1) * SHARD_SIZE
    places = [0, last, seam - 1, seam, seam + 1, whole - 1, layout.size - 1, layout.size]
    for _ in range(samples):
        at = rng.randint(0, last)
        places += [at, at // SHARD_SIZE * SHARD_SIZE, at // SHARD_SIZE * SHARD_SIZE - 1]
        back = rng.randint(1, burst_length(layout))
        places += [layout.size - back, whole - back // SHARD_SIZE * SHARD_SIZE - 1]
    return (min(max(at, 0), last) for at in places)


def assert_repairable(size: int, rng: random.Random, samples: int) -> None:
    """No group is hit more than twice, which other tests show to be repairable."""
    layout = Layout.of(size)
    for at in worst_offsets(layout, rng, samples):
        # Shards are dealt in turn, so this is the condition that no group is hit three times.
        assert len(shards_hit(layout, at, burst_length(layout))) <= 2 * layout.groups


def sizes(rng: random.Random, count: int) -> Iterator[int]:
    """1 to 40 MiB: random, at the borders of shards, and where a group is full."""
    for _ in range(count):
        shards = rng.randint(256, 40 * 256)
        full = shards // 64 * 64
        yield from (shards * SHARD_SIZE, full * SHARD_SIZE, full * SHARD_SIZE + 1)
        yield shards * SHARD_SIZE - rng.randint(0, SHARD_SIZE - 1)
    yield from (MIB, MIB + 1, 40 * MIB)


def test_three_per_cent_anywhere() -> None:
    rng = random.Random(1)
    for size in sizes(rng, 300):
        assert_repairable(size, rng, 10)


@pytest.mark.slow
def test_three_per_cent_for_every_number_of_shards() -> None:
    rng = random.Random(2)
    for shards in range(256, 40 * 256 + 1):
        for size in (shards * SHARD_SIZE, shards * SHARD_SIZE - SHARD_SIZE + 1):
            assert_repairable(max(size, MIB), rng, 20)


def repair_bursts(size: int, samples: int) -> None:
    rng = random.Random(size)
    layout = Layout.of(size)
    data = rng.randbytes(size)
    checks = parity.encode(data)
    digests = parity.shard_digests(data), parity.shard_digests(checks)
    length = burst_length(layout)
    for at in worst_offsets(layout, rng, samples):
        stored = bytearray(data + checks)
        stored[at : at + length] = stored[at : at + length].translate(INVERTED)
        result = parity.repair(stored[:size], size, stored[size:], *digests)
        assert result.data == data
        hit = shards_hit(layout, at, length)
        assert len(result.rebuilt) + len(result.parity_shards) == len(hit)


@pytest.mark.parametrize("size", [MIB, 3 * MIB + 12_345])
def test_bursts_of_bytes_are_repaired(size: int) -> None:
    repair_bursts(size, 4)


@pytest.mark.slow
@pytest.mark.parametrize("size", [MIB, 8 * MIB + 1, 16 * MIB - 1, 32 * MIB, 40 * MIB])
def test_bursts_of_bytes_are_repaired_in_large_packs(size: int) -> None:
    repair_bursts(size, 5)


def test_parity_costs_about_three_per_cent() -> None:
    for size in (8 * MIB, 32 * MIB, 40 * MIB):
        assert 0.031 < Layout.of(size).parity_size / size < 0.033
