"""Disks as bars of text: where partitions lie, how big they are and how full.

    Fast SSD, /dev/sda: 931 GiB
    │██░│█████████████████████████████░░░░░░░░░░░░░│·····│
     1   2
    1  EFI system  512 MiB  7 % used
    2  Windows     800 GiB  64 % used
       free        131 GiB

Every block gets a few cells first, so that small partitions can be seen, and a share of the rest
by its size (largest remainder). Blocks that find no room even so are joined with a neighbour. Two
disks in one picture are drawn to the same scale.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Protocol

import msgspec
from msgspec.structs import replace

from twofold.cli.render.base import Line
from twofold.cli.render.words import columns, printable, shortened, size, width

WIDTH = 80
_LEAST = 2  # cells of a block
_NAME = 32  # columns of a name
_USED, _FREE, _UNKNOWN, _NOTHING, _EDGE = "█░▒·│"
_JOINED = "…"


class Part(msgspec.Struct, frozen=True):
    """A partition; bytes."""

    label: str
    """How it is called for short: its number."""
    name: str
    start: int
    size: int
    used: int | None = None
    """None where that is not known."""
    inside: str = ""
    """Label of the part that it lies in, as a logical volume does: it is told and not drawn."""


class DiskPicture(msgspec.Struct, frozen=True):
    """A disk and its partitions in the order of their places; bytes.

    What parts in others use is not counted with those others.
    """

    title: str
    size: int
    parts: tuple[Part, ...]


class _Block(msgspec.Struct, frozen=True):
    """What is drawn as one: a partition, several joined ones, or free space."""

    label: str
    size: int
    used: int | None
    free: bool = False


class Facts(Protocol):
    """What is known of a partition or logical volume, by whatever record tells it; bytes."""

    @property
    def system(self) -> str:
        """Its file system."""

    @property
    def label(self) -> str:
        """The label of the file system."""

    @property
    def name(self) -> str:
        """Its name in the partition table."""

    @property
    def start(self) -> int:
        """Where it begins."""

    @property
    def size(self) -> int:
        """How long it is."""

    @property
    def parent(self) -> int:
        """The number of the partition that it lies in; 0 for none."""


def disk_part(
    called: int | str, facts: Facts, used: int | None = None, *, at: int | None = None
) -> Part:
    """A partition or logical volume for a picture; bytes.

    ``at``: where on the disk it comes to lie by itself, if not where the facts say.
    """
    return Part(
        f"p{called}",
        " ".join(filter(None, (facts.system, facts.label or facts.name))),
        facts.start if at is None else at,
        facts.size,
        used,
        f"p{facts.parent}" if facts.parent and at is None else "",
    )


def _outer(disk: DiskPicture) -> Iterator[Part]:
    """The parts that are drawn, with what is used in them counted as theirs."""
    for part in disk.parts:
        if not part.inside:
            inner = [each.used for each in disk.parts if each.inside == part.label]
            known = part.used is not None and None not in inner
            used = sum(filter(None, (part.used, *inner))) if known else None
            yield replace(part, used=used)


def disk_lines(disk: DiskPicture, columns_wide: int = WIDTH) -> list[str | Line]:
    """The title, the bar and what its blocks mean; no line is wider than ``columns_wide``."""
    outer = {part.label: part for part in _outer(disk)}
    rows = [
        (part.label, _short(part.name), size(part.size), _share(outer.get(part.label, part)))
        for part in disk.parts
    ]
    free = max(disk.size - sum(part.size for part in outer.values()), 0)
    if any(block.free for block in _blocks(disk, columns_wide)):
        rows.append(("", "free", size(free), ""))
    return [*_picture(disk, columns_wide, columns_wide), *_table(rows, columns_wide, right=(2,))]


def change_lines(
    before: DiskPicture, after: DiskPicture, columns_wide: int = WIDTH, *, anew: bool = False
) -> list[str | Line]:
    """Two disks one above the other, and what becomes of each partition, matched by label.

    ``anew``: all of it is written, so what has the same label is another one.
    """
    scale = max(before.size, after.size, 1)
    lines: list[str | Line] = []
    for word, disk in (("before", before), ("after", after)):
        room = max(round(columns_wide * disk.size / scale), columns_wide // 4)
        lines += _picture(replace(disk, title=f"{word}: {disk.title}"), room, columns_wide)
    return lines + _table(list(_changes(before, after, anew)), columns_wide, right=(2, 4))


def _changes(before: DiskPicture, after: DiskPicture, anew: bool) -> Iterator[tuple[str, ...]]:
    old = {part.label: part for part in before.parts}
    new = {part.label: part for part in after.parts}
    for label in dict.fromkeys([*old, *new]):
        was, becomes = old.get(label), new.get(label)
        part = becomes or was
        if part is not None:
            sizes = (size(was.size) if was else "", "→", size(becomes.size) if becomes else "")
            yield label, _short(part.name), *sizes, _fate(was, becomes, anew)


def _fate(was: Part | None, becomes: Part | None, anew: bool) -> str:
    if was is None:
        return "new"
    if becomes is None:
        return "gone"
    if anew:
        return f"replaces {_short(was.name)}" if was.name else "replaces what was there"
    resized = "shrunk" if becomes.size < was.size else "grown" if becomes.size > was.size else ""
    moved = "moved" if becomes.start != was.start else ""
    return ", ".join(filter(None, (moved, resized))) or "same place"


def _picture(disk: DiskPicture, bar_wide: int, columns_wide: int) -> list[str | Line]:
    """Title, bar and labels of one disk; the bar takes ``bar_wide`` columns."""
    blocks = _blocks(disk, bar_wide)
    room = bar_wide - len(blocks) - 1
    shares = cells([block.size for block in blocks], room)
    bar = _EDGE + "".join(map(_drawn_with_edge, blocks, shares))
    return [Line(_title(disk, columns_wide), "bold"), bar, _labels(blocks, shares)]


def _title(disk: DiskPicture, columns_wide: int) -> str:
    tail = f": {size(disk.size)}"
    return _short(disk.title, columns_wide - len(tail)) + tail


def _blocks(disk: DiskPicture, bar_wide: int) -> list[_Block]:
    """What to draw, joined until all of it finds room."""
    least_gap = disk.size // bar_wide
    blocks: list[_Block] = []
    at = 0
    for part in sorted(_outer(disk), key=lambda part: part.start):
        if part.start - at > least_gap:
            blocks.append(_Block("", part.start - at, None, free=True))
        blocks.append(_Block(printable(part.label), part.size, part.used))
        at = max(at, part.start + part.size)
    if disk.size - at > least_gap or not blocks:
        blocks.append(_Block("", disk.size - at, None, free=True))
    while len(blocks) * (_LEAST + 1) >= bar_wide:
        _join_smallest(blocks)
    return blocks


def _join_smallest(blocks: list[_Block]) -> None:
    sums = [one.size + other.size for one, other in pairwise(blocks)]
    at = sums.index(min(sums))
    blocks[at : at + 2] = [_Block(_JOINED, sums[at], None)]


def cells(sizes: Sequence[int], room: int) -> list[int]:
    """Shares of ``room`` cells by size, at least two each; they add up to ``room`` exactly."""
    total = max(sum(sizes), 1)
    spare = room - _LEAST * len(sizes)
    shares = [_LEAST + each * spare // total for each in sizes]
    by_rest = sorted(range(len(sizes)), key=lambda at: -(sizes[at] * spare % total))
    for at in by_rest[: room - sum(shares)]:
        shares[at] += 1
    return shares


def _drawn_with_edge(block: _Block, wide: int) -> str:
    return _drawn(block, wide) + _EDGE


def _drawn(block: _Block, wide: int) -> str:
    if block.free:
        return _NOTHING * wide
    if block.used is None:
        return _UNKNOWN * wide
    full = round(wide * block.used / max(block.size, 1))
    if 0 < block.used < block.size:  # neither empty nor full, and so it is drawn
        full = min(max(full, 1), wide - 1)
    full = min(full, wide)
    return _USED * full + _FREE * (wide - full)


def _labels(blocks: Sequence[_Block], shares: Sequence[int]) -> str:
    """The label of each block below its beginning, cut to its width."""
    line = " "
    for block, wide in zip(blocks, shares, strict=True):
        label = _short(block.label, wide)
        line += label + " " * (wide + 1 - width(label))
    return line.rstrip()


def _share(part: Part) -> str:
    if part.used is None:
        return ""
    return f"{100 * part.used // max(part.size, 1)} % used"


def _table(
    rows: Sequence[Sequence[str]], columns_wide: int, right: Sequence[int]
) -> list[str | Line]:
    return [_short(line, columns_wide) for line in columns(rows, right)]


def _short(text: str, most: int = _NAME) -> str:
    return shortened(text, most)
