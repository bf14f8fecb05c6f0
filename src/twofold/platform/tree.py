"""Listing many directories of one tree in one go.

The tree is told in preorder: a name for each directory and a depth, 1 for those in the directory
that it is asked of. Each is opened in the one above it by its name alone, links not followed. What
stands here works with every source directory; that of Linux has it in the C extension as well,
where other threads run meanwhile.
"""

from twofold.platform.base import DEEPEST, ONLY_OPEN, Seen, SourceDir
from twofold.platform.names import is_single_name


def scan_tree(
    root: SourceDir, names: tuple[bytes, ...], depths: bytes, limit: int
) -> list[Seen | None]:
    """What each directory holds; None where it only leads on or could not be listed.

    Once ``limit`` bytes of listings are there, the rest are None too. ValueError for what is no
    tree.
    """
    _check(names, depths, limit)
    way: list[SourceDir | None] = [root]
    seen: list[Seen | None] = [None] * len(names)
    used = 0
    try:
        for place, (name, depth) in enumerate(zip(names, depths, strict=True)):
            if used >= limit:
                break
            _leave(way, depth & ~ONLY_OPEN)
            way.append(_enter(way[-1], name))
            if not depth & ONLY_OPEN:
                seen[place] = found = _look(way[-2], way[-1])
                used += len(found.listing) if found is not None else 0
    finally:
        _leave(way, 1)
    return seen


def _check(names: tuple[bytes, ...], depths: bytes, limit: int) -> None:
    if limit < 1:
        raise ValueError("a limit must be above 0")
    if len(names) != len(depths):
        raise ValueError("every name needs its depth")
    before = 0
    for name, each in zip(names, depths, strict=True):
        depth = each & ~ONLY_OPEN
        if not is_single_name(name) or not 1 <= depth <= min(before + 1, DEEPEST):
            raise ValueError("this is no tree of directories")
        before = depth


def _leave(way: list[SourceDir | None], depth: int) -> None:
    while len(way) > depth:
        left = way.pop()
        if left is not None:
            left.close()


def _enter(above: SourceDir | None, name: bytes) -> SourceDir | None:
    try:
        return above.open_dir(name) if above is not None else None
    except OSError:
        return None


def _look(above: SourceDir | None, here: SourceDir | None) -> Seen | None:
    if above is None or here is None:
        return None
    try:
        return Seen(above.identity, here.identity, here.scan())
    except OSError:
        return None
