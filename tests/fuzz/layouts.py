"""Damage by structure, of what is laid out in fixed widths: fields and rows, counted and sealed.

Each function takes a sample apart as its decoder does, changes one or two fields or rows and puts
it together again: counts, sums, digests and seals are right most of the time.
"""

import random
import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from msgspec.structs import replace

from tests.fuzz.structure import FAR, NUMBERS, changed
from tests.hostile.format.test_hostile_codecs import ID, KEYS
from twofold.errors import FormatError, NewerFormat
from twofold.format.compression import compress, decompress
from twofold.format.envelope import BODY, HEADER, TAG_SIZE, Header, encode_body, mirror
from twofold.format.index import INDEX_BLOB, INDEX_FRAME, INDEX_HEAD, INDEX_PACK
from twofold.format.keyslot import SLOT
from twofold.format.layout import Layout
from twofold.format.names import Kind
from twofold.format.pack import (
    FOOTER,
    TABLE_BLOB,
    TABLE_FRAME,
    TABLE_HEAD,
    short_digest,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LIMIT = 1 << 20
_TIDY = 0.9  # of the inputs have right sums


def fields(data: bytes, at: int, layout: Layout, chance: random.Random) -> bytes:
    """One field of a record is another number, or other bytes."""
    offset, size, _ = chance.choice(list(layout.table()))
    start = at + offset
    return data[:start] + field(data[start : start + size], chance) + data[start + size :]


def field(old: bytes, chance: random.Random) -> bytes:
    """A field of the same width."""
    size = len(old)
    if size > 8 or chance.random() < 0.1:
        at = chance.randrange(size)
        return chance.choice(
            (bytes(size), b"\xff" * size, old[:at] + bytes([chance.randrange(256)]) + old[at + 1 :])
        )
    number = int.from_bytes(old, "little")
    steps = [number + step for step in (-16, -1, 1, 16)]
    found = chance.choice((*steps, number << 1, chance.choice(NUMBERS), chance.choice(FAR)))
    return (found % (1 << 8 * size)).to_bytes(size, "little")


def header(data: bytes, chance: random.Random) -> bytes:
    """A field or two."""
    for _ in range(chance.choice((1, 1, 2))):
        data = fields(data, 0, HEADER, chance)
    return data


def slot(data: bytes, chance: random.Random) -> bytes:
    """A field or two."""
    for _ in range(chance.choice((1, 1, 2))):
        data = fields(data, 0, SLOT, chance)
    return data


def footer(data: bytes, chance: random.Random) -> bytes:
    """A field or two, under a right digest."""
    for _ in range(chance.choice((1, 1, 2))):
        data = fields(data, 0, FOOTER, chance)
    return data[:-8] + short_digest(data[:-8]) if chance.random() < _TIDY else data


# contents of small objects


def contents(data: bytes, chance: random.Random) -> bytes:
    """Of a record its values, of anything else its bytes."""
    with suppress(ValueError):
        return changed(data, chance)
    at, length = chance.randrange(len(data) + 1), chance.choice((1, 8, 300))
    piece = data[at : at + length] * chance.choice((2, 2, 40))
    return data[:at] + chance.choice((b"", chance.randbytes(length), piece)) + data[at + length :]


def body(data: bytes, chance: random.Random) -> bytes:
    """Other contents, then perhaps a field and another padding."""
    plain = b""
    with suppress(FormatError):
        encoding, stored, raw = BODY.read(data)
        plain = bytes(decompress(encoding, data[BODY.size : BODY.size + stored], raw))
    found = encode_body(contents(plain, chance), _LIMIT)
    if chance.random() < 0.4:
        found = fields(found, 0, BODY, chance)
    return found + bytes(chance.choice((0, 0, 1, 4096)))


def sealed(data: bytes, chance: random.Random) -> bytes:
    """A body under another header, sealed with the keys that the decoder has."""
    with suppress(FormatError, NewerFormat):
        plain = encode_body(KEYS.open_small(Kind.ROOT, ID, data)[0], _LIMIT)
        plain = body(plain, chance)
        front = Header.decode(data)
        if chance.random() < 0.3:
            front = Header.decode(header(front.encode(), chance))
        length = len(plain) + TAG_SIZE
        front = replace(front, body_length=length)
        copy = front.encode() + KEYS.object_seal(front).seal(0, plain)
        whole = mirror(copy)
        return chance.choice((whole, whole, copy, _torn(whole, chance), copy + whole))
    return header(data, chance)


def _torn(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes(min(512, len(data) - at)) + data[at + 512 :]


def packed(data: bytes, chance: random.Random) -> bytes:
    """Other bytes, compressed in another way, under a length that is right most of the time."""
    plain = b""
    with suppress(FormatError):
        plain = bytes(decompress(data[0], data[5:], int.from_bytes(data[1:5], "little")))
    plain = contents(plain[:4000], chance)[: 1 << 16]
    size = len(plain) + (0 if chance.random() < _TIDY else chance.choice((-1, 1, 500)))
    encoding, stored = chance.choice(PACKERS)(plain, chance)
    if chance.random() < 0.2 and stored:
        at = chance.randrange(len(stored))
        stored = stored[:at] + bytes([chance.randrange(256)]) + stored[at + 1 :]
    return bytes([encoding]) + max(size, 0).to_bytes(4, "little") + stored


def _ours(plain: bytes, chance: random.Random) -> tuple[int, bytes]:
    encoding, stored = compress(plain)
    return encoding, bytes(stored)


def _level(plain: bytes, chance: random.Random) -> tuple[int, bytes]:
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: chance.choice((-5, 1, 9)),
        zstd.CompressionParameter.checksum_flag: chance.randrange(2),
        zstd.CompressionParameter.content_size_flag: chance.randrange(2),
        zstd.CompressionParameter.window_log: chance.choice((10, 12, 17)),
    }
    return 1, zstd.compress(plain, options=options)


def _frames(plain: bytes, chance: random.Random) -> tuple[int, bytes]:
    """Several frames, one of them perhaps to be skipped: not as we write it."""
    half = len(plain) // 2
    skipped = chance.choice((b"", b"\x50\x2a\x4d\x18\x04\0\0\0skip"))
    return 1, zstd.compress(plain[:half]) + skipped + zstd.compress(plain[half:])


def _plain(plain: bytes, chance: random.Random) -> tuple[int, bytes]:
    return chance.choice((0, 0, 2)), plain


PACKERS: tuple[Callable[[bytes, random.Random], tuple[int, bytes]], ...] = (
    _ours,
    _level,
    _level,
    _frames,
    _plain,
)


# tables: a head that counts, and rows of a width


def _split(data: bytes, counts: Sequence[int], widths: Sequence[int]) -> list[list[bytes]]:
    columns, at = [], 0
    for count, width in zip(counts, widths, strict=True):
        columns.append([data[at + n * width : at + (n + 1) * width] for n in range(count)])
        at += count * width
    return columns


def _row(rows: list[bytes], layout: Layout | None, chance: random.Random) -> None:
    """One row is another, twice there, gone, or in another place."""
    if not rows:
        return
    at, other = chance.randrange(len(rows)), chance.randrange(len(rows))
    way = chance.randrange(8)
    if way == 0:
        rows.insert(at, rows[other])
    elif way == 1:
        del rows[at]
    elif way == 2:
        rows[at], rows[other] = rows[other], rows[at]
    elif layout is None:
        rows[at] = field(rows[at], chance)
    else:
        rows[at] = fields(rows[at], 0, layout, chance)


_INDEX: tuple[tuple[int, Layout | None], ...] = (
    (INDEX_PACK.size, INDEX_PACK),
    (INDEX_FRAME.size, INDEX_FRAME),
    (32 + INDEX_BLOB.size, None),
)


def index(data: bytes, chance: random.Random) -> bytes:
    """Rows of its columns; ids in order and packs dividing their frames, most of the time."""
    packs, frames, blobs = INDEX_HEAD.read(data)
    widths = (INDEX_PACK.size, INDEX_FRAME.size, 32, INDEX_BLOB.size)
    rows = _split(data[INDEX_HEAD.size :], (packs, frames, blobs, blobs), widths)
    columns = [rows[0], rows[1], [a + b for a, b in zip(rows[2], rows[3], strict=True)]]
    for _ in range(chance.choice((1, 1, 2, 3))):
        which = chance.choice((0, 1, 1, 2, 2, 2))
        if which == 2 and columns[2] and chance.random() < 0.6:
            at = chance.randrange(len(columns[2]))
            columns[2][at] = fields(columns[2][at], 32, INDEX_BLOB, chance)
        else:
            _row(columns[which], _INDEX[which][1], chance)
    if chance.random() < _TIDY:
        columns[2].sort()
    if chance.random() < _TIDY:
        columns[0] = _divided(columns[0], len(columns[1]))
    head = INDEX_HEAD.pack(*map(len, columns))
    if chance.random() > _TIDY:
        head = fields(head, 0, INDEX_HEAD, chance)
    ids = [blob[:32] for blob in columns[2]]
    places = [blob[32:] for blob in columns[2]]
    return b"".join([head, *columns[0], *columns[1], *ids, *places])


def _divided(packs: list[bytes], frames: int) -> list[bytes]:
    """Packs that have all frames among them: the last one takes what is left."""
    found, first = [], 0
    for number, row in enumerate(packs):
        count = frames - first
        if number < len(packs) - 1:
            count = min(count, int.from_bytes(row[28:32], "little"))
        found.append(row[:24] + struct.pack("<II", first, count) + row[32:])
        first += count
    return found


def table(data: bytes, chance: random.Random) -> bytes:
    """Rows of frames and blobs; blobs add up most of the time."""
    counts = TABLE_HEAD.read(data)
    widths = (TABLE_FRAME.size, TABLE_BLOB.size)
    frames, blobs = _split(data[TABLE_HEAD.size :], counts, widths)
    for _ in range(chance.choice((1, 1, 2))):
        if chance.random() < 0.5:
            _row(frames, TABLE_FRAME, chance)
        else:
            _row(blobs, TABLE_BLOB, chance)
    if chance.random() < _TIDY:
        frames = _added_up(frames, blobs)
    head = TABLE_HEAD.pack(len(frames), len(blobs))
    if chance.random() > _TIDY:
        head = fields(head, 0, TABLE_HEAD, chance)
    found = b"".join([head, *frames, *blobs])
    return found + bytes(-len(found) % 512)


def _added_up(frames: list[bytes], blobs: list[bytes]) -> list[bytes]:
    """Frames that have all blobs among them, each as long as its blobs are."""
    found, taken = [], 0
    for number, row in enumerate(frames):
        count = len(blobs) - taken
        if number < len(frames) - 1:
            count = min(count, int.from_bytes(row[12:16], "little"))
        lengths = [int.from_bytes(blob[32:], "little") for blob in blobs[taken : taken + count]]
        raw = sum(lengths) % 2**32 if count else int.from_bytes(row[8:12], "little")
        found.append(row[:8] + struct.pack("<II", raw, count) + row[16:])
        taken += count
    return found
