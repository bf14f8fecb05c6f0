"""The batch calls on directories and files, with arguments of any shape, in a folder of its own.

What the twins take, the extension must take too, with the same results and the same files left
behind; what is nonsense must be refused by an exception; and no descriptor may stay open.

An input is read as a stream of numbers, which choose names, sizes, contents and attributes. Guards
and set-id bits are not given, as root could not clear up after them as cheaply.
"""

import errno
import os
import stat
import tempfile
import time
from array import array
from atexit import register
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from twofold.native import EXTENSION
from twofold.platform import iterate, tree
from twofold.platform.base import Attributes, Entry, SmallRead
from twofold.platform.linux import flags, metadata, mounts, source
from twofold.platform.linux.source import LinuxSourceDir
from twofold.platform.linux.target import LinuxTargetDir

NAMES = [b"a", b"b", b"ab", b"link", b"folder", b"gone", b"big", b"packed", b"n" * 255]
WRONG_NAMES = [
    b"",
    b".",
    b"..",
    b"a/b",
    b"a\0b",
    b"/etc/hostname",
    b"../a",
    b"n" * 256,
    b"n" * 5000,
]
ODD: list[Any] = [None, -1, 1 << 31, 1 << 63, 1 << 64, "words", b"", (), [b"a", 3], {}, 1.5, object]
CONTENTS: list[Any] = [
    b"",
    b"x",
    b"content" * 40,
    bytes(5000),
    bytearray(b"array"),
    memoryview(b"v"),
]
XATTRS: list[Any] = [
    None,
    (),
    [(b"user.a", b"1"), (b"user.b", b"")],
    [(b"user.long" + b"n" * 240, bytes(1000))],
    [(b"user.nul\0x", b"1")],
    [(b"user.", b"no name")],
    [(b"nowhere.a", b"1")],
    [(b"user.a", b"v" * 300), (b"system.posix_acl_access", b"\2\0\0\0garbage")],
]
TIMES = [0, 1, -1, 10**18, 315_532_800 * 10**9 - 1, 2**31 * 10**9, -(2**62), 2**63 - 1, 2**63]
REFUSALS = (TypeError, ValueError, OverflowError, BufferError, OSError, AttributeError, MemoryError)


class Numbers:
    """The bytes of an input as choices; zeros when there are no more."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def below(self, limit: int) -> int:
        """A number from 0 to limit - 1."""
        piece = self._data[self._at : self._at + 1 + (limit > 256)]
        self._at += len(piece)
        return int.from_bytes(piece, "little") % limit

    def one_of(self, choices: list[Any]) -> Any:
        """One of them."""
        return choices[self.below(len(choices))]


@cache
def folders() -> tuple[int, int, int]:
    """Descriptors: something to read, and two empty folders to write to."""
    base = Path(tempfile.mkdtemp(prefix="twofold-fuzz-", dir=_roomy()))
    for name in ("read", "one", "two"):
        base.joinpath(name).mkdir()
    _fill(base / "read")
    opened = [os.open(base / name, os.O_RDONLY) for name in ("read", "one", "two")]
    register(_remove, base, opened, os.getpid())
    return opened[0], opened[1], opened[2]


def _roomy() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _fill(folder: Path) -> None:
    (folder / "a").write_bytes(b"")
    (folder / "b").write_bytes(b"b" * 100)
    (folder / "ab").write_bytes(bytes(range(256)) * 20)
    (folder / "big").write_bytes(bytes(70_000))
    (folder / ("n" * 255)).write_bytes(b"long name")
    (folder / "link").symlink_to("b")
    (folder / "folder" / "below").mkdir(parents=True)
    (folder / "packed").write_bytes(b"packed")
    os.mkfifo(folder / "fifo")


def _remove(base: Path, opened: list[int], process: int) -> None:
    if os.getpid() != process:
        return
    base.joinpath("read", "folder", "below").rmdir()
    for fd in opened:
        _empty(fd)
        os.close(fd)
    for name in ("read", "one", "two"):
        base.joinpath(name).rmdir()
    base.rmdir()


def target(data: bytes) -> None:
    """Raises AssertionError where the extension is wrong."""
    assert EXTENSION is not None, "there is no extension to fuzz"
    numbers = Numbers(data)
    lowest = os.dup(0)
    os.close(lowest)
    way = numbers.below(8)
    if way < 3:
        _read(numbers)
    elif way < 6:
        _write(numbers)
    elif way == 6:
        _scan(numbers)
    else:
        _nonsense(numbers)
    again = os.dup(0)
    os.close(again)
    assert again <= max(lowest, max(folders()) + 1), "a descriptor stayed open"


def _read(numbers: Numbers) -> None:
    fd = folders()[0]
    names, sizes = [], []
    for _ in range(numbers.below(5)):
        names.append(numbers.one_of(WRONG_NAMES if numbers.below(8) == 0 else [*NAMES, b"fifo"]))
        sizes.append(numbers.one_of([0, 1, 99, 100, 101, 5119, 5120, 69_999, 70_000, 80_000]))
    known = {entry.name: entry for entry in iterate(source.scan_dir(fd))}
    settled = numbers.one_of([-(1 << 63), 0, time.time_ns(), (1 << 63) - 1])
    wanted = [_entry(numbers, known, *each) for each in zip(names, sizes, strict=True)]
    room = sum(sizes) + len(names) + numbers.one_of([0, 0, 0, 1, 4096, -1])
    outcomes: list[Any] = []
    for read in (source.read_batch, source._read_in_python):
        buffer = bytearray(b"\xa5" * max(room, 0))
        try:
            results = read(fd, wanted, memoryview(buffer), settled)
        except ValueError as error:
            outcomes.append(str(error))
            continue
        outcomes.append([_without_sums(result, buffer) for result in results])
    assert outcomes[0] == outcomes[1]


def _entry(numbers: Numbers, known: dict[bytes, Entry], name: bytes, size: int) -> Entry:
    """As it is listed, or nearly, or with nothing but name and size."""
    entry = known.get(name)
    if entry is None or numbers.below(3) == 0:
        return Entry(0, size, 0, 0, 0, 0, 0, 0, 0, name)
    fields = [*entry[:1], size, *entry[2:]]
    if numbers.below(3) == 0:
        fields[numbers.one_of([0, 2, 3, 4, 5, 6, 7, 8])] = numbers.one_of(
            [0, 1, -1, 1 << 70, -(10**9), 9_223_372_036 * 10**9]
        )
    return Entry._make(fields)


def _without_sums(result: SmallRead | None, buffer: bytearray) -> object:
    if result is None:
        return None
    end = result.offset + result.length
    return result, bytes(buffer[result.offset : end])


def _scan_tree(numbers: Numbers) -> None:
    """Of names that are there, are something else, or are none at all."""
    fd = numbers.one_of([*folders(), 0, 1 << 30])
    count = numbers.below(6)
    pool = WRONG_NAMES if numbers.below(8) == 0 else [*NAMES, b"below", b"fifo"]
    names = tuple(numbers.one_of(pool) for _ in range(count))
    depths = bytes(numbers.one_of([1, 1, 1, 2, 2, 3, 0, 64, 65, 255]) for _ in range(count))
    limit = numbers.one_of([1, 100, 1 << 20, 1 << 20, 0])
    assert EXTENSION is not None
    folder = LinuxSourceDir.__new__(LinuxSourceDir)
    folder._fd, folder._mounts, folder._identity = fd, mounts.Mounts(), _identity(fd)
    outcomes: list[object] = []
    for scan in (LinuxSourceDir.scan_tree, tree.scan_tree):
        try:
            outcomes.append(scan(folder, names, depths, limit))
        except ValueError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


def _identity(fd: int) -> tuple[int, int]:
    try:
        status = os.fstat(fd)
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def _scan(numbers: Numbers) -> None:
    if numbers.below(2):
        _scan_tree(numbers)
        return
    fd = numbers.one_of([*folders(), 0, -1, 1 << 30])
    outcomes: list[object] = []
    for scan in (source.scan_dir, source._scan_in_python):
        try:
            outcomes.append(scan(fd) if fd >= 0 else b"")
        except OSError as error:
            outcomes.append(error.errno)
    assert outcomes[0] == outcomes[1]


def _attributes(numbers: Numbers) -> Attributes:
    mode = stat.S_IFREG | numbers.one_of([0, 0o400, 0o644, 0o777, 0o1644])
    owner = [None, 0, 1234, 2**32 - 2] if os.geteuid() == 0 else [None]
    return Attributes(
        mode,
        numbers.one_of(TIMES[:-1]),
        numbers.one_of(owner),
        numbers.one_of(owner),
        numbers.one_of(XATTRS),
        numbers.one_of([None, None, 0, 0x40]),
    )


def _write(numbers: Numbers) -> None:
    count = numbers.below(4)
    names = [
        numbers.one_of(WRONG_NAMES if numbers.below(8) == 0 else NAMES[:4]) for _ in range(count)
    ]
    contents = [numbers.one_of(CONTENTS) for _ in names]
    wanted = [_attributes(numbers) for _ in names]
    in_the_way = numbers.one_of([b"", b"", b"", *NAMES[:4]])
    told = []
    for fd, native in zip(folders()[1:], (True, False), strict=True):
        if in_the_way:
            os.mkdir(in_the_way, dir_fd=fd)
        folder = LinuxTargetDir(fd, mounts.Mounts())
        results = (
            folder.write_batch(names, contents, wanted)
            if native
            else [folder._write_small(*each) for each in zip(names, contents, wanted, strict=True)]
        )
        told.append((results, _look(fd)))
        _empty(fd)
    assert told[0] == told[1]


def _look(fd: int) -> list[object]:
    """All there is, but for inodes and the time of change."""
    found: list[object] = []
    for name in sorted(os.listdir(fd)):
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        row = [name, status.st_mode, status.st_uid, status.st_gid, status.st_size, status.st_nlink]
        if stat.S_ISREG(status.st_mode):
            path = f"/proc/self/fd/{fd}/{name}"
            xattrs = [(key, os.getxattr(path, key)) for key in sorted(os.listxattr(path))]
            found.append((row, status.st_mtime_ns, xattrs, Path(path).read_bytes()))
        else:
            found.append(row)
    return found


def _empty(fd: int) -> None:
    for name in os.listdir(fd):
        try:
            os.unlink(name, dir_fd=fd)
        except IsADirectoryError:
            _empty_below(fd, name)
            os.rmdir(name, dir_fd=fd)


def _empty_below(fd: int, name: str) -> None:
    below = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=fd)
    try:
        _empty(below)
    finally:
        os.close(below)


def _nonsense(numbers: Numbers) -> None:
    """One to three arguments of any type and size in the place of good ones."""
    assert EXTENSION is not None
    function: Callable[..., Any]
    arguments: list[Any]
    read, one, _ = folders()
    if numbers.below(2):
        function = EXTENSION.read_batch
        buffer = memoryview(bytearray(400))
        made = metadata.extras_of_parts
        known = Entry(0, 100, 0, 0, 0, 0, 0, 0, 0, b"a")
        files = [known, numbers.one_of([known, known, tuple(known), (1, 2), numbers.one_of(ODD)])]
        arguments = [read, files, buffer, 0, flags.KEPT, SmallRead, Entry, made]
    elif numbers.below(4) == 3:
        function, arguments = EXTENSION.scan_tree, [read, (b"a", b"folder"), b"\1\1", 1000]
    elif numbers.below(2):
        function, arguments = _below(numbers, one)
    else:
        function = EXTENSION.write_batch
        wanted = [_attributes(numbers), numbers.one_of([_attributes(numbers), *ODD])]
        contents = [b"x", numbers.one_of([b"y", *ODD])]
        start = numbers.one_of([0, 1, 2, 3, -1])
        arguments = [one, [b"a", b"b"], contents, wanted, start, bytes(16), 0, flags.KEPT]
    for _ in range(1 + numbers.below(3)):
        place = numbers.below(len(arguments))
        if place or numbers.below(4) == 0:
            arguments[place] = _strange(numbers, arguments[place])
    if isinstance(arguments[0], int) and arguments[0] in (0, 1, 2):
        return
    with suppress(*REFUSALS):
        function(*arguments[: numbers.one_of([10, 10, 10, 9, 7, 0])])
    _empty(one)


def _below(numbers: Numbers, one: int) -> tuple[Callable[..., Any], list[Any]]:
    """A call for two directories, of which the second is in the first; that is there or not."""
    assert EXTENSION is not None
    if numbers.below(2):
        os.mkdir(b"a", dir_fd=one)
    steps = [one, (b"a", b"folder"), bytes([numbers.one_of([1, 0x81]), 2])]
    wanted = (_attributes(numbers), numbers.one_of([_attributes(numbers), *ODD]))
    if numbers.below(2):
        return EXTENSION.apply_below, [*steps, wanted, 0, flags.KEPT]
    counts = array("I", numbers.one_of([[1, 1], [2], [2, 0], [1 << 31, 2], []]))
    files = [(b"x", b"y"), (b"1", numbers.one_of([b"2", *ODD])), wanted]
    return EXTENSION.write_below, [*steps, counts, *files, bytes(16), 0, flags.KEPT]


def _strange(numbers: Numbers, usual: Any) -> Any:
    way = numbers.below(4)
    if way == 0 and isinstance(usual, list):
        return [*usual, numbers.one_of([b"c", *ODD])]
    if way == 1 and isinstance(usual, list):
        return usual[: numbers.below(2)]
    if way == 2:
        odd = [bytes(3), bytearray(2), memoryview(bytes(64))[::2], range(2)]
        return numbers.one_of([*odd, Entry, object, int])
    return numbers.one_of([*ODD, errno])
