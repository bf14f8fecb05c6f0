"""A repository and a source tree for archiver tests, and a plain reader of what was stored.

``stored`` walks nodes and segments with nothing but the page store, so what it yields is compared
with the live tree as ``os`` calls see it, not with the archiver's own view.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from twofold.archiver import BackupRequest, RuleOptions, absolute, backup
from twofold.backend import create_backend, open_backend
from twofold.events import Event
from twofold.format.names import BlobKind
from twofold.format.pages import Node, NodeKind, file_type
from twofold.format.records import Root, TreeRef
from twofold.graph import PageStore
from twofold.pipeline import Outcome
from twofold.platform import current
from twofold.repository import Repository, create_repository, open_repository


@dataclass
class World:
    """One repository opened by its recovery key (no Argon2), one source directory."""

    base: Path
    key: bytes = b""
    events: list[Event] = field(default_factory=list)

    @classmethod
    def make(cls, base: Path) -> "World":
        base.mkdir(parents=True, exist_ok=True)
        world = cls(base)
        made = create_repository(create_backend(str(base / "repo")), b"password")
        world.key = made.recovery_key.encode()
        made.repository.close()
        world.source.mkdir()
        return world

    @property
    def source(self) -> Path:
        return self.base / "source"

    def open(self) -> Repository:
        return open_repository(open_backend(str(self.base / "repo")), self.key)

    def backup(
        self,
        *paths: Path,
        rules: RuleOptions | None = None,
        force: bool = False,
        dry_run: bool = False,
        partial_seconds: float = 600.0,
        own_folder: bytes | None = None,
    ) -> Outcome:
        self.events = []
        request = BackupRequest(
            sources=tuple(absolute(os.fsencode(p)) for p in paths or (self.source,)),
            rules=rules or RuleOptions(),
            force=force,
            dry_run=dry_run,
            partial_seconds=partial_seconds,
            own_folder=own_folder,
        )
        with self.open() as repository:
            return backup(repository, current(), request, self.events.append)

    def stored(self, root: Root, top: Path | None = None) -> dict[bytes, tuple[Node, bytes]]:
        """Path below the source (or another folder) to (node, content)."""
        prefix = os.fsencode(top or self.source)
        with self.open() as repository:
            pages = PageStore(repository.blob_reader(repository.load_index()))
            everything = dict(walk(pages, root.files_tree))
        return {
            path[len(prefix) + 1 :]: value
            for path, value in everything.items()
            if path.startswith(prefix + b"/")
        }


def walk(
    pages: PageStore, tree: TreeRef, above: bytes = b""
) -> Iterator[tuple[bytes, tuple[Node, bytes]]]:
    """Every entry of a snapshot by absolute path."""
    pending = [(above, tree)]
    while pending:
        path, ref = pending.pop()
        for node, _ in pages.nodes(ref):
            below = path + b"/" + node.name
            yield below, (node, content(pages, node))
            if node.kind == NodeKind.DIRECTORY:
                assert node.ref is not None
                pending.append((below, node.ref))


def content(pages: PageStore, node: Node) -> bytes:
    """Bytes of a file, or the target of a link."""
    if node.kind == NodeKind.SYMLINK:
        return node.content
    if node.kind != NodeKind.FILE:
        return b""
    return b"".join(
        bytes(pages.blobs.read(BlobKind.DATA, segment.blob))
        if isinstance(segment.blob, bytes)
        else bytes(segment.length)
        for segment in pages.segments(node)
    )


def live(top: Path) -> dict[bytes, tuple[os.stat_result, bytes]]:
    """The same of a live directory."""
    found = {}
    pending = [b""]
    while pending:
        below = pending.pop()
        folder = os.path.join(os.fsencode(top), below)
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            info = os.lstat(path)
            data = b""
            if stat.S_ISREG(info.st_mode):
                with open(path, "rb") as file:
                    data = file.read()
            elif stat.S_ISLNK(info.st_mode):
                data = os.readlink(path)
            elif stat.S_ISDIR(info.st_mode):
                pending.append(os.path.join(below, name))
            found[os.path.join(below, name)] = (info, data)
    return found


def assert_same(world: World, root: Root) -> None:
    """What is stored is what is there: names, types, modes, times, links, contents."""
    stored, there = world.stored(root), live(world.source)
    assert stored.keys() == there.keys()
    for path, (node, data) in stored.items():
        info, expected = there[path]
        assert data == expected, path
        assert file_type(node.kind) | node.mode == info.st_mode, path
        assert node.mtime_ns == info.st_mtime_ns, path
        assert node.linked == (info.st_nlink > 1 and not stat.S_ISDIR(info.st_mode)), path


def settle(top: Path, seconds: int = 3600) -> None:
    """Age all times but ctime, so that only recent changes of the inode are racy."""
    for folder, names, files in os.walk(top):
        for name in (*names, *files):
            path = os.path.join(folder, name)
            info = os.lstat(path)
            times = (info.st_atime_ns, info.st_mtime_ns - seconds * 10**9)
            os.utime(path, ns=times, follow_symlinks=False)
