"""``twofold image``: an exact image of a disk, cut along the files in it."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from twofold.cli import types
from twofold.cli.described import capture_choices, capture_options
from twofold.cli.render.base import Line
from twofold.cli.render.imaging import estimate_lines, imaged_lines
from twofold.cli.render.words import duration
from twofold.cli.root import Verb
from twofold.cli.session import Session

if TYPE_CHECKING:
    from twofold.commands.disk_image import DiskImaged
    from twofold.commands.image import ImageResult
    from twofold.imaging import Estimate


@click.command("image", cls=Verb, writes=True)
@click.argument("disks", metavar="[DISK]...", nargs=-1, type=types.path)
@capture_options
@click.pass_obj
def command(session: Session, /, **chosen: Any) -> int:  # noqa: ANN401 (one per option above)
    """Make an image of a disk: partitions, boot sectors, every file.

    DISK is a device, or a disk-image file (raw, VHD, VHDX, QCOW2, VMDK). Without one, the disks
    that this computer starts from. Files that are backed up already take no room again. A Windows
    volume that was not shut down cleanly is kept whole, for files that only its log knows of.
    """
    from twofold.commands import image

    def estimated(path: bytes, what: "Estimate") -> None:
        session.tell(estimate_lines(os.path.basename(os.fsdecode(path)), what))

    options = image.ImageOptions(
        disks=chosen["disks"],
        **capture_choices(session, chosen),
        estimated=estimated,
    )
    result = image.run(options, session.emit)
    for disk in result.disks:
        session.note_item("disk", disk)
    return session.finish(result, _closing(result), result.exit_code)


def _closing(result: "ImageResult") -> Iterator[str | Line]:
    for disk in result.disks:
        yield from _disk(disk, result.seconds)
    if result.dry_run:
        yield "dry run: nothing was stored"


def _disk(disk: "DiskImaged", seconds: float) -> Iterator[str | Line]:
    if disk.snapshot is not None:
        yield Line(f"image {disk.snapshot.hex()[:8]} made in {duration(seconds)}", "bold")
    yield from imaged_lines(disk)
