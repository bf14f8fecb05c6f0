"""Everything an engine may tell a user interface: frozen records, no rendering.

Engines call ``emit(event)``; the command line and the web UI translate. Paths are bytes as the
operating system has them. An engine emits from one thread only.
"""

from collections.abc import Callable
from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How bad a finding is."""

    NOTE = "note"
    WARNING = "warning"
    DAMAGE = "damage"


class Phase(msgspec.Struct, frozen=True):
    """A new phase of the work begins; totals are None while unknown."""

    name: str
    total_bytes: int | None = None
    total_items: int | None = None


class Progress(msgspec.Struct, frozen=True):
    """Work done so far in the current phase."""

    done_bytes: int
    done_items: int
    current: bytes = b""


class ItemDone(msgspec.Struct, frozen=True):
    """One entry reached its end: action is stored, unchanged, excluded, restored, kept, ..."""

    action: str
    path: bytes
    size: int = 0


class SourceWarning(msgspec.Struct, frozen=True):
    """Something of the source (or restore target) could not be handled; the run goes on."""

    path: bytes
    action: str
    reason: str


class Finding(msgspec.Struct, frozen=True):
    """Something a check learned: what, where, how bad, and what to do."""

    severity: Severity
    subject: str
    message: str
    remedy: str = ""


class Notice(msgspec.Struct, frozen=True):
    """A plain sentence for the user."""

    text: str


Event = Phase | Progress | ItemDone | SourceWarning | Finding | Notice
Emit = Callable[[Event], None]


class Coarse:
    """An ``Emit`` for whoever does not listen to single entries, so that none need be made up."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit

    def __call__(self, event: Event) -> None:
        self._emit(event)


def hears_items(emit: Emit) -> bool:
    """Whether every ``ItemDone`` is to be told."""
    return not isinstance(emit, Coarse)


def ignore(_event: Event) -> None:
    """Receive an event and do nothing with it."""
