"""A repository, a source and a target for restore tests, and oracles that are not ours.

``differences`` asks rsync (contents, modes, owners, times, hard links, access lists, extended
attributes, devices), and then what rsync does not look at: room taken, inode flags.
"""

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tests.archiver.world import World
from twofold.commands import ls, restore
from twofold.events import Event, Finding, ItemDone, SourceWarning
from twofold.format.names import BlobKind
from twofold.format.pages import Node, NodeKind, Owner
from twofold.format.records import Root, TreeRef
from twofold.format.segments import pack_blob
from twofold.graph import PageStore
from twofold.options import RepositoryAccess, Secret
from twofold.pipeline import Flow, NodeWriter, Worker
from twofold.repository import Author, Catalog, Repository, commit_root
from twofold.view import Tree

NOBODY = 65534
LATER = 4 * 10**18
"""A time after every backup of today."""


@dataclass
class Place(World):
    """``World`` with a target."""

    told: list[Event] = field(default_factory=list)

    @property
    def target(self) -> Path:
        return self.base / "target"

    @property
    def access(self) -> RepositoryAccess:
        return RepositoryAccess(str(self.base / "repo"), lambda: Secret(self.key))

    def restore(self, snapshot: str | None = None, **more: Any) -> restore.RestoreResult:
        """Restore; by default what the source holds, right into the target."""
        self.told = []
        more.setdefault("target", os.fsencode(self.target))
        options = restore.RestoreOptions(
            access=self.access, snapshot=snapshot or f"latest:{self.source}", **more
        )
        return restore.run(options, self.told.append)

    def listed(self, address: str, **more: Any) -> tuple[ls.LsResult, list[ls.ListedEntry]]:
        found: list[ls.ListedEntry] = []
        self.told = []
        options = ls.LsOptions(access=self.access, address=address, found=found.append, **more)
        return ls.run(options, self.told.append), found

    def actions(self) -> dict[str, list[bytes]]:
        """What was told of entries, by action."""
        found: dict[str, list[bytes]] = {}
        for event in self.told:
            if isinstance(event, ItemDone):
                found.setdefault(event.action, []).append(event.path)
        return found

    def warnings(self) -> list[SourceWarning]:
        return [event for event in self.told if isinstance(event, SourceWarning)]

    def damage(self) -> list[str]:
        """What was told as damaged."""
        return [event.subject for event in self.told if isinstance(event, Finding)]

    @contextmanager
    def tree(self, back: int = 0) -> Iterator[Tree]:
        """A snapshot's files, the newest by default."""
        with self.open() as repository:
            root = repository.snapshots(partial=True)[-1 - back].root
            yield Tree(PageStore(repository.blob_reader(repository.load_index())), root)

    @contextmanager
    def pages(self) -> Iterator[tuple[PageStore, Root]]:
        """The pages, and the newest snapshot."""
        with self.open() as repository:
            root = repository.snapshots(partial=True)[-1].root
            yield PageStore(repository.blob_reader(repository.load_index())), root

    def craft(self, build: Callable[["Craft"], TreeRef], **fields: Any) -> Root:
        """A snapshot made by hand, of things no file system would give."""
        return self.craft_root(lambda craft: Root(tree=build(craft), time_ns=LATER, **fields))

    def craft_root(self, build: Callable[["Craft"], Root]) -> Root:
        """The same where more than the tree is made by hand."""
        with self.open() as repository, repository.begin("writer", Author()) as session:
            catalog = Catalog(repository.load_index(), set())
            with _flow(repository, catalog) as flow:
                root = build(Craft(flow, repository))
                flow.drain()
                catalog.flush(repository.objects)
            return commit_root(repository.objects, session, root).root


def _flow(repository: Repository, catalog: Catalog) -> Flow:
    sizes = repository.config
    return Flow(
        repository.backend,
        repository.keys,
        catalog,
        pack_size=sizes.pack_size,
        frame_size=sizes.frame_size,
    )


OWNER = Owner(0, 0, "root", "root")


class Craft:
    """Writes pages and blobs."""

    def __init__(self, flow: Flow, repository: Repository) -> None:
        self.flow = flow
        self.page_key = repository.keys.dedup.page
        self.hash = repository.keys.dedup.hasher(BlobKind.DATA)

    def blob(self, data: bytes) -> bytes:
        """A data blob; its id."""
        found: list[bytes] = []
        self.flow.submit(lambda worker: found.append(worker.store(data)))
        self.flow.settle()
        return found[0]

    def directory(self, *nodes: Node) -> TreeRef:
        """Node pages of a directory; names need not be possible ones."""
        writer = NodeWriter(self.flow.save_page, self.page_key)
        for node in nodes:
            writer.add(node, OWNER)
        return writer.finish()

    def folder(self, name: bytes, *nodes: Node, mode: int = 0o755) -> Node:
        ref = self.directory(*nodes)
        return Node(name, NodeKind.DIRECTORY, mode, -1, 10**18, ref=ref)

    def file(self, name: bytes, data: bytes, content: bytes = b"") -> Node:
        """A file of one blob."""
        content = content or (pack_blob(self.blob(data), len(data)) if data else b"")
        return Node(name, NodeKind.FILE, 0o644, -1, 10**18, len(data), content)

    def flow_file(self, name: bytes, data: bytes) -> Node:
        """A file like ``file``, for thousands: its blob is handed over without waiting."""
        ident = self.hash(data)

        def store(worker: Worker) -> None:
            worker.store(data)

        self.flow.submit(store)
        return self.file(name, data, pack_blob(ident, len(data)))

    def link(self, name: bytes, target: bytes) -> Node:
        return Node(name, NodeKind.SYMLINK, 0o777, -1, 10**18, content=target)


def changed(node: Node, **fields: Any) -> Node:
    """A node with other fields."""
    return msgspec.structs.replace(node, **fields)


def rsync(
    source: Path, target: Path, flags: str = "-aHAXn", exclude: Sequence[str] = ()
) -> list[str]:
    """What rsync would do to make the target equal to the source, reading all contents."""
    words = ["rsync", flags, "--checksum", "--delete", "--itemize-changes", "--numeric-ids"]
    words += [f"--exclude=/{name}" for name in exclude]
    words += [f"{source}/", f"{target}/"]
    done = subprocess.run(words, capture_output=True, check=True)
    return done.stdout.decode("utf-8", "surrogateescape").splitlines()


def differences(source: Path, target: Path) -> list[str]:
    """All ways in which two trees differ; empty when they do not."""
    found = rsync(source, target)
    ours, theirs = list_flags(source), list_flags(target)
    found += [f"flags {path!r}" for path in ours if ours[path] != theirs.get(path)]
    return found


def differences_below(source: Path, target: Path) -> list[str]:
    """The same without the time of the target itself, which is its own if it was there before."""
    return [line for line in differences(source, target) if line != ".d..t...... ./"]


def list_flags(top: Path) -> dict[bytes, bytes]:
    """Flags of everything below a directory, as lsattr shows them."""
    done = subprocess.run(
        ["lsattr", "-Ra", "."], cwd=top, capture_output=True, check=False
    )  # names with newlines confuse it, in both trees alike
    found = {}
    for line in done.stdout.splitlines():
        flags, _, path = line.partition(b" ")
        if path:
            found[path] = flags.replace(b"e", b"-").replace(b"I", b"-")
    return found


def room(path: Path) -> int:
    """Bytes a file takes on the disk."""
    return os.lstat(path).st_blocks * 512


def has_attributes(top: Path) -> bool:
    """Whether extended attributes of users work here."""
    try:
        os.setxattr(top, b"user.probe", b"1")
        os.removexattr(top, b"user.probe")
    except OSError:
        return False
    return True
