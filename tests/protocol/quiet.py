"""Leaks: when everybody has crashed, one maintenance run alone leaves nothing behind.

Not a rule of safety: garbage that stays is no damage. It is checked for every store that an
exploration reaches, so a crash of everybody at any step is covered.
"""

from collections.abc import Iterator

from .maintenance import Maintainer
from .model import ABSENT, COMMITTED, OVER, Store, damage, members, present, reached, union, whole
from .rules import LATER, REACH, Rules


def settle(store: Store) -> Store:
    """The store after a last run, which knows everything, fences everybody and deletes all it may.

    Steps offer the most thorough outcome first, so the run takes the first each time.
    """
    everything = (1 << len(store.contents)) - 1
    last = Maintainer(
        "last", Rules(reach=(*REACH, LATER)), len(store.tombs) - 1, everything,
        len(store.indices) - 1, removes=True, cleans=True,
    )  # fmt: skip
    local = last.start
    while local != OVER:
        _, store, local = next(iter(last.moves(store, local)))
    return store


def leaks(before: Store) -> str:
    """What the last run lost or left; empty when it did neither."""
    after = settle(before)
    return damage(after) or next(_lost(before, after), "") or next(_left(after), "")


def _lost(before: Store, after: Store) -> Iterator[str]:
    for s, session in enumerate(before.sessions):
        wanted = session == COMMITTED and not before.marks[s]
        if wanted and after.sessions[s] != COMMITTED:
            yield f"snapshot {s} is gone though nobody forgot it"


def _left(store: Store) -> Iterator[str]:
    if any(session not in (ABSENT, COMMITTED) for session in store.sessions):
        yield "a session record is left"
    if any(tomb.state for tomb in store.tombs) or any(mark & 3 for mark in store.marks):
        yield "a tombstone or a forgotten mark is left"
    if any(r and s != COMMITTED for r, s in zip(store.roots, store.sessions, strict=True)):
        yield "a root without a session is left"
    if whole(store.indices) != store.packs or present(store.indices).bit_count() > 1:
        yield "there is more or less in the index than one object for the packs that exist"
    live = reached(store.pages, union(store.roots, (1 << len(store.roots)) - 1))
    for p in members(store.packs):
        if not live & ~union(store.contents, store.packs & ~(1 << p)):
            yield f"pack {p} is left and nobody needs it"
