"""Which renderer a run gets, from its options and from what its streams are."""

import os
import sys
from collections.abc import Callable
from typing import TextIO

from twofold.cli.given import Given
from twofold.cli.render.base import Renderer
from twofold.cli.render.output import Output


def renderer_for(given: Given, *, listing: bool, json: bool) -> Renderer:
    """Records or text; a ``listing`` stops when its reader has gone."""
    out = Output(sys.stdout, stop_when_closed=listing)
    verbosity = given.verbosity()
    if json:
        from twofold.cli.render.ndjson import JsonRenderer

        return JsonRenderer(out, items=verbosity > 0)
    return _text_renderer(given, out, verbosity)


def _text_renderer(given: Given, out: Output, verbosity: int) -> Renderer:
    from twofold.cli.render.progress import Bar, Meter, Plain, Silent
    from twofold.cli.render.text import TextRenderer

    colors = (_colored(given, sys.stdout), _colored(given, sys.stderr))
    style = _progress_style(given, verbosity)

    def meter(write: Callable[[str], None]) -> Meter:
        if style == "bar":
            return Bar(sys.stderr, color=colors[1])
        return Plain(write) if style == "plain" else Silent()

    return TextRenderer(out, sys.stderr, meter, color=colors, verbosity=verbosity)


def _progress_style(given: Given, verbosity: int) -> str:
    if verbosity < 0:
        return "none"
    wanted = given("progress") or "auto"
    if wanted != "auto":
        return str(wanted)
    return "bar" if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else "plain"


def _colored(given: Given, stream: TextIO) -> bool:
    if given("no_color") or os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    terminal = os.environ.get("TERM") or os.environ.get("WT_SESSION") or "dumb"
    return stream.isatty() and terminal != "dumb"
