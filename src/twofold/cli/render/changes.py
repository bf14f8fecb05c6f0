"""A difference between two backups as a line of text.

+    1.20 KiB  /docs/new.txt
M    1.24 KiB  /docs/a.txt  content, mtime (was 1.20 KiB)
m              /docs/b.txt  mode 644 -> 600
"""

from typing import TYPE_CHECKING

from twofold.cli.render.words import local_time, printable, size

if TYPE_CHECKING:
    from twofold.commands.diff import DiffEntry, EntryState

_MARKS = {"added": "+", "removed": "-", "type": "T", "content": "M", "metadata": "m"}


def change_line(entry: "DiffEntry") -> str:
    """Mark, size, path, and what differs."""
    state = entry.after or entry.before
    amount = size(state.size) if state is not None and state.kind == "file" else ""
    what = ", ".join(_words(entry, each) for each in entry.what)
    return f"{_MARKS[entry.change]}  {amount:>9}  {_name(entry)}  {what}".rstrip()


def _name(entry: "DiffEntry") -> str:
    where = f"p{entry.partition}:" if entry.partition is not None else ""
    if not entry.path:
        return f"{where.rstrip(':')} ({entry.kind})"
    return where + printable(entry.path) + ("/" if entry.kind == "directory" else "")


def _words(entry: "DiffEntry", what: str) -> str:
    before, after = entry.before, entry.after
    if before is None or after is None:
        return what
    told = _TOLD.get(what)
    if told is None:
        resized = before.size != after.size and what == "content" and before.kind == "file"
        return f"{what} (was {size(before.size)})" if resized else what
    was, becomes = told(before), told(after)
    return f"{what} {was} -> {becomes}" if was != becomes else what


def _owner(state: "EntryState") -> str:
    return f"{state.uid}:{state.gid}"


def _mode(state: "EntryState") -> str:
    return f"{state.mode:o}"


def _time(state: "EntryState") -> str:
    return local_time(state.mtime_ns, seconds=True)


def _target(state: "EntryState") -> str:
    return printable(state.target)


def _kind(state: "EntryState") -> str:
    return state.kind


_TOLD = {"mode": _mode, "owner": _owner, "mtime": _time, "target": _target, "type": _kind}
