"""For people: results on stdout; progress, warnings and errors on stderr.

Every line passes ``printable`` on its way out, so nothing that a file is called, or that an error
quotes, is ever obeyed by a terminal. Colour is added after that, to whole lines.
"""

from collections.abc import Callable
from typing import TextIO

import click

from twofold.cli.render.base import Line, Lines
from twofold.cli.render.output import Output
from twofold.cli.render.progress import Meter
from twofold.cli.render.words import printable, size
from twofold.events import (
    Event,
    Finding,
    ItemDone,
    Notice,
    Phase,
    Progress,
    Severity,
    SourceWarning,
)

_UNREMARKABLE = {"unchanged", "excluded"}
_FINDING_STYLE = {Severity.NOTE: "", Severity.WARNING: "yellow", Severity.DAMAGE: "red"}


class TextRenderer:
    """Shows a run as text; ``verbosity`` is -1 for quiet, 1 and 2 for the entries one by one."""

    def __init__(
        self,
        out: Output,
        err: TextIO,
        meter: Callable[[Callable[[str], None]], Meter],
        *,
        color: tuple[bool, bool],
        verbosity: int,
    ) -> None:
        self._out = out
        self._err = err
        self._color_out, self._color_err = color
        self._verbosity = verbosity
        self._meter = meter(self._note)

    @property
    def items(self) -> bool:
        return self._verbosity > 0

    def start(self, verb: str) -> None: ...

    def event(self, event: Event) -> None:
        match event:
            case Progress():
                self._meter.progress(event)
            case Phase():
                self._meter.phase(event)
            case ItemDone():
                self._item(event)
            case SourceWarning(path, action, reason):
                self._note(f"warning: {_name(path)}: {action}: {reason}", "yellow")
            case Finding():
                self._finding(event)
            case Notice(text) if self._verbosity >= 0:
                self._note(text)

    def _item(self, item: ItemDone) -> None:
        if self._verbosity >= (2 if item.action in _UNREMARKABLE else 1):
            amount = f" ({size(item.size)})" if item.size else ""
            self._note(f"{item.action:10} {_name(item.path)}{amount}")

    def _finding(self, found: Finding) -> None:
        style = _FINDING_STYLE[found.severity]
        self._note(f"{found.severity.value}: {found.subject}: {found.message}", style)
        if found.remedy:
            self._note(f"  {found.remedy}", style)

    def show(self, lines: Lines, result: object) -> None:
        del result
        self._meter.close()
        for line in lines:
            self._line(line)

    def item(self, kind: str, record: object, line: str | None) -> None:
        del kind, record
        if line is not None:
            self._meter.close()
            self._line(line)

    def tell(self, lines: Lines) -> None:
        if self._verbosity >= 0:
            self.show(lines, None)

    def pause(self) -> None:
        self._meter.close()
        self._out.flush()

    def fail(self, kind: str, message: str, hint: str) -> None:
        del kind
        self._meter.close()
        self._out.flush()
        self._note(f"error: {message}", "red")
        if hint:
            self._note(f"hint: {hint}")

    def close(self, exit_code: int, result: object | None) -> None:
        del exit_code, result
        self._meter.close()
        self._out.flush()

    def _line(self, line: str | Line) -> None:
        text, style = (line.text, line.style) if isinstance(line, Line) else (line, "")
        text = printable(text)
        self._out.write((styled(text, style) if self._color_out else text) + "\n")

    def _note(self, text: str, style: str = "") -> None:
        text = printable(text)
        if self._meter.above(text, style if self._color_err else ""):
            return
        try:
            self._err.write((styled(text, style) if self._color_err else text) + "\n")
            self._err.flush()
        except OSError:
            return  # nobody can be told about it


def styled(text: str, style: str) -> str:
    """Text with the codes of a style around it."""
    match style:
        case "":
            return text
        case "bold":
            return click.style(text, bold=True)
        case "dim":
            return click.style(text, dim=True)
        case color:
            return click.style(text, fg=color)


def _name(path: bytes) -> str:
    return printable(path)
