"""Write an image, or one partition of it, as a disk-image file that other programs read.

    extents of the disk ─► grains, zeros left out ─► temporary file ─► made durable ─► its name

The kind is told by the ending of the name. A file that is there already is never replaced, also not
one that comes into being meanwhile; a run that fails leaves none.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

import msgspec

from twofold import clock
from twofold.commands.access import refuse_own_folder
from twofold.commands.new_file import new_file
from twofold.commands.reading import Reading, read_snapshot, tell_absent
from twofold.disk.base import BlockReader
from twofold.disk.containers import (
    Details,
    Extent,
    ImageKind,
    refuse_larger,
    write_qcow2,
    write_raw,
    write_vhd,
    write_vhdx,
    write_vmdk,
)
from twofold.errors import RefusedUnsafe, UsageError
from twofold.events import Emit, Notice, Phase, Progress
from twofold.format.image import PartName
from twofold.format.segments import Absence
from twofold.native import keep_memory
from twofold.options import Options, RepositoryAccess
from twofold.parallel import Threads
from twofold.view import Address, ImageDisk, ImageVolume, ReadAhead, parse_address

Write = Callable[[BlockReader, Iterator[Extent], BinaryIO], None]

KINDS: dict[str, tuple[ImageKind, Write]] = {
    ".raw": (ImageKind.RAW, write_raw),
    ".img": (ImageKind.RAW, write_raw),
    ".vhd": (ImageKind.VHD, write_vhd),
    ".vhdx": (ImageKind.VHDX, write_vhdx),
    ".qcow2": (ImageKind.QCOW2, write_qcow2),
    ".vmdk": (ImageKind.VMDK, write_vmdk),
}
SECTOR = 512
"""Bytes of the sectors of a disk of which a file tells nothing."""
_CONTENT = 0x7FFFFFFF  # content IDs of other bits may stand for "none"
_STEP = 1 << 20
_FRAMES_KEPT = 96 << 20
"""Bytes of decoded frames: small files that lie side by side on a disk come from many of them."""
_READERS = 2
_PROGRESS_SECONDS = 0.2


class ExportOptions(Options, frozen=True, kw_only=True):
    """Which image and where to; ``part`` is the number of a partition, None the whole disk."""

    access: RepositoryAccess
    snapshot: str
    file: str
    part: PartName | None = None
    dry_run: bool = False


class ExportFile(msgspec.Struct, frozen=True):
    """Where it was written."""

    path: bytes


class ExportResult(msgspec.Struct, frozen=True):
    """What was, or would be, written.

    ``bytes_total`` is the size of the disk, ``bytes_held`` what the image holds of it, and
    ``bytes_written`` the room that the file takes (0 for a dry run). ``bytes_unreadable`` and
    ``bytes_left_out`` are zeros in the file because the image does not hold them.
    """

    exit_code: int
    snapshot: bytes
    snapshot_time_ns: int
    file: ExportFile
    format: str
    part: PartName | None
    dry_run: bool
    bytes_total: int
    bytes_held: int
    bytes_written: int = 0
    bytes_unreadable: int = 0
    bytes_left_out: int = 0
    seconds: float = 0.0


def run(options: ExportOptions, emit: Emit) -> ExportResult:
    """Write the file. ``UsageError``, ``RefusedUnsafe`` when it is there, ``DamageFound``."""
    started = clock.monotonic()
    kind, write = _kind(options)
    address = parse_address(options.snapshot)
    if address.path:
        raise UsageError("an export is of a disk or a partition, not of a path in it")
    if os.path.lexists(options.file):
        raise RefusedUnsafe(
            f"'{options.file}' is there already", hint="export to another name, or remove it first"
        )
    part = _part(options.part, address)
    _check_part(part, kind)
    with read_snapshot(options.access, address, "export", emit) as reading:
        refuse_own_folder(reading.repository, os.fsencode(options.file))
        source = _source(reading, part)
        refuse_larger(kind, source.size)
        held = sum(length for _, length in source.extents())
        written = 0
        if part is None:
            _tell_sectors(source.sector_size, kind, emit)
        if kind is ImageKind.VMDK:
            write = partial(write_vmdk, details=_details(options.file, reading.snapshot.id))
        if not options.dry_run:
            emit(Phase("export", held))
            keep_memory()
            reading.pages.blobs.keep(_FRAMES_KEPT)
            with new_file(Path(options.file)) as out, Threads(_READERS, "export") as threads:
                ahead = ReadAhead(source, threads)
                write(ahead, _told(ahead.pieces(_pieces(source.extents())), emit), out)
            written = _room(options.file)
        snapshot = reading.snapshot
        return ExportResult(
            exit_code=tell_absent(source.absent, options.file, emit),
            snapshot=snapshot.id,
            snapshot_time_ns=snapshot.root.time_ns,
            file=ExportFile(os.fsencode(options.file)),
            format=kind.value,
            part=part,
            dry_run=options.dry_run,
            bytes_total=source.size,
            bytes_held=held,
            bytes_written=written,
            bytes_unreadable=source.absent.bytes_of(Absence.UNREADABLE),
            bytes_left_out=source.absent.bytes_of(Absence.LEFT_OUT),
            seconds=clock.monotonic() - started,
        )


def _kind(options: ExportOptions) -> tuple[ImageKind, Write]:
    ending = os.path.splitext(options.file)[1].lower()
    found = KINDS.get(ending)
    if found is None:
        known = ", ".join(KINDS)
        raise UsageError(f"'{options.file}' does not end with a kind of disk image: {known}")
    return found


def _part(given: PartName | None, address: Address) -> PartName | None:
    """The partition that is meant. ``UsageError`` for two that are not the same."""
    named = address.partition
    if None not in (given, named) and given != named:
        raise UsageError(f"'{address.text}' names partition {named}, and --part partition {given}")
    return named if given is None else given


def _check_part(part: PartName | None, kind: ImageKind) -> None:
    if part is not None and kind is not ImageKind.RAW:
        raise UsageError(
            f"one partition is no disk: it cannot be a {kind.value} file",
            hint="write it to a name that ends with .raw, or leave the partition out",
        )


def _source(reading: Reading, part: PartName | None) -> ImageDisk | ImageVolume:
    disk = ImageDisk(reading.pages, reading.snapshot.root)
    return disk if part is None else disk.partition(part)


def _tell_sectors(size: int, kind: ImageKind, emit: Emit) -> None:
    if size != SECTOR and kind is not ImageKind.VHDX:
        emit(
            Notice(
                f"the disk had sectors of {size} bytes, which no {kind.value} file tells: whoever"
                " shows it as a disk has to say so; a .vhdx file does"
            )
        )


def _details(file: str, snapshot: bytes) -> Details:
    """What a VMDK says of itself: programs look for the file by the name in it."""
    return Details(os.path.basename(file), int.from_bytes(snapshot[:4]) & _CONTENT)


def _pieces(extents: Iterator[Extent]) -> Iterator[Extent]:
    """The extents cut as those who write containers ask for them."""
    for whole in extents:
        offset = whole.offset
        while offset < whole.end:
            end = min(offset // _STEP * _STEP + _STEP, whole.end)
            yield Extent(offset, end - offset)
            offset = end


def _told(pieces: Iterator[Extent], emit: Emit) -> Iterator[Extent]:
    """The pieces, with events about how much was asked for."""
    done, last = 0, clock.monotonic()
    for piece in pieces:
        yield piece
        done += piece.length
        now = clock.monotonic()
        if now - last >= _PROGRESS_SECONDS:
            last = now
            emit(Progress(done, 0))
    emit(Progress(done, 0))


def _room(path: str) -> int:
    info = os.stat(path)
    blocks = getattr(info, "st_blocks", None)
    return info.st_size if blocks is None else blocks * 512
