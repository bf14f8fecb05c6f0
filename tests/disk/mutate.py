"""A fuzz loop for parsers: damage bytes, run, and accept only success or FormatError.

Each round takes one input of the corpus, damages it in one to four ways (bits, bytes, numbers that
are special to parsers, copied and zeroed ranges, a shorter end) and runs the parser. The rounds are
told by their numbers alone, so a failure names what reproduces it. Readers count, and stop a parser
that asks without end; at last the memory of the process is looked at.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.memory import peak_mib
from twofold.disk.base import BlockReader
from twofold.disk.blocks import check_range
from twofold.errors import FormatError

Run = Callable[[BlockReader], object]

_NUMBERS = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_LONG_NUMBERS = (*_NUMBERS, 1 << 32, 1 << 52, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


class TooMuch(Exception):
    """A parser asked for more than its input can justify."""


@dataclass
class Metered:
    """Bytes in memory that count what is read of them."""

    data: bytes | bytearray
    most_bytes: int
    most_reads: int
    sector_size: int = 512
    read_bytes: int = field(default=0, init=False)
    reads: int = field(default=0, init=False)

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        check_range(self, offset, length)
        self.read_bytes += length
        self.reads += 1
        if self.read_bytes > self.most_bytes or self.reads > self.most_reads:
            raise TooMuch(f"{self.reads} reads, {self.read_bytes} bytes of {len(self.data)}")
        return bytes(self.data[offset : offset + length])


@dataclass(frozen=True)
class Sample:
    """An input, the ranges worth damaging (everything when empty), and what mends checksums."""

    data: bytes
    ranges: Sequence[tuple[int, int]] = ()
    mend: Callable[[bytearray], None] | None = None


def damaged(sample: Sample, number: int) -> bytearray:
    """The sample, damaged in the way of that number."""
    chance = random.Random(number)
    data = bytearray(sample.data)
    for _ in range(chance.randint(1, 4)):
        _damage(data, sample.ranges, chance)
    if sample.mend and chance.random() < 0.8:
        sample.mend(data)
    if chance.random() < 0.1:
        del data[chance.randrange(len(data) + 1) :]
    return data


def _damage(data: bytearray, ranges: Sequence[tuple[int, int]], chance: random.Random) -> None:
    start, end = chance.choice(ranges) if ranges else (0, len(data))
    at = chance.randrange(start, end)
    way = chance.randrange(6)
    if way == 0:
        data[at] ^= 1 << chance.randrange(8)
    elif way == 1:
        data[at] = chance.randrange(256)
    elif way in (2, 3):
        _put_number(data, at - at % 4, chance)
    elif way == 4:
        length = min(chance.choice((1, 4, 8, 16, 32, 512)), end - at)
        source = chance.randrange(start, end)
        data[at : at + length] = data[source : source + length].ljust(length, b"\0")
    else:
        length = min(chance.choice((1, 4, 8, 16, 512)), end - at)
        data[at : at + length] = bytes(length)


def _put_number(data: bytearray, at: int, chance: random.Random) -> None:
    width = chance.choice((2, 4, 4, 8, 8))
    number = chance.choice(_LONG_NUMBERS) + chance.choice((0, 0, -1, 1))
    number %= 1 << width * 8
    piece = number.to_bytes(width, "little" if chance.random() < 0.5 else "big")
    data[at : at + width] = piece[: len(data) - at]


def fuzz(
    samples: Sequence[Sample],
    run: Run,
    rounds: int,
    *,
    most_bytes: int = 1 << 26,
    most_mib: int = 256,
) -> int:
    """Run that many rounds; how many ended with FormatError. Anything else is a failure.

    So is a process that grew by more than ``most_mib``: somebody believed a length.
    """
    refused = 0
    before = peak_mib()
    for number in range(rounds):
        sample = samples[number % len(samples)]
        reader = Metered(damaged(sample, number), most_bytes, most_reads=1 << 16)
        try:
            run(reader)
        except FormatError:
            refused += 1
        except BaseException as error:
            raise AssertionError(f"round {number}, sample {number % len(samples)}") from error
    assert peak_mib() - before < most_mib
    return refused
