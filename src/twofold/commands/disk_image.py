"""One disk and its snapshot: what ``image`` and ``import`` have in common."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec.structs import replace

from twofold.commands.access import remember_head
from twofold.disk.base import BlockReader
from twofold.disk.blocks import hole_at
from twofold.disk.containers import ImageKind, Sibling, SparseReader, kind_of, open_container
from twofold.errors import FormatError, NothingDone, SourceDamaged, UsageError
from twofold.events import Emit, Notice
from twofold.imaging import Captured, Estimate, ImageRequest, Source, capture, estimate, open_source
from twofold.imaging.patient import PATIENCE, PatientReader
from twofold.imaging.volume import VolumeOptions
from twofold.options import Options, RepositoryAccess
from twofold.platform import current
from twofold.repository import Repository

_LOOKING = 60.0  # seconds that bad sectors may cost before the image itself is begun
_FOREIGN = (
    (64, b"\x7f\x10\xda\xbe", "a disk of VirtualBox (VDI)"),
    (0, b"QED\0", "a QED disk"),
    (0, b"WithoutFreeSpace", "a disk of Parallels"),
    (0, b"WithouFreSpacExt", "a disk of Parallels"),
    (0, b"Bochs Virtual HD Image", "a disk of Bochs"),
    (0, b"COWD", "a sparse disk of ESX"),
    (0, b"\xbe\xba\xfe\xca\0\0\0\0", "a sparse disk of ESXi (SEsparse)"),
)
"""Where containers that are not understood have their signatures, and what they are."""


class CaptureOptions(Options, frozen=True, kw_only=True):
    """How disks are read, and what their snapshots are called.

    ``exact`` keeps every sector; ``skip_unchanged`` does not read what the file system proves
    unchanged since the image before; ``page_files`` keeps the contents of page and hibernation
    files; ``patience``: seconds that bad sectors may cost once everything else was read.
    """

    access: RepositoryAccess
    exact: bool = False
    skip_unchanged: bool = False
    page_files: bool = False
    patience: float = PATIENCE
    name: str = ""
    tags: tuple[str, ...] = ()
    host: str = ""
    dry_run: bool = False

    def request(self, path: bytes) -> ImageRequest:
        """What the engine is asked for of one disk."""
        return ImageRequest(
            path=path,
            options=VolumeOptions(
                exact=self.exact,
                skip_unchanged=self.skip_unchanged,
                keep_discardable=self.page_files or self.exact,
            ),
            name=self.name,
            tags=self.tags,
            host=self.host,
            dry_run=self.dry_run,
            patience=self.patience,
        )


class DiskImaged(msgspec.Struct, frozen=True):
    """One disk and its snapshot (None for a dry run); sizes in bytes.

    ``bytes_kept_free``: of the total, what counts as free and was kept because a partition was not
    shut down cleanly.
    """

    path: bytes
    snapshot: bytes | None
    parent: bytes | None
    bytes_disk: int
    bytes_total: int
    bytes_read: int
    bytes_stored: int
    bytes_kept_free: int
    failed: int


def looked_at(reader: BlockReader, path: bytes) -> tuple[Source, Estimate]:
    """The parts of a disk, and what an image would hold.

    A bad sector in a table or a map is no reason to give the disk up: it counts as zeros here, and
    the image itself tells of it. ``SourceDamaged`` when nothing at all can be read, ``NothingDone``
    when nothing is there to be read: readers without a card are disks of no bytes.
    """
    if not reader.size:
        raise NothingDone(
            f"'{os.fsdecode(path)}' is empty: it has no bytes",
            hint="if it is a drive, see that the medium is in it",
        )
    patient = PatientReader(reader, patience=_LOOKING)
    source = open_source(patient)
    what = estimate(source)
    if not patient.is_clean and not patient.answered:
        shown = os.fsdecode(path)
        raise SourceDamaged(f"'{shown}' cannot be read: no sector that was asked for came back")
    return replace(source, reader=reader), what


def image_disk(
    repository: Repository, source: Source, request: ImageRequest, emit: Emit
) -> DiskImaged:
    """Make the snapshot of a disk."""
    captured = capture(repository, current(), source, request, emit)
    if captured.outcome.snapshot is not None:
        remember_head(repository, captured.outcome.snapshot, emit)
    return _told(request.path, source, captured)


def _told(path: bytes, source: Source, captured: Captured) -> DiskImaged:
    outcome, root = captured.outcome, captured.outcome.root
    return DiskImaged(
        path=path,
        snapshot=outcome.snapshot.id if outcome.snapshot else None,
        parent=root.parent,
        bytes_disk=source.reader.size,
        bytes_total=root.bytes_total,
        bytes_read=root.bytes_read,
        bytes_stored=root.bytes_stored,
        bytes_kept_free=captured.kept_free,
        failed=root.counts.get("failed", 0),
    )


def tell_writable_mounts(path: bytes, emit: Emit) -> None:
    """Warn of file systems on the disk that may change while it is read."""
    for mount in current().mounts_of(path):
        if mount.writable:
            shown = os.fsdecode(mount.point)
            emit(Notice(f"{shown} is in use: files that change meanwhile may be torn"))


@contextmanager
def opened(path: bytes, emit: Emit) -> Iterator[BlockReader]:
    """The disk at a path: a device, or what a disk-image file holds.

    A file that changes before the end is told: a virtual machine may be running from it.
    ``UsageError`` when it cannot be opened. ``SourceDamaged`` when the file is not in order, which
    may show only while the disk is read.
    """
    shown = os.fsdecode(path)
    with _files(emit) as open_file:
        try:
            disk, is_device = open_file(path)
        except OSError as error:
            raise UsageError(f"'{shown}' cannot be read as a disk: {error.strerror}") from error
        if is_device:
            yield disk
            return

        def sibling(name: str) -> BlockReader:
            return open_file(os.fsencode(_beside(Path(shown), name)))[0]

        container = _container(disk, sibling, shown)
        for note in container.notes:
            emit(Notice(f"{shown}: {note[0].lower()}{note[1:].rstrip('.')}"))
        yield _Inside(container, shown)


def _beside(file: Path, name: str) -> Path:
    """A file of the same folder. ``FormatError`` for a link that leads out of it."""
    path = file.parent / Path(name).name
    real = path.resolve()
    if real.parent not in (file.parent.resolve(), file.resolve().parent):
        raise FormatError(f"'{path}' leads out of its folder, to '{real}'")
    return path


def _container(disk: BlockReader, sibling: Sibling, shown: str) -> SparseReader:
    """What is in the file. One without the signature of its kind was cut short, and is not raw."""
    try:
        kind = kind_of(disk)
        if kind is ImageKind.RAW:
            _refuse_foreign(disk, shown)
        named = Path(shown).suffix.lower().removeprefix(".")
        if kind is ImageKind.RAW and named in {each.value for each in ImageKind} - {kind.value}:
            hint = "if it is a raw disk, give it a name that ends with .raw"
            raise SourceDamaged(
                f"'{shown}' has not the form of a {named} file; it may have been cut short",
                hint=hint,
            )
        return open_container(disk, kind=kind, sibling=sibling)
    except FormatError as error:
        raise _damaged(shown, error) from error
    except OSError as error:
        missing = os.fsdecode(error.filename or b"")
        reason = f"'{missing}': {error.strerror}" if missing else error.strerror
        raise SourceDamaged(f"'{shown}' cannot be read as a disk: {reason}") from error


def _refuse_foreign(disk: BlockReader, shown: str) -> None:
    """``SourceDamaged`` for a container of another program, which would be taken for a raw disk."""
    for offset, magic, name in _FOREIGN:
        if disk.size >= offset + len(magic) and disk.read(offset, len(magic)) == magic:
            raise SourceDamaged(
                f"'{shown}' is {name}, which cannot be read",
                hint="convert it first: qemu-img convert -O qcow2 FILE NEW.qcow2",
            )


class _Inside:
    """The disk in a file: what is wrong with the file is not what is wrong with the disk."""

    def __init__(self, disk: BlockReader, shown: str) -> None:
        self._disk = disk
        self._shown = shown
        self.size = disk.size
        self.sector_size = disk.sector_size

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        try:
            return self._disk.read(offset, length)
        except FormatError as error:
            raise _damaged(self._shown, error) from error

    def hole(self, offset: int) -> int:
        """As the file says."""
        try:
            return hole_at(self._disk, offset)
        except FormatError as error:
            raise _damaged(self._shown, error) from error


def _state(path: bytes) -> tuple[int, int, int] | None:
    """What is another one when a file has been written to or replaced."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _damaged(shown: str, error: FormatError) -> SourceDamaged:
    hint = error.hint if error.hint != error.default_hint else ""
    return SourceDamaged(f"'{shown}' cannot be read as a disk: {error.message}", hint=hint)


@contextmanager
def _files(emit: Emit) -> Iterator[Callable[[bytes], tuple[BlockReader, bool]]]:
    """Opens disks and files; in the end tells which files changed, and closes them all."""
    held = []
    states: dict[bytes, object] = {}

    def open_file(path: bytes) -> tuple[BlockReader, bool]:
        disk = current().open_disk(path)
        held.append(disk)
        if not disk.is_device:
            states[path] = _state(path)
        return disk, disk.is_device

    try:
        yield open_file
        for path, before in states.items():
            if _state(path) != before:
                shown = os.fsdecode(path)
                emit(Notice(f"{shown} was changed while it was read: the image may be torn"))
    finally:
        for disk in held:
            disk.close()
