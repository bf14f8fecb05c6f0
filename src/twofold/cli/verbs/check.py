"""``twofold check``: is everything that was stored still there and as it was?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from twofold.cli import types
from twofold.cli.render.base import Line
from twofold.cli.render.words import duration, size, things
from twofold.cli.root import Verb
from twofold.cli.session import Session

if TYPE_CHECKING:
    from twofold.commands.check import CheckResult

EVERYTHING = 100.0


@click.command("check", cls=Verb)
@click.option(
    "--read-data",
    metavar="[=PERCENT]",
    is_flag=False,
    flag_value=EVERYTHING,
    type=types.percent,
    help="Also read back what is stored, byte by byte; with --read-data=5% a part of it, each "
    "time another one.",
)
@click.pass_obj
def command(session: Session, read_data: float | None) -> int:
    """Prove that the repository is whole.

    Every backup is followed down to its last piece. Nothing is changed. Exit code 5: damage was
    found, and what it means is told.
    """
    from twofold.commands import check

    options = check.CheckOptions(
        access=session.access(),
        read_data=read_data is not None,
        subset=None if read_data in (None, EVERYTHING) else read_data,
    )
    result = check.run(options, session.emit)
    for each in result.affected:
        session.note_item("affected", each)
    return session.finish(result, _verdict(result), result.exit_code)


def _verdict(result: "CheckResult") -> Iterator[str | Line]:
    if result.damage:
        told = f"{things(result.damage, 'finding')} of damage"
        hurt = f"{len(result.affected):,} of {result.snapshots:,} backups miss something"
        yield Line(f"{told}; {hurt}", "red")
    else:
        yield Line(f"no damage found in {duration(result.seconds)}", "bold")
    yield (
        f"  {things(result.snapshots, 'backup')}, {things(result.packs, 'pack')} "
        f"with {size(result.bytes_packs)}, {things(result.blobs, 'piece')}"
    )
    if result.packs_read:
        yield f"  {things(result.packs_read, 'pack')} with {size(result.bytes_read)} read back"
    else:
        yield "  contents were not read; --read-data does that"
    if result.warnings:
        yield Line(f"  {things(result.warnings, 'warning')}, see above", "yellow")
