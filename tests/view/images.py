"""Images made by hand out of raw disks, in the simplest way that the format allows.

Of a volume whose file system is understood, the contents of files become entries of their own on
wish; whatever these do not put in place, byte for byte, follows as raw entries. Written only with
what writes pages and blobs for everybody, so that it is not the capture that is tested here.
"""

import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.format.volumes import volume_of
from tests.restorer.place import LATER, Craft, Place
from twofold.disk import BlockReader, FileSystem, Role, Stream
from twofold.disk.blocks import FileBlocks, Window
from twofold.disk.partitions import read_table
from twofold.disk.probe import open_file_system
from twofold.format.image import (
    EXTENTS,
    IMAGE,
    EntryRole,
    ExtentEntry,
    ExtentsPage,
    ImagePage,
    VolumeRecord,
    pack_runs,
)
from twofold.format.pages import encode_page, ends_extents_page
from twofold.format.records import PageRef, Root
from twofold.format.segments import pack_blob, pack_zeros
from twofold.pipeline import PageSink, Worker, write_segments

PIECE = 256 << 10
RAW_WINDOW = 64 << 20
_ZEROS = bytes(PIECE)
_SECTOR = 512

Runs = list[tuple[int, int]]
Change = Callable[[ExtentEntry], ExtentEntry]


@dataclass(frozen=True)
class Part:
    """A partition to be made into a volume."""

    number: int
    start: int
    size: int
    sort: str = ""
    name: str = ""
    guid: str = ""


@dataclass
class Builder:
    """Writes the pages of one image. ``change`` may spoil each entry before it is written."""

    craft: Craft
    files: bool = True
    change: Change = field(default=lambda entry: entry)

    def entries_page(self, entries: Iterable[ExtentEntry]) -> PageRef:
        """Extents pages with the borders that the format asks for."""
        sink = PageSink(self.craft.flow.save_page)
        page: list[ExtentEntry] = []
        for entry in entries:
            page.append(self.change(entry))
            if ends_extents_page(self.craft.page_key, entry.role, max(entry.owner, 0)):
                self._close(sink, page)
                page = []
        self._close(sink, page)
        return sink.finish()

    def _close(self, sink: PageSink, page: list[ExtentEntry]) -> None:
        sink.add(encode_page(ExtentsPage(EXTENTS, page)), None)

    def entry(
        self, role: EntryRole, owner: int, name: bytes, data: bytes, runs: Runs
    ) -> ExtentEntry:
        """A stream, cut into pieces of one length, zeros apart."""
        content, ref = write_segments(self.craft.flow.save_page, self._segments(data))
        page = PageRef(ref.id, ref.level) if ref is not None else None
        return ExtentEntry(owner, name, role, len(data), pack_runs(runs), content, page)

    def _segments(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), PIECE):
            piece = data[at : at + PIECE]
            if len(piece) >= 1 << 16 and _ZEROS.startswith(piece):
                yield pack_zeros(len(piece))
            else:
                yield pack_blob(self._blob(piece), len(piece))

    def _blob(self, piece: bytes) -> bytes:
        """Handed over without waiting: its id is known beforehand."""

        def store(worker: Worker) -> None:
            worker.store(piece)

        self.craft.flow.submit(store)
        return self.craft.hash(piece)

    def volume(self, part: Part, reader: BlockReader) -> VolumeRecord:
        """A volume with everything that is in it."""
        system = open_file_system(reader) if part.number else None
        found = system.facts if system is not None else None
        painted, entries = bytearray(reader.size), list[ExtentEntry]()
        if system is not None and self.files:
            entries = sorted(
                self._files(system, painted), key=lambda each: (each.role, each.owner, each.name)
            )
        entries += self._raw(reader, painted)
        return VolumeRecord(
            number=part.number,
            start=part.start,
            size=part.size,
            sort=part.sort,
            name=part.name,
            guid=part.guid,
            system=found.kind if found else "",
            label=found.label if found else "",
            serial=found.serial if found else "",
            unit=found.unit if found else 0,
            units=found.units if found else 0,
            origin=found.origin if found else 0,
            used=sum(each.size for each in entries),
            exact=False,
            entries=self.entries_page(entries),
        )

    def _files(self, system: FileSystem, painted: bytearray) -> Iterator[ExtentEntry]:
        facts = system.facts
        for stream in system.streams():
            if stream.role is not Role.FILE or stream.discard or not stream.size:
                continue
            content = system.open(stream.owner, stream.name)
            data = content.read(0, stream.size)
            _paint(painted, data, stream, facts.origin, facts.unit)
            runs = [(first, units) for first, units in stream.runs]
            yield self.entry(EntryRole.FILE, stream.owner, stream.name, data, runs)

    def _raw(self, reader: BlockReader, painted: bytearray) -> Iterator[ExtentEntry]:
        for window in range(-(-reader.size // RAW_WINDOW)):
            start = window * RAW_WINDOW
            there = reader.read(start, min(RAW_WINDOW, reader.size - start))
            runs = list(_differences(there, memoryview(painted)[start : start + len(there)]))
            if runs:
                data = b"".join(there[first : first + count] for first, count in runs)
                moved = [(start + first, count) for first, count in runs]
                yield self.entry(EntryRole.RAW, window, b"", data, moved)


def _paint(painted: bytearray, data: bytes, stream: Stream, origin: int, unit: int) -> None:
    """What writing a stream's entry does to a volume."""
    at = 0
    for first, units in stream.runs:
        piece = data[at : at + units * unit]
        if first >= 0 and piece:
            start = origin + first * unit
            whole = -(-len(piece) // unit) * unit
            painted[start : start + whole] = piece.ljust(whole, b"\0")
        at += units * unit


def _differences(there: bytes, painted: memoryview) -> Iterator[tuple[int, int]]:
    """(first byte, bytes) of the sectors that are not as painted, neighbours joined."""
    first = end = 0
    for block in range(0, len(there), PIECE):
        if there[block : block + PIECE] == painted[block : block + PIECE]:
            continue
        for at in range(block, min(block + PIECE, len(there)), _SECTOR):
            stop = min(at + _SECTOR, len(there))
            if there[at:stop] == painted[at:stop]:
                continue
            if at != end:
                if end > first:
                    yield first, end - first
                first = at
            end = stop
    if end > first:
        yield first, end - first


def image_of(
    place: Place,
    disk: Path,
    *,
    files: bool = True,
    change: Change | None = None,
    change_page: Callable[[ImagePage], ImagePage] = lambda page: page,
    time_ns: int = LATER,
) -> Root:
    """An image snapshot of a raw disk. Without a partition table all of it is partition 1."""

    def build(craft: Craft) -> Root:
        builder = Builder(craft, files, change or (lambda entry: entry))
        with disk.open("rb") as file:
            reader = FileBlocks(file)
            table = read_table(reader)
            parts = [
                Part(each.number, each.start, each.size, each.type, each.name, each.guid)
                for each in table.partitions
                if not each.is_container
            ]
            volumes = [
                builder.volume(part, Window(reader, part.start, part.size))
                for part in parts or [Part(1, 0, reader.size)]
            ]
            frame = builder.volume(Part(0, 0, reader.size), _Without(reader, parts or volumes))
        page = ImagePage(
            IMAGE, reader.size, 512, 0, table.kind, 512, table.disk_id, [frame, *volumes]
        )
        ident = craft.flow.save_page(encode_page(change_page(page)))
        return Root(kind="image", image=PageRef(ident), time_ns=time_ns)

    return place.craft_root(build)


class _Without:
    """A disk whose partitions read as zeros."""

    sector_size = 512

    def __init__(self, disk: BlockReader, parts: Iterable[Part | VolumeRecord]) -> None:
        self.size = disk.size
        self._disk = disk
        self._parts = [(part.start, part.start + part.size) for part in parts]

    def read(self, offset: int, length: int) -> bytes:
        data = bytearray(self._disk.read(offset, length))
        for start, end in self._parts:
            first, last = max(start, offset), min(end, offset + length)
            if first < last:
                data[first - offset : last - offset] = bytes(last - first)
        return bytes(data)


def crafted(
    place: Place,
    build: Callable[[Builder], Iterable[ExtentEntry]],
    *,
    size: int = 1 << 20,
    unit: int = 4096,
    origin: int = 0,
    units: int | None = None,
) -> Root:
    """An image of a disk that is one volume of units, with these entries."""

    def make(craft: Craft) -> Root:
        builder = Builder(craft)
        entries = builder.entries_page(build(builder))
        record = volume_of(size, unit, units, origin=origin, entries=entries)
        page = ImagePage(IMAGE, size, 512, 0, "none", 512, "", [record])
        ident = craft.flow.save_page(encode_page(page))
        return Root(kind="image", image=PageRef(ident), time_ns=LATER)

    return place.craft_root(make)


def partitioned(disk: Path, *volumes: Path) -> Path:
    """A disk with a GPT and these file systems, one after the other; junk in the gaps."""
    start, lines = 2048, ["label: gpt"]
    with disk.open("wb") as out:
        places: list[tuple[int, Path]] = []
        for volume in volumes:
            sectors = volume.stat().st_size // 512
            lines.append(f"start={start}, size={sectors}, name=part{len(places) + 1}")
            places.append((start, volume))
            start += sectors + 2048
        out.truncate((start + 2048) * 512)
    script = "\n".join(lines)
    subprocess.run(["sfdisk", "-q", str(disk)], input=script.encode(), check=True)
    with disk.open("r+b") as out:
        for first, volume in places:
            out.seek(first * 512)
            out.write(volume.read_bytes())
            out.write(b"between partitions")
    return disk
