"""``twofold image``: an exact image of a disk, cut along the files in it."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from twofold.cli import types
from twofold.cli.described import snapshot_options
from twofold.cli.render.base import Line
from twofold.cli.render.disk_bar import DiskPicture, Part, disk_lines, part_name
from twofold.cli.render.words import duration, size, things
from twofold.cli.root import Verb
from twofold.cli.session import Session

if TYPE_CHECKING:
    from twofold.commands.image import DiskImaged, ImageResult
    from twofold.imaging import Estimate


@click.command("image", cls=Verb, writes=True)
@click.argument("disks", metavar="[DISK]...", nargs=-1, type=types.path)
@click.option("--exact", is_flag=True, help="Keep every sector, what is free included.")
@click.option(
    "--skip-unchanged",
    is_flag=True,
    help="Do not read what the file system proves unchanged since the image before.",
)
@click.option(
    "--page-files", is_flag=True, help="Keep the contents of page and hibernation files too."
)
@snapshot_options
@click.pass_obj
def command(session: Session, /, **chosen: Any) -> int:  # noqa: ANN401 (one per option above)
    """Make an image of a disk: partitions, boot sectors, every file.

    DISK is a device, or a disk-image file (raw, VHD, VHDX, QCOW2, VMDK). Without one, the disks
    that this computer starts from. Files that are backed up already take no room again.
    """
    from twofold.commands import image

    def estimated(path: bytes, what: "Estimate") -> None:
        session.tell(estimate_lines(path, what))

    options = image.ImageOptions(
        access=session.access(),
        disks=chosen["disks"],
        exact=chosen["exact"],
        skip_unchanged=chosen["skip_unchanged"],
        page_files=chosen["page_files"],
        name=chosen["name"],
        tags=chosen["tag"],
        host=chosen["host"],
        dry_run=session.dry_run,
        estimated=estimated,
    )
    result = image.run(options, session.emit)
    for disk in result.disks:
        session.note_item("disk", disk)
    return session.finish(result, _closing(result), result.exit_code)


def estimate_lines(path: bytes, what: "Estimate") -> Iterator[str | Line]:
    """A disk before it is read: what is on it, and how much is in use."""
    table = {"gpt": "GPT", "mbr": "MBR"}.get(what.table, "no partition table")
    parts = tuple(
        Part(f"p{p.number}", part_name(p.system, p.label or p.name), p.start, p.size, p.used)
        for p in what.parts
    )
    yield from disk_lines(
        DiskPicture(f"{os.path.basename(os.fsdecode(path))}, {table}", what.size, parts)
    )
    yield f"{size(what.used)} in use"


def _closing(result: "ImageResult") -> Iterator[str | Line]:
    for disk in result.disks:
        yield from _disk(disk, result.seconds)
    if result.dry_run:
        yield "dry run: nothing was stored"


def _disk(disk: "DiskImaged", seconds: float) -> Iterator[str | Line]:
    if disk.snapshot is not None:
        yield Line(f"image {disk.snapshot.hex()[:8]} made in {duration(seconds)}", "bold")
    yield f"  {size(disk.bytes_total)} in use on a disk of {size(disk.bytes_disk)}"
    share = f" ({disk.bytes_stored / disk.bytes_total:.1%})" if disk.bytes_total else ""
    yield f"  {size(disk.bytes_read)} read, {size(disk.bytes_stored)} stored{share}"
    if disk.failed:
        told = things(disk.failed, "range")
        yield Line(f"  {told} could not be read; zeros stand in their place", "yellow")
