"""Make an image of a disk: a device, or a disk-image file of any kind that is understood.

Exit code 0 when all of it is in the snapshot, 3 when sectors could not be read: the snapshot exists
then, has zeros in their place, and its ledger names them.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from twofold import clock
from twofold.commands.access import open_at, remember_head, tell_missing_heads
from twofold.disk.base import BlockReader
from twofold.disk.containers import open_container
from twofold.errors import NothingDone, UsageError
from twofold.events import Emit, Notice
from twofold.imaging import Estimate, ImageRequest, Source, capture, estimate, open_source
from twofold.imaging.volume import VolumeOptions
from twofold.options import Options, RepositoryAccess, shown_as
from twofold.pipeline import Outcome
from twofold.platform import current
from twofold.repository import Repository

INCOMPLETE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions(Options):
    """Which disks, and how. No disk named: those that this computer starts from.

    ``exact`` keeps every sector; ``skip_unchanged`` does not read what the file system proves
    unchanged since the image before; ``page_files`` keeps the contents of page and hibernation
    files. ``estimated`` is told what each disk holds before it is read.
    """

    access: RepositoryAccess
    disks: tuple[bytes, ...] = ()
    exact: bool = False
    skip_unchanged: bool = False
    page_files: bool = False
    name: str = ""
    tags: tuple[str, ...] = ()
    host: str = ""
    dry_run: bool = False
    estimated: Callable[[bytes, Estimate], None] | None = None


@dataclass(frozen=True, slots=True)
class DiskImaged:
    """One disk and its snapshot (None for a dry run); sizes in bytes."""

    path: bytes
    snapshot: bytes | None
    parent: bytes | None
    bytes_disk: int
    bytes_total: int
    bytes_read: int
    bytes_stored: int
    failed: int


@dataclass(frozen=True, slots=True)
class ImageResult:
    """All disks."""

    exit_code: int
    dry_run: bool
    seconds: float
    disks: tuple[DiskImaged, ...] = field(metadata=shown_as("disk"))


def run(options: ImageOptions, emit: Emit) -> ImageResult:
    """Make the snapshots, one for each disk."""
    started = clock.monotonic()
    paths = options.disks or tuple(current().needed_to_start())
    if not paths:
        raise NothingDone("no disk was named, and which this computer starts from is not known")
    made = []
    with open_at(options.access, emit) as repository:
        tell_missing_heads(repository, emit)
        for path in paths:
            made.append(_image(repository, os.path.abspath(path), options, emit))
    failed = any(disk.failed for disk in made)
    seconds = clock.monotonic() - started
    return ImageResult(INCOMPLETE if failed else 0, options.dry_run, seconds, tuple(made))


def _image(repository: Repository, path: bytes, options: ImageOptions, emit: Emit) -> DiskImaged:
    with opened(path) as reader:
        for mount in current().mounts_of(path):
            if mount.writable:
                shown = os.fsdecode(mount.point)
                emit(Notice(f"{shown} is in use: files that change meanwhile may be torn"))
        source = open_source(reader)
        if options.estimated is not None:
            options.estimated(path, estimate(source))
        outcome = capture(repository, current(), source, _request(path, options), emit)
        if outcome.snapshot is not None:
            remember_head(repository, outcome.snapshot, emit)
        return _told(path, source, outcome)


def _request(path: bytes, options: ImageOptions) -> ImageRequest:
    return ImageRequest(
        path=path,
        options=VolumeOptions(
            exact=options.exact,
            skip_unchanged=options.skip_unchanged,
            keep_discardable=options.page_files or options.exact,
        ),
        name=options.name,
        tags=options.tags,
        host=options.host,
        dry_run=options.dry_run,
    )


def _told(path: bytes, source: Source, outcome: Outcome) -> DiskImaged:
    root = outcome.root
    return DiskImaged(
        path=path,
        snapshot=outcome.snapshot.id if outcome.snapshot else None,
        parent=root.parent,
        bytes_disk=source.reader.size,
        bytes_total=root.bytes_total,
        bytes_read=root.bytes_read,
        bytes_stored=root.bytes_stored,
        failed=root.counts.get("failed", 0),
    )


@contextmanager
def opened(path: bytes) -> Iterator[BlockReader]:
    """The disk at a path: a device, or what a disk-image file holds. ``UsageError``."""
    with _files() as open_file:
        try:
            disk, is_device = open_file(path)
        except OSError as error:
            shown = os.fsdecode(path)
            raise UsageError(f"'{shown}' cannot be read as a disk: {error.strerror}") from error
        if is_device:
            yield disk
            return
        folder = Path(os.fsdecode(path)).parent
        yield open_container(
            disk, sibling=lambda name: open_file(os.fsencode(folder / Path(name).name))[0]
        )


@contextmanager
def _files() -> Iterator[Callable[[bytes], tuple[BlockReader, bool]]]:
    """Opens disks and files, and closes them all in the end."""
    held = []

    def open_file(path: bytes) -> tuple[BlockReader, bool]:
        disk = current().open_disk(path)
        held.append(disk)
        return disk, disk.is_device

    try:
        yield open_file
    finally:
        for disk in held:
            disk.close()
