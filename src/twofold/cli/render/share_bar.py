"""A whole and its parts as one bar of text, and what each part is.

    │████████████████████████████████████████████████▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓░░░│
    █ in backups of files  20.1 GiB  83 %
    ▓ in earlier images    3.12 GiB  13 %
    ░ only here             960 MiB   4 %

Parts of nothing take no room and are named all the same. What is told apart is told apart by
shape, so no colour is needed.
"""

from collections.abc import Sequence

import msgspec

from twofold.cli.render.base import Line
from twofold.cli.render.disk_bar import cells
from twofold.cli.render.words import columns, shortened, size

GLYPHS = "█▓░▒·"
_EDGE = "│"


class Share(msgspec.Struct, frozen=True):
    """A part; bytes. ``more`` stands behind it."""

    label: str
    size: int
    more: str = ""


def share_lines(shares: Sequence[Share], columns_wide: int) -> list[str | Line]:
    """The bar and its legend; no line is wider than ``columns_wide``."""
    drawn = [(glyph, max(share.size, 0)) for glyph, share in zip(GLYPHS, shares, strict=False)]
    drawn = [(glyph, amount) for glyph, amount in drawn if amount]
    wide = cells([amount for _, amount in drawn], columns_wide - 2)
    bar = "".join(glyph * count for (glyph, _), count in zip(drawn, wide, strict=True))
    total = max(sum(amount for _, amount in drawn), 1)
    rows = [
        (f"{glyph} {share.label}", size(share.size), percent(share.size, total), share.more)
        for glyph, share in zip(GLYPHS, shares, strict=False)
    ]
    table = columns(rows, right=(1, 2))
    picture = [_EDGE + bar + _EDGE] if drawn else []
    return [*picture, *(shortened(line, columns_wide) for line in table)]


def percent(part: int, whole: int) -> str:
    """A share of the whole: ``83 %``, ``0.4 %``, ``< 0.1 %``."""
    value = 100 * part / max(whole, 1)
    if value and value < 0.1:
        return "< 0.1 %"
    return f"{value:.1f} %" if 0 < value < 9.95 else f"{value:.0f} %"
