"""The text in which LVM2 keeps its metadata: nested sections of settings.

    vg0 {
        extent_size = 8192          # comments go to the end of the line
        status = ["READ", "WRITE"]
        logical_volumes { ... }
    }

Read in one pass over its tokens; depth and number of values are bounded.
"""

import re
from collections.abc import Iterator

from twofold.errors import FormatError

Value = int | float | str | list["int | float | str"]
Section = dict[str, "Value | Section"]

_TOKEN = re.compile(
    r"""\s+ | \#[^\n]*
    | (?P<name>[A-Za-z_][\w.+/-]*) | (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<number>-?\d{1,30}(?:\.\d{1,30})?) | (?P<sign>[{}\[\]=,])""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_DEPTH = 16


def parse_text(text: str) -> Section:
    """The sections of a text. FormatError when it is not made as it should be."""
    top: Section = {}
    stack = [top]
    tokens = _tokens(text)
    for kind, word in tokens:
        if word == "}" and len(stack) > 1:
            stack.pop()
        elif kind == "name":
            following = next(tokens, ("", ""))[1]
            if following == "=":
                stack[-1][word] = _value(tokens)
            elif following == "{" and len(stack) < _DEPTH:
                inner: Section = {}
                stack[-1][word] = inner
                stack.append(inner)
            else:
                raise FormatError(f"the metadata of the volume group are damaged at {word!r}")
        else:
            raise FormatError(f"the metadata of the volume group are damaged at {word!r}")
    if len(stack) > 1:
        raise FormatError("the metadata of the volume group end in the middle")
    return top


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if not match:
            raise FormatError(f"the metadata of the volume group are damaged (character {place})")
        place = match.end()
        if match.lastgroup:
            yield match.lastgroup, match[0]


def _value(tokens: Iterator[tuple[str, str]]) -> Value:
    kind, word = next(tokens, ("", ""))
    if word != "[":
        return _scalar(kind, word)
    values: list[int | float | str] = []
    for kind, word in tokens:
        if word == "]":
            return values
        if word != ",":
            values.append(_scalar(kind, word))
    raise FormatError("a list in the metadata of the volume group does not end")


def _scalar(kind: str, word: str) -> int | float | str:
    if kind == "text":
        return re.sub(r"\\(.)", r"\1", word[1:-1], flags=re.DOTALL)
    if kind == "number":
        return float(word) if "." in word else int(word)
    raise FormatError(f"the metadata of the volume group have no value at {word!r}")
