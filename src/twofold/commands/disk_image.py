"""One disk and its snapshot: what ``image`` and ``import`` have in common."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec.structs import replace

from twofold.commands.access import remember_head
from twofold.commands.open_files import OpenFiles
from twofold.disk.base import BlockReader
from twofold.disk.blocks import fill, hole_at
from twofold.disk.containers import ImageKind, Sibling, SparseReader, kind_of, open_container
from twofold.errors import FormatError, NothingDone, SourceDamaged, UsageError
from twofold.events import Emit, Notice
from twofold.imaging import Captured, Estimate, ImageRequest, Source, capture, estimate, open_source
from twofold.imaging.patient import PATIENCE, PatientReader
from twofold.imaging.volume import VolumeOptions
from twofold.options import Options, RepositoryAccess
from twofold.platform import Disk, current
from twofold.repository import Repository

_LOOKING = 60.0  # seconds that bad sectors may cost before the image itself is begun
_CONVERT = "convert it first: qemu-img convert -O qcow2 FILE NEW.qcow2"
_UNPACK = "unpack it first, and image what was in it"
_OWN_PROGRAM = "restore it by its own program to a raw disk file, and image that"
_FOREIGN = (
    (64, b"\x7f\x10\xda\xbe", "a disk of VirtualBox (VDI)", _CONVERT),
    (0, b"QED\0", "a QED disk", _CONVERT),
    (0, b"WithoutFreeSpace", "a disk of Parallels", _CONVERT),
    (0, b"WithouFreSpacExt", "a disk of Parallels", _CONVERT),
    (0, b"Bochs Virtual HD Image", "a disk of Bochs", _CONVERT),
    (0, b"COWD", "a sparse disk of ESX", _CONVERT),
    (0, b"\xbe\xba\xfe\xca\0\0\0\0", "a sparse disk of ESXi (SEsparse)", _CONVERT),
    (0, b"\x1f\x8b\x08", "a file packed by gzip", _UNPACK),
    (0, b"\xfd7zXZ\0", "a file packed by xz", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a file packed by zstd", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "an archive of 7-Zip", _UNPACK),
    (0, b"PK\3\4", "a ZIP archive", _UNPACK),
    (0, b"EVF\t\r\n\xff\0", "a disk of EnCase (E01)", _OWN_PROGRAM),
    (0, b"MSWIM\0\0\0", "an archive of Windows (WIM)", _OWN_PROGRAM),
    (0, b"\0ntfsclone-image", "an image of ntfsclone", _OWN_PROGRAM),
    (0, b"partclone-image", "an image of partclone", _OWN_PROGRAM),
)
"""Files that hold a disk in a way that is not understood: where they have their signatures, what
they are, and what to do."""


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
    with _files(emit) as files:
        try:
            disk = files.main(path)
        except OSError as error:
            raise UsageError(f"'{shown}' cannot be read as a disk: {error.strerror}") from error
        if disk.is_device:
            yield disk
            return

        def sibling(name: str) -> BlockReader:
            return files.part(os.fsencode(_beside(Path(shown), name)))

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
    """``SourceDamaged`` for a file of another program, which would be taken for a raw disk."""
    for offset, magic, name, hint in _FOREIGN:
        if disk.size >= offset + len(magic) and disk.read(offset, len(magic)) == magic:
            raise SourceDamaged(f"'{shown}' is {name}, which cannot be read", hint=hint)


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

    def fill(self, offset: int, view: memoryview) -> bool:
        """As the file can."""
        try:
            return fill(self._disk, offset, view)
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


class _Files:
    """Opens disks and files, and remembers what the files were like."""

    def __init__(self) -> None:
        self._open = OpenFiles()
        self._states: dict[bytes, object] = {}

    def main(self, path: bytes) -> Disk:
        """What was named. Raises as ``platform.open_disk``."""
        disk = self._open.keep(path)
        if not disk.is_device:
            self._states[path] = _state(path)
        return disk

    def part(self, path: bytes) -> BlockReader:
        """A further file that it consists of. As above."""
        self._states[path] = _state(path)
        return self._open.pass_by(path)

    def changed(self) -> list[bytes]:
        """Which files are others than when they were opened."""
        return [path for path, before in self._states.items() if _state(path) != before]

    def close(self) -> None:
        """Close all."""
        self._open.close()


@contextmanager
def _files(emit: Emit) -> Iterator[_Files]:
    """In the end tells which files changed, and closes them all."""
    files = _Files()
    try:
        yield files
        for path in files.changed():
            shown = os.fsdecode(path)
            emit(Notice(f"{shown} was changed while it was read: the image may be torn"))
    finally:
        files.close()
