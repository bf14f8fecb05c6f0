"""Paths as people type them, among them names that were shown to them with escapes.

What cannot be shown of a name (bytes that are no UTF-8, control characters) is shown as ``\\xe9``
or ``\\u202e``, and the name can be given back like that, for want of a way to type what it holds:

    name as given  ─►  there is one  ─►  that
                   ─►  there is none ─►  the escapes as bytes ─►  the escapes as characters

A name that does hold a backslash and an x is found first, so no file is out of reach. A pattern
stands for all of these names at once.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from twofold.errors import PathNotFound
from twofold.format.pages import NodeKind
from twofold.view.address import path_text
from twofold.view.base import FileTree, Found, Path

_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})|\\U(000[0-9a-f]{5}|0010[0-9a-f]{4})")
_TOKEN = re.compile(rb"\[!?\]?[^]]*\]|" + _ESCAPE.pattern)
"""A set of characters in a pattern, or an escape."""
_MAGIC = re.compile(rb"[*?[]")


def find_typed(tree: FileTree, path: Sequence[bytes]) -> Found | None:
    """The entry at a path, whose names may be spelled with escapes; None if there is none.

    The path of what was found is the true one. ``DamageFound``.
    """
    found = tree.find(path)
    return found if found is not None else find_spelled(tree, path)


def find_spelled(tree: FileTree, path: Sequence[bytes]) -> Found | None:
    """The same for a path that was not found as it stands. ``DamageFound``."""
    if not any(map(_ESCAPE.search, path)):
        return None
    found: Found | None = None
    here: Path = ()
    for name in path:
        below = (tree.find((*here, spelled)) for spelled in _spellings(name))
        found = next(filter(None, below), None)
        if found is None:
            return None
        here = found.path
    return found


def get_typed(tree: FileTree, path: Sequence[bytes], *, within: str = "the snapshot") -> Found:
    """The entry at a path as somebody typed it. ``PathNotFound``, ``DamageFound``."""
    found = find_typed(tree, path)
    if found is None:
        shown = _shown(path_text(path))
        raise PathNotFound(f"{within} holds no '{shown}'", hint=_link_on(tree, path))
    return found


def _link_on(tree: FileTree, path: Sequence[bytes]) -> str:
    """A hint where a path leads through a link, which is not followed."""
    for end in range(1, len(path)):
        found = find_typed(tree, path[:end])
        if found is None:
            break
        if found.node.kind == NodeKind.SYMLINK:
            link, target = _shown(path_text(path[:end])), _shown(found.node.content)
            return f"'{link}' is a link to '{target}', and links are not followed"
    return ""


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _spellings(name: bytes) -> Iterator[bytes]:
    """What a name may stand for, the most literal first."""
    yield name
    if _ESCAPE.search(name):
        yield _ESCAPE.sub(_as_byte, name)
        yield _ESCAPE.sub(_as_character, name)


def pattern_spellings(pattern: bytes) -> Iterator[bytes]:
    """What a pattern for one name may be meant as; what an escape spells stands for itself."""
    yield pattern
    if _ESCAPE.search(pattern):
        for spell in (_as_byte, _as_character):
            yield _TOKEN.sub(partial(_in_pattern, spell), pattern)


def _in_pattern(spell: Callable[[re.Match[bytes]], bytes], token: re.Match[bytes]) -> bytes:
    if token[0].startswith(b"["):
        return _ESCAPE.sub(spell, token[0])
    return _MAGIC.sub(rb"[\g<0>]", spell(token))


def _as_byte(escape: re.Match[bytes]) -> bytes:
    return bytes([int(escape[1], 16)]) if escape[1] else _as_character(escape)


def _as_character(escape: re.Match[bytes]) -> bytes:
    code = int(escape[1] or escape[2] or escape[3], 16)
    return chr(code).encode("utf-8", "surrogatepass")
