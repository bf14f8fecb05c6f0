"""What is told of disks that become images: what is on them before, and what came of it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from twofold.cli.render.base import Line
from twofold.cli.render.disk_bar import DiskPicture, disk_lines, disk_part
from twofold.cli.render.words import size, things

if TYPE_CHECKING:
    from twofold.commands.disk_image import DiskImaged
    from twofold.commands.import_image import DiskImported
    from twofold.imaging import Estimate


def estimate_lines(title: str, what: "Estimate") -> Iterator[str | Line]:
    """A disk before it is read: what is on it, and how much is in use."""
    table = {"gpt": "GPT", "mbr": "MBR"}.get(what.table, "no partition table")
    parts = tuple(disk_part(each.called, each, each.used) for each in what.parts)
    yield from disk_lines(DiskPicture(f"{title}, {table}", what.size, parts))
    yield f"{size(what.used)} in use"
    for part in what.parts:
        if part.doubt:
            yield Line(f"p{part.called}: {part.doubt}.", "yellow")
            yield Line(
                f"  So what counts as free is kept as well where it is not zero, up to"
                f" {size(part.free)}: files saved last may lie there.",
                "yellow",
            )


def imaged_lines(disk: "DiskImaged | DiskImported") -> Iterator[str | Line]:
    """A disk that was read."""
    yield f"  {size(disk.bytes_total)} in use on a disk of {size(disk.bytes_disk)}"
    share = f" ({disk.bytes_stored / disk.bytes_total:.1%})" if disk.bytes_total else ""
    yield f"  {size(disk.bytes_read)} read, {size(disk.bytes_stored)} stored{share}"
    if disk.bytes_kept_free:
        told = size(disk.bytes_kept_free)
        yield Line(f"  {told} of that count as free: not all was shut down cleanly", "yellow")
    if disk.failed:
        told = things(disk.failed, "range")
        yield Line(f"  {told} could not be read; zeros stand in their place", "yellow")
