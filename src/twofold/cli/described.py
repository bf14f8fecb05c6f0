"""Options of several verbs: what a snapshot is called and found by, and how disks are read."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from twofold.cli import types
from twofold.cli.configured import Configured

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
        help="Do not read what the file system proves unchanged since the image before.",
    ),
    click.option(
        "--page-files", is_flag=True, help="Keep the contents of page and hibernation files too."
    ),
)


def snapshot_options(command: CommandT) -> CommandT:
    """What every verb takes that makes a snapshot."""
    return _with(command, _OPTIONS)


def reading_options(command: CommandT) -> CommandT:
    """What every verb takes that makes an image of a disk."""
    return _with(command, _READING)


def _with(command: CommandT, options: Sequence[Callable[[CommandT], CommandT]]) -> CommandT:
    """Add them to a command, in this order."""
    for option in reversed(options):
        command = option(command)
    return command
