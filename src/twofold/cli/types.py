"""Types of option values that click does not have: sizes, shares, times, paths, texts by line."""

import os
from collections.abc import Callable
from typing import TypeVar

import click
from click.types import StringParamType

from twofold.errors import UsageError

T = TypeVar("T")


def size(value: str | int) -> int:
    """Bytes, written as 1500, 64K, 1.5G or 10 MiB."""
    from twofold.options import parse_size

    return value if isinstance(value, int) else _parsed(parse_size, value)


def percent(value: str | float) -> float:
    """A share of the whole, written as 5%."""
    from twofold.options import parse_percent

    return value if isinstance(value, float) else _parsed(parse_percent, value)


def moment(value: str | int) -> int:
    """Nanoseconds since 1970, written as 2026-11-01T12:30."""
    from twofold.options import parse_time

    return value if isinstance(value, int) else _parsed(parse_time, value)


def path(value: str | bytes) -> bytes:
    """A path exactly as the operating system has it."""
    if not value:
        raise click.BadParameter("an empty path names nothing")
    return os.fsencode(value)


def _parsed(parse: Callable[[str], T], value: str) -> T:
    try:
        return parse(value)
    except UsageError as error:
        raise click.BadParameter(f"{error.message}; {error.hint}") from None


class LineText(StringParamType):
    """Text that may hold spaces: several of them in one variable stand on lines of their own."""

    envvar_list_splitter = "\n"


TEXT = LineText()
