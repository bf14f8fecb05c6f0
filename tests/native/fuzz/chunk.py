"""The chunker's functions: arguments as hostile as numbers can be, and data of any shape.

Two kernels must agree, the ends must be possible ones, impossible arguments must be refused, and
the zeros must be those that regular expressions see. The data lies in memory of exactly its size.

An input is a header, then steps that make the data: literal bytes, zeros, or a repetition.
"""

import ctypes
import re
import sys
from itertools import pairwise
from struct import Struct

from tests.native.fuzz.material import expand, memory
from twofold.native import EXTENSION

# flags, two kernels, key seed, minimum, normal, maximum, strict, loose
HEADER = Struct("<BBBB5Q")
ZERO_RUN = 65_536
LARGEST = 150_000  # bytes of data; two zero runs fit in
SLOW = 4096  # bytes of data, above which the portable kernel is left out


def target(data: bytes) -> None:
    """Raises AssertionError where the extension is wrong."""
    head = data[: HEADER.size].ljust(HEADER.size, b"\1")
    flags, first, second, seed, *numbers = HEADER.unpack(head)
    material = expand(data[HEADER.size :], LARGEST)
    if flags & 2:
        numbers = _plausible(numbers)
    held = memory(material)
    names = _kernels(len(material))
    chosen = [names[number % len(names)] for number in (first, second)]
    outcomes = [_cut(bytes([seed] * 16), numbers, held, bool(flags & 1), k) for k in chosen]
    assert outcomes[0] == outcomes[1], chosen
    _check_ends(outcomes[0], numbers, len(material), bool(flags & 1))
    _check_zeros(held, material)


def _kernels(size: int) -> list[str]:
    assert EXTENSION is not None, "there is no extension to fuzz"
    names = EXTENSION.chunk_kernels()
    return [name for name in names if name != "portable" or size <= SLOW or len(names) == 1]


def _plausible(numbers: list[int]) -> list[int]:
    """Sizes that make a chunker, so that not all is spent on refusals."""
    minimum = 16 + numbers[0] % 500
    normal = minimum + 1 + numbers[1] % 500
    return [
        minimum,
        normal,
        normal + 1 + numbers[2] % 5000,
        *(1 + n % (2**32 - 1) for n in numbers[3:]),
    ]


def _cut(
    key: bytes, numbers: list[int], held: "ctypes.Array[ctypes.c_uint8]", final: bool, kernel: str
) -> list[int] | None:
    assert EXTENSION is not None
    try:
        ends: list[int] = EXTENSION.cut(key, *numbers, held, final, kernel=kernel)
    except (ValueError, OverflowError):
        return None
    return ends


def _check_ends(ends: list[int] | None, numbers: list[int], size: int, final: bool) -> None:
    minimum, normal, maximum, strict, loose = numbers
    possible = 16 <= minimum < normal < maximum <= sys.maxsize
    assert (ends is not None) == (possible and 0 < strict < 2**32 and 0 < loose < 2**32)
    if ends is None:
        return
    sizes = [end - start for start, end in pairwise([0, *ends])]
    rest = size - sum(sizes)
    assert all(minimum <= each <= maximum for each in sizes[: -1 if final else None])
    assert rest == 0 if final else 0 <= rest < maximum
    assert not final or all(0 < each <= maximum for each in sizes[-1:])


def _check_zeros(held: "ctypes.Array[ctypes.c_uint8]", material: bytes) -> None:
    assert EXTENSION is not None
    spans = [found.span() for found in re.finditer(rb"\0+", material)]
    assert EXTENSION.zero_runs(held) == [(a, b) for a, b in spans if b - a >= ZERO_RUN]
    assert EXTENSION.leading_zeros(held) == len(material) - len(material.lstrip(b"\0"))
    assert EXTENSION.trailing_zeros(held) == len(material) - len(material.rstrip(b"\0"))
