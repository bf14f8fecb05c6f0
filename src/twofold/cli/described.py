"""Options of every verb that makes a snapshot: what it is called and how it is found again."""

from collections.abc import Callable
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


def snapshot_options(command: CommandT) -> CommandT:
    """Add them to a command, in this order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
