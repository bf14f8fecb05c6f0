"""Those who back up: writers, and long runs with partial commits."""

from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_
from typing import NamedTuple

from .model import (
    ABSENT,
    ANEW,
    COMMITTED,
    FINAL,
    MARKED,
    OPEN,
    PROPOSED,
    SPOILED,
    USED,
    Store,
    members,
    put,
    reached,
    tombstoned,
    union,
)
from .stepper import END, NEXT, STAY, Outcomes, Stepper, load_index


class View(NamedTuple):
    """What a writer has seen: packs with tombstones, indexed packs, listed packs, index objects
    still to be read, blobs of the parent, and whether the parent went meanwhile; then what follows
    from it: packs relied on and packs adopted. Before all that: sessions waited for."""

    tombs: int = 0
    known: int = 0
    listed: int = 0
    loading: int = -1
    inherited: int = 0
    orphaned: bool = False
    relied: int = -1
    adopted: int = 0
    waited: int = 0


@dataclass(frozen=True)
class Writer(Stepper):
    """A backup (or copy, tag, rewrite): it needs blobs, stores those it does not find."""

    session: int
    pack: int
    index: int
    need: int
    adopts: bool = False
    heeds: bool = False  # looks whether a feature was added meanwhile, which it does not know
    parent: int = -1  # snapshot whose blobs are reused without looking each of them up
    torn: bool = False  # loads index objects one by one, in any order

    @cached_property
    def program(self) -> tuple[str, ...]:
        """Start, work, commit."""
        return self.opening + self.rules.writer_end

    @cached_property
    def opening(self) -> tuple[str, ...]:
        """A3 is for writers with a parent, W1a for worlds in which a feature is added."""
        left_out = {"A3"} if self.parent < 0 else set()
        left_out |= set() if self.heeds else {"W1a"}
        return tuple(step for step in self.rules.writer_start if step not in left_out)

    def knowledge(self) -> View:
        """Nothing seen yet."""
        return View()

    def do_w1(self, store: Store, view: View) -> Outcomes:
        """Become visible to pruners."""
        yield store._replace(sessions=put(store.sessions, self.session, OPEN)), view, NEXT

    def do_w1a(self, store: Store, view: View) -> Outcomes:
        """A feature that was announced is one that this program does not know."""
        if store.feature:
            yield store._replace(sessions=put(store.sessions, self.session, ABSENT)), view, END
        else:
            yield store, view, NEXT

    def do_w2a(self, store: Store, view: View) -> Outcomes:
        """Proposed tombstones first: a tombstone that moves is then seen here or there."""
        packs, _ = tombstoned(store.tombs, PROPOSED)
        yield store, view._replace(tombs=view.tombs | packs), NEXT

    def do_w2b(self, store: Store, view: View) -> Outcomes:
        """Final ones second."""
        packs, _ = tombstoned(store.tombs, FINAL)
        yield store, view._replace(tombs=view.tombs | packs), NEXT

    def do_w3(self, store: Store, view: View) -> Outcomes:
        """Load the index, at once or torn apart."""
        yield from load_index(store, view, self.torn)

    def do_a1(self, store: Store, view: View) -> Outcomes:
        """What is not listed is gone for good, as names are not reused."""
        yield store, view._replace(listed=store.packs), NEXT

    def do_a3(self, store: Store, view: View) -> Outcomes:
        """A parent that is a snapshot now, with no pack doomed before, is whole and stays so."""
        if store.sessions[self.parent] == COMMITTED:
            view = view._replace(inherited=reached(store.pages, store.roots[self.parent]))
        yield store, view, NEXT

    def do_w4(self, store: Store, view: View) -> Outcomes:
        """Store what no pack that can be relied on holds."""
        view = self._planned(view)
        yield *self._stored(store, view, self.need, self.pack), NEXT

    def _planned(self, view: View) -> View:
        if view.relied >= 0:
            return view
        usable = view.known
        if self.rules.listing_decides:
            usable &= view.listed
        adopted = view.listed & ~view.known & ~view.tombs if self.adopts else 0
        if self.rules.tombstoned_is_absent:
            usable &= ~view.tombs
        inherits = not view.tombs or not self.rules.parent_wants_no_tombs
        inherited = view.inherited if inherits else 0
        return View(relied=usable | adopted, adopted=adopted, inherited=inherited)

    def _stored(self, store: Store, view: View, need: int, pack: int) -> tuple[Store, View]:
        missing = self._missing(store, view, need)
        if not missing:
            return store, view
        after = store._replace(
            contents=put(store.contents, pack, missing), packs=store.packs | 1 << pack
        )
        return after, view._replace(relied=view.relied | 1 << pack)

    def _missing(self, store: Store, view: View, need: int) -> int:
        return need & ~union(store.contents, view.relied) & ~view.inherited

    def do_w5(self, store: Store, view: View) -> Outcomes:
        """Make own and adopted packs known."""
        view = self._planned(view)
        yield self._indexed(store, view, self.need, self.pack, self.index), view, NEXT

    def _indexed(self, store: Store, view: View, need: int, pack: int, index: int) -> Store:
        # written already, or (steps swapped) to be written: what is missing says which
        own = view.relied >> pack & 1 or bool(self._missing(store, view, need))
        entries = own << pack | view.adopted
        return store._replace(indices=put(store.indices, index, entries)) if entries else store

    def do_w6(self, store: Store, view: View) -> Outcomes:
        """The body of the snapshot."""
        root = self._root(store, self.need)
        yield store._replace(roots=put(store.roots, self.session, root)), view, NEXT

    def _root(self, store: Store, need: int) -> int:
        """What a root names: the blobs that no page among them does."""
        pages = (store.pages[blob] for blob in members(need) if blob < len(store.pages))
        return need & ~reduce(or_, (page.names for page in pages), 0)

    def do_w7(self, store: Store, view: View) -> Outcomes:
        """The commit point; whoever moved the session first has decided."""
        yield from self._commit(store, view, self.session, self.pack)

    def _commit(self, store: Store, view: View, session: int, pack: int) -> Outcomes:
        if store.sessions[session] == OPEN or not self.rules.commit_is_conditional:
            if self.heeds and store.feature & USED:
                store = store._replace(feature=store.feature | SPOILED)
            yield store._replace(sessions=put(store.sessions, session, COMMITTED)), view, NEXT
        elif self.rules.packs_belong_to_all:
            yield store, view, END
        else:
            yield store._replace(packs=store.packs & ~(1 << pack)), view, END


@dataclass(frozen=True)
class ImageWriter(Writer):
    """An image of a disk: data and pages go into packs of their own, the pages' one last.

    A page can be written once its data are known, so a crash between the two packs leaves data
    without pages, never the other way round.
    """

    meta_pack: int = 0

    def do_w4(self, store: Store, view: View) -> Outcomes:
        """First the data that no pack holds, then the pages."""
        view = self._planned(view)
        data = self.need & ~where_pages(store)
        if self._missing(store, view, data):
            yield *self._stored(store, view, data, self.pack), STAY
        else:
            yield *self._stored(store, view, self.need, self.meta_pack), NEXT

    def do_w5(self, store: Store, view: View) -> Outcomes:
        """Both packs, if they were needed."""
        own = view.relied & (1 << self.pack | 1 << self.meta_pack)
        entries = own | view.adopted
        after = store._replace(indices=put(store.indices, self.index, entries))
        yield after if entries else store, view, NEXT


def where_pages(store: Store) -> int:
    """The blobs that are pages."""
    return sum(1 << blob for blob, page in enumerate(store.pages) if page.sort)


@dataclass(frozen=True)
class LongWriter(Writer):
    """A run that commits a partial snapshot of its first half under a second session."""

    partial: int = 0
    first: int = 0  # blobs of the first half
    pack2: int = 0
    index2: int = 0

    @cached_property
    def program(self) -> tuple[str, ...]:
        """The partial commit stands between the halves; P6 hands the partial to the pruners."""
        middle = (step for step in self.rules.partial if step != "P3d" or self.parent >= 0)
        return (*self.opening, *middle, *self.rules.writer_end, "P6")

    def do_p1a(self, store: Store, view: View) -> Outcomes:
        """Flush the packs of the first half."""
        yield *self._stored(store, self._planned(view), self.first, self.pack), NEXT

    def do_p1b(self, store: Store, view: View) -> Outcomes:
        """Flush their index."""
        view = self._planned(view)
        after = self._indexed(store, view, self.first, self.pack, self.index)
        yield after, view._replace(adopted=0), NEXT

    def do_p2(self, store: Store, view: View) -> Outcomes:
        """The second session pins from now on what P3 finds unharmed."""
        opened = put(store.sessions, self.partial, OPEN)
        yield store._replace(sessions=opened), self._planned(view), NEXT

    def do_p3a(self, store: Store, view: View) -> Outcomes:
        """Tombstones as they are now, proposed ones first."""
        yield from self.do_w2a(store, view)

    def do_p3b(self, store: Store, view: View) -> Outcomes:
        """Final ones second."""
        yield from self.do_w2b(store, view)

    def do_p3c(self, store: Store, view: View) -> Outcomes:
        """Packs as they are now."""
        yield from self.do_a1(store, view)

    def do_p3d(self, store: Store, view: View) -> Outcomes:
        """And the parent."""
        yield store, view._replace(orphaned=store.sessions[self.parent] != COMMITTED), NEXT

    def do_p4(self, store: Store, view: View) -> Outcomes:
        """The body of the partial snapshot, or give up where it would be broken."""
        holds = self._holds(store, view)
        view = view._replace(tombs=0, listed=0, orphaned=False)
        if holds:
            root = self._root(store, self.first)
            yield store._replace(roots=put(store.roots, self.partial, root)), view, NEXT
        else:
            given_up = put(store.sessions, self.partial, ABSENT)
            yield store._replace(sessions=given_up), view, self.rules.writer_end[0]

    def _holds(self, store: Store, view: View) -> bool:
        fine = view.relied & ~view.tombs
        if "P3c" in self.rules.partial:
            fine &= view.listed
        if not self.rules.partial_checks_own_packs:
            fine |= view.relied & 1 << self.pack
        inherited = 0 if view.tombs or view.orphaned else view.inherited
        return not self.first & ~union(store.contents, fine) & ~inherited

    def do_p5(self, store: Store, view: View) -> Outcomes:
        """Commit it; the run goes on whether or not this was fenced."""
        for after, seen, _ in self._commit(store, view, self.partial, self.pack):
            yield after, seen, NEXT

    def do_w4(self, store: Store, view: View) -> Outcomes:
        """The second half."""
        yield *self._stored(store, view, self.need, self.pack2), NEXT

    def do_w5(self, store: Store, view: View) -> Outcomes:
        """Its index."""
        yield self._indexed(store, view, self.need, self.pack2, self.index2), view, NEXT

    def do_p6(self, store: Store, view: View) -> Outcomes:
        """The final snapshot stands: mark the partial one as forgotten."""
        if store.sessions[self.partial] == COMMITTED:
            store = store._replace(marks=put(store.marks, self.partial, MARKED | ANEW))
        yield store, view, NEXT
