"""``twofold restore-disk``: an image back onto a disk or into a file, after showing the plan."""

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from twofold.cli import types
from twofold.cli.render.base import Line
from twofold.cli.render.disk_bar import DiskPicture, change_lines, disk_lines, disk_part
from twofold.cli.render.words import duration, printable, size
from twofold.cli.root import Verb
from twofold.cli.session import Session
from twofold.errors import NothingDone

if TYPE_CHECKING:
    from twofold.commands.restore_disk import RestoreDiskResult
    from twofold.imaging import DiskPlan, Estimate


@click.command("restore-disk", cls=Verb, writes=True)
@click.argument("image", metavar="IMAGE[:pN[.NAME]]")
@click.option(
    "--to",
    metavar="DEVICE|FILE",
    required=True,
    type=types.path,
    help="The disk that is overwritten, or a file that becomes one.",
)
@click.option(
    "--new-ids",
    is_flag=True,
    help="For a clone beside the original: new GUIDs or signature of the disk and its partitions.",
)
@click.option("--restart", is_flag=True, help="Begin anew, also where an earlier run was cut off.")
@click.pass_obj
def command(session: Session, image: str, to: bytes, *, new_ids: bool, restart: bool) -> int:
    """Write an image onto a disk, whole or one partition of it.

    'latest' writes the whole disk, 'latest:p3' partition 3 alone, 'latest:p3.root' a logical
    volume of it alone. Before a disk or a file is
    overwritten, its name must be typed. Everything that the image holds is read back and compared;
    the partition table is written last. A run that was cut off goes on when it is started again
    with the same image and target.
    """
    from twofold.commands import restore_disk

    options = restore_disk.RestoreDiskOptions(
        access=session.access(),
        snapshot=image,
        target=to,
        new_ids=new_ids,
        restart=restart,
        dry_run=session.dry_run,
        confirm=_confirmer(session),
    )
    result = restore_disk.run(options, session.emit)
    if not result.written and not result.dry_run:
        session.result = result
        raise NothingDone("nothing was written: the answer was no")
    return session.finish(result, _closing(result), result.exit_code)


def _confirmer(session: Session) -> Callable[["DiskPlan"], bool]:
    """Shows the plan; has the target's name typed unless nothing of anybody is overwritten."""

    def confirm(plan: "DiskPlan") -> bool:
        lines = plan_lines(plan)
        if not plan.destroys:
            session.tell(lines)
            return True
        session.show(lines) if session.may_ask else session.tell(lines)
        shown = printable(os.fsdecode(plan.target.path))
        title = f" ({printable(plan.target.title)})" if plan.target.title else ""
        return session.confirm_typed(
            f"Everything on {shown}{title} will be lost.",
            printable(os.path.basename(os.fsdecode(plan.target.path))),
            otherwise=f"everything on {shown} would be lost",
        )

    return confirm


def plan_lines(plan: "DiskPlan") -> Iterator[str | Line]:
    """What a restore would write: the disk as it is, if it is one, and as it will be."""
    shown = os.fsdecode(plan.target.path)
    parts = tuple(
        disk_part(
            part.volume.called,
            part.volume,
            part.volume.used,
            at=None if part.pieces else part.at,
        )
        for part in sorted(plan.parts, key=lambda part: bool(part.pieces))
        if part.volume.number
    )
    after = DiskPicture(shown, plan.size, parts)
    if plan.before is None:
        yield from disk_lines(after)
    else:
        before = _before(shown, plan.target.size, plan.before)
        yield from change_lines(before, after, anew=True)
    yield f"{size(plan.bytes_used)} to write onto {printable(shown)}"
    yield from _behind(plan, shown)
    if plan.goes_on:
        yield "goes on with an earlier run that was cut off; --restart begins anew"
    yield from (printable(note) for note in plan.new_ids.notes)


def _behind(plan: "DiskPlan", shown: str) -> Iterator[str]:
    """What a target that is larger than the disk was leaves to do."""
    rest = plan.target.size - plan.size
    if plan.target.fresh or rest <= 0:
        return
    yield f"the last {size(rest)} of it stay unused"
    if plan.page.table == "gpt" and any(not part.volume.number for part in plan.parts):
        yield (
            "the second copy of the partition table stays at the old end, which some programs "
            f"report; 'sgdisk -e {printable(shown)}' moves it to the new one"
        )


def _before(shown: str, total: int, now: "Estimate") -> DiskPicture:
    parts = tuple(disk_part(each.called, each) for each in now.parts)
    return DiskPicture(shown, total, parts)


def _closing(result: "RestoreDiskResult") -> Iterator[str | Line]:
    if result.dry_run:
        yield f"dry run: {size(result.bytes_used)} would be written"
        return
    yield Line(f"{size(result.bytes_written)} written in {duration(result.seconds)}", "bold")
    if result.bytes_kept:
        yield f"  {size(result.bytes_kept)} were there already, written by an earlier run"
    yield f"  {size(result.bytes_verified)} read back and compared"
    if result.wrong:
        yield Line(f"  {result.wrong:,} pieces differ: the target cannot be trusted", "red")
    if result.damaged:
        yield Line(f"  {result.damaged:,} pieces could not be read from the repository", "red")
