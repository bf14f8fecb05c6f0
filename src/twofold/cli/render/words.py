"""Numbers, times and names as people read them; and no byte of a file name reaches a terminal raw.

A name may hold escape sequences that recolour, retitle or rewrite a terminal, and marks that turn
text around. ``printable`` spells all of them out, whatever the source.
"""

import textwrap
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"  # format characters that Persian, Hindi and family emoji are written with


def printable(text: str | bytes) -> str:
    """Text without control, direction or invalid characters: those are spelled ``\\x1b``."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_character, text))


def _character(one: str) -> str:
    if one in _JOINERS or unicodedata.category(one) not in _HIDDEN:
        return one
    code = ord(one)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def things(number: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 file``, ``12,345 files``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number: int) -> str:
    """Bytes in IEC units with three digits: ``512 B``, ``4.20 GiB``, ``312 MiB``."""
    if abs(number) < 1024:
        return f"{number} B"
    value = float(number)
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        value /= 1024
        if abs(value) < 999.5 or unit == "PiB":
            break
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:,.{digits}f} {unit}"


def duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 12 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    for big, small, large, little in (("d", "h", 86400, 3600), ("h", "min", 3600, 60)):
        if whole >= large:
            rest = whole % large // little
            return f"{whole // large} {big}" + (f" {rest} {small}" if rest else "")
    if whole >= 60:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole} s"


def about(seconds: float) -> str:
    """A rounded time to come, as precise as an estimate deserves: ``about 12 min``."""
    if seconds < 50:
        return f"about {max(10, 10 * round(seconds / 10))} s"
    if seconds < 3570:
        return f"about {max(1, round(seconds / 60))} min"
    half_hours = round(seconds / 1800)
    return f"about {half_hours // 2}{' ½' if half_hours % 2 else ''} h"


def ago(seconds: float) -> str:
    """How long since: ``just now``, ``12 minutes ago``, ``3 days ago``; or when that cannot be."""
    if seconds <= -60:
        return "at a time to come, by the clock of this computer"
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            return f"{things(int(seconds // length), unit)} ago"
    return "just now"


def local_time(time_ns: int, *, seconds: bool = False) -> str:
    """The clock on the wall here: ``2026-11-01 10:20``, with seconds ``2026-11-01 10:20:30``."""
    when = moment(time_ns)
    with suppress(OverflowError, OSError, ValueError):  # out of what this system's clock knows
        when = when.astimezone()
    return when.isoformat(" ")[: 19 if seconds else 16]


def utc_time(time_ns: int) -> str:
    """RFC 3339 in UTC, with as many digits of the second as are not zero: ``…T10:20:30.5Z``."""
    digits = f"{time_ns % 10**9:09}".rstrip("0")
    return moment(time_ns).isoformat()[:19] + (f".{digits}Z" if digits else "Z")


def moment(time_ns: int) -> datetime:
    """Whole seconds as a date, held within the years that dates can have."""
    seconds = min(max(time_ns // 10**9, -62135596800), 253402300799)
    return datetime.fromtimestamp(seconds, UTC)


def width(text: str) -> int:
    """Columns that printable text takes on a terminal."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    return len(text) + wide - sum(unicodedata.category(one) in ("Mn", "Me", "Cf") for one in text)


def shortened(text: str, most: int) -> str:
    """Printable text of at most so many columns, with an ellipsis where some is left out."""
    text = printable(text)
    if width(text) <= most:
        return text
    while text and width(text) > most - 1:
        text = text[:-1]
    return text + "…" if most > 0 else ""


def wrapped(text: str, most: int, indent: str = "") -> list[str]:
    """Text in as many lines as it takes; those after the first stand a little further in."""
    lines = textwrap.wrap(
        printable(text), most, initial_indent=indent, subsequent_indent=indent + "  "
    )
    return [shortened(line, most) for line in lines]


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Rows as aligned lines, two spaces between columns; ``right`` names right-aligned ones."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_padded(row, widths, right)).rstrip() for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> list[str]:
    cells = []
    for at, (cell, wanted) in enumerate(zip(row, widths, strict=True)):
        gap = " " * (wanted - width(cell))
        cells.append(gap + cell if at in right else cell + gap)
    return cells
