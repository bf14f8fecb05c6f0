"""Those who read, forget and undelete; and a network with a long memory."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from .model import (
    ABSENT,
    ANEW,
    COMMITTED,
    FENCED,
    FINAL,
    MARKED,
    OPEN,
    PROPOSED,
    Local,
    Store,
    Tomb,
    put,
    reached,
    union,
)
from .rules import FORGET
from .stepper import END, NEXT, Outcomes, Stepper, load_index


class Reading(NamedTuple):
    """What a reader knows: indexed packs, index objects still to be read, and what it knew when
    it last missed something (-1: never)."""

    known: int = 0
    loading: int = -1
    missed: int = -1


@dataclass(frozen=True)
class Reader(Stepper):
    """A restore, check or mount of one snapshot."""

    session: int
    snapshot: int
    torn: bool = False

    @cached_property
    def program(self) -> tuple[str, ...]:
        """B1 to B5."""
        return self.rules.reader

    def knowledge(self) -> Reading:
        """Nothing seen yet."""
        return Reading()

    def do_b1(self, store: Store, view: Reading) -> Outcomes:
        """Become visible to pruners."""
        yield store._replace(sessions=put(store.sessions, self.session, OPEN)), view, NEXT

    def do_b2(self, store: Store, view: Reading) -> Outcomes:
        """Choose a snapshot that is there."""
        there = store.sessions[self.snapshot] == COMMITTED
        marked = store.marks[self.snapshot] & (MARKED | FINAL)
        yield store, view, NEXT if there and not marked else END

    def do_b3(self, store: Store, view: Reading) -> Outcomes:
        """Load the index."""
        yield from load_index(store, view, self.torn)

    def do_b4(self, store: Store, view: Reading) -> Outcomes:
        """Reading takes any time; what is missing may be elsewhere by now."""
        if not self._missing(store, view):
            yield store, view, NEXT
        elif self.rules.reader_looks_again and view.known != view.missed:
            yield store, view._replace(missed=view.known), "B3"

    def _missing(self, store: Store, view: Reading) -> bool:
        there = union(store.contents, view.known & store.packs)
        return bool(reached(store.pages, store.roots[self.snapshot]) & ~there)

    def do_b5(self, store: Store, view: Reading) -> Outcomes:
        """Release the pruners."""
        if store.sessions[self.session] == OPEN:
            store = store._replace(sessions=put(store.sessions, self.session, ABSENT))
        yield store, view, END

    def complaint(self, store: Store, local: Local) -> str:
        """While its session is open, a snapshot that was not removed must be readable."""
        at, view = local
        if at < 0 or self.program[at] != "B4" or not self._missing(store, view):
            return ""
        fenced = store.sessions[self.session] != OPEN and "B1" in self.program
        going = store.marks[self.snapshot] & FINAL
        removed = going or store.sessions[self.snapshot] != COMMITTED
        looks_again = self.rules.reader_looks_again and view.known != view.missed
        if fenced or removed or looks_again:
            return ""
        return f"reader {self.name} misses a blob of a snapshot that is there"


@dataclass(frozen=True)
class Forgetter(Stepper):
    """Somebody who forgets a snapshot, or undeletes one, or first the one and then the other."""

    snapshot: int
    forgets: bool = True
    undeletes: bool = False

    @cached_property
    def program(self) -> tuple[str, ...]:
        """The last stop, after a successful undelete, is for ``complaint``."""
        undelete = (*self.rules.undelete, "kept") if self.undeletes else ()
        return (*(FORGET if self.forgets else ()), *undelete)

    def do_f1(self, store: Store, know: None) -> Outcomes:
        """Only what is there can be forgotten."""
        if store.sessions[self.snapshot] == COMMITTED:
            yield store, None, NEXT

    def do_f2(self, store: Store, know: None) -> Outcomes:
        """Mark; nothing is moved. The snapshot may have gone since F1."""
        marks = put(store.marks, self.snapshot, store.marks[self.snapshot] | MARKED | ANEW)
        yield store._replace(marks=marks), None, NEXT

    def do_u1(self, store: Store, know: None) -> Outcomes:
        """Take the mark away; if a remover took it first, it is too late."""
        mark = store.marks[self.snapshot]
        if mark & MARKED:
            yield store._replace(marks=put(store.marks, self.snapshot, mark & FINAL)), None, NEXT
        else:
            yield store, None, END

    def do_u2(self, store: Store, know: None) -> Outcomes:
        """The mark taken was a second one: somebody forgot again during the removal."""
        yield store, None, END if store.marks[self.snapshot] & FINAL else NEXT

    def do_u3(self, store: Store, know: None) -> Outcomes:
        """Or after it."""
        yield store, None, NEXT if store.sessions[self.snapshot] == COMMITTED else END

    def do_kept(self, store: Store, know: None) -> Outcomes:
        """Nothing more to do."""
        yield from ()

    def complaint(self, store: Store, local: Local) -> str:
        """A snapshot whose undelete succeeded stays, unless it is forgotten anew."""
        kept = local[0] >= 0 and self.program[local[0]] == "kept"
        if not kept or store.marks[self.snapshot] & ANEW:
            return ""
        if store.sessions[self.snapshot] == COMMITTED and not store.marks[self.snapshot] & FINAL:
            return ""
        return f"{self.name} was told that the undelete succeeded, and the snapshot goes"


@dataclass(frozen=True)
class LateDuplicate(Stepper):
    """A network that delivers a creation request once more, long after it was answered.

    The names are free again: a session was fenced, a tombstone withdrawn.
    """

    session: int = -1
    at: int = -1  # number of the tombstone
    packs: int = 0  # its targets

    @cached_property
    def program(self) -> tuple[str, ...]:
        """One late request."""
        return ("W1",) if self.session >= 0 else ("R2",)

    def do_w1(self, store: Store, know: None) -> Outcomes:
        """The session is open again."""
        if store.sessions[self.session] == FENCED:
            yield store._replace(sessions=put(store.sessions, self.session, OPEN)), None, NEXT

    def do_r2(self, store: Store, know: None) -> Outcomes:
        """The tombstone is proposed again."""
        tomb = Tomb(PROPOSED, self.packs)
        if store.tombs[self.at].state == ABSENT:
            yield store._replace(tombs=put(store.tombs, self.at, tomb)), None, NEXT
