"""Events as text: what is shown at which verbosity, and where the bar is in the way."""

import io
from collections.abc import Callable

import pytest

from twofold.cli.render.base import Line
from twofold.cli.render.output import Output, OutputClosed
from twofold.cli.render.progress import Bar, Meter, Silent
from twofold.cli.render.text import TextRenderer, styled
from twofold.errors import TwofoldError
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

EVENTS: list[Event] = [
    Phase("reading", 10, 2),
    Progress(5, 1, b"/a"),
    ItemDone("stored", b"/new\x1b", 2048),
    ItemDone("unchanged", b"/old"),
    ItemDone("excluded", b"/out"),
    SourceWarning(b"/bad\xff", "not read", "denied"),
    Finding(Severity.DAMAGE, "pack 1", "broken", "run repair"),
    Notice("by the way"),
]
ALWAYS = [
    "warning: /bad\\xff: not read: denied",
    "damage: pack 1: broken",
    "  run repair",
]


class Run:
    """A renderer and what it wrote."""

    def __init__(self, verbosity: int = 0, *, color: bool = False) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.renderer = TextRenderer(
            Output(self.out, stop_when_closed=False),
            self.err,
            silent,
            color=(color, color),
            verbosity=verbosity,
        )


def silent(write: Callable[[str], None]) -> Meter:
    """No progress."""
    return Silent()


@pytest.mark.parametrize(
    ("verbosity", "shown"),
    [
        (-1, ALWAYS),
        (0, [*ALWAYS, "by the way"]),
        (1, ["stored     /new\\x1b (2.00 KiB)", *ALWAYS, "by the way"]),
        (
            2,
            [
                "stored     /new\\x1b (2.00 KiB)",
                "unchanged  /old",
                "excluded   /out",
                *ALWAYS,
                "by the way",
            ],
        ),
    ],
)
def test_what_is_told(verbosity: int, shown: list[str]) -> None:
    run = Run(verbosity)
    for event in EVENTS:
        run.renderer.event(event)
    assert run.err.getvalue().splitlines() == shown
    assert run.out.getvalue() == ""


def test_results_go_to_stdout_and_quiet_leaves_the_rest_out() -> None:
    for verbosity, extra in ((0, "more\n"), (-1, "")):
        run = Run(verbosity)
        run.renderer.show(["one\x07", Line("two", "bold")], None)
        run.renderer.item("node", object(), "three")
        run.renderer.tell(["more"])
        run.renderer.close(0, None)
        assert run.out.getvalue() == "one\\x07\ntwo\nthree\n" + extra


def test_colour_is_added_after_names_were_spelled_out() -> None:
    run = Run(color=True)
    run.renderer.show([Line("a\x1b[0m", "bold")], None)
    run.renderer.fail("X", "bad\x1b", "look")
    assert run.out.getvalue() == "\x1b[1ma\\x1b[0m\x1b[0m\n"
    assert run.err.getvalue() == "\x1b[31merror: bad\\x1b\x1b[0m\nhint: look\n"


def test_styles() -> None:
    assert styled("x", "") == "x"
    assert styled("x", "dim") == "\x1b[2mx\x1b[0m"
    assert styled("x", "yellow") == "\x1b[33mx\x1b[0m"


def test_lines_appear_above_the_bar() -> None:
    screen = io.StringIO()
    out = io.StringIO()

    def bar(write: Callable[[str], None]) -> Meter:
        return Bar(screen, color=False)

    renderer = TextRenderer(
        Output(out, stop_when_closed=False), screen, bar, color=(False, False), verbosity=0
    )
    renderer.event(Notice("before"))
    assert screen.getvalue() == "before\n"
    renderer.event(Phase("reading\x1b", 100, None))
    renderer.event(Progress(50, 3, b"/evil\x1b[2J"))
    renderer.event(Notice("between"))
    renderer.show(["result"], None)
    renderer.event(Notice("after"))
    shown = screen.getvalue()
    assert shown.index("between\n") < shown.index("50 % · 50 B of 100 B · 3")
    assert "/evil\\x1b[2J" in shown
    assert "reading\\x1b" in shown
    assert shown.endswith("after\n")
    assert out.getvalue() == "result\n"


class Broken(io.StringIO):
    """A stream whose reader has gone, or whose disk is full."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error

    flush = write  # type: ignore[assignment]


def test_a_listing_stops_and_work_goes_on_without_a_reader() -> None:
    with pytest.raises(OutputClosed):
        Output(Broken(BrokenPipeError(32, "gone")), stop_when_closed=True).write("x")
    patient = Output(Broken(BrokenPipeError(32, "gone")), stop_when_closed=False)
    patient.write("x")
    patient.write("y")
    patient.flush()


def test_other_trouble_with_the_output_is_an_error() -> None:
    with pytest.raises(TwofoldError, match="cannot be written \\(full\\)"):
        Output(Broken(OSError(28, "full")), stop_when_closed=False).write("x")


def test_trouble_with_stderr_stops_nothing() -> None:
    renderer = TextRenderer(
        Output(io.StringIO(), stop_when_closed=False),
        Broken(OSError(28, "full")),
        silent,
        color=(False, False),
        verbosity=0,
    )
    renderer.event(Notice("lost"))
