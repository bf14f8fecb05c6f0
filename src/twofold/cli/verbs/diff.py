"""``twofold diff``: what differs between two backups, or two folders in them."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from twofold.cli import types
from twofold.cli.render.changes import change_line
from twofold.cli.render.words import local_time, size, things
from twofold.cli.root import Verb
from twofold.cli.session import Session

if TYPE_CHECKING:
    from twofold.commands.diff import DiffEntry, DiffResult


@click.command("diff", cls=Verb, listing=True)
@click.argument("before", metavar="A[:pN][:/PATH]")
@click.argument("after", metavar="B[:pN][:/PATH]")
@click.argument("path", metavar="[PATH]", required=False, type=types.path)
@click.pass_obj
def command(session: Session, before: str, after: str, path: bytes | None) -> int:
    """Show what differs between two backups, from A to B.

    A and B may be of either kind and name a folder or a file each: 'latest~1 latest /home/u',
    'latest:/home/u latest:p3:/home/u'. Of two images all partitions are compared.

    \b
    +  only in B        M  another content       T  another type
    -  only in A        m  another mode, owner, time or the like

    Only what both keep is compared, and no times of folders. Differences are no failure.
    """
    from twofold.commands import diff

    options = diff.DiffOptions(
        access=session.access(),
        before=before,
        after=after,
        path=path,
        found=_shower(session),
    )
    result = diff.run(options, session.emit)
    return session.finish(result, _closing(result), result.exit_code)


def _shower(session: Session) -> "Callable[[DiffEntry], None]":
    def show(entry: "DiffEntry") -> None:
        session.show_item("difference", entry, change_line(entry))

    return show


def _closing(result: "DiffResult") -> Iterator[str]:
    before, after = result.before.hex()[:8], result.after.hex()[:8]
    yield (
        f"from {before} of {local_time(result.before_time_ns)} "
        f"to {after} of {local_time(result.after_time_ns)}"
    )
    differ = result.added + result.removed + result.types + result.contents + result.metadata
    if not differ:
        yield f"  no differences, {things(result.unchanged, 'entry', 'entries')} the same"
    else:
        yield (
            f"  {result.added:,} added ({size(result.bytes_added)}), "
            f"{result.removed:,} removed ({size(result.bytes_removed)}), "
            f"{result.contents:,} with another content, {result.types:,} of another type, "
            f"{result.metadata:,} with other metadata, {result.unchanged:,} the same"
        )
    if result.unknown:
        yield f"  {things(result.unknown, 'file')} could not be compared"
