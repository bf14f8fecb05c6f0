"""``twofold import``: what other programs backed up, as images in their own place in time."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from twofold.cli import types
from twofold.cli.described import capture_choices, capture_options
from twofold.cli.render.base import Line
from twofold.cli.render.imaging import estimate_lines, imaged_lines
from twofold.cli.render.words import duration, local_time, printable, things
from twofold.cli.root import Verb
from twofold.cli.session import Session

if TYPE_CHECKING:
    from twofold.commands.import_folder import VirtualDisk
    from twofold.commands.import_image import DiskImported, ImportResult
    from twofold.imaging import Estimate


@click.command("import", cls=Verb, writes=True)
@click.argument("paths", metavar="FILE|FOLDER...", nargs=-1, required=True, type=types.path)
@click.option(
    "--time",
    "time_ns",
    metavar="TIME",
    type=types.moment,
    allow_from_autoenv=False,
    help="When the disk was as it is in FILE; by default when FILE was last changed.",
)
@click.option(
    "--only-latest",
    is_flag=True,
    allow_from_autoenv=False,
    help="Of a FOLDER only the newest backup of each computer.",
)
@capture_options
@click.pass_obj
def command(session: Session, /, **chosen: Any) -> int:  # noqa: ANN401 (one per option above)
    """Take over disk images and backups of other programs, as images of the time they are of.

    FILE is a disk image (raw, VHD, VHDX, QCOW2, VMDK). FOLDER is or holds a WindowsImageBackup:
    every backup in it is taken over, oldest first, with one image for each volume. What was
    imported before is passed over.
    """
    from twofold.commands import import_image

    def estimated(disk: "VirtualDisk", name: str, what: "Estimate") -> None:
        session.tell(estimate_lines(_title(disk.host, name, disk.time_ns), what))

    options = import_image.ImportOptions(
        paths=chosen["paths"],
        time_ns=chosen["time_ns"],
        only_latest=chosen["only_latest"],
        **capture_choices(session, chosen),
        estimated=estimated,
    )
    result = import_image.run(options, session.emit)
    for disk in result.disks:
        session.note_item("imported", disk)
    return session.finish(result, _closing(result), result.exit_code)


def _title(host: str, name: str, time_ns: int) -> str:
    whose = f"{name} of {host}" if name else host
    return f"{whose}, {local_time(time_ns)}"


def _closing(result: "ImportResult") -> Iterator[str | Line]:
    new = [disk for disk in result.disks if not disk.present]
    for disk in new:
        yield from _disk(disk)
    present = len(result.disks) - len(new)
    if present:
        yield f"{things(present, 'disk')} imported before, passed over"
    if result.refused:
        yield Line(f"{things(result.refused, 'disk')} could not be imported", "yellow")
    if result.dry_run:
        yield "dry run: nothing was stored"
    elif new:
        yield f"{things(len(new), 'disk')} imported in {duration(result.seconds)}"


def _disk(disk: "DiskImported") -> Iterator[str | Line]:
    title = printable(_title(disk.host, disk.name, disk.made_time_ns))
    if disk.snapshot is not None:
        yield Line(f"image {disk.snapshot.hex()[:8]}: {title}", "bold")
    else:
        yield title
    yield from imaged_lines(disk)
