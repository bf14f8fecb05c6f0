"""``twofold stats``: what takes room, what a backup is made of, what grew."""

from typing import TYPE_CHECKING

import click

from twofold.cli.root import Verb
from twofold.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twofold.cli.render.base import Line
    from twofold.commands.stats_results import StatsResult


@click.command("stats", cls=Verb, listing=True)
@click.argument("backup", metavar="[BACKUP]", required=False)
@click.argument("later", metavar="[LATER]", required=False)
@click.option(
    "--since",
    metavar="BACKUP",
    allow_from_autoenv=False,
    help="What grew from that backup on; the same as to name it first.",
)
@click.option(
    "--top",
    metavar="NUMBER",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    allow_from_autoenv=False,
    help="How many folders to name, those in which most came or went.",
)
@click.option(
    "--programs",
    is_flag=True,
    allow_from_autoenv=False,
    help="Name all programs that are installed on an image.",
)
@click.pass_obj
def command(
    session: Session,
    backup: str | None,
    later: str | None,
    since: str | None,
    top: int,
    programs: bool,
) -> int:
    """Show what takes room, what a backup is made of and what grew.

    Without BACKUP: all that is stored, by computer and kind. With one: how much of it other backups
    have as well, and so what it adds to them; of an image also its partitions and the systems on
    them: which Windows or Linux, its users, its programs. With two: the folders that grew or shrank
    from the first to the second (latest:p2:/Users for a folder of an image).
    """
    from twofold.commands import stats
    from twofold.errors import UsageError

    if later is not None and since is not None:
        raise UsageError("more than two backups cannot be compared", hint="leave out --since")
    if later is not None:
        backup, since = later, backup
    options = stats.StatsOptions(access=session.access(), snapshot=backup, since=since, top=top)
    result = stats.run(options, session.emit)
    session.show(_lines(result, session.columns, programs), result)
    return session.finish(result, code=result.exit_code)


def _lines(result: "StatsResult", columns_wide: int, programs: bool) -> "Iterable[str | Line]":
    from twofold.cli.render import figures

    if result.repository is not None:
        return figures.repository_lines(result.repository, result.groups, columns_wide)
    if result.backup is not None:
        return figures.backup_lines(result, result.backup, columns_wide, programs=programs)
    assert result.growth is not None
    return figures.grown_lines(result.growth, result.folders, columns_wide)
