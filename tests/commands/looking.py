"""What find, versions and diff tell, and what tools say of the same file systems."""

import os
import re
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.disk.ext_volumes import run
from tests.restorer.place import Place
from twofold.commands import diff, find, image, versions
from twofold.events import ignore

MIB = 1 << 20


def found(place: Place, *patterns: str | bytes, **more: Any) -> list[find.FoundEntry]:
    """Everything that is found."""
    return searched(place, *patterns, **more)[1]


def searched(
    place: Place, *patterns: str | bytes, **more: Any
) -> tuple[find.FindResult, list[find.FoundEntry]]:
    entries: list[find.FoundEntry] = []
    place.told = []
    options = find.FindOptions(
        access=place.access,
        patterns=tuple(map(os.fsencode, patterns)),
        found=entries.append,
        **more,
    )
    return find.run(options, place.told.append), entries


def versions_of(place: Place, *places: Path | str | bytes, **more: Any) -> versions.VersionsResult:
    place.told = []
    options = versions.VersionsOptions(
        access=place.access, places=tuple(map(os.fsencode, places)), **more
    )
    return versions.run(options, place.told.append)


def differences(
    place: Place, before: str, after: str, path: bytes | None = None
) -> tuple[diff.DiffResult, list[diff.DiffEntry]]:
    entries: list[diff.DiffEntry] = []
    place.told = []
    options = diff.DiffOptions(
        access=place.access, before=before, after=after, path=path, found=entries.append
    )
    return diff.run(options, place.told.append), entries


def take_image(place: Place, disk: Path) -> None:
    """An image as users make it."""
    image.run(image.ImageOptions(access=place.access, disks=(os.fsencode(disk),)), ignore)


def listed(top: Path, *words: str) -> set[bytes]:
    """Paths that find(1) gives below a folder, with a slash in front."""
    done = subprocess.run(
        ["find", ".", "-mindepth", "1", *words, "-print0"],
        cwd=top,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
    )
    return {path[1:] for path in done.stdout.split(b"\0") if path}


def hostile_names(top: Path) -> None:
    """Files whose names hold what programs stumble over."""
    for name in (b"new\nline", b"\x1b[31mred", b"-rf", b"'quoted\"", b"back\\slash", b"* ?[x]"):
        with open(os.path.join(os.fsencode(top), name), "wb") as file:
            file.write(name)


def make_ext4(image: Path, tree: Path, mebibytes: int = 24) -> Path:
    with image.open("wb") as file:
        file.truncate(mebibytes * MIB)
    run("mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, image)
    return image


@contextmanager
def inside(disk: Path, number: int = 1) -> Iterator[Path]:
    """A partition of a disk, mounted to be changed."""
    parts = run("sfdisk", "-d", disk).splitlines()
    starts = [line.split("start=")[1].split(",")[0] for line in parts if "start=" in line]
    folder = disk.with_suffix(f".p{number}")
    folder.mkdir(exist_ok=True)
    run("mount", "-o", f"loop,offset={int(starts[number - 1]) * 512}", disk, folder)
    try:
        yield folder
    finally:
        run("umount", folder)


def rsync_changes(before: Path, after: Path) -> dict[bytes, str]:
    """What rsync sees from one tree to another, in the words of ``diff``; no times of folders."""
    words = ["rsync", "-aAXnc", "--delete", "--itemize-changes", "--numeric-ids", "-8"]
    words += ["--out-format=%i %n", f"{after}/", f"{before}/"]
    done = subprocess.run(words, capture_output=True, check=True)
    seen: dict[bytes, str] = {}
    for line in done.stdout.splitlines():
        marks, _, path = line.partition(b" ")
        name = b"/" + _unescaped(path.lstrip() if marks == b"*deleting" else path).rstrip(b"/")
        change = _change(marks.decode())
        if change and name != b"/.":
            seen[name] = change
    return seen


def _unescaped(path: bytes) -> bytes:
    """rsync shows control characters as a number."""
    return re.sub(rb"\\#([0-7]{3})", lambda found: bytes([int(found[1], 8)]), path)


def _change(marks: str) -> str:
    """From ``YXcstpoguax``: type of update, of file, and what differs."""
    if marks == "*deleting":
        return "removed"
    if "+++" in marks:
        return "added"
    if marks[1] == "d":
        marks = marks[:4] + "." + marks[5:]
    if marks[2] == "c" and marks[1] in "fL":
        return "content"
    return "metadata" if set(marks[2:]) - {"."} else ""


def same_kinds(before: Path, after: Path) -> set[bytes]:
    """Paths there on both sides, being the same kind of thing."""
    kinds = [
        {path: stat.S_IFMT(os.lstat(os.fsencode(top) + path).st_mode) for path in listed(top)}
        for top in (before, after)
    ]
    return {path for path in kinds[0].keys() & kinds[1].keys() if kinds[0][path] == kinds[1][path]}
