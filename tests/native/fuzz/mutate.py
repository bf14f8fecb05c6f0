"""Mutations of byte strings: the usual ones of fuzzers, applied a few at a time."""

import random
from collections.abc import Callable

LARGEST = 1 << 14  # bytes of an input
BORDERS = [0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 65535, 65536, 2**31, 2**32 - 1, 2**32, 2**63, -1]


def mutated(corpus: list[bytes], seed: str, largest: int = LARGEST) -> bytes:
    """One input, which depends on corpus, seed and the largest size alone."""
    rng = random.Random(seed)
    data = bytearray(rng.choice(corpus))
    for _ in range(rng.choice([1, 1, 2, 4, 8])):
        rng.choice(MUTATIONS)(data, rng)
    if rng.random() < 0.1:
        data += rng.choice(corpus)
    return bytes(data[:largest])


def _span(data: bytearray, rng: random.Random) -> slice:
    start = rng.randint(0, len(data))
    return slice(start, start + rng.choice([1, 2, 8, 40, 300]))


def _flip(data: bytearray, rng: random.Random) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _randomize(data: bytearray, rng: random.Random) -> None:
    part = _span(data, rng)
    data[part] = rng.randbytes(len(data[part]))


def _insert(data: bytearray, rng: random.Random) -> None:
    at = rng.randint(0, len(data))
    data[at:at] = rng.randbytes(rng.choice([1, 4, 16, 100]))


def _delete(data: bytearray, rng: random.Random) -> None:
    del data[_span(data, rng)]


def _repeat(data: bytearray, rng: random.Random) -> None:
    part = _span(data, rng)
    data[part] = data[part] * rng.randint(2, 4)


def _zero(data: bytearray, rng: random.Random) -> None:
    part = _span(data, rng)
    data[part] = bytes(len(data[part]))


def _number(data: bytearray, rng: random.Random) -> None:
    """A number at a border of something, of one of the usual widths."""
    width = rng.choice([1, 2, 4, 8])
    number = (rng.choice(BORDERS) + rng.choice([-1, 0, 0, 1])) % (1 << 8 * width)
    at = rng.randint(0, len(data))
    data[at : at + width] = number.to_bytes(width, "little")


def _truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randint(0, len(data)) :]


MUTATIONS: list[Callable[[bytearray, random.Random], None]] = [
    _flip,
    _randomize,
    _insert,
    _delete,
    _repeat,
    _zero,
    _number,
    _truncate,
]
