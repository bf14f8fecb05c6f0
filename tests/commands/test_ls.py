"""Listing: what find(1) and stat(1) see, one level or all, and after damage."""

import os
import subprocess
import tracemalloc
from pathlib import Path

import pytest

from tests.restorer.conftest import place, template
from tests.restorer.place import Craft, Place, changed
from twofold.commands import ls
from twofold.errors import PathNotFound, UsageError
from twofold.format.pages import More, Node, NodeKind
from twofold.format.records import TreeRef

__all__ = ["place", "template"]


def fill(top: Path) -> None:
    (top / "d/e").mkdir(parents=True)
    (top / "d/file").write_bytes(b"12345")
    (top / "d/e/new\nline").write_bytes(b"")
    (top / "a").write_bytes(os.urandom(100))
    (top / "link").symlink_to("d/file")
    os.mkfifo(top / "pipe", 0o640)
    os.link(top / "a", top / "z")


def found_by_find(top: Path, *words: str) -> set[tuple[str, ...]]:
    """(path, type, mode, uid, gid, size of files, seconds, where links lead) as find tells it."""
    shape = r"%p\0%y\0%m\0%U\0%G\0%s\0%T@\0%l\0\0\n"
    told = subprocess.run(
        ["find", top, "-mindepth", "1", *words, "-printf", shape],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    found: set[tuple[str, ...]] = set()
    for record in told.split("\0\0\n")[:-1]:
        path, kind, mode, uid, gid, size, when, target = record.split("\0")[:8]
        seconds = when.split(".")[0]
        found.add((path, kind, mode, uid, gid, size if kind == "f" else "0", seconds, target))
    return found


KINDS = {"file": "f", "directory": "d", "symlink": "l", "fifo": "p"}


def shown(entry: ls.ListedEntry) -> tuple[str, ...]:
    return (
        os.fsdecode(entry.path),
        KINDS[entry.kind],
        f"{entry.mode:o}",
        str(entry.uid),
        str(entry.gid),
        str(entry.size),
        str(entry.mtime_ns // 10**9),
        os.fsdecode(entry.target),
    )


def test_one_level_and_all(place: Place) -> None:
    fill(place.source)
    place.backup()
    result, entries = place.listed(f"latest:{place.source}")
    assert set(map(shown, entries)) == found_by_find(place.source, "-maxdepth", "1")
    assert [entry.path for entry in entries] == sorted(entry.path for entry in entries)
    assert (result.entries, result.bytes_total, result.exit_code) == (5, 200, 0)
    result, entries = place.listed(f"latest:{place.source}", recursive=True)
    assert set(map(shown, entries)) == found_by_find(place.source)
    assert result.entries == len(entries) == 8


def test_one_entry(place: Place) -> None:
    fill(place.source)
    place.backup()
    for name in ("a", "link", "d/file"):
        result, (entry,) = place.listed(f"latest:{place.source}/{name}")
        assert (os.fsdecode(entry.path), result.entries) == (str(place.source / name), 1)


def test_the_top(place: Place) -> None:
    fill(place.source)
    place.backup()
    first = "/" + place.source.parts[1]
    for address in ("latest", "latest:/", "latest:"):
        _, entries = place.listed(address)
        assert [os.fsdecode(entry.path) for entry in entries] == [first]


def test_long_listings_tell_more(place: Place) -> None:
    def build(craft: Craft) -> TreeRef:
        more = More(xattrs=[(b"user.x", b"1"), (b"user.\xff", b"2")], flags=16)
        return craft.directory(changed(craft.file(b"f", b"x"), more=more, linked=True))

    place.craft(build)
    (entry,) = place.listed("latest", long=True)[1]
    assert (entry.linked, entry.attributes, entry.flags) == (True, ("user.x", "user.\ufffd"), 16)
    (entry,) = place.listed("latest")[1]
    assert (entry.linked, entry.attributes, entry.flags) == (False, (), 0)


def test_what_is_not_there(place: Place) -> None:
    fill(place.source)
    place.backup()
    with pytest.raises(PathNotFound, match="nothing"):
        place.listed(f"latest:{place.source}/nothing")
    with pytest.raises(PathNotFound):
        place.listed(f"latest:{place.source}/a/b")
    with pytest.raises(UsageError, match="not an image"):
        place.listed("latest:p1:/")


def test_damage_is_told_and_the_rest_listed(place: Place) -> None:
    def build(craft: Craft) -> TreeRef:
        lost = changed(craft.folder(b"lost"), ref=TreeRef(b"\1" * 32))
        return craft.directory(craft.file(b"a", b"1"), lost, craft.file(b"z", b"2"))

    place.craft(build)
    result, entries = place.listed("latest", recursive=True)
    assert [entry.path for entry in entries] == [b"/a", b"/lost", b"/z"]
    assert (result.exit_code, result.damaged) == (5, 1)
    assert place.damage() == ["/lost"]


def test_a_listing_takes_no_memory(place: Place) -> None:
    def build(craft: Craft) -> TreeRef:
        nodes = (Node(b"%06d" % n, NodeKind.FILE, 0o600, -1, n) for n in range(60_000))
        return craft.directory(craft.folder(b"wide", *nodes))

    place.craft(build)
    count = 0

    def found(_entry: ls.ListedEntry) -> None:
        nonlocal count
        count += 1

    options = ls.LsOptions(access=place.access, address="latest:/wide", found=found)
    ls.run(options, lambda event: None)  # whatever is loaded once
    tracemalloc.start()
    ls.run(options, lambda event: None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 120_000
    assert peak < 24 << 20
