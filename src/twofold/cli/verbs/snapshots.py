"""``twofold snapshots``: what was backed up when."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from twofold.cli.render.base import Line
from twofold.cli.render.words import columns, local_time, printable, size, things
from twofold.cli.root import Verb
from twofold.cli.session import Session

if TYPE_CHECKING:
    from twofold.commands.snapshots import SnapshotInfo, SnapshotsResult


@click.command("snapshots", cls=Verb, listing=True)
@click.option("--forgotten", is_flag=True, help="Also those that are forgotten but still there.")
@click.option(
    "--host", metavar="NAME", allow_from_autoenv=False, help="Only backups of this computer."
)
@click.option("--name", metavar="NAME", allow_from_autoenv=False, help="Only backups of this name.")
@click.option(
    "--tag",
    "tags",
    metavar="TAG",
    multiple=True,
    allow_from_autoenv=False,
    help="Only backups with this tag; several tags: with all of them.",
)
@click.pass_obj
def command(
    session: Session, forgotten: bool, host: str | None, name: str | None, tags: tuple[str, ...]
) -> int:
    """List the backups in the repository, newest last."""
    from twofold.commands import snapshots

    options = snapshots.SnapshotsOptions(
        access=session.access(), forgotten=forgotten, host=host, name=name, tags=tags
    )
    result = snapshots.run(options, session.emit)
    session.show(_lines(result), result)
    return session.finish(result, _closing(result), result.exit_code)


COLUMNS = ("id", "made", "host", "name", "tags", "files", "size", "stored", "folders")
RIGHT = {"files", "size", "stored"}
ALWAYS = {"id", "made", "files", "size", "stored", "folders"}


def _lines(result: "SnapshotsResult") -> Iterator[str | Line]:
    if not result.snapshots:
        return
    rows = [_row(each) for each in result.snapshots]
    used = [at for at, name in enumerate(COLUMNS) if name in ALWAYS or any(row[at] for row in rows)]
    table = [[row[at] for at in used] for row in (COLUMNS, *rows)]
    right = [place for place, at in enumerate(used) if COLUMNS[at] in RIGHT]
    head, *lines = columns(table, right)
    yield Line(head, "bold")
    yield from lines


def _row(each: "SnapshotInfo") -> tuple[str, ...]:
    remark = " (forgotten)" if each.forgotten else ""
    remark += f" ({each.failed:,} not read)" if each.failed else ""
    return (
        each.short_id,
        local_time(each.time_ns),
        each.host,
        each.name,
        ", ".join(each.tags),
        "image" if each.kind == "image" else f"{each.files:,}",
        size(each.bytes_total),
        size(each.bytes_stored),
        ", ".join(map(printable, each.sources)) + remark,
    )


def _closing(result: "SnapshotsResult") -> Iterator[str | Line]:
    shown = len(result.snapshots)
    hidden = result.total - shown
    more = f", {hidden:,} more not shown" if hidden else ""
    yield f"{things(shown, 'backup')}{more} in {result.location}"
    if result.damaged:
        yield Line(f"  {result.damaged:,} more cannot be read", "red")
