"""Options of several verbs: what a snapshot is called and found by, and how disks are read."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from twofold.cli import types
from twofold.cli.configured import Configured
from twofold.cli.session import Session

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--name",
        cls=Configured,
        default="",
        metavar="NAME",
        help="A name for backups of this kind.",
    ),
    click.option(
        "--tag",
        cls=Configured,
        metavar="TAG",
        multiple=True,
        type=types.TEXT,
        help="A word to find it by.",
    ),
    click.option(
        "--host", cls=Configured, default="", metavar="NAME", help="Another name for this computer."
    ),
)

_READING = (
    click.option("--exact", is_flag=True, help="Keep every sector, what is free included."),
    click.option(
        "--skip-unchanged",
        is_flag=True,
        help="Do not read files that their file system calls unchanged since the image before."
        " It does not know of every change, above all after a crash: see the manual.",
    ),
    click.option(
        "--page-files", is_flag=True, help="Keep the contents of page and hibernation files too."
    ),
    click.option(
        "--patience",
        type=click.IntRange(min=0),
        default=30,
        show_default=True,
        metavar="MINUTES",
        help="How long to try sectors one by one that the disk refuses to give.",
    ),
)


def snapshot_options(command: CommandT) -> CommandT:
    """What every verb takes that makes a snapshot."""
    return _with(command, _OPTIONS)


def capture_options(command: CommandT) -> CommandT:
    """What every verb takes that makes images of disks; see ``capture_choices``."""
    return _with(command, (*_READING, *_OPTIONS))


def capture_choices(session: Session, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``CaptureOptions`` out of what was given for ``capture_options``."""
    return {
        "access": session.access(),
        "exact": chosen["exact"],
        "skip_unchanged": chosen["skip_unchanged"],
        "page_files": chosen["page_files"],
        "patience": 60.0 * chosen["patience"],
        "name": chosen["name"],
        "tags": chosen["tag"],
        "host": chosen["host"],
        "dry_run": session.dry_run,
    }


def _with(command: CommandT, options: Sequence[Callable[[CommandT], CommandT]]) -> CommandT:
    """Add them to a command, in this order."""
    for option in reversed(options):
        command = option(command)
    return command
