"""What ``twofold stats`` shows to people: the repository, a backup, the growth between two."""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from twofold.cli.render.base import Line
from twofold.cli.render.disk_bar import DiskPicture, disk_lines, disk_part
from twofold.cli.render.growth_tree import Grown, growth_lines, signed
from twofold.cli.render.installed import system_lines
from twofold.cli.render.share_bar import GLYPHS, Share, percent, share_lines
from twofold.cli.render.words import columns, local_time, shortened, size, things, wrapped

if TYPE_CHECKING:
    from twofold.commands.stats_results import (
        BackupStats,
        FolderGrowth,
        GroupStats,
        GrowthStats,
        RepositoryStats,
        StatsResult,
    )

_TABLES = {"gpt": "GPT", "mbr": "MBR"}
_KINDS = {"files": "files", "image": "images"}


def repository_lines(
    stats: "RepositoryStats", groups: Sequence["GroupStats"], columns_wide: int
) -> Iterator[str | Line]:
    """All that is stored, and by whom."""
    yield Line(
        shortened(f"{things(stats.snapshots, 'backup')} in {stats.location}", columns_wide), "bold"
    )
    if not stats.snapshots:
        return
    rows = [
        ("all of them, restored", size(stats.bytes_total), ""),
        (
            "chunks, each once",
            size(stats.bytes_chunks),
            _times(stats.bytes_total, stats.bytes_chunks),
        ),
        ("compressed", size(stats.bytes_data), _times(stats.bytes_chunks, stats.bytes_data)),
        (
            "stored",
            size(stats.bytes_stored),
            _times(stats.bytes_total, stats.bytes_stored, "in all"),
        ),
    ]
    yield from _cut(columns(rows, right=(1,)), columns_wide)
    if stats.forgotten:
        told = f"{things(stats.forgotten, 'more backup')} forgotten, still taking room"
        yield from wrapped(told, columns_wide)
    yield ""
    yield Line("added by", "bold")
    most = list(groups[: len(GLYPHS)])
    shares = [
        Share(f"{each.host}, {_KINDS.get(each.kind, each.kind)}", each.bytes_stored, _span(each))
        for each in most
    ]
    rest = groups[len(GLYPHS) - 1 :]
    if len(rest) > 1:
        added = sum(each.bytes_stored for each in rest)
        shares[-1] = Share(f"{len(rest):,} others", added)
    yield from share_lines(shares, columns_wide)


def _times(before: int, after: int, more: str = "") -> str:
    """How many times smaller."""
    if not after or before <= after:
        return ""
    return f"{before / after:,.1f} times smaller {more}".rstrip()


def _span(group: "GroupStats") -> str:
    made = local_time(group.newest_ns)[:10]
    return f"{things(group.snapshots, 'backup')}, newest {made} of {size(group.bytes_newest)}"


def _cut(lines: Sequence[str], columns_wide: int) -> Iterator[str]:
    for line in lines:
        yield shortened(line, columns_wide)


def backup_lines(
    result: "StatsResult", backup: "BackupStats", columns_wide: int, *, programs: bool
) -> Iterator[str | Line]:
    """What a backup is, what is on it, and what it has in common with others."""
    what = "image" if backup.kind == "image" else "backup"
    name = f" “{backup.name}”" if backup.name else ""
    title = f"{what} {backup.short_id}{name} of {local_time(backup.time_ns)}, {backup.host}"
    yield Line(shortened(title, columns_wide), "bold")
    if backup.kind == "image":
        yield from disk_lines(_picture(result, backup), columns_wide)
        for system in result.systems:
            yield from system_lines(system, columns_wide, programs=programs)
    else:
        folders = ", ".join(os.fsdecode(each) for each in backup.sources)
        amount = f"{things(backup.files, 'file')} in {things(backup.directories, 'folder')}"
        yield shortened(f"{size(backup.bytes_total)}, {amount}: {folders}", columns_wide)
    yield ""
    yield from _shared(backup, columns_wide)


def _picture(result: "StatsResult", backup: "BackupStats") -> DiskPicture:
    parts = tuple(disk_part(each.part, each, each.used) for each in result.volumes)
    names = ", ".join(os.path.basename(os.fsdecode(each)) for each in backup.sources)
    table = _TABLES.get(backup.table, "no partition table")
    return DiskPicture(f"{names}, {table}", backup.bytes_disk, parts)


def _shared(backup: "BackupStats", columns_wide: int) -> Iterator[str | Line]:
    parts = backup.sharing
    chunks, raw, stored = (
        sum(getattr(each, name) for each in (parts.files, parts.images, parts.own))
        for name in ("chunks", "bytes_raw", "bytes_stored")
    )
    smaller = f", {size(stored)} compressed" if stored else ""
    rest = backup.bytes_total - raw
    zeros = f"; {size(rest)} more are zeros or repeated" if rest > 0 else ""
    for line in wrapped(f"{size(raw)} in {things(chunks, 'chunk')}{smaller}{zeros}", columns_wide):
        yield Line(line, "bold")
    image = backup.kind == "image"
    own = f"{size(parts.own.bytes_stored)} compressed" if parts.own.chunks else ""
    shares = [
        Share("in backups of files" if image else "in earlier backups", parts.files.bytes_raw),
        Share("in earlier images" if image else "in images", parts.images.bytes_raw),
        Share("only here", parts.own.bytes_raw, own),
    ]
    yield from share_lines(shares, columns_wide)
    added = f"it added {size(backup.bytes_stored)} to the repository when it was made"
    if backup.bytes_stored < backup.bytes_total:
        share = percent(backup.bytes_stored, backup.bytes_total)
        added += f", {share} of its {size(backup.bytes_total)}"
    yield from wrapped(added, columns_wide)


def grown_lines(
    growth: "GrowthStats", folders: Sequence["FolderGrowth"], columns_wide: int
) -> Iterator[str | Line]:
    """What came and went, and where."""
    before, after = (
        f"{ident.hex()[:8]} of {local_time(time_ns)}" for ident, time_ns in _ends(growth)
    )
    for line in wrapped(f"from {before} to {after}", columns_wide):
        yield Line(line, "bold")
    if not growth.bytes_new and not growth.bytes_gone:
        yield "nothing came and nothing went"
        return
    total = signed(growth.bytes_new - growth.bytes_gone)
    new, gone = size(growth.bytes_new), size(growth.bytes_gone)
    yield from wrapped(f"{total}: █ {new} new or changed, ░ {gone} gone or replaced", columns_wide)
    counts = f"{growth.files_changed:,} changed, {growth.files_gone:,} gone"
    yield from wrapped(f"{things(growth.files_new, 'new file')}, {counts}", columns_wide)
    grown = [Grown(_names(each.path), each.bytes_new, each.bytes_gone) for each in folders]
    yield from growth_lines(grown, columns_wide)


def _ends(growth: "GrowthStats") -> tuple[tuple[bytes, int], tuple[bytes, int]]:
    return (growth.before, growth.before_time_ns), (growth.after, growth.after_time_ns)


def _names(path: bytes) -> tuple[str, ...]:
    return tuple(name.decode("utf-8", "surrogateescape") for name in path.split(b"/") if name)
