"""``twofold backup``: files and folders into a new backup."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from twofold.cli import types
from twofold.cli.configured import Configured
from twofold.cli.described import snapshot_options
from twofold.cli.render.base import Line
from twofold.cli.render.words import duration, size, things
from twofold.cli.root import Verb
from twofold.cli.session import Session

if TYPE_CHECKING:
    from twofold.commands.backup import BackupResult


@click.command("backup", cls=Verb, writes=True)
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=types.path)
@snapshot_options
@click.option(
    "-e",
    "--exclude",
    cls=Configured,
    metavar="PATTERN",
    multiple=True,
    type=types.TEXT,
    help="Leave out what matches, written as in a .gitignore file.",
)
@click.option(
    "--exclude-from",
    cls=Configured,
    metavar="FILE",
    multiple=True,
    type=types.TEXT,
    help="A file of such patterns, one per line.",
)
@click.option(
    "--exclude-if-present",
    cls=Configured,
    metavar="NAME",
    multiple=True,
    type=types.TEXT,
    help="Leave out the contents of folders that hold an entry of this name.",
)
@click.option(
    "--exclude-larger-than",
    cls=Configured,
    metavar="SIZE",
    type=types.size,
    help="Leave out files larger than this, such as 500M or 2G.",
)
@click.option(
    "--exclude-caches", cls=Configured, is_flag=True, help="Leave out folders with a CACHEDIR.TAG."
)
@click.option(
    "-x",
    "--one-file-system",
    cls=Configured,
    is_flag=True,
    help="Stay on the file systems of the paths named.",
)
@click.option(
    "--files-from",
    metavar="FILE",
    help="Also the paths in this file, one per line; - is standard input.",
)
@click.option(
    "--files-from0",
    metavar="FILE",
    help="The same with paths that end with a NUL byte, as find -print0 writes them.",
)
@click.option(
    "--stdin-name",
    metavar="NAME",
    help="Back up standard input as one file of this name.",
)
@click.option("--force", is_flag=True, help="Read everything again, even what is unchanged.")
@click.pass_obj
def command(session: Session, /, **chosen: Any) -> int:  # noqa: ANN401 (one per option above)
    """Back up files and folders.

    Without PATH: the personal folders of the current user. A PATH that is a link is stored as one,
    and 'link/' as well with what it leads to. Unchanged files are proven unchanged and not read
    again. Exit code 3: the backup is made, but some entries could not be read.
    """
    from twofold.commands import backup

    chosen["tags"] = chosen.pop("tag")
    options = backup.BackupOptions(access=session.access(), dry_run=session.dry_run, **chosen)
    result = backup.run(options, session.emit)
    return session.finish(result, _closing(result), result.exit_code)


def _closing(result: "BackupResult") -> Iterator[str | Line]:
    if result.snapshot is None:
        yield "dry run: nothing was stored"
    else:
        yield Line(f"backup {result.snapshot.hex()[:8]} made in {duration(result.seconds)}", "bold")
    files = things(result.stored + result.unchanged, "file")
    yield f"  {files}, {size(result.bytes_total)} in all"
    yield f"  {result.unchanged:,} unchanged, {result.stored:,} new or changed"
    yield f"  {size(result.bytes_read)} read, {size(result.bytes_stored)} stored"
    if result.excluded:
        yield f"  {result.excluded:,} excluded by rules"
    if result.vanished:
        yield f"  {result.vanished:,} vanished while they were read"
    if result.failed:
        told = f"{things(result.failed, 'entry', 'entries')} could not be read"
        yield Line(f"  {told}: this backup is not complete", "yellow")
