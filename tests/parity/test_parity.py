"""P+Q parity: against slow arithmetic, against every pattern of loss it promises to repair."""

import random
from collections import Counter
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold import parity
from twofold.errors import FormatError, ObjectDamaged
from twofold.parity import SHARD_SIZE, Layout, field

pytestmark = pytest.mark.usefixtures("code")

# data bytes -> BLAKE3 of the parity, BLAKE3 of the data digests; they must never change
VECTORS = {
    1: (
        "72f7b7189e10487be6eb30e9c9c23d1b703dcb69234f8cd8466611fdba992a18",
        "239b77dd91e97255531d7bef686d5c1a89e437112d628c546a8b2b0ceb510003",
    ),
    4096: (
        "fa8cafc89dbe02af95a3efd970f309a048d709eaa19a6a9ad55e8f560a7e4300",
        "259685452f904c95b7df4f4701104b2f4aabde4fd85e173e582c586539ec2ba4",
    ),
    1_000_000: (
        "b3a0755cef99f82564c4f64b1f30006184bbc973d8b10a800c48438f9cd5f23c",
        "44b7769a51659166e70e5efc52b0ed65365c24dfa1dac42268fa848cf5a7c95a",
    ),
}


def slow_product(a: int, b: int) -> int:
    """Multiplication in GF(2^8) modulo 0x11d, bit by bit."""
    result = 0
    for bit in range(8):
        if b >> bit & 1:
            result ^= a << bit
    for bit in range(14, 7, -1):
        if result >> bit & 1:
            result ^= 0x11D << (bit - 8)
    return result


def slow_parity(data: bytes, columns: Iterable[int]) -> dict[tuple[int, int], int]:
    """(parity shard, column) -> byte, as the specification words it."""
    count = -(-len(data) // SHARD_SIZE)
    groups = -(-count // 64) + 1
    padded = data + bytes(count * SHARD_SIZE - len(data))
    result = {}
    for column in columns:
        for position in range(groups):
            p = q = 0
            power = 1
            for shard in range((count + position) % groups, count, groups):
                value = padded[shard * SHARD_SIZE + column]
                p ^= value
                q ^= slow_product(power, value)
                power = slow_product(power, 2)
            result[position, column] = p
            result[groups + position, column] = q
    return result


class Pack:
    """Data with its parity and digests, and a way to damage both."""

    def __init__(self, size: int) -> None:
        self.data = random.Random(size).randbytes(size)
        self.layout = Layout.of(size)
        self.parity = parity.encode(self.data)
        self.digests = parity.shard_digests(self.data), parity.shard_digests(self.parity)
        self.count = self.layout.shards + 2 * self.layout.groups

    def without(self, shards: Iterable[int]) -> tuple[bytes, bytes]:
        """Data and parity with whole shards overwritten; numbers go on into the parity."""
        data, checks = bytearray(self.data), bytearray(self.parity)
        for shard in shards:
            where, at = (data, shard) if shard < self.layout.shards else (checks, shard)
            at = (at if where is data else at - self.layout.shards) * SHARD_SIZE
            part = where[at : at + SHARD_SIZE]
            where[at : at + SHARD_SIZE] = bytes(byte ^ 0x5A for byte in part)
        return bytes(data), bytes(checks)

    def salvage(self, data: bytes, checks: bytes) -> parity.Repaired:
        return parity.salvage(data, len(self.data), checks, *self.digests)

    def assert_repairs(self, shards: Iterable[int]) -> None:
        result = parity.repair(*self._damaged(shards), *self.digests)
        assert result.data == self.data
        first = self.layout.shards
        assert result.rebuilt == tuple(sorted(s for s in shards if s < first))
        assert result.parity_shards == tuple(sorted(s - first for s in shards if s >= first))

    def _damaged(self, shards: Iterable[int]) -> tuple[bytes, int, bytes]:
        data, checks = self.without(shards)
        return data, len(self.data), checks


@pytest.mark.parametrize("size", [1, 5, 4096, 4097, 8192, 100_000, 262_144, 262_145, 600_000])
def test_parity_equals_slow_arithmetic(size: int) -> None:
    pack = Pack(size)
    assert len(pack.parity) == pack.layout.parity_size
    columns = [0, 1, 7, 2047, 4094, 4095, (size - 1) % SHARD_SIZE, size % SHARD_SIZE]
    for (shard, column), value in slow_parity(pack.data, columns).items():
        assert pack.parity[shard * SHARD_SIZE + column] == value


def test_field_arithmetic_equals_slow_products() -> None:
    everything = bytes(range(256))
    for factor in range(1, 256):
        products = bytes(slow_product(factor, value) for value in range(256))
        assert field.scale(everything, factor) == products
        assert field.divide(products, factor) == everything
    assert len({field.power_of_two(n) for n in range(255)}) == 255
    assert field.power_of_two(255) == field.power_of_two(0) == 1


@pytest.mark.parametrize("size", [1, 3000, 4096, 9000, 70 * 4096, 130 * 4096 - 1])
def test_every_single_shard_is_repaired(size: int) -> None:
    pack = Pack(size)
    for shard in range(pack.count):
        pack.assert_repairs([shard])


def test_every_pair_of_a_group_is_repaired() -> None:
    """Groups are independent, so pairs within one group are all the pairs that matter."""
    pack = Pack(65 * 4096 - 1000)
    groups = pack.layout.groups
    for group in range(groups):
        for pair in combinations(range(group, pack.count, groups), 2):
            pack.assert_repairs(pair)


@pytest.mark.parametrize(
    "shards", [1, 2, 3, 64, 65, 128, 129, pytest.param(200, marks=pytest.mark.slow)]
)
def test_every_burst_of_shards_is_repaired(shards: int) -> None:
    """Bursts of 2G - 1 and even of 2G whole shards, anywhere over data and parity."""
    pack = Pack(shards * SHARD_SIZE - 99)
    for length in (2 * pack.layout.groups - 1, 2 * pack.layout.groups):
        for start in range(pack.count - length + 1):
            pack.assert_repairs(range(start, start + length))


@given(st.integers(1, 300_000), st.floats(0, 0.2), st.integers(0, 1 << 30))
@settings(max_examples=60, deadline=None)
def test_exactly_what_can_be_repaired_is(size: int, rate: float, seed: int) -> None:
    """A data shard is lost if and only if its group lacks three shards or more, parity included."""
    pack = Pack(size)
    rng = random.Random(seed)
    gone = [shard for shard in range(pack.count) if rng.random() < rate]
    per_group = Counter(shard % pack.layout.groups for shard in gone)
    first = pack.layout.shards
    lost = [s for s in gone if s < first and per_group[s % pack.layout.groups] > 2]
    result = pack.salvage(*pack.without(gone))
    assert list(result.lost) == lost
    assert sorted(result.lost + result.rebuilt) == [s for s in gone if s < first]
    expected, _ = pack.without(lost)
    assert result.data == expected


def test_damage_beyond_parity_is_reported_with_counts() -> None:
    pack = Pack(100 * 4096)
    groups = pack.layout.groups
    gone = [0, groups, 2 * groups, 1, pack.layout.shards]
    with pytest.raises(ObjectDamaged, match=r"3 of 100 .* \(1 could .* 1 parity"):
        parity.repair(*pack._damaged(gone), *pack.digests)


def test_lost_parity_alone_is_no_loss() -> None:
    pack = Pack(50_000)
    for checks in (b"", bytes(len(pack.parity)), pack.parity[:5000], pack.parity + b"more"):
        assert pack.salvage(pack.data, checks).data == pack.data
    result = pack.salvage(pack.data, b"")
    assert result.parity_shards == tuple(range(2 * pack.layout.groups))


def test_missing_ends_are_damage_like_any_other() -> None:
    pack = Pack(70 * 4096 + 5)
    cut = len(pack.data) - 3 * SHARD_SIZE
    assert pack.salvage(pack.data[:cut], pack.parity).data == pack.data
    assert pack.salvage(pack.data + b"tail", pack.parity).data == pack.data


def test_a_rebuilt_shard_must_match_its_digest() -> None:
    """A wrong digest can never make wrong bytes count as repaired."""
    pack = Pack(50_000)
    digests = bytearray(pack.digests[0])
    digests[3] ^= 1
    result = parity.salvage(pack.data, 50_000, pack.parity, bytes(digests), pack.digests[1])
    assert (result.lost, result.rebuilt, result.data) == ((0,), (), pack.data)


def test_digests_that_do_not_fit_are_refused() -> None:
    pack = Pack(50_000)
    data_digests, parity_digests = pack.digests
    for first, second in (
        (data_digests[:-8], parity_digests),
        (data_digests, parity_digests + bytes(8)),
        (data_digests + bytes(8), parity_digests[:-8]),
        (b"", b""),
    ):
        with pytest.raises(FormatError):
            parity.salvage(pack.data, 50_000, pack.parity, first, second)


def test_a_vast_size_is_refused_before_memory_is_taken() -> None:
    with pytest.raises(FormatError):
        parity.salvage(b"", 1 << 60, b"", b"", b"")


def test_buffers_of_every_kind_are_taken() -> None:
    pack = Pack(20_000)
    for kind in (bytearray, memoryview):
        assert parity.encode(kind(pack.data)) == pack.parity
        result = parity.repair(
            kind(pack.data), 20_000, kind(pack.parity), *(kind(part) for part in pack.digests)
        )
        assert result.data == pack.data


def test_empty_data_has_parity_of_zeros() -> None:
    assert parity.encode(b"") == bytes(Layout.of(0).parity_size) == bytes(2 * SHARD_SIZE)
    digests = parity.shard_digests(parity.encode(b""))
    assert parity.repair(b"", 0, b"", b"", digests).data == b""


def test_digest_is_blake3_of_the_stored_bytes() -> None:
    data = random.Random(1).randbytes(SHARD_SIZE + 10)
    expected = blake3(data[:SHARD_SIZE]).digest()[:8] + blake3(data[SHARD_SIZE:]).digest()[:8]
    assert parity.shard_digests(data) == expected
    assert parity.damaged_shards(data[:-1] + b"?", expected) == [1]


@pytest.mark.parametrize("size", VECTORS)
def test_parity_is_pinned(size: int) -> None:
    data = blake3(b"twofold parity").digest(length=size)
    found = parity.encode(data), parity.shard_digests(data)
    assert tuple(blake3(part).hexdigest() for part in found) == VECTORS[size]


def test_vectors_are_in_the_specification() -> None:
    text = (Path(__file__).parents[2] / "docs/format/parity.md").read_text("utf-8")
    for vector in VECTORS.values():
        assert all(part in text for part in vector)
