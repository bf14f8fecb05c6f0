"""What every renderer does, and the few types that verbs hand to it.

A verb shows a result twice in one call, as lines for people and as plain data for programs; the
renderer takes the one it is made for and never touches the other.
"""

from collections.abc import Iterable
from typing import Protocol

import msgspec

from twofold.events import Event


class Line(msgspec.Struct, frozen=True):
    """One line of text in a style: a colour of click, ``bold`` or ``dim``."""

    text: str
    style: str = ""


Lines = Iterable[str | Line]


class Failure(msgspec.Struct, frozen=True):
    """Why a run ends badly, as it is told."""

    kind: str
    message: str
    hint: str = ""


class Renderer(Protocol):
    """Shows one run of one verb, from start to close."""

    @property
    def items(self) -> bool:
        """Whether anything is made of single entries."""
        ...

    def start(self, verb: str) -> None:
        """The verb is known and about to run."""
        ...

    def event(self, event: Event) -> None:
        """Something happened."""
        ...

    def show(self, lines: Lines, result: object) -> None:
        """What was asked for."""
        ...

    def item(self, kind: str, record: object, line: str | None) -> None:
        """One element of a result; without a line it is for programs only."""
        ...

    def tell(self, lines: Lines) -> None:
        """What people like to know at the end; quiet runs and programs do without."""
        ...

    def pause(self) -> None:
        """Clear the terminal's last line, for somebody else is about to use it."""
        ...

    def fail(self, kind: str, message: str, hint: str) -> None:
        """The run ends badly."""
        ...

    def close(self, exit_code: int, result: object | None) -> None:
        """The run is over; nothing follows."""
        ...
