"""Directories of the target, as a tree of names, and a way between them.

A path is never spelt out: a directory knows its name and the one above it, so ten thousand of them
far down take no more than their names, and going from one to another costs what lies between.
"""

import errno
from collections.abc import Iterable, Iterator
from typing import Optional

import msgspec

from twofold.platform import DEEPEST, ONLY_OPEN, HandleStack, Steps, TargetDir
from twofold.view import Path


class Directory(msgspec.Struct, eq=False):
    """One directory; the target itself has none above it. ``serial`` numbers them."""

    name: bytes
    above: Optional["Directory"]
    serial: int = 0
    depth: int = 0

    def child(self, name: bytes, serial: int) -> "Directory":
        """A directory in this one."""
        return Directory(name, self, serial, self.depth + 1)

    def upwards(self) -> Iterator["Directory"]:
        """This one and those above it, without the target itself."""
        here: Directory | None = self
        while here is not None and here.above is not None:
            yield here
            here = here.above

    @property
    def path(self) -> Path:
        """The names from the target down."""
        return tuple(directory.name for directory in self.upwards())[::-1]


def steps_from(way: list[Directory], directory: Directory) -> list[Directory]:
    """The directories to go down into, from the last one that both ways have in common."""
    ahead: list[Directory] = []
    for step in directory.upwards():
        if step.depth <= len(way) and way[step.depth - 1] is step:
            break
        ahead.append(step)
    return ahead[::-1]


def way_through(directories: Iterable[Directory]) -> Steps:
    """The steps to one directory after another, from the target on.

    It ends before the first one to which no step leads: the target itself, or one too deep.
    """
    names: list[bytes] = []
    depths = bytearray()
    way: list[Directory] = []
    for directory in directories:
        if not 0 < directory.depth <= DEEPEST:
            break
        ahead = steps_from(way, directory) or [directory]
        names += [step.name for step in ahead]
        depths += bytes([step.depth | ONLY_OPEN for step in ahead])
        depths[-1] = directory.depth
        way[ahead[0].depth - 1 :] = ahead
    return Steps(tuple(names), bytes(depths))


class Navigator:
    """Goes from directory to directory by handle; for one thread. The root stays the caller's."""

    def __init__(self, root: TargetDir, handles: int) -> None:
        self._stack: HandleStack[TargetDir] = HandleStack(root, handles)
        self._way: list[Directory] = []

    def go(self, directory: Directory) -> TargetDir:
        """The directory, open until the next call. OSError."""
        try:
            return self._move(directory)
        except OSError as error:
            self.close()
            if error.errno != errno.ESTALE:
                raise
        return self._move(directory)  # what was left behind was moved; by name it may be there

    def _move(self, directory: Directory) -> TargetDir:
        ahead = steps_from(self._way, directory)
        while len(self._way) > directory.depth - len(ahead):
            self._way.pop()
            self._stack.pop()
        for step in ahead:
            self._stack.push(step.name)
            self._way.append(step)
        return self._stack.top

    def close(self) -> None:
        """Go back to the root."""
        self._stack.close()
        self._way.clear()
