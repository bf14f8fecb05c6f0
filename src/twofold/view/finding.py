"""Finding entries in snapshots of either kind, one snapshot after another.

Backups of files share pages (``search``). Of images only whole partitions are known to be the same:
what was found in one of them is told again for the next image that holds the same, as long as it is
not too much to keep.
"""

from collections.abc import Callable, Iterator

import msgspec

from twofold.errors import DamageFound
from twofold.format.image import VolumeRecord
from twofold.format.pages import Node, NodeKind
from twofold.format.records import Root
from twofold.graph import PageStore
from twofold.view.base import FileTree, Found, OnDamage, Path
from twofold.view.image import ImageDisk
from twofold.view.open import VolumeKey, files_of, volume_key
from twofold.view.patterns import Patterns, State
from twofold.view.search import Search
from twofold.view.search_image import ImageSearch
from twofold.view.tree import Tree
from twofold.view.typed import get_typed

_KEPT = 1 << 16
"""Hits in partitions that are kept."""

Below = Callable[[Found, State], Iterator[Found]]


class _Kept(msgspec.Struct):
    """All that was found in a partition."""

    found: list[Found] = msgspec.field(default_factory=list)
    damage: list[tuple[Path, DamageFound]] = msgspec.field(default_factory=list)


class Finder:
    """Answers one question about many snapshots of a repository."""

    def __init__(self, pages: PageStore, patterns: Patterns, takes: Callable[[Node], bool]) -> None:
        self._pages = pages
        self._patterns = patterns
        self._takes = takes
        self._search = Search(pages, patterns, takes)
        self._partitions: dict[tuple[VolumeKey, Path], _Kept] = {}
        self._room = _KEPT

    def in_files(self, root: Root, path: Path, on_damage: OnDamage) -> Iterator[Found]:
        """What matches in a backup of files, from a path on. ``PathNotFound``, ``DamageFound``."""

        def below(start: Found, state: State) -> Iterator[Found]:
            if start.node.ref is not None:
                yield from self._search.below(start.node.ref, start.path, state, on_damage)

        return self._from(Tree(self._pages, root), path, below)

    def in_partition(
        self, root: Root, disk: ImageDisk, record: VolumeRecord, path: Path, on_damage: OnDamage
    ) -> Iterator[Found] | None:
        """The same in a partition of an image; None where it has no files that are understood."""
        key = volume_key(record), path
        kept = self._partitions.get(key)
        if kept is not None:
            return _again(kept, on_damage)
        tree = files_of(self._pages, root, disk, record.called)
        if tree is None:
            return None
        kept = _Kept()

        def tell(where: Path, error: DamageFound) -> None:
            kept.damage.append((where, error))
            on_damage(where, error)

        def below(start: Found, state: State) -> Iterator[Found]:
            yield from ImageSearch(tree, self._patterns, self._takes).below(start, state, tell)

        return self._keeping(key, kept, self._from(tree, path, below))

    def _from(self, tree: FileTree, path: Path, below: Below) -> Iterator[Found]:
        start = get_typed(tree, path)
        hit, state = self._patterns.follow(start.path)
        if hit and self._takes(start.node):
            yield start
        if state and start.node.kind == NodeKind.DIRECTORY:
            yield from below(start, state)

    def _keeping(
        self, key: tuple[VolumeKey, Path], kept: _Kept, found: Iterator[Found]
    ) -> Iterator[Found]:
        for each in found:
            if len(kept.found) < self._room:
                kept.found.append(each)
            yield each
        size = len(kept.found) + len(kept.damage) + 1
        if size < self._room:
            self._room -= size
            self._partitions[key] = kept


def _again(kept: _Kept, on_damage: OnDamage) -> Iterator[Found]:
    for where, error in kept.damage:
        on_damage(where, error)
    yield from kept.found
