"""The real program under faults: repositories made by ``init`` and ``backup``, and their judge.

A template repository with one snapshot is made once per test run; each point of a sweep works on a
copy. The recovery key opens it, so that no point pays for Argon2.
"""

import hashlib
import itertools
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from tests.archiver.world import World, assert_same
from twofold import clock
from twofold.backend import LocalBackend
from twofold.errors import DamageFound
from twofold.format.names import PACKS, SESSIONS_OPEN, BlobKind, id_from_name
from twofold.format.records import Root
from twofold.graph import PageStore, reachable
from twofold.pipeline import Outcome
from twofold.repository import Repository

FIRST, SECOND = b"first", b"second"


@dataclass(frozen=True)
class Case:
    """A repository with one snapshot, and a source that has changed since."""

    template: Path
    key: bytes

    @classmethod
    def make(cls, base: Path) -> "Case":
        world = World.make(base / "template")
        _fill(world.source, FIRST)
        world.backup()
        _fill(world.source, SECOND)
        return cls(world.base, world.key)

    def copy(self, place: Path) -> World:
        """A copy of the repository. The source is read where it is: its inodes must not change."""
        shutil.copytree(self.template / "repo", place / "repo", symlinks=True)
        (place / "source").symlink_to(self.template / "source")
        return World(place, self.key)

    def backup(self, world: World) -> Outcome:
        """The second backup, with two or three partial snapshots on the way.

        Time goes on by a second with every look at the clock, so the same run commits at the same
        places however busy the machine is.
        """
        ticks = itertools.count()
        with patch.object(clock, "monotonic", lambda: float(next(ticks))):
            return world.backup(self.template / "source", partial_seconds=10.0)

    def judge(self, world: World, *, clean: bool) -> None:
        """Everything ever acknowledged is whole; after a clean run nothing is stored twice."""
        with world.open() as repository:
            index = repository.load_index()
            pages = PageStore(repository.blob_reader(index))
            snapshots = repository.snapshots(partial=True)
            assert snapshots, "the first snapshot is gone"
            visited: set[bytes] = set()
            for snapshot in snapshots:
                for blob in reachable(pages, snapshot.root, visited):
                    if blob.kind == BlobKind.META or blob.id not in visited:
                        visited.add(blob.id)
                        pages.blobs.read(blob.kind, blob.id)
            if clean:
                self._assert_stored(world, repository.snapshots()[-1].root)
                assert not list(repository.backend.list(SESSIONS_OPEN))
                assert not stored_twice(repository)
                assert not list(LocalBackend(world.base / "repo").strays())

    def _assert_stored(self, world: World, root: Root) -> None:
        """The snapshot in ``world`` equals the template's live source."""
        both = World(self.template, self.key)
        both.open = world.open  # type: ignore[method-assign]
        assert_same(both, root)


def stored_twice(repository: Repository) -> list[bytes]:
    """Blobs that more than one pack holds."""
    seen: Counter[bytes] = Counter()
    for info in repository.backend.list(PACKS):
        try:
            _, entry = repository.packs.entry(id_from_name(info.name))
        except DamageFound as error:
            raise AssertionError(f"{info.name} is torn") from error
        seen.update(blob for frame in entry.frames for blob, _ in frame.blobs)
    return [blob for blob, count in seen.items() if count > 1]


def _fill(top: Path, word: bytes) -> None:
    """Some files, one of several chunks, so that a run makes packs of both kinds more than once."""
    for d in range(4):
        folder = top / f"{word.decode()}{d}"
        folder.mkdir()
        for f in range(6):
            (folder / f"{f}").write_bytes(word * (d + 1) * (f + 1) * 50)
    with (top / "large").open("wb") as file:
        file.write(_random(word, 1_300_000))
    os.symlink(word, top / f"link to {word.decode()}")


def _random(seed: bytes, size: int) -> bytes:
    return hashlib.shake_128(seed).digest(size)
