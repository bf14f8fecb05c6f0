"""What a file system holds, as plain data: by our parser, by The Sleuth Kit, and by libfsfat.

All three give the same form, so that a test is one comparison: path -> size, clusters, SHA-256.
Clusters are numbered from 0, as units are.
"""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pyfsfat
import pytsk3

from twofold.disk import FileSystem, Kind, Role, Stream

MIB = 1 << 20


class Item(NamedTuple):
    """A file or directory. Sizes and digests are those of files only."""

    is_directory: bool
    size: int
    units: tuple[int, ...]
    digest: str


Listing = dict[str, Item]


def expand(stream: Stream) -> tuple[int, ...]:
    """Every unit of a stream."""
    return tuple(u for first, count in stream.runs for u in range(first, first + count))


def own_paths(fs: FileSystem) -> Iterator[tuple[str, int, Kind]]:
    """Every path with its number, the root's is empty."""
    pending = [("", fs.root())]
    yield "", fs.root(), Kind.DIRECTORY
    while pending:
        above, number = pending.pop()
        for entry in fs.entries(number):
            path = f"{above}/{entry.name.decode('utf-8', 'surrogatepass')}"
            yield path, entry.file, entry.kind
            if entry.kind is Kind.DIRECTORY:
                pending.append((path, entry.file))


def own_digest(fs: FileSystem, file: int) -> str:
    """SHA-256 of a file read in pieces that are no multiple of anything."""
    content = fs.open(file)
    digest = sha256()
    for offset in range(0, content.size, 70_001):
        digest.update(content.read(offset, 70_001))
    return digest.hexdigest()


def own_listing(fs: FileSystem) -> Listing:
    """By our parser; clusters from the streams, content from the numbers of entries."""
    streams = {s.owner: s for s in fs.streams()}
    listing = {}
    for path, number, kind in own_paths(fs):
        units = expand(streams[number]) if number in streams else ()
        if kind is Kind.DIRECTORY:
            listing[path] = Item(True, 0, units, "")
        else:
            assert number not in streams or streams[number].role is Role.FILE
            listing[path] = Item(False, fs.facts_of(number).size, units, own_digest(fs, number))
    return listing


def units_in_use(bits: bytearray, units: int) -> set[int]:
    """The units whose bit is set."""
    assert len(bits) == (units + 7) // 8
    return {u for u in range(units) if bits[u >> 3] >> (u & 7) & 1}


def sleuth_listing(image: Path, origin: int, unit: int) -> Listing:
    """By The Sleuth Kit."""
    fs = pytsk3.FS_Info(pytsk3.Img_Info(str(image)))
    block = fs.info.block_size
    root = fs.open_meta(inode=fs.info.root_inum)
    units = _sleuth_units(root, block, origin, unit)
    listing = {"": Item(True, 0, tuple(u for u in units if u >= 0), "")}  # or in no cluster
    pending = [("", fs.open_dir(inode=fs.info.root_inum))]
    while pending:
        above, directory = pending.pop()
        for entry in directory:
            name = entry.info.name.name.decode()
            if not _is_listed(entry, name):
                continue
            path = f"{above}/{name}"
            units = _sleuth_units(entry, block, origin, unit)
            if entry.info.meta.type == pytsk3.TSK_FS_META_TYPE_DIR:
                listing[path] = Item(True, 0, units, "")
                pending.append((path, entry.as_directory()))
            else:
                size = entry.info.meta.size
                listing[path] = Item(False, size, units, _sleuth_digest(entry, size))
    return listing


def _is_listed(entry: Any, name: str) -> bool:
    in_use = entry.info.name.flags & pytsk3.TSK_FS_NAME_FLAG_ALLOC
    virtual = entry.info.name.type in (
        pytsk3.TSK_FS_NAME_TYPE_VIRT,
        pytsk3.TSK_FS_NAME_TYPE_VIRT_DIR,
    )
    label = entry.info.meta is not None and name.endswith("(Volume Label Entry)")
    system = name in ("$ALLOC_BITMAP", "$UPCASE_TABLE", "$VOLUME_GUID")  # its names for exFAT's
    return bool(in_use) and not virtual and not label and not system and name not in (".", "..")


def _sleuth_units(entry: Any, block: int, origin: int, unit: int) -> tuple[int, ...]:
    found: list[int] = []
    for attribute in entry:
        for run in attribute:
            start, end = run.addr * block, (run.addr + run.len) * block
            found += (at // unit for at in range(start - origin, end - origin, unit))
    return tuple(found)


def _sleuth_digest(entry: Any, size: int) -> str:
    digest = sha256()
    for offset in range(0, size, MIB):
        digest.update(entry.read_random(offset, min(MIB, size - offset)))
    return digest.hexdigest()


def fsfat_listing(image: Path, origin: int, unit: int) -> Listing:
    """By libfsfat; clusters of files only."""
    volume = pyfsfat.volume()
    volume.open(str(image))
    listing = {"": Item(True, 0, (), "")}
    pending = [("", volume.get_root_directory())]
    while pending:
        above, directory = pending.pop()
        for entry in directory.sub_file_entries:
            if entry.file_attribute_flags & 0x08 or entry.name in (None, ".", ".."):
                continue
            path = f"{above}/{entry.name}"
            if entry.file_attribute_flags & 0x10:
                listing[path] = Item(True, 0, (), "")
                pending.append((path, entry))
            else:
                units = tuple(_fsfat_units(entry, origin, unit))
                digest = sha256(entry.read_buffer_at_offset(entry.size, 0) if entry.size else b"")
                listing[path] = Item(False, entry.size, units, digest.hexdigest())
    volume.close()
    return listing


def _fsfat_units(entry: Any, origin: int, unit: int) -> Iterator[int]:
    for number in range(entry.number_of_extents):
        offset, length, _ = entry.get_extent(number)
        for at in range(offset, offset + length, unit):
            yield (at - origin) // unit


def without_names(listing: Listing) -> list[Item]:
    """For libfsfat: it has another code page and does not tell the clusters of directories."""
    return sorted(i._replace(units=()) if i.is_directory else i for i in listing.values())
