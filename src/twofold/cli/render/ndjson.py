"""For programs: one JSON record per line on stdout and nothing else (docs/manual/json.md).

The first record is ``start``, the last ``summary`` with the exit code, whatever happens between.
Everything is written in ASCII: a name can then neither break a line nor move a cursor.
"""

import json
from collections.abc import Callable

import msgspec

from twofold import __version__, clock
from twofold.cli.render.base import Failure, Lines
from twofold.cli.render.encode import VERSION, Json, plain_fields, records_in
from twofold.cli.render.output import Output
from twofold.events import Event, Finding, ItemDone, Notice, Phase, Progress, SourceWarning

PROGRESS_SECONDS = 1.0

EVENT_TYPES: dict[type, str] = {
    Phase: "phase",
    Progress: "progress",
    ItemDone: "item",
    SourceWarning: "warning",
    Finding: "finding",
    Notice: "notice",
}


class Start(msgspec.Struct, frozen=True):
    """First record: what runs, and which version of it."""

    verb: str
    program: str
    time_ns: int


class End(msgspec.Struct, frozen=True):
    """What every summary has besides the fields of the verb's result."""

    verb: str
    exit_code: int
    time_ns: int
    seconds: float


class JsonRenderer:
    """Writes records; progress at most once a second, items only when asked for."""

    def __init__(
        self,
        out: Output,
        *,
        items: bool,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self._out = out
        self._items = items
        self._monotonic = monotonic
        self._began = monotonic()
        self._next_progress = 0.0
        self._verb = ""

    @property
    def items(self) -> bool:
        return self._items

    def start(self, verb: str) -> None:
        self._verb = verb
        self._put("start", Start(verb, f"twofold {__version__}", clock.now_ns()))
        self._out.flush()

    def event(self, event: Event) -> None:
        if isinstance(event, ItemDone) and not self._items:
            return
        if isinstance(event, Progress):
            now = self._monotonic()
            if now < self._next_progress:
                return
            self._next_progress = now + PROGRESS_SECONDS
        self._put(EVENT_TYPES[type(event)], event)
        if not isinstance(event, ItemDone):
            self._out.flush()

    def show(self, lines: Lines, result: object) -> None:
        del lines
        for tag, record in records_in(result):
            self._put(tag, record)

    def item(self, kind: str, record: object, line: str | None) -> None:
        del line
        self._put(kind, record)

    def tell(self, lines: Lines) -> None: ...

    def pause(self) -> None: ...

    def fail(self, kind: str, message: str, hint: str) -> None:
        self._put("error", Failure(kind, message, hint))

    def close(self, exit_code: int, result: object | None) -> None:
        seconds = round(self._monotonic() - self._began, 3)
        end = plain_fields(End(self._verb, exit_code, clock.now_ns(), seconds))
        members = end | (plain_fields(result) if result is not None else {})
        self._write("summary", members | {"exit_code": exit_code})
        self._out.flush()

    def _put(self, tag: str, record: object) -> None:
        self._write(tag, plain_fields(record))

    def _write(self, tag: str, members: dict[str, Json]) -> None:
        whole = {"v": VERSION, "type": tag, **members}
        self._out.write(json.dumps(whole, separators=(",", ":"), allow_nan=False) + "\n")
