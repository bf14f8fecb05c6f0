"""A restore writes into its target and nowhere else, whoever tries to lead it astray."""

import ctypes
import os
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.restorer.place import Craft, Place
from tests.restorer.processes import ROOT
from twofold.errors import RefusedUnsafe
from twofold.format.records import TreeRef


def exchange(one: Path, two: Path) -> bool:
    """Swap two entries in one step; whether it worked."""
    libc = ctypes.CDLL(None)
    return not libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(two), 2)


def test_swapped_directories_lead_nowhere(place: Place) -> None:
    """Somebody who may write to the target swaps a directory for a link while we restore."""
    for number in range(40):
        for inner in range(3):
            folder = place.source / "d" / f"s{number % 4}" / f"i{inner}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"f{number}").write_bytes(b"content")
            (folder / f"l{number}").symlink_to("x")
    place.backup()
    outside = place.base / "outside"
    for number in range(4):
        for inner in range(3):
            (outside / f"s{number}" / f"i{inner}").mkdir(parents=True)
    before = sorted(path for path in outside.rglob("*"))
    stop = threading.Event()
    swaps = hits = 0

    def swap() -> None:
        nonlocal swaps
        way, evil = place.target / "d", place.target / "evil"
        while not stop.is_set():
            with suppress(OSError):
                if not evil.is_symlink() and way.is_dir() and not way.is_symlink():
                    if evil.exists():  # the restore has made a new directory meanwhile
                        os.rename(evil, place.target / f"old{swaps}")
                    os.symlink(outside, evil)
            swaps += exchange(way, evil)
            time.sleep(0.0005)

    attacker = threading.Thread(target=swap)
    attacker.start()
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end and not (swaps > 1000 and hits > 3):
            result = place.restore(existing="replace")
            hits += bool(result.failed or result.conflicts)
    finally:
        stop.set()
        attacker.join()
    assert sorted(path for path in outside.rglob("*")) == before
    assert hits > 3  # the swaps came in between


def test_not_into_the_repository(place: Place) -> None:
    (place.source / "f").write_bytes(b"x")
    place.backup()
    repo = place.base / "repo"
    link = place.base / "way in"
    link.symlink_to(repo)
    for target in (repo, repo / "packs", repo / "new/folder", link, link / "packs"):
        with pytest.raises(RefusedUnsafe):
            place.restore(target=os.fsencode(target))
    assert not (repo / "new").exists()


def test_not_over_the_repository(place: Place) -> None:
    """An ancestor of the repository may be the target, unless something would go where it is."""
    parts = [os.fsencode(part) for part in place.base.relative_to("/").parts]

    def build(*inside: bytes, file: bool = False) -> Callable[[Craft], TreeRef]:
        def make(craft: Craft) -> TreeRef:
            *above, last = inside
            node = craft.file(last, b"x") if file else craft.folder(last, craft.file(b"f", b"x"))
            for part in reversed(above):
                node = craft.folder(part, node)
            return craft.directory(node)

        return make

    target = os.fsencode(place.base)
    place.craft(build(b"harmless"))
    assert place.restore("latest", target=target).exit_code == 0
    for number, case in enumerate(
        [build(b"repo"), build(b"repo", b"packs"), build(b"repo", file=True)], 1
    ):
        place.craft(case, end_ns=number)
        with pytest.raises(RefusedUnsafe):
            place.restore(target=target, snapshot=newest(place))
        with pytest.raises(RefusedUnsafe):
            place.restore(target=target, snapshot=newest(place), dry_run=True)
    place.craft(build(*parts, file=True), end_ns=9)
    with pytest.raises(RefusedUnsafe):  # would move everything above the repository aside
        place.restore(target=b"/", snapshot=newest(place), dry_run=True)
    result = place.restore(target=target, snapshot=newest(place, 3), exclude=("repo",))
    assert result.exit_code == 0


def newest(place: Place, back: int = 0) -> str:
    """The id of the snapshot made last."""
    with place.open() as repository:
        found = repository.snapshots()
        return (
            max(found, key=lambda s: (s.root.time_ns, s.root.end_ns)).id.hex()
            if not back
            else sorted(found, key=lambda s: s.root.end_ns)[-1 - back].id.hex()
        )


def test_no_session_stays_and_none_is_needed(place: Place) -> None:
    (place.source / "f").write_bytes(b"x")
    place.backup()
    place.restore()
    assert os.listdir(place.base / "repo/sessions/open") == []
    if ROOT:
        subprocess.run(["mount", "--bind", place.base / "repo", place.base / "repo"], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", place.base / "repo"], check=True)
            assert place.restore(target=os.fsencode(place.base / "two")).exit_code == 0
        finally:
            subprocess.run(["umount", place.base / "repo"], check=True)
