"""How samples are damaged: at the places that parsers read, by what misleads parsers.

Single bits and bytes, numbers at borders of something in both byte orders, small steps of a number
that is there, pieces copied from elsewhere or zeroed, and a shorter end. Checksums are mended most
of the time, so that damage gets past them.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.fuzz.subject import Subject

NUMBERS = (0, 1, 2, 3, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
LONG = (*NUMBERS, 1 << 32, 1 << 47, 1 << 52, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
Mend = Callable[[Subject], None]


@dataclass(frozen=True)
class Sample:
    """A sample, and the bytes of it that are worth damaging."""

    name: str
    subject: Subject
    places: tuple[int, ...]


def damage(sample: Sample, chance: random.Random, mend: Mend | None) -> None:
    """Damage the sample in one to five places."""
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5))):
        WAYS[chance.randrange(len(WAYS))](sample, chance.choice(sample.places), chance)
    if mend and chance.random() < 0.9:
        mend(sample.subject)
    if chance.random() < 0.03:
        sample.subject.size = chance.randrange(sample.subject.size + 1)


def _bit(sample: Sample, at: int, chance: random.Random) -> None:
    sample.subject.put(at, bytes([sample.subject.part(at, 1)[0] ^ 1 << chance.randrange(8)]))


def _byte(sample: Sample, at: int, chance: random.Random) -> None:
    sample.subject.put(at, bytes([chance.randrange(256)]))


def _number(sample: Sample, at: int, chance: random.Random) -> None:
    width = chance.choice((1, 2, 4, 4, 8))
    number = (chance.choice(LONG) + chance.choice((0, 0, 0, -1, 1))) % (1 << 8 * width)
    _put_number(sample.subject, at - at % width, number, width, chance)


def _step(sample: Sample, at: int, chance: random.Random) -> None:
    """A number that is there, a little larger or smaller, or another power of two."""
    width = chance.choice((1, 2, 4, 8))
    at -= at % width
    order = chance.choice(("little", "big"))
    old = int.from_bytes(sample.subject.part(at, width), order)  # type: ignore[arg-type]
    new = chance.choice((old + 1, old - 1, old << 1, old >> 1, old + 8, old ^ 1 << (8 * width - 1)))
    piece = (new % (1 << 8 * width)).to_bytes(width, order)  # type: ignore[arg-type]
    sample.subject.put(at, piece)


def _put_number(subject: Subject, at: int, number: int, width: int, chance: random.Random) -> None:
    subject.put(at, number.to_bytes(width, "little" if chance.random() < 0.6 else "big"))


def _copy(sample: Sample, at: int, chance: random.Random) -> None:
    length = chance.choice((1, 4, 8, 16, 32, 64, 512))
    source = chance.choice(sample.places)
    sample.subject.put(at, sample.subject.part(source, length))


def _zero(sample: Sample, at: int, chance: random.Random) -> None:
    sample.subject.put(at, bytes(chance.choice((1, 2, 4, 8, 16, 64, 512))))


WAYS = (_bit, _byte, _number, _number, _step, _step, _copy, _zero)
