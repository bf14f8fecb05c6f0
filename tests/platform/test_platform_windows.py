"""The parts of the Windows side that make no system calls, on any system.

The oracle for the layouts is ctypes, which lays structures out as a C compiler does from the
declarations in the documentation.
"""

import ctypes
import ntpath
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.platform import FLAG_AWAY, pack_listing, validate
from twofold.platform.windows import paths, records

U32, I64, U64 = ctypes.c_uint32, ctypes.c_int64, ctypes.c_uint64
TIMES = [(name, I64) for name in ("creation", "access", "write", "change")]


class Listed(ctypes.Structure):
    """FILE_ID_BOTH_DIR_INFO before its name."""

    _fields_ = [
        ("next", U32),
        ("index", U32),
        *TIMES,
        ("size", I64),
        ("allocated", I64),
        ("attributes", U32),
        ("name_length", U32),
        ("tag", U32),
        ("short_length", ctypes.c_char),
        ("short", ctypes.c_uint16 * 12),
        ("id", I64),
        ("name", ctypes.c_uint16 * 1),
    ]


class FileTime(ctypes.Structure):
    """FILETIME."""

    _fields_ = [("low", U32), ("high", U32)]


class ByHandle(ctypes.Structure):
    """BY_HANDLE_FILE_INFORMATION."""

    _fields_ = [
        ("attributes", U32),
        ("creation", FileTime),
        ("access", FileTime),
        ("write", FileTime),
        ("volume", U32),
        ("size_high", U32),
        ("size_low", U32),
        ("links", U32),
        ("index_high", U32),
        ("index_low", U32),
    ]


class Basic(ctypes.Structure):
    """FILE_BASIC_INFO."""

    _fields_ = [*TIMES, ("attributes", U32)]


def listed(name: str, **fields: int) -> bytes:
    """One record with its name, padded to 8 bytes as the system does."""
    raw = name.encode("utf-16-le", "surrogatepass")
    head = Listed(name_length=len(raw), **fields)
    data = bytes(head)[: Listed.name.offset] + raw
    return data + bytes(-len(data) % 8)


def buffer_of(rows: list[bytes]) -> bytes:
    """Records chained as in an answer of the system, with rubbish behind them."""
    chained = b""
    for row in rows:
        step = 0 if row is rows[-1] else len(row)
        chained += step.to_bytes(4, "little") + row[4:]
    return chained + b"\xaa" * 200


FT_1970 = 116_444_736_000_000_000  # from the documentation of FILETIME


def test_sizes_are_those_of_a_compiler() -> None:
    assert ctypes.sizeof(ByHandle) == records.BY_HANDLE.size
    assert ctypes.sizeof(Basic) == records.BASIC.size


NAMES = st.lists(
    st.text(st.characters(exclude_characters="/\\:\0"), min_size=1, max_size=20).filter(
        lambda name: name not in (".", "..")
    ),
    unique=True,
    min_size=1,
)


@settings(deadline=None)
@given(NAMES, st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), st.integers(0, 2**62))
def test_listings(names: list[str], write: int, change: int, size: int) -> None:
    rows = [listed(".", attributes=0x10), listed("..", attributes=0x10)]
    rows += [
        listed(name, write=write, change=change, size=size, id=number + 7, attributes=0x20)
        for number, name in enumerate(names)
    ]
    found = list(records.parse_listing(buffer_of(rows)))
    assert [entry.name.decode("utf-8", "surrogatepass") for entry in found] == names
    for number, entry in enumerate(found):
        assert (entry.inode, entry.size, entry.links) == (number + 7, size, 0)
        assert entry.mtime_ns == (write - FT_1970) * 100
        assert entry.ctime_ns == (change - FT_1970) * 100
        assert stat.S_ISREG(entry.mode)
    assert validate(pack_listing(found)) == len(names)


def test_lone_surrogates_survive() -> None:
    (entry,) = records.parse_listing(buffer_of([listed("a\udc80")]))
    assert paths.to_text(entry.name) == "a\udc80"
    assert paths.to_bytes("a\udc80") == entry.name


@pytest.mark.parametrize("data", [b"", b"\0" * 103, bytes(104), b"\xff" * 104, b"\xff" * 500])
def test_answers_cut_short_end(data: bytes) -> None:
    assert len(list(records.parse_listing(data))) <= 1


@pytest.mark.parametrize(
    ("attributes", "tag", "kind", "flags"),
    [
        (0x20, 0, stat.S_IFREG | 0o644, 0),
        (0x21, 0, stat.S_IFREG | 0o444, 0),
        (0x80, 0, stat.S_IFREG | 0o644, 0),
        (0x10, 0, stat.S_IFDIR | 0o755, 0),
        (0x11, 0, stat.S_IFDIR | 0o755, 0),
        (0x400, 0xA000000C, stat.S_IFLNK | 0o777, 0),
        (0x410, 0xA000000C, stat.S_IFLNK | 0o777, 0),
        (0x410, 0xA0000003, stat.S_IFLNK | 0o777, 0),  # junction
        (0x400, 0x80000017, stat.S_IFREG | 0o644, 0),  # compressed by the system
        (0x400, 0x80000013, stat.S_IFREG | 0o644, 0),  # deduplicated
        (0x400420, 0x9000001A, stat.S_IFREG | 0o644, FLAG_AWAY),  # cloud placeholder
        (0x410, 0x9000001A, stat.S_IFDIR | 0o755, 0),
        (0x1020, 0, stat.S_IFREG | 0o644, FLAG_AWAY),
        (0x20, 0xA000000C, stat.S_IFREG | 0o644, 0),  # a size of extended attributes, not a tag
    ],
)
def test_kinds(attributes: int, tag: int, kind: int, flags: int) -> None:
    row = listed("x", attributes=attributes, tag=tag, size=5)
    (entry,) = records.parse_listing(buffer_of([row]))
    assert (entry.mode, entry.flags) == (kind, flags)
    assert entry.size == (5 if stat.S_ISREG(kind) else 0)


def test_open_files() -> None:
    known = ByHandle(
        attributes=0x20,
        volume=0xDEADBEEF,
        size_high=1,
        size_low=2,
        links=3,
        index_high=0x80000004,
        index_low=5,
    )
    basic = Basic(write=FT_1970 + 10**7, change=FT_1970 - 1, attributes=0x20)
    volume, entry = records.parse_open(bytes(known), bytes(basic), 0)
    assert volume == 0xDEADBEEF
    assert entry[:2] == ((0x80000004 << 32) + 5, 2**32 + 2)
    assert (entry.mtime_ns, entry.ctime_ns, entry.links) == (10**9, -100, 3)


@settings(deadline=None)
@given(st.integers(-(2**62), 2**62))
def test_times_round_trip_to_100_ns(ns: int) -> None:
    assert ns - 100 < records.to_ns(records.to_filetime(ns)) <= ns


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=6), st.integers(0, 99))
def test_holes_are_what_is_not_allocated(some: list[tuple[int, int]], size: int) -> None:
    allocated = {byte for start, length in some for byte in range(start, start + length)}
    holes = list(records.holes_between(sorted(some), size))
    empty = [byte for start, length in holes for byte in range(start, start + length)]
    assert empty == sorted(set(range(size)) - allocated)
    assert all(length > 0 for _, length in holes)


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("C:\\a\\b", "\\\\?\\C:\\a\\b"),
        ("C:/a/b/../c", "\\\\?\\C:\\a\\c"),
        ("C:\\", "\\\\?\\C:\\"),
        ("\\\\server\\share\\x", "\\\\?\\UNC\\server\\share\\x"),
        ("\\\\?\\C:\\a.", "\\\\?\\C:\\a."),
    ],
)
def test_paths_without_limits(path: str, want: str) -> None:
    assert paths.verbatim(path) == want
    assert ntpath.isabs(want)


def test_children_and_parents() -> None:
    assert paths.child("\\\\?\\C:\\", b"a") == "\\\\?\\C:\\a"
    assert paths.child("\\\\?\\C:\\a", "é.".encode()) == "\\\\?\\C:\\a\\é."
    assert paths.parent("\\\\?\\C:\\a\\b") == "\\\\?\\C:\\a"
    assert paths.parent("\\\\?\\C:\\a") == "\\\\?\\C:\\"
    share = "\\\\?\\UNC\\server\\share"
    assert paths.parent(share + "\\a") == share
    assert paths.parent(share) == share
    assert paths.parent("\\\\?\\C:\\") == "\\\\?\\C:\\"
    for name in (b"", b".", b"..", b"a\\b", b"a/b", b"a:b", b"C:", b"nul\0", b"..\\x", b"\xff"):
        with pytest.raises(OSError) as caught:
            paths.child("\\\\?\\C:\\a", name)
        assert caught.value.errno == 22


def test_targets_are_shown_without_the_prefix() -> None:
    assert paths.shown_target("\\\\?\\C:\\x") == "C:\\x"
    assert paths.shown_target("\\\\?\\UNC\\server\\share") == "\\\\server\\share"
    assert paths.shown_target("..\\x") == "..\\x"
