"""What is done with a volume, a disk or a container that may be anything: all that callers do.

Each run does one kind of thing, chosen by its number, because to do them all costs several times as
much and damage at one place shows in one of them. What is told must keep the promises of
``disk/base.py``; of one file ``FormatError`` is an answer as good as any other.
"""

from collections.abc import Callable
from contextlib import suppress
from itertools import islice

from tests.fuzz.subject import Meter
from twofold.disk.base import Content, FileSystem, Kind, Role, UsedBlocks
from twofold.disk.blocks import MemoryBlocks, Pieces
from twofold.disk.btrfs import open_btrfs
from twofold.disk.containers import ImageKind, open_container
from twofold.disk.exfat import open_exfat
from twofold.disk.ext import open_ext
from twofold.disk.fat import open_fat
from twofold.disk.lvm import open_volume_group
from twofold.disk.lvm_layout import group_layout
from twofold.disk.mbr import read_mbr
from twofold.disk.ntfs import open_ntfs
from twofold.disk.partitions import read_table
from twofold.disk.probe import open_file_system, open_used_blocks
from twofold.disk.raid import md_member
from twofold.disk.recognise import recognise
from twofold.disk.xfs import open_xfs
from twofold.errors import FormatError
from twofold.imaging import open_source

_READ = 64 << 10
_SIBLING = MemoryBlocks(bytes(1 << 20))


def file_system(opener: Callable[[Meter], FileSystem]) -> Callable[[Meter], None]:
    """A run on a file system of this kind."""

    def run(reader: Meter) -> None:
        system = opener(reader)
        use = (_map, _streams, _walk, _one_file)[reader.turn // 3 % 4]
        use(system, reader.turn)
        assert len(system.facts.notes) < 60

    return run


def _map(system: FileSystem, turn: int) -> None:
    units = system.facts.units
    assert len(system.allocation()) == (units + 7) // 8


def _streams(system: FileSystem, turn: int) -> None:
    units, unit = system.facts.units, system.facts.unit
    for stream in system.streams():
        assert 0 <= stream.valid <= stream.size
        covered = 0
        for first, count in stream.runs:
            assert count > 0
            assert first == -1 or 0 <= first <= units - count
            covered += count
        assert stream.role is Role.CODED or covered * unit >= stream.size


def _walk(system: FileSystem, turn: int) -> None:
    """Directories contain each other on damaged volumes, so only so far; every third file."""
    waiting = [system.root()]
    seen = set(waiting)
    while waiting and len(seen) < 60:
        with suppress(FormatError):
            for entry in islice(system.entries(waiting.pop()), 200):
                assert entry.name not in (b"", b".", b"..")
                assert b"/" not in entry.name and b"\0" not in entry.name
                if entry.file not in seen and len(seen) < 60:
                    seen.add(entry.file)
                    if entry.kind is Kind.DIRECTORY:
                        waiting.append(entry.file)
                    elif (len(seen) + turn) % 3 == 0:
                        _look(system, entry.file)


def _one_file(system: FileSystem, turn: int) -> None:
    """A number that may stand for nothing, and a few that the root names."""
    numbers = [turn % 97, turn % 13, 1 << 40]
    with suppress(FormatError):
        numbers += [entry.file for entry in islice(system.entries(system.root()), turn % 30, 40)]
    for number in numbers[:8]:
        _look(system, number)
        with suppress(FormatError):
            sum(1 for _ in islice(system.entries(number), 200))


def _look(system: FileSystem, number: int) -> None:
    with suppress(FormatError):
        facts = system.facts_of(number)
        assert facts.size >= 0
        for name in islice(facts.streams, 3):
            with suppress(FormatError):
                _read(system.open(number, name))
    with suppress(FormatError):
        _read(system.open(number))


def _read(content: Content) -> None:
    size = content.size
    assert size >= 0
    if hasattr(content, "holes"):  # a tenth of the time of isinstance with the protocol
        end = 0
        for start, length in islice(content.holes(), 100):
            assert start >= end and length > 0
            end = start + length
    for offset in (0, size // 2, max(0, size - 3000)):
        with suppress(FormatError):
            assert len(content.read(offset, 3000)) == min(3000, size - offset)


def used_blocks(opener: Callable[[Meter], UsedBlocks]) -> Callable[[Meter], None]:
    """A run on a file system of which only the map is understood."""

    def run(reader: Meter) -> None:
        system = opener(reader)
        assert len(system.allocation()) == (system.facts.units + 7) // 8
        assert len(system.facts.notes) < 1 << 16

    return run


def container(kind: ImageKind) -> Callable[[Meter], None]:
    """Open, walk the first extents, read a little of each and at fixed places."""

    def run(reader: Meter) -> None:
        disk = open_container(reader, kind=kind, sibling=lambda _: _SIBLING)
        end = 0
        for offset, length in islice(disk.extents(), 64):
            assert end <= offset and length > 0 and offset + length <= disk.size
            end = offset + length
            disk.read(offset, min(length, _READ))
        for offset in (0, disk.size // 2, disk.size - 512):
            if offset >= 0:
                disk.read(offset, min(disk.size - offset, _READ))

    return run


def volume_group(reader: Meter) -> None:
    """Every logical volume, its first bytes and its last."""
    for volume in open_volume_group([reader]).volumes:
        if volume.reader and volume.size:
            volume.reader.read(0, min(volume.size, _READ))
            with suppress(FormatError):
                volume.reader.read(volume.size - 1, 1)


def group_places(reader: Meter) -> None:
    """Logical volumes as parts of a disk: inside of it, and no byte is two volumes'."""
    volumes = group_layout(reader).volumes
    pieces = sorted(piece for volume in volumes for piece in volume.pieces)
    assert all(start >= 0 and length > 0 for start, length in pieces)
    ends = [start + length for start, length in pieces]
    assert all(start >= end for (start, _), end in zip(pieces[1:], ends, strict=False))
    assert not ends or ends[-1] <= reader.size
    for volume in volumes:
        inside = Pieces(reader, 0, volume.pieces)
        assert inside.size == sum(length for _, length in volume.pieces)
        inside.read(inside.size - 1, 1)


def table(reader: Meter) -> None:
    """A disk: its regions do not meet; and parts and frame of an image are all of it, once."""
    end = 0
    for region in read_table(reader).regions:
        assert end <= region.start and region.size > 0
        end = region.start + region.size
        assert end <= reader.size
    source = open_source(reader)
    outer = [part for part in source.parts if not part.parent]
    pieces = [*source.frame, *((part.start, part.size) for part in outer)]
    end = 0
    for start, size in sorted(pieces):
        assert start == end and size > 0
        end += size
    assert end == reader.size


def boot_record(reader: Meter) -> None:
    """The chain of logical partitions."""
    found = read_mbr(reader, 512)
    assert found is None or len(found.entries) <= 4 + 256


def anything(reader: Meter) -> None:
    """What a volume is, by all signatures there are; and whether a parser takes it."""
    found = recognise(reader)
    assert found.kind and found.sentence.endswith(".")
    md_member(reader)
    if reader.turn & 1:
        open_file_system(reader)
        open_used_blocks(reader)


VOLUMES: dict[str, Callable[[Meter], None]] = {
    "ntfs": file_system(open_ntfs),
    "ext": file_system(lambda reader: open_ext(reader, search=reader.turn % 2 == 0)),
    "fat": file_system(open_fat),
    "exfat": file_system(open_exfat),
    "xfs": used_blocks(open_xfs),
    "xfs frozen": used_blocks(lambda reader: open_xfs(reader, frozen=True)),
    "btrfs": used_blocks(open_btrfs),
}
