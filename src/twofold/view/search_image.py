"""Searching the files of a partition of an image.

Names come from folders alone: only of what a pattern takes, and of what may be a folder, the file
system is asked for more. So a search reads a fraction of what a walk reads.
"""

from collections.abc import Callable, Iterator

import msgspec

from twofold.disk import DirectoryEntry, Kind
from twofold.errors import DamageFound, FormatError
from twofold.format.pages import Node, NodeKind
from twofold.graph.pages import Owned
from twofold.view.base import Found, OnDamage, Path
from twofold.view.inside import ImageTree
from twofold.view.nodes import number_of
from twofold.view.patterns import Patterns, State


class _Folder(msgspec.Struct):
    here: Path
    state: State
    rest: Iterator[DirectoryEntry]


class ImageSearch:
    """Searches one tree for one question; to be used once."""

    def __init__(self, tree: ImageTree, patterns: Patterns, takes: Callable[[Node], bool]) -> None:
        self._tree = tree
        self._patterns = patterns
        self._takes = takes
        self._met: set[int] = set()
        self._folders: list[_Folder] = []

    def below(self, start: Found, state: State, on_damage: OnDamage) -> Iterator[Found]:
        """What matches below a folder, in the order of a walk."""
        self._enter(start.path, state, number_of(start.node), on_damage)
        while self._folders:
            folder = self._folders[-1]
            entry = next(folder.rest, None)
            if entry is None:
                self._folders.pop()
                continue
            try:
                yield from self._entry(folder, entry, on_damage)
            except DamageFound as error:
                on_damage(folder.here, error)

    def _entry(
        self, folder: _Folder, entry: DirectoryEntry, on_damage: OnDamage
    ) -> Iterator[Found]:
        hit, below = self._patterns.step(folder.state, entry.name)
        leads_on = bool(below) and entry.kind is not Kind.FILE
        if not hit and not leads_on:
            return
        owned = self._tree.owned(entry)
        path = (*folder.here, entry.name)
        if hit and self._takes(owned.node):
            yield Found(path, *owned)
        if leads_on and owned.node.kind == NodeKind.DIRECTORY:
            self._claim(owned)
            self._enter(path, below, entry.file, on_damage)

    def _claim(self, owned: Owned) -> None:
        """A damaged file system may name a folder in two places: only the first is entered."""
        if number_of(owned.node) in self._met:
            raise FormatError(f"the directory {owned.node.name!r} is named in two places")

    def _enter(self, here: Path, state: State, number: int, on_damage: OnDamage) -> None:
        self._met.add(number)
        listing = self._tree.listing(number)
        for error in listing.damage:
            on_damage(here, error)
        self._folders.append(_Folder(here, state, iter(listing.entries.values())))
