"""Patterns as git reads those of ``.gitignore``, asked about one entry at a time.

    *.tmp        a name anywhere            /home/*/tmp    a whole path (any slash but the last
    cache/       folders only               docs/*.txt     one makes a pattern such)
    !keep.tmp    takes back; later ones win

``*``, ``?`` and ``[...]`` never match a slash; ``**`` between slashes is any number of folders. Who
asks goes from the top down and does not enter what is matched, so no pattern is held against the
folders above an entry.
"""

import re
from collections.abc import Sequence

import msgspec

from twofold.errors import UsageError

_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r" \t-\r",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


class _Pattern(msgspec.Struct, frozen=True):
    """One line; ``whole``: it is about the path and not only the name."""

    position: int
    taken_back: bool
    folders: bool
    whole: bool
    matcher: "re.Pattern[str]"


class GitIgnore:
    """Compiled patterns."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Blank lines and comments are passed over. ``UsageError`` for what is no pattern."""
        found = [_read(position, line) for position, line in enumerate(lines)]
        self._last_first = [each for each in reversed(found) if each is not None]

    def decides(self, path: str, *, folder: bool) -> int | None:
        """Which line matches an entry, None if none does or it is taken back.

        ``path`` begins without a slash.
        """
        name = path.rpartition("/")[2]
        for each in self._last_first:
            if each.folders and not folder:
                continue
            if each.matcher.fullmatch(path if each.whole else name):
                return None if each.taken_back else each.position
        return None


def lines_of(text: str) -> list[str]:
    """The lines of a file of patterns; Windows puts a mark at its begin and returns at ends."""
    return [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]


def _read(position: int, line: str) -> _Pattern | None:
    """A pattern; None for what matches nothing."""
    text = _trimmed(line)
    if text.startswith("#"):
        return None
    taken_back = text.startswith("!")
    text = text.removeprefix("!")
    if taken_back and not text:
        raise UsageError("the pattern '!' does not say what is taken back")
    folders = text.endswith("/")
    text = text.removesuffix("/")
    whole = "/" in text
    expression = _Translation(text.removeprefix("/")).expression if text not in ("", "/") else None
    if expression is None:
        return None
    return _Pattern(position, taken_back, folders, whole, re.compile(expression))


def _trimmed(line: str) -> str:
    """Without spaces at the end, but for those behind a backslash."""
    end = len(line.rstrip(" "))
    backslashes = end - len(line[:end].rstrip("\\"))
    return line[: end + 1] if backslashes % 2 else line[:end]


class _Translation:
    """From a pattern to a regular expression; ``expression`` is None where nothing can match."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self.expression = self._all()

    def _all(self) -> str | None:
        parts = []
        while self._at < len(self._pattern):
            part = self._part()
            if part is None:
                return None
            parts.append(part)
        return "".join(parts)

    def _next(self) -> str:
        """One character, empty at the end."""
        one = self._pattern[self._at : self._at + 1]
        self._at += 1
        return one

    def _part(self) -> str | None:
        match one := self._next():
            case "*":
                return self._stars()
            case "?":
                return "[^/]"
            case "[":
                return self._bracket()
            case "\\":
                return re.escape(self._escaped())
        return re.escape(one)

    def _escaped(self) -> str:
        one = self._next()
        if not one:
            raise UsageError(
                f"the pattern '{self._pattern}' cannot be understood: nothing follows its last "
                "backslash",
                hint="write two backslashes for one",
            )
        return one

    def _stars(self) -> str:
        pattern, begin = self._pattern, self._at - 1
        while pattern[self._at : self._at + 1] == "*":
            self._at += 1
        alone = begin == 0 or pattern[begin - 1] == "/"
        if self._at - begin == 1 or not alone or pattern[self._at : self._at + 1] not in ("", "/"):
            return "[^/]*"
        return "(?:(?s:.*)/)?" if self._next() else "(?s:.*)"

    def _bracket(self) -> str | None:
        """A set of characters. None where it is not closed, or names a class that there is not."""
        other_than = self._pattern[self._at : self._at + 1] in ("!", "^")
        self._at += other_than
        members: list[str] = []
        before = ""  # what a range may begin with
        begin = self._at
        while (one := self._next()) != "]" or self._at == begin + 1:
            if not one:
                return None
            if one == "-" and before and self._pattern[self._at : self._at + 1] not in ("", "]"):
                last = self._member(self._next())
                if before <= last:
                    members.append(f"{re.escape(before)}-{re.escape(last)}")
                before = ""
                continue
            if one == "[" and (named := self._class()) is not None:
                if named not in _CLASSES:
                    return None
                members.append(_CLASSES[named])
                before = ""
                continue
            before = self._member(one)
            members.append(re.escape(before))
        if not members:
            return "[^/]" if other_than else "(?!)"
        return f"(?!/)[{'^' * other_than}{''.join(members)}]"

    def _member(self, one: str) -> str:
        return self._escaped() if one == "\\" else one

    def _class(self) -> str | None:
        """The name in ``[:name:]``; None where the bracket only stands for itself."""
        end = self._pattern.find("]", self._at)
        inner = self._pattern[self._at : end]
        if end < 0 or len(inner) < 2 or not (inner.startswith(":") and inner.endswith(":")):
            return None
        self._at = end + 1
        return inner[1:-1]
