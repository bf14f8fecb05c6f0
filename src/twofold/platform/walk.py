"""Walking trees of any depth with few open directories, always by handle.

``HandleStack`` goes down and up one tree: it keeps the lowest levels open, and to come back to a
level it had to close it opens ``..`` and insists on the very directory it left. ``TargetCache``
serves a writer that jumps about: it keeps the directories used last and opens others from their
nearest open ancestor, one name at a time. Neither ever uses a path string.
"""

import errno
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import RLock
from typing import Generic, Protocol, Self, TypeVar

import msgspec

from twofold.platform.base import TargetDir


class Walkable(Protocol):
    """What source and target directories have in common."""

    @property
    def identity(self) -> tuple[int, int]: ...

    def open_dir(self, name: bytes) -> Self: ...

    def open_parent(self) -> Self: ...

    def close(self) -> None: ...


Handle = TypeVar("Handle", bound=Walkable)


class _Level(msgspec.Struct, Generic[Handle]):
    name: bytes
    identity: tuple[int, int]
    handle: Handle | None


class HandleStack(Generic[Handle]):
    """The open directories from a root down to where a walk is.

    At most ``limit`` handles stay open (one more for a moment). The root is among them and
    belongs to the caller. When a level cannot be found again because it was moved or removed,
    ``pop`` and ``top`` raise OSError (ESTALE) for that level; the stack stays usable, and the next
    ``pop`` goes on to the level above.
    """

    def __init__(self, root: Handle, limit: int = 32) -> None:
        if limit < 2:
            raise ValueError("a walk needs two handles: where it is and where it came from")
        self._root = root
        self._levels = [_Level(b"", root.identity, root)]
        self._limit = limit
        self._lowest = 1  # levels from here on are open, besides the root
        self._lost = 0  # when not 0: this level and those below it are no longer where they were

    @property
    def depth(self) -> int:
        """Levels below the root."""
        return len(self._levels) - 1

    @property
    def top(self) -> Handle:
        """The directory the walk is in. OSError ESTALE when it was lost."""
        level = self._levels[-1]
        if level.handle is None:
            raise OSError(errno.ESTALE, "directory was moved during the walk", level.name)
        return level.handle

    def push(self, name: bytes) -> Handle:
        """Go down into a child directory. OSError as ``open_dir``; then nothing has changed."""
        handle = self.top.open_dir(name)
        self.enter(name, handle)
        return handle

    def enter(self, name: bytes, handle: Handle) -> None:
        """Go down into a child directory that is open already; it is ours from now on."""
        self._levels.append(_Level(name, handle.identity, handle))
        if len(self._levels) - self._lowest >= self._limit:
            self._close_level(self._lowest)
            self._lowest += 1

    def pop(self) -> Handle:
        """Come back up to the parent, which is returned. OSError ESTALE when it was lost."""
        if not self.depth:
            raise IndexError("the walk is at its root")
        left = self._levels.pop()
        self._lowest = min(self._lowest, len(self._levels))
        if self.depth < self._lost:
            self._lost = 0
        try:
            if self._levels[-1].handle is None:
                self._find_top(left.handle)
        finally:
            if left.handle is not None:
                left.handle.close()
        return self.top

    def close(self) -> None:
        """Close every directory but the root."""
        while self.depth:
            self._close_level(self.depth)
            self._levels.pop()
        self._lowest, self._lost = 1, 0

    def _close_level(self, index: int) -> None:
        level = self._levels[index]
        if level.handle is not None:
            level.handle.close()
            level.handle = None

    def _find_top(self, below: Handle | None) -> None:
        """Open the top level again: from below if it is still its parent, else by names."""
        top = self._levels[-1]
        handle = below and _reopened(below.open_parent, top.identity)
        handle = handle or self._by_names()
        if handle is not None:
            top.handle = handle
            self._lowest = self.depth

    def _by_names(self) -> Handle | None:
        """The top level reached down from the root, if every directory is the one we passed."""
        if self._lost:
            return None
        here = self._root
        for index, level in enumerate(self._levels[1:], 1):
            below = _reopened(partial(here.open_dir, level.name), level.identity)
            if here is not self._root:
                here.close()
            if below is None:
                self._lost = index
                return None
            here = below
        return here


def _reopened(opener: Callable[[], Handle], identity: tuple[int, int]) -> Handle | None:
    """What ``opener`` opens if it is the directory meant, else None."""
    try:
        handle = opener()
    except OSError:
        return None
    if handle.identity == identity:
        return handle
    handle.close()
    return None


class _Node(msgspec.Struct, eq=False):
    """A directory of the tree below a target; without a handle it only leads to open ones."""

    name: bytes
    parent: "_Node | None"
    handle: TargetDir | None
    holds: int = 0
    children: "dict[bytes, _Node]" = msgspec.field(default_factory=dict)


class TargetCache:
    """Open directories of a restore target by path; at most ``limit`` besides those held.

    The root stays open and belongs to the caller. May be used from several threads.
    """

    def __init__(self, root: TargetDir, limit: int = 32) -> None:
        if limit < 2:
            raise ValueError("opening a directory needs its parent open too")
        self._root = _Node(b"", None, root)
        self._limit = limit
        self._recent: OrderedDict[_Node, None] = OrderedDict()  # open, least recent first
        self._lock = RLock()

    def get(self, path: Sequence[bytes], *, create: bool = False) -> TargetDir:
        """The directory at ``path`` below the root, good until the next call. OSError.

        With ``create`` missing directories are made (0700) on the way.
        """
        with self._lock:
            return self._handle(self._open(path, create))

    @contextmanager
    def hold(self, path: Sequence[bytes], *, create: bool = False) -> Iterator[TargetDir]:
        """Like ``get``, but the directory stays open until the block ends."""
        with self._lock:
            node = self._open(path, create)
            node.holds += 1
            handle = self._handle(node)
        try:
            yield handle
        finally:
            with self._lock:
                node.holds -= 1
                self._evict()

    def forget(self, path: Sequence[bytes]) -> None:
        """Close the directory at ``path`` and all below it, before it is moved or removed."""
        with self._lock:
            node: _Node | None = self._root
            for name in path:
                node = node.children.get(name) if node else None
            if node is not None:
                self._close_below(node)

    def close(self) -> None:
        """Close every directory but the root, held or not."""
        self.forget(())

    def _handle(self, node: _Node) -> TargetDir:
        if node.handle is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), node.name)
        return node.handle

    def _open(self, path: Sequence[bytes], create: bool) -> _Node:
        node = nearest = self._root
        depth = nearest_depth = 0
        for name in path:
            child = node.children.get(name)
            if child is None:
                break
            node, depth = child, depth + 1
            if node.handle is not None:
                nearest, nearest_depth = node, depth
        self._touch(nearest)
        for name in path[nearest_depth:]:
            nearest = self._step(nearest, name, create)
        return nearest

    def _step(self, node: _Node, name: bytes, create: bool) -> _Node:
        parent = self._handle(node)
        try:
            handle = parent.open_dir(name)
        except FileNotFoundError:
            if not create:
                raise
            handle = parent.make_dir(name)
        child = node.children.get(name)
        if child is None:
            child = node.children[name] = _Node(name, node, None)
        child.handle = handle
        self._touch(child)
        self._evict()
        return child

    def _touch(self, node: _Node) -> None:
        if node is not self._root:
            self._recent[node] = None
            self._recent.move_to_end(node)

    def _evict(self) -> None:
        surplus = len(self._recent) - self._limit
        if surplus <= 0:
            return
        newest = next(reversed(self._recent))
        idle = [node for node in self._recent if not node.holds and node is not newest]
        for node in idle[:surplus]:
            self._close_node(node)

    def _close_node(self, node: _Node) -> None:
        if node.handle is not None and node is not self._root:
            node.handle.close()
            node.handle = None
            self._recent.pop(node, None)
        while node.parent is not None and node.handle is None and not node.children:
            if node.parent.children.get(node.name) is node:
                del node.parent.children[node.name]
            node = node.parent

    def _close_below(self, top: _Node) -> None:
        found = [top]
        for node in found:  # grows while we go: breadth first, no recursion
            found.extend(node.children.values())
        for node in reversed(found):
            self._close_node(node)
