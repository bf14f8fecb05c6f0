"""Every kernel of the extension, against slow arithmetic in the field and against the library."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from tests.twins import kernels, needs_extension
from twofold.native import EXTENSION
from twofold.parity import SHARD_SIZE, Layout, shard_digests
from twofold.parity.encode import encode_twin

PARITY = kernels("PARITY_KERNELS")
DIGESTS = kernels("BLAKE3_KERNELS")
SEED = st.integers(0, 1 << 30)

pytestmark = needs_extension


def doubled(byte: int) -> int:
    """2 * byte modulo 0x11d."""
    return (byte << 1) ^ (0x11D if byte & 0x80 else 0)


@pytest.mark.parametrize("kernel", PARITY)
def test_every_byte_is_doubled_right(kernel: str) -> None:
    """Two rows of one group: Q is the first and twice the second, at every value and place."""
    assert EXTENSION is not None
    first = bytes(range(256)) * 16
    for turn in (0, 1, 77):
        second = first[turn:] + first[:turn]
        found = EXTENSION.parity(first + second, 1, kernel)
        assert found[:SHARD_SIZE] == bytes(a ^ b for a, b in zip(first, second, strict=True))
        expected = bytes(a ^ doubled(b) for a, b in zip(first, second, strict=True))
        assert found[SHARD_SIZE:] == expected


@given(st.integers(0, 400_000), st.integers(0, 70), st.integers(0, 63), SEED)
def test_kernels_are_the_twin(size: int, more: int, start: int, seed: int) -> None:
    """Any size, any number of groups, at any address."""
    assert EXTENSION is not None
    shards = -(-size // SHARD_SIZE)
    layout = Layout.with_groups(size, -(-shards // 64) + 1 + more)
    view = memoryview(random.Random(seed).randbytes(start + size))[start:]
    for kernel in PARITY:
        assert EXTENSION.parity(view, layout.groups, kernel) == encode_twin(view, layout)


@given(st.integers(0, 40), st.integers(0, 63), SEED)
def test_digests_are_those_of_the_library(count: int, start: int, seed: int) -> None:
    """More and fewer shards than there are lanes, at any address."""
    assert EXTENSION is not None
    view = memoryview(random.Random(seed).randbytes(start + count * SHARD_SIZE))[start:]
    pieces = [view[at : at + SHARD_SIZE] for at in range(0, len(view), SHARD_SIZE)]
    expected = b"".join(blake3(piece).digest()[:8] for piece in pieces)
    for kernel in DIGESTS:
        assert EXTENSION.shard_digests(view, kernel) == expected


@pytest.mark.parametrize("kernel", DIGESTS)
def test_every_bit_of_a_shard_counts(kernel: str) -> None:
    """No byte of a shard is left out, and none reaches into another lane."""
    assert EXTENSION is not None
    data = bytearray(20 * SHARD_SIZE)
    zeros = EXTENSION.shard_digests(data, kernel)
    rng = random.Random(3)
    for at in range(rng.randrange(97), len(data), 97):
        data[at] = 1 << rng.randrange(8)
        found = EXTENSION.shard_digests(data, kernel)
        data[at] = 0
        here = at // SHARD_SIZE * 8
        assert found[here : here + 8] != zeros[here : here + 8]
        assert (found[:here], found[here + 8 :]) == (zeros[:here], zeros[here + 8 :])


def test_threads_do_not_meet() -> None:
    """The work is done without the interpreter's lock and on nobody else's memory."""
    assert EXTENSION is not None
    datas = [random.Random(n).randbytes(3_000_000) for n in range(4)]
    layout = Layout.of(3_000_000)
    expected = [(encode_twin(memoryview(d), layout), shard_digests(d)) for d in datas]
    with ThreadPoolExecutor(4) as pool:
        parities = list(pool.map(EXTENSION.parity, datas * 5, [layout.groups] * 20))
        digests = list(pool.map(shard_digests, datas * 5))
    assert list(zip(parities, digests, strict=True)) == expected * 5


@pytest.mark.parametrize("groups", [0, -1, (1 << 63) - 1, (1 << 50) + 1])
def test_impossible_groups_are_refused(groups: int) -> None:
    assert EXTENSION is not None
    with pytest.raises(ValueError, match="number of groups"):
        EXTENSION.parity(b"data", groups)


def test_strange_arguments_are_refused() -> None:
    assert EXTENSION is not None
    with pytest.raises(ValueError, match="no such kernel"):
        EXTENSION.parity(b"data", 2, "none")
    with pytest.raises(ValueError, match="no such kernel"):
        EXTENSION.shard_digests(bytes(SHARD_SIZE), "none")
    with pytest.raises(TypeError):
        EXTENSION.parity("words", 2)
    with pytest.raises(BufferError):
        EXTENSION.parity(memoryview(bytes(100))[::2], 2)


@pytest.mark.skipif(not DIGESTS, reason="this processor has no kernel for digests")
def test_digests_of_part_of_a_shard_are_refused() -> None:
    assert EXTENSION is not None
    with pytest.raises(ValueError, match="whole shards"):
        EXTENSION.shard_digests(bytes(SHARD_SIZE + 1))
