"""Folders in which most came or went, as a tree with a bar each.

    +1.25 GiB  ████████████████████████████░░░░  /home
    +1.31 GiB  ████████████████████████████        blue/Videos
    -64.0 MiB  ░░                                  green

Each name is told from the folder above it that is shown; where a folder has all its changes from a
single one below, both are one line. Bars of one picture are drawn to one scale: what is new or
changed, then what is gone.
"""

from collections.abc import Iterator, Sequence

import msgspec

from twofold.cli.render.base import Line
from twofold.cli.render.words import shortened, size

_NEW, _GONE = "█░"
_AMOUNT = 9  # columns of the longest size, "1,023 KiB"
_INDENT = 2


class Grown(msgspec.Struct, frozen=True):
    """A folder by the names along its path; bytes."""

    path: tuple[str, ...]
    new: int
    gone: int


class _Folder(msgspec.Struct):
    grown: Grown
    below: list["_Folder"] = msgspec.field(default_factory=list)


def growth_lines(folders: Sequence[Grown], columns_wide: int) -> Iterator[str | Line]:
    """The tree, each folder above what is in it, the ones that moved most first."""
    tops = _nested(folders)
    most = max(map(_moved, folders), default=1)
    bar_wide = min(max(columns_wide // 3, 8), 32)
    name_wide = columns_wide - bar_wide - _AMOUNT - 5
    for depth, name, grown in _walk(tops):
        amount = signed(grown.new - grown.gone).rjust(_AMOUNT + 1)
        bar = _bar(grown, most, bar_wide).ljust(bar_wide)
        indent = " " * min(_INDENT * depth, name_wide // 2)
        yield f"{amount}  {bar}  {indent}{shortened(name, name_wide - len(indent))}".rstrip()


def signed(amount: int) -> str:
    """Bytes with their sign: ``+1.25 GiB``, ``-310 MiB``, ``0 B``."""
    return ("+" if amount > 0 else "") + size(amount)


def _nested(folders: Sequence[Grown]) -> list[_Folder]:
    """Each folder below the nearest one above it that is among them; those come first."""
    tops: list[_Folder] = []
    open_: list[_Folder] = []
    for grown in sorted(folders, key=lambda each: each.path):
        while open_ and grown.path[: len(open_[-1].grown.path)] != open_[-1].grown.path:
            open_.pop()
        folder = _Folder(grown)
        (open_[-1].below if open_ else tops).append(folder)
        open_.append(folder)
    return tops


def _walk(tops: list[_Folder]) -> Iterator[tuple[int, str, Grown]]:
    """(depth, name from the line above, figures) from top to bottom."""
    nowhere: tuple[str, ...] = ()
    pending = [(0, nowhere, folder) for folder in _by_most(tops)][::-1]
    while pending:
        depth, above, folder = pending.pop()
        while len(folder.below) == 1 and _same(folder.grown, folder.below[0].grown):
            folder = folder.below[0]
        path = folder.grown.path
        name = "/".join(path[len(above) :])
        yield depth, name if depth else "/" + name, folder.grown
        pending += [(depth + 1, path, each) for each in _by_most(folder.below)][::-1]


def _by_most(folders: list[_Folder]) -> list[_Folder]:
    return sorted(folders, key=lambda each: (-_moved(each.grown), each.grown.path))


def _same(one: Grown, other: Grown) -> bool:
    return (one.new, one.gone) == (other.new, other.gone)


def _moved(grown: Grown) -> int:
    return grown.new + grown.gone


def _bar(grown: Grown, most: int, wide: int) -> str:
    """At least one cell for whatever there is, never more than all of them."""
    new, gone = (_cells(amount, most, wide) for amount in (grown.new, grown.gone))
    while new + gone > wide:
        new, gone = (new - 1, gone) if new >= gone else (new, gone - 1)
    return _NEW * new + _GONE * gone


def _cells(amount: int, most: int, wide: int) -> int:
    return max(round(wide * amount / max(most, 1)), 1) if amount > 0 else 0
