"""Tables of file systems of any bytes: what is told is what the twins tell, and from inside.

An input is two bytes that choose what is done, then a table: records of NTFS, inodes of ext4, or
rows (role and flags, runs, first, units, size, valid) of streams that are to be claimed.
"""

from struct import Struct

from tests.disk import one_table as tables
from tests.native.fuzz.material import memory
from twofold.disk import Role, Run, Stream
from twofold.native import EXTENSION

MOST = 8 << 10  # bytes of a table
ROW = Struct("<BBbHIHI")
ROLES = (Role.FILE, Role.META, Role.CODED, Role.FILE)
MAKERS = Stream, Run, Role.FILE, Role.META


def target(data: bytes) -> None:
    """Raises AssertionError where the extension is wrong."""
    assert EXTENSION is not None, "there is no extension to fuzz"
    kind, chosen = data[:2].ljust(2, b"\0")
    (_ntfs, _ext, _claims)[kind % 3](data[2 : 2 + MOST], chosen)


def _ntfs(table: bytes, chosen: int) -> None:
    assert EXTENSION is not None
    records = table[: len(table) // tables.RECORD * tables.RECORD]
    first, damaged = (0, 14, 38, 64)[chosen % 4], {chosen // 4 % 16}
    units = (tables.UNITS, 1 << 63, (1 << 64) - 1, 60)[chosen // 64]
    asked = (records, first, damaged, "", units)
    assert tables.by("extension", "ntfs", *asked) == tables.by("twin", "ntfs", *asked)
    arguments: tuple[object, ...] = (
        1024,
        4096,
        units,
        first,
        damaged,
        frozenset(),
        bytes([5, 0, 0, 0, 0, 0]),
        b"\1",
    )
    told = EXTENSION.ntfs_streams(memory(table), *arguments, MAKERS)
    assert told == EXTENSION.ntfs_streams(table, *arguments, MAKERS)


def _ext(table: bytes, chosen: int) -> None:
    assert EXTENSION is not None
    blocks = (tables.BLOCKS, 1 << 48, (1 << 64) - 1, 40)[chosen % 4]
    inodes = table[: len(table) // 2048 * 2048]
    assert tables.by("extension", "ext", inodes, blocks) == tables.by("twin", "ext", inodes, blocks)
    size = (128, 160, 256, 1024)[chosen // 4 % 4]
    used = list(range(len(table) // size))
    arguments = (size, used, 9, (1024, blocks, 1), frozenset([14]), 1 << 62, bytes, MAKERS)
    told = EXTENSION.ext_streams(memory(table), *arguments)
    assert told == EXTENSION.ext_streams(table, *arguments)


def _claims(table: bytes, chosen: int) -> None:
    streams = []
    rows = table[: len(table) // ROW.size * ROW.size]
    for flags, count, first, units, size, valid, far in ROW.iter_unpack(rows):
        place = first + (far << 32 if flags & 64 else 0)
        runs = tuple(Run(place + number, units) for number in range(1 + (count > 250)))
        large = size << 32 if flags & 128 else size
        role, discard, asleep = ROLES[flags % 4], bool(flags & 16), bool(flags & 32)
        streams.append(Stream(far, b"", role, large, valid, runs, b"", discard, asleep))
    units = 1 + chosen * 9
    claimed = [tables.by(code, "claims", streams, units) for code in ("extension", "twin")]
    assert claimed[0] == claimed[1]
