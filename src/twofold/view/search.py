"""Searching backups of files: what several of them share is searched once.

What matches below a page depends on its id and on the state of the patterns in which it is entered.
So what was found there is kept by these two, as a rope: hits of this page, and ropes of the pages
below. A snapshot then costs the pages that it does not share with one searched before. Ropes are
kept up to a number of pages and of hits, those of folders far up the longest; what has more hits
than that is searched anew. Damage is kept like a hit.
"""

from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple, Optional

import msgspec

from twofold.errors import DamageFound
from twofold.format.pages import Node, NodeKind
from twofold.format.records import TreeRef
from twofold.graph import PageStore
from twofold.graph.pages import Owned
from twofold.view.base import Found, OnDamage, Path
from twofold.view.patterns import Patterns, State

_PAGES = 1 << 16
_HITS = 1 << 17
_HITS_OF_PAGE = 1 << 14


class _Child(NamedTuple):
    """A page to be entered; ``name`` leads to it where it begins a folder."""

    id: bytes
    level: int
    state: State
    name: bytes | None
    here: Path

    @property
    def key(self) -> "_Key":
        return self.id, self.level, self.state


class _Lost(NamedTuple):
    """A page that could not be read."""

    error: DamageFound


class _Below(NamedTuple):
    """What was found in a page below this one."""

    name: bytes | None
    rope: "_Rope"


class _Rope(NamedTuple):
    """What was found in a page and below, in order, and how much that is."""

    items: tuple["Owned | _Lost | _Below", ...]
    hits: int


_Key = tuple[bytes, int, State]
_NOTHING = _Rope((), 0)


class _Open(msgspec.Struct):
    """A page that is being searched; ``items`` is None once there are too many to keep."""

    child: _Child
    rest: "Iterator[Owned | _Lost | _Child]"
    items: "list[Owned | _Lost | _Below] | None"
    hits: int = 0

    def keep(self, item: "Owned | _Lost | _Below", hits: int = 1) -> None:
        self.hits += hits
        if self.hits > _HITS_OF_PAGE:
            self.items = None
        if self.items is not None:
            self.items.append(item)

    def keep_below(self, name: bytes | None, rope: Optional["_Rope"]) -> None:
        if rope is None:
            self.items = None
        elif rope.items:
            self.keep(_Below(name, rope), rope.hits)

    def rope(self) -> "_Rope | None":
        if self.items is None:
            return None
        return _Rope(tuple(self.items), self.hits) if self.items else _NOTHING


class Search:
    """Searches trees of one repository for one question."""

    def __init__(self, pages: PageStore, patterns: Patterns, takes: Callable[[Node], bool]) -> None:
        self._pages = pages
        self._patterns = patterns
        self._takes = takes
        self._ropes: OrderedDict[_Key, _Rope] = OrderedDict()
        self._hits = 0

    def below(self, top: TreeRef, here: Path, state: State, on_damage: OnDamage) -> Iterator[Found]:
        """What matches below a folder, in the order of a walk; ``here`` is the folder's path."""
        child: _Child | None = _Child(top.id, top.level, state, None, here)
        opened: list[_Open] = []
        while child is not None or opened:
            if child is not None:
                rope = self._known(child.key)
                if rope is None:
                    opened.append(_Open(child, self._items(child), []))
                else:
                    yield from _expanded(rope, child.here, on_damage)
                    if opened:
                        opened[-1].keep_below(child.name, rope)
            if not opened:
                return
            child = yield from self._advance(opened, on_damage)

    def _advance(
        self, opened: list[_Open], on_damage: OnDamage
    ) -> Generator[Found, None, _Child | None]:
        """Go on with the page opened last; returns the page to be entered next."""
        page = opened[-1]
        for item in page.rest:
            if isinstance(item, _Child):
                return item
            page.keep(item)
            if isinstance(item, _Lost):
                on_damage(page.child.here, item.error)
            else:
                yield Found((*page.child.here, item.node.name), *item)
        opened.pop()
        rope = page.rope()
        self._keep(page.child.key, rope)
        if opened:
            opened[-1].keep_below(page.child.name, rope)
        return None

    def _items(self, page: _Child) -> "Iterator[Owned | _Lost | _Child]":
        """What a page gives: hits, and pages to go on with."""
        ident, level, state, _, here = page
        try:
            if level:
                for ref in self._pages.references(ident, level):
                    yield _Child(ref.id, level - 1, state, None, here)
                return
            for owned in self._pages.nodes(TreeRef(ident)):
                node = owned.node
                hit, below = self._patterns.step(state, node.name)
                if hit and self._takes(node):
                    yield owned
                if below and node.kind == NodeKind.DIRECTORY and node.ref is not None:
                    path = (*here, node.name)
                    yield _Child(node.ref.id, node.ref.level, below, node.name, path)
        except DamageFound as error:
            yield _Lost(error)

    def _known(self, key: _Key) -> _Rope | None:
        rope = self._ropes.get(key)
        if rope is not None:
            self._ropes.move_to_end(key)
        return rope

    def _keep(self, key: _Key, rope: _Rope | None) -> None:
        if rope is None:
            return
        self._ropes[key] = rope
        self._hits += rope.hits
        while len(self._ropes) > _PAGES or self._hits > _HITS:
            self._hits -= self._ropes.popitem(last=False)[1].hits


def _expanded(rope: _Rope, here: Path, on_damage: OnDamage) -> Iterator[Found]:
    """What a rope says of a folder of this path."""
    pending = [(here, iter(rope.items))]
    while pending:
        path, items = pending[-1]
        for item in items:
            if isinstance(item, _Below):
                below = path if item.name is None else (*path, item.name)
                pending.append((below, iter(item.rope.items)))
                break
            if isinstance(item, _Lost):
                on_damage(path, item.error)
            else:
                yield Found((*path, item.node.name), *item)
        else:
            pending.pop()
