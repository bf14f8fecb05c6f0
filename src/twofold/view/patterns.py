"""Patterns for names and paths, followed along a walk.

    notes.txt, *.txt      a name anywhere
    docs/*.txt            the end of a path
    /home/*/docs          a whole path; ``C:\\Users\\*`` is ``/C/Users/*``
    /home/**/*.txt        ``**`` is any number of folders, ``a/**`` everything below ``a``

``*``, ``?`` and ``[...]`` never match a slash. What cannot be typed of a name is spelled as it is
shown, ``caf\\xe9*``: see ``typed``. All patterns together are one automaton that reads a path name
by name: a state is the set of places in patterns that were reached. So a walk knows of each folder
whether anything below it can match, and what was found below it depends on nothing but its contents
and the state in which it was entered.
"""

import fnmatch
import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from twofold.errors import UsageError
from twofold.view.address import is_absolute, parse_argument
from twofold.view.typed import pattern_spellings

State = frozenset[int]
Matcher = Callable[[bytes], bool]

_MAGIC = re.compile(rb"[*?[]")
_DEEP = b"**"
_STEPS = 4096


class Step(NamedTuple):
    """What reading a name leads to: whether the path ends here, and the state below it."""

    hit: bool
    state: State


class Patterns:
    """Any of several patterns; ``fold`` ignores capitals."""

    def __init__(self, patterns: Sequence[bytes], *, fold: bool = False) -> None:
        """``UsageError`` for what is no pattern."""
        self._matchers: list[Matcher | None] = []  # None for any number of names
        self._ends: set[int] = set()
        self._steps: dict[tuple[int, ...], Step] = {}
        firsts = []
        for pattern in patterns:
            firsts.append(len(self._matchers))
            self._matchers += [
                None if name == _DEEP else _matcher(name, fold=fold) for name in _names(pattern)
            ]
            self._ends.add(len(self._matchers))
            self._matchers.append(_never)
        self.start: State = self._closed(firsts)

    def step(self, state: State, name: bytes) -> Step:
        """Read one more name of a path."""
        reached = []
        for place in state:
            matcher = self._matchers[place]
            if matcher is None:
                reached.append(place)
            elif matcher(name):
                reached.append(place + 1)
        key = tuple(reached)
        return self._steps.get(key) or self._new_step(key)

    def _new_step(self, reached: tuple[int, ...]) -> Step:
        if len(self._steps) >= _STEPS:
            self._steps.clear()
        below = self._closed(reached)
        found = Step(not self._ends.isdisjoint(below), below - self._ends)
        self._steps[reached] = found
        return found

    def follow(self, path: Sequence[bytes]) -> Step:
        """Read a path from the top."""
        step = Step(False, self.start)
        for name in path:
            step = self.step(step.state, name)
        return step

    def _closed(self, places: Iterable[int]) -> State:
        """With the places behind those that may stand for no name at all."""
        found: set[int] = set()
        for place in places:
            at = place
            found.add(at)
            while self._matchers[at] is None:
                at += 1
                found.add(at)
        return frozenset(found)


def has_magic(pattern: bytes) -> bool:
    """Whether anything in a pattern stands for more than itself."""
    return _MAGIC.search(pattern) is not None


def _names(pattern: bytes) -> list[bytes]:
    names = list(parse_argument(pattern))
    if not names:
        raise UsageError(
            "an empty pattern matches nothing", hint="write a name, as in notes.txt or '*.txt'"
        )
    if names[-1] == _DEEP:
        names.append(b"*")
    return names if is_absolute(pattern) else [_DEEP, *names]


def _never(_name: bytes) -> bool:
    return False


def _matcher(glob: bytes, *, fold: bool) -> Matcher:
    """Of a name by any spelling of a pattern."""
    spelled = [_spelled(each, fold=fold) for each in dict.fromkeys(pattern_spellings(glob))]

    def matches(name: bytes) -> bool:
        return any(each(name) for each in spelled)

    return matches if len(spelled) > 1 else spelled[0]


def _spelled(glob: bytes, *, fold: bool) -> Matcher:
    text = os.fsdecode(glob)
    if not has_magic(glob):
        return glob.__eq__ if not fold else _folded(text)
    found = re.compile(fnmatch.translate(text), re.IGNORECASE if fold else 0).match

    def matches(name: bytes) -> bool:
        return found(_text(name)) is not None

    return matches


def _folded(text: str) -> Matcher:
    wanted = text.casefold()

    def matches(name: bytes) -> bool:
        return _text(name).casefold() == wanted

    return matches


def _text(name: bytes) -> str:
    """Characters, not bytes, are what ``?`` stands for."""
    return name.decode("utf-8", "surrogateescape")
