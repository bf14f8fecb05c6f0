"""Take over what other programs backed up: disk-image files, and the system images of Windows.

    what is there, oldest first ─► not imported yet? ─► a snapshot in its own place in time

A snapshot of an import is of the moment that its file is of, not of now, so it becomes the latest
one only if nothing newer is there. Exit code 0 when all of it is in the repository, 3 when some
could not be read, 1 when nothing could.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import ClassVar

import msgspec
from msgspec.structs import replace

from twofold import clock
from twofold.commands.access import open_at, tell_missing_heads
from twofold.commands.disk_image import (
    CaptureOptions,
    DiskImaged,
    image_disk,
    looked_at,
    opened,
    tell_writable_mounts,
)
from twofold.commands.import_folder import BackupFolder, VirtualDisk
from twofold.disk.windows_image_backup import volume_name
from twofold.errors import (
    INCOMPLETE,
    NeedsRights,
    NothingDone,
    SourceDamaged,
    TwofoldError,
    UsageError,
)
from twofold.events import Emit, ItemDone, Notice, SourceWarning
from twofold.format.records import Root
from twofold.imaging import Estimate, Source
from twofold.platform import current
from twofold.repository import Repository, Snapshot


class ImportOptions(CaptureOptions, frozen=True, kw_only=True):
    """Files and folders of other programs.

    ``time_ns`` is the moment a file is of, otherwise its own time of change. ``name`` goes before
    the names of volumes. ``estimated`` is told of a disk what it is called and what it
    holds before it is read.
    """

    paths: tuple[bytes, ...]
    time_ns: int | None = None
    only_latest: bool = False
    estimated: Callable[[VirtualDisk, str, Estimate], None] | None = None


class DiskImported(msgspec.Struct, frozen=True, kw_only=True):
    """One disk, where it came from and its snapshot (None for a dry run); sizes in bytes.

    ``present``: the snapshot was there before, and nothing was read. ``bytes_kept_free``: of the
    total, what counts as free and was kept because a partition was not shut down cleanly.
    """

    path: bytes
    host: str
    name: str
    made_time_ns: int
    present: bool
    snapshot: bytes | None
    parent: bytes | None = None
    bytes_disk: int = 0
    bytes_total: int = 0
    bytes_read: int = 0
    bytes_stored: int = 0
    bytes_kept_free: int = 0
    failed: int = 0


class ImportResult(msgspec.Struct, frozen=True):
    """All disks; ``refused`` are those that are not in the repository."""

    SHOWN_AS: ClassVar = {"disks": "imported"}

    exit_code: int
    dry_run: bool
    seconds: float
    refused: int
    disks: tuple[DiskImported, ...]


def run(options: ImportOptions, emit: Emit) -> ImportResult:
    """Make the snapshots, oldest first. ``UsageError``; ``SourceDamaged`` for a single file."""
    started = clock.monotonic()
    work = _Import(options, emit)
    disks = work.found()
    with open_at(options.access, emit) as repository:
        tell_missing_heads(repository)
        done = work.take_over(disks, repository)
    code = 0
    if work.refused or any(disk.failed for disk in done):
        code = INCOMPLETE if done else TwofoldError.exit_code
    seconds = clock.monotonic() - started
    return ImportResult(code, options.dry_run, seconds, work.refused, tuple(done))


class _Import:
    def __init__(self, options: ImportOptions, emit: Emit) -> None:
        self._options = options
        self._emit = emit
        self._now = clock.now_ns()
        self.refused = 0

    # what there is

    def found(self) -> list[VirtualDisk]:
        """Everything named, once, by time. ``UsageError``."""
        options = self._options
        disks: list[VirtualDisk] = []
        for path in options.paths:
            disks += self._at(os.path.abspath(path))
        if options.host:
            disks = [replace(disk, host=options.host) for disk in disks]
        if options.time_ns is not None:
            if len(disks) != 1:
                raise UsageError(f"one time cannot be that of {len(disks)} disks")
            disks = [replace(disks[0], time_ns=options.time_ns)]
        return sorted(self._once(disks), key=lambda disk: disk.time_ns)

    def _once(self, disks: list[VirtualDisk]) -> Iterable[VirtualDisk]:
        """One for each volume and time; another file that claims to be the same is told."""
        once: dict[tuple[str, int, bytes], VirtualDisk] = {}
        for disk in {each.path: each for each in disks}.values():
            first = once.setdefault((disk.host, disk.time_ns, disk.source), disk)
            if first.path != disk.path:
                self.refused += 1
                same = os.fsdecode(first.path)
                reason = f"it is of the same volume and time as '{same}'"
                self._emit(SourceWarning(disk.path, "import", reason))
        return once.values()

    def _at(self, path: bytes) -> Iterator[VirtualDisk]:
        shown = os.fsdecode(path)
        try:
            info = os.stat(path)
        except OSError as error:
            raise UsageError(f"'{shown}' cannot be read: {error.strerror}") from error
        if stat.S_ISDIR(info.st_mode):
            folder = BackupFolder(path, self._emit)
            yield from folder.disks(only_latest=self._options.only_latest)
            self.refused += folder.refused
        elif stat.S_ISREG(info.st_mode):
            yield self._file(path, info.st_mtime_ns)
        else:
            raise UsageError(f"'{shown}' is no file", hint="'twofold image' reads devices")

    def _file(self, path: bytes, changed_ns: int) -> VirtualDisk:
        host = current().machine().host
        if not 0 <= changed_ns <= self._now and self._options.time_ns is None:
            shown = os.fsdecode(path)
            self._emit(Notice(f"the time of '{shown}' cannot be right; its backup is of now"))
            changed_ns = self._now
        return VirtualDisk(path, path, host, changed_ns)

    # each disk

    def take_over(self, disks: list[VirtualDisk], repository: Repository) -> list[DiskImported]:
        """Import what is not there yet."""
        there = {_identity(s.root): s for s in repository.snapshots() if not s.forgotten}
        done = []
        for disk in disks:
            known = there.get((disk.host, disk.time_ns, disk.source))
            if known is not None:
                self._emit(ItemDone("present", disk.path))
                done.append(_present(disk, known))
                continue
            try:
                done.append(self._import(disk, repository))
            except _Refused as refused:
                if len(disks) == 1:
                    raise refused.error from refused
                self.refused += 1
                self._emit(SourceWarning(disk.path, "import", refused.error.message))
        return done

    def _import(self, disk: VirtualDisk, repository: Repository) -> DiskImported:
        with ExitStack() as held:
            try:
                self._check_time(disk)
                reader = held.enter_context(opened(disk.path, self._emit))
            except (SourceDamaged, UsageError, NeedsRights) as error:
                raise _Refused(error) from error
            tell_writable_mounts(disk.path, self._emit)
            try:
                return self._snapshot(disk, *looked_at(reader, disk.path), repository)
            except (SourceDamaged, NothingDone) as error:
                raise _Refused(error) from error

    def _check_time(self, disk: VirtualDisk) -> None:
        if not 0 <= disk.time_ns <= self._now:
            raise UsageError("no backup is of a time to come, or of one before 1970")

    def _snapshot(
        self, disk: VirtualDisk, source: Source, what: Estimate, repository: Repository
    ) -> DiskImported:
        options = self._options
        name = _name(options.name, disk, what)
        if options.estimated is not None:
            options.estimated(disk, name, what)
        request = replace(
            options.request(disk.source), host=disk.host, name=name, past_ns=disk.time_ns
        )
        made = image_disk(repository, source, request, self._emit)
        return _imported(disk, name, made)


class _Refused(Exception):
    """A disk that cannot be taken over; the next ones may."""

    def __init__(self, error: TwofoldError) -> None:
        super().__init__(error.message)
        self.error = error


def _identity(root: Root) -> tuple[str, int, bytes]:
    """What makes two imports the same."""
    return root.host, root.time_ns, b"\0".join(root.sources)


def _name(given: str, disk: VirtualDisk, what: Estimate) -> str:
    if disk.volume is None:
        return given
    file = os.path.basename(disk.path).decode("utf-8", "backslashreplace")
    label = next((part.label for part in what.parts if part.label), "")
    return f"{given} {volume_name(file, disk.volume, label)}".strip()


def _present(disk: VirtualDisk, known: Snapshot) -> DiskImported:
    return DiskImported(
        path=disk.path,
        host=disk.host,
        name=known.root.name,
        made_time_ns=disk.time_ns,
        present=True,
        snapshot=known.id,
        bytes_total=known.root.bytes_total,
    )


def _imported(disk: VirtualDisk, name: str, made: DiskImaged) -> DiskImported:
    return DiskImported(
        path=disk.path,
        host=disk.host,
        name=name,
        made_time_ns=disk.time_ns,
        present=False,
        snapshot=made.snapshot,
        parent=made.parent,
        bytes_disk=made.bytes_disk,
        bytes_total=made.bytes_total,
        bytes_read=made.bytes_read,
        bytes_stored=made.bytes_stored,
        bytes_kept_free=made.bytes_kept_free,
        failed=made.failed,
    )
