"""Make an image of a disk: a device, or a disk-image file of any kind that is understood.

Exit code 0 when all of it is in the snapshot, 3 when sectors could not be read: the snapshot exists
then, has zeros in their place, and its ledger names them.
"""

import os
from collections.abc import Callable
from typing import ClassVar

import msgspec

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
from twofold.errors import INCOMPLETE, NothingDone
from twofold.events import Emit
from twofold.imaging import Estimate
from twofold.platform import current
from twofold.repository import Repository


class ImageOptions(CaptureOptions, frozen=True, kw_only=True):
    """Which disks. None named: those that this computer starts from.

    ``estimated`` is told what each disk holds before it is read.
    """

    disks: tuple[bytes, ...] = ()
    estimated: Callable[[bytes, Estimate], None] | None = None


class ImageResult(msgspec.Struct, frozen=True):
    """All disks."""

    SHOWN_AS: ClassVar = {"disks": "disk"}

    exit_code: int
    dry_run: bool
    seconds: float
    disks: tuple[DiskImaged, ...]


def run(options: ImageOptions, emit: Emit) -> ImageResult:
    """Make the snapshots, one for each disk."""
    started = clock.monotonic()
    paths = options.disks or tuple(current().needed_to_start())
    if not paths:
        raise NothingDone("no disk was named, and which this computer starts from is not known")
    made = []
    with open_at(options.access, emit) as repository:
        tell_missing_heads(repository)
        for path in paths:
            made.append(_image(repository, os.path.abspath(path), options, emit))
    failed = any(disk.failed for disk in made)
    seconds = clock.monotonic() - started
    return ImageResult(INCOMPLETE if failed else 0, options.dry_run, seconds, tuple(made))


def _image(repository: Repository, path: bytes, options: ImageOptions, emit: Emit) -> DiskImaged:
    with opened(path, emit) as reader:
        tell_writable_mounts(path, emit)
        source, what = looked_at(reader, path)
        if options.estimated is not None:
            options.estimated(path, what)
        return image_disk(repository, source, options.request(path), emit)
