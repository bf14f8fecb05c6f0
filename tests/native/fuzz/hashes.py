"""Keyed hashes of pieces of a buffer by every kernel, against the library; pieces that are none.

An input is a header, then pieces of six bytes (gap, length, what is odd about it), then steps that
make the data (``material.py``).
"""

from array import array
from struct import Struct

from blake3 import blake3

from tests.native.fuzz.material import expand, memory
from twofold.native import EXTENSION

HEADER = Struct("<BBB")  # kernel, pieces, bytes of the key that are missing
PIECE = Struct("<HHH")
LARGEST = 70_000
KEY = bytes(range(32))


def target(data: bytes) -> None:
    """Raises AssertionError where the extension is wrong."""
    assert EXTENSION is not None, "there is no extension to fuzz"
    number, count, short = HEADER.unpack(data[: HEADER.size].ljust(HEADER.size, b"\0"))
    rows = data[HEADER.size :][: count * PIECE.size]
    material = expand(data[HEADER.size + len(rows) :], LARGEST)
    spans = _spans(rows, len(material))
    pairs = list(zip(spans[::2], spans[1::2], strict=True))
    honest = all(begin <= end <= len(material) for begin, end in pairs)
    kernels = [*EXTENSION.BLAKE3_KERNELS, "unknown"]
    kernel, key = kernels[number % len(kernels)], KEY[: 32 - short % 4 // 3]
    wanted = None
    if honest and len(key) == len(KEY) and kernel != "unknown":
        wanted = b"".join(blake3(material[a:b], key=KEY).digest() for a, b in pairs)
    try:
        found = EXTENSION.keyed_hashes(key, memory(material), memory(spans.tobytes()), kernel)
    except (ValueError, MemoryError):
        found = None
    assert found == wanted, kernel


def _spans(rows: bytes, size: int) -> "array[int]":
    """Pieces within the data, unless a row is odd."""
    spans = array("Q")
    for gap, length, odd in PIECE.iter_unpack(rows[: len(rows) // PIECE.size * PIECE.size]):
        begin = min(gap, size)
        end = min(begin + length, size)
        if odd > 65_000:
            begin = (begin + (1 << odd % 64)) % (1 << 64)
        elif odd > 64_000:
            end = size + odd - 64_000
        spans.append(begin)
        spans.append(end)
    return spans
