"""A small but complete repository made by the commands themselves, and a place to damage it.

Four backups of a tree that grows: two data packs above 1 MiB (with parity), small packs of both
kinds, several index objects, roots and sessions; then two forgotten marks and two tombstones. A
``Lab`` keeps every file in memory, so that one test's damage is undone before the next.
"""

import os
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import msgspec

from twofold.backend import LocalBackend
from twofold.commands import backup, check, init
from twofold.errors import DamageFound
from twofold.events import ignore
from twofold.format import names
from twofold.format.names import BlobKind, Kind
from twofold.format.records import Mark, Root, Target, Tombstone, encode_record
from twofold.graph import PageStore, reachable
from twofold.options import RepositoryAccess, Secret
from twofold.repository import Repository, open_repository

PASSWORD = b"correct horse"


@dataclass(frozen=True)
class Sample:
    """A repository on disk and what opens it without Argon2."""

    store: Path
    recovery_key: str
    snapshots: tuple[bytes, ...]
    source: Path

    @property
    def access(self) -> RepositoryAccess:
        """How commands reach it."""
        return RepositoryAccess(str(self.store), lambda: Secret(self.recovery_key.encode()))

    def open(self, store: Path | None = None) -> Repository:
        """The repository, open."""
        return open_repository(LocalBackend(store or self.store), self.recovery_key.encode())

    def check(self, **options: bool | float | None) -> check.CheckResult:
        """What ``check`` says."""
        return check.run(check.CheckOptions(access=self.access, **options), ignore)  # type: ignore[arg-type]


def write_file(path: Path, size: int, seed: int) -> None:
    """A file of incompressible bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(random.Random(seed).randbytes(size))


def _grow(tree: Path, step: int) -> None:
    if step < 2:
        write_file(tree / f"big{step}", 1_400_000, step)
    for number in range(12):
        text = f"file {number} of step {step}\n" * (number + 1)
        path = tree / f"dir{step}" / "deep" / f"file{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tree / "link").unlink(missing_ok=True)
    (tree / "link").symlink_to(f"dir{step}")


def make_sample(folder: Path, backups: int = 4) -> Sample:
    """Init and back up; one worker, so that packs fall out the same way every time."""
    store, tree = folder / "store", folder / "tree"
    access = RepositoryAccess(str(store), lambda: Secret(PASSWORD))
    made = init.run(init.InitOptions(access=access), ignore)
    sample = Sample(store, made.recovery_key, (), tree)
    snapshots = []
    with mock.patch("os.cpu_count", return_value=1):
        for step in range(backups):
            _grow(tree, step)
            snapshots.append(back_up(sample))
    return Sample(store, made.recovery_key, tuple(snapshots), tree)


def back_up(sample: Sample, *, force: bool = False, partial_seconds: float = 600.0) -> bytes:
    """One more backup of the tree; its id."""
    chosen = backup.BackupOptions(
        access=sample.access,
        paths=(os.fsencode(sample.source),),
        force=force,
        partial_seconds=partial_seconds,
    )
    result = backup.run(chosen, ignore)
    assert result.snapshot is not None
    return result.snapshot


def add_marks(sample: Sample) -> None:
    """Forgotten marks of the first two snapshots, and tombstones of nothing."""
    with sample.open() as repository:
        for ident in sample.snapshots[:2]:
            mark = encode_record(Mark(time_ns=1, host="here"))
            repository.objects.write(Kind.FORGOTTEN, names.FORGOTTEN, ident, mark)
        for _ in range(2):
            target = Target(Kind.DATA_PACK, names.new_id())
            tomb = encode_record(Tombstone(time_ns=1, host="here", targets=[target]))
            repository.objects.write(Kind.TOMB, names.TOMBS, names.new_id(), tomb)


Blob = tuple[BlobKind, bytes]


def needed(repository: Repository) -> dict[Blob, list[tuple[bytes, bytes]]]:
    """Every blob that restoring needs, with (snapshot, path) of whoever needs it."""
    return _reached(repository, lambda root: msgspec.structs.replace(root, listing=None))


def proofs(repository: Repository) -> dict[Blob, list[tuple[bytes, bytes]]]:
    """Every blob that proves folders unchanged, with (snapshot, path): no path misses it."""
    restoring = needed(repository)
    every = _reached(repository, lambda root: root)
    return {blob: users for blob, users in every.items() if blob not in restoring}


def _reached(
    repository: Repository, part: Callable[[Root], Root]
) -> dict[Blob, list[tuple[bytes, bytes]]]:
    pages = PageStore(repository.blob_reader(repository.load_index()))
    found: dict[Blob, list[tuple[bytes, bytes]]] = {}
    for snapshot in repository.snapshots(partial=True):
        for reach in reachable(pages, part(snapshot.root), set()):
            found.setdefault((reach.kind, reach.id), []).append((snapshot.id, reach.path))
    return found


def unreadable(repository: Repository, blobs: Iterable[Blob]) -> set[Blob]:
    """Those of the blobs that cannot be read by any means."""
    reader = repository.blob_reader(repository.load_index())
    lost = set()
    for kind, ident in blobs:
        try:
            reader.read(kind, ident)
        except DamageFound:
            lost.add((kind, ident))
    return lost


@dataclass
class Lab:
    """A repository to damage; ``undo`` puts everything back."""

    sample: Sample
    files: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in self.sample.store.rglob("*"):
            if path.is_file():
                self.files[str(path.relative_to(self.sample.store))] = path.read_bytes()

    def path(self, name: str) -> Path:
        """Where an object's file is."""
        return self.sample.store / name

    def names(self, folder: str) -> list[str]:
        """Objects in a folder."""
        return sorted(name for name in self.files if name.startswith(folder + "/"))

    def write(self, name: str, data: bytes) -> None:
        """Replace or make a file."""
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_bytes(data)

    @contextmanager
    def damaged(self, damage: Callable[["Lab"], None]) -> Iterator[None]:
        """Damage for a while."""
        try:
            damage(self)
            yield
        finally:
            self.undo()

    def undo(self) -> None:
        """Put back every file that differs and remove every other one."""
        there = {
            str(path.relative_to(self.sample.store)): path
            for path in self.sample.store.rglob("*")
            if path.is_file()
        }
        for name, path in there.items():
            if name not in self.files:
                path.unlink()
        for name, data in self.files.items():
            if name not in there or there[name].read_bytes() != data:
                self.write(name, data)
