"""What of a snapshot is wanted, and where in the target it goes.

    latest                  everything, with absolute paths below the target
    latest:/home/u/docs     what that directory holds, right into the target
    latest:/home/u/a.txt    that file, right into the target
    with paths              only these, their paths below the address kept

Patterns are those of gitignore, matched against the path in the snapshot; ``exclude`` wins over
``include``. A directory that is not wanted itself may still lead to something that is: it is made
only when that is met.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple, Optional

import msgspec

from twofold.errors import UsageError
from twofold.format.pages import Node, NodeKind
from twofold.gitignore import GitIgnore
from twofold.view import FileTree, Found, Path, get_typed, path_text

Way = dict[bytes, Optional["Way"]]
"""Names that lead to what is wanted; None is "this and all below"."""


class Wish(NamedTuple):
    """What is wanted of a directory: itself (``chosen``), and of its contents those on the way."""

    way: Way | None
    chosen: bool


class Selection(msgspec.Struct, frozen=True):
    """``start`` is the directory whose contents go into the target.

    ``gives_start``: the target is to be what ``start`` was, so it is given its metadata as well.
    """

    start: Found
    top: Wish
    gives_start: bool
    include: GitIgnore | None = None
    exclude: GitIgnore | None = None

    def below(self, wish: Wish, parent: Path, node: Node) -> Wish | None:
        """What is wanted of an entry in a directory, None when nothing is."""
        way: Way | None = None
        if wish.way is not None:
            if node.name not in wish.way:
                return None
            way = wish.way[node.name]
        chosen = way is None
        if self.include is not None or self.exclude is not None:
            if self._matches(self.exclude, parent, node):
                return None
            if self.include is not None and not wish.chosen:
                chosen = chosen and self._matches(self.include, parent, node)
        if not chosen and node.kind != NodeKind.DIRECTORY:
            return None
        return Wish(way, chosen)

    def whole(self, wish: Wish) -> bool:
        """Whether everything below a directory is wanted, without looking."""
        return wish.chosen and self.exclude is None

    def shown(self, path: Sequence[bytes]) -> bytes:
        """A path below the start as it is in the snapshot."""
        return path_text((*self.start.path, *path))

    def _matches(self, patterns: GitIgnore | None, parent: Path, node: Node) -> bool:
        if patterns is None:
            return False
        text = os.fsdecode(b"/".join((*self.start.path, *parent, node.name)))
        return patterns.decides(text, folder=node.kind == NodeKind.DIRECTORY) is not None


def select(
    tree: FileTree,
    address: Path,
    paths: Sequence[Path] = (),
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Selection:
    """The selection for an address with further paths below it.

    ``PathNotFound`` names what the snapshot does not hold; ``UsageError`` for a bad pattern.
    """
    at = get_typed(tree, address)
    if at.node.kind == NodeKind.DIRECTORY:
        start, way = at, _way(tree, at, paths)
    else:
        _refuse_below(at, paths)
        start, way = get_typed(tree, at.path[:-1]), {at.path[-1]: None}
    wish = Wish(way, way is None and not include)
    gives_start = wish.chosen and bool(start.path)
    return Selection(start, wish, gives_start, _compiled(include), _compiled(exclude))


def _refuse_below(at: Found, paths: Sequence[Path]) -> None:
    if paths:
        shown = os.fsdecode(path_text(at.path))
        raise UsageError(f"'{shown}' is no directory: there are no further paths in it")


def _way(tree: FileTree, at: Found, paths: Sequence[Path]) -> Way | None:
    """All paths joined into one tree of names, each of them there."""
    top: Way = {}
    for path in paths:
        if not path:
            return None
        names = get_typed(tree, (*at.path, *path)).path[len(at.path) :]
        here: Way | None = top
        for name in names[:-1]:
            here = None if here is None else here.setdefault(name, {})
        if here is not None:
            here[names[-1]] = None
    return top if paths else None


def _compiled(patterns: Sequence[str]) -> GitIgnore | None:
    return GitIgnore(patterns) if patterns else None
