"""``twofold export``: an image as a disk-image file."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from twofold.cli.render.base import Line
from twofold.cli.render.words import duration, printable, size
from twofold.cli.root import Verb
from twofold.cli.session import Session

if TYPE_CHECKING:
    from twofold.commands.export import ExportResult


@click.command("export", cls=Verb, writes=True)
@click.argument("backup", metavar="BACKUP")
@click.argument("file", metavar="FILE", type=click.Path(readable=False))
@click.option(
    "--part",
    metavar="N",
    allow_from_autoenv=False,
    help="Only partition N, or its volume N.NAME, as a raw file; 'twofold ls BACKUP' lists them.",
)
@click.pass_obj
def command(session: Session, backup: str, file: str, part: str | None) -> int:
    """Write an image as a file for virtual machines and other programs.

    The ending of FILE tells the kind: .raw or .img, .vhd, .vhdx, .qcow2, .vmdk. What was not in use
    takes no room. A file that is there already is never replaced (exit code 17).
    """
    from twofold.commands import export

    options = export.ExportOptions(
        access=session.access(),
        snapshot=backup,
        file=file,
        part=_number(part),
        dry_run=session.dry_run,
    )
    result = export.run(options, session.emit)
    return session.finish(result, _closing(result), result.exit_code)


def _number(part: str | None) -> int | str | None:
    """``3``, ``p3`` or ``p3.root``, as in addresses."""
    from twofold.view import parse_part

    return parse_part(part) if part is not None else None


def _closing(result: "ExportResult") -> Iterator[str | Line]:
    what = f"partition {result.part}" if result.part is not None else "disk"
    amount = f"{what} of {size(result.bytes_total)}, {size(result.bytes_held)} in use"
    if result.dry_run:
        yield f"dry run: nothing was written ({amount})"
        return
    yield Line(f"exported {printable(result.file.path)} in {duration(result.seconds)}", "bold")
    yield f"  {amount}; the file takes {size(result.bytes_written)}"
