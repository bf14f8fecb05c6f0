"""Those who delete: removal of forgotten snapshots, cleaning, repack, index merge, prune.

One maintenance run is one actor. Packs and index objects go by the deletion protocol R2-R8, under
one tombstone that names all its targets; snapshots and roots without a session have simpler ways.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from .model import (
    ABSENT,
    COMMITTED,
    FENCED,
    FINAL,
    MARKED,
    OPEN,
    PROPOSED,
    Store,
    Tomb,
    live_blobs,
    members,
    present,
    put,
    tombstoned,
    union,
    where,
    whole,
)
from .stepper import END, NEXT, STAY, Outcomes, Stepper


class Look(NamedTuple):
    """Places of blobs and what they are needed for, as one look at the store shows them."""

    live: int = 0  # blobs of committed snapshots
    known: int = 0  # packs described by index objects that stay
    covered: int = 0  # packs described by the targets among the index objects
    packs: int = 0  # packs that exist


class Mind(NamedTuple):
    """What a maintenance run knows: its tombstone and targets, what it saw since it proposed."""

    tomb: int = -1
    packs: int = 0
    indices: int = 0
    foreign_packs: int = 0
    foreign_index: int = 0
    sessions: int = 0
    look: Look = Look()
    snapshot: int = 0
    union: int = 0  # M: packs described by the inputs; C: roots in doubt


@dataclass(frozen=True)
class Maintainer(Stepper):
    """One run of maintenance."""

    tomb: int
    candidates: int = 0  # packs it may choose to delete
    merged: int = -1  # number of the index object to merge into
    faulty_merge: bool = False  # the merge may lose an entry
    removes: bool = False
    cleans: bool = False
    repacked: tuple[int, int, int] | None = None  # old pack, new pack, new index object
    tidies: bool = True  # R0 ends what others left
    spare_index: int = 0  # index objects it may delete without a merge
    heeds: bool = False  # looks whether a feature was added, which it does not know
    reckless: bool = False  # R1 chooses anything, however much it is needed

    @cached_property
    def program(self) -> tuple[str, ...]:
        """Cleaning, removal and what others left first, then one batch of deletions."""
        rules = self.rules
        return (
            *(("C1", *rules.cleaning) if self.cleans else ()),
            "R0",
            *(("K1", "K2") if self.repacked else ()),
            "R1",
            *(rules.merge if self.merged >= 0 else ()),
            *(step for step in rules.deletion if step != "R3c" or self.heeds),
            *(rules.removal if self.removes else ()),
        )

    def knowledge(self) -> Mind:
        """Nothing yet."""
        return Mind()

    # cleaning: roots that never became snapshots

    def do_c1(self, store: Store, mind: Mind) -> Outcomes:
        """Fencing is safe at any time, so a wrong belief costs a run, never data."""
        for s in members(where(store.sessions, OPEN)):
            yield self._fenced(store, s), mind, STAY
        yield store, mind, NEXT

    def _fenced(self, store: Store, session: int) -> Store:
        return store._replace(sessions=put(store.sessions, session, FENCED))

    def do_c2(self, store: Store, mind: Mind) -> Outcomes:
        """Roots in doubt."""
        yield store, mind._replace(union=present(store.roots)), NEXT

    def do_c3(self, store: Store, mind: Mind) -> Outcomes:
        """Open before committed: a session that moves meanwhile is seen in one of them."""
        yield store, mind._replace(union=mind.union & ~where(store.sessions, OPEN)), NEXT

    def do_c4(self, store: Store, mind: Mind) -> Outcomes:
        """Only now, as a session goes from open to committed."""
        yield store, mind._replace(union=mind.union & ~where(store.sessions, COMMITTED)), NEXT

    def do_c5(self, store: Store, mind: Mind) -> Outcomes:
        """In neither list: its session can never commit. Fenced records have no use either."""
        roots = tuple(0 if mind.union >> s & 1 else r for s, r in enumerate(store.roots))
        sessions = tuple(ABSENT if s == FENCED else s for s in store.sessions)
        yield store._replace(roots=roots, sessions=sessions), Mind(), NEXT

    # what others left

    def do_r0(self, store: Store, mind: Mind) -> Outcomes:
        """Any order, any number of them, or none."""
        if self.tidies:
            yield from self._left_behind(store, mind)
        if self.removes:
            yield from self._removals(store)
        yield store, Mind(), NEXT

    def _left_behind(self, store: Store, mind: Mind) -> Outcomes:
        for t, tomb in enumerate(store.tombs):
            final = tomb.state == FINAL and self.rules.final_is_final
            mine = t == self.tomb and self.rules.tomb_per_run
            if final:
                yield store, Mind(t, tomb.packs, tomb.indices), "R7"
            elif tomb.state != ABSENT and not mine:
                yield self._without_tomb(store, t), mind, STAY

    def _without_tomb(self, store: Store, tomb: int) -> Store:
        return store._replace(tombs=put(store.tombs, tomb, Tomb()))

    def _removals(self, store: Store) -> Outcomes:
        first, *rest = self.rules.removal
        for s, mark in enumerate(store.marks):
            if mark & FINAL:
                yield store, Mind(snapshot=s), rest[0]
            elif mark & MARKED and store.sessions[s] != COMMITTED:
                yield self._marked(store, s, mark & ~MARKED), Mind(), STAY
            elif mark & MARKED:
                yield store, Mind(snapshot=s), first

    def _marked(self, store: Store, snapshot: int, mark: int) -> Store:
        return store._replace(marks=put(store.marks, snapshot, mark))

    # removal of a forgotten snapshot

    def do_q1(self, store: Store, mind: Mind) -> Outcomes:
        """Take the mark away; whoever undeletes takes it first or is too late."""
        mark = store.marks[mind.snapshot]
        if not mark & MARKED:
            yield store, Mind(), "R0"
        elif self.rules.removal_takes_mark:
            yield self._marked(store, mind.snapshot, mark & ~MARKED | FINAL), mind, NEXT
        else:
            yield store, mind, NEXT

    def do_q2(self, store: Store, mind: Mind) -> Outcomes:
        """No longer a snapshot; a committed session without a root would look like damage."""
        sessions = store.sessions
        if sessions[mind.snapshot] == COMMITTED:
            sessions = put(sessions, mind.snapshot, ABSENT)
        yield store._replace(sessions=sessions), *self._onward("Q2", mind)

    def do_q3(self, store: Store, mind: Mind) -> Outcomes:
        """Its body."""
        yield store._replace(roots=put(store.roots, mind.snapshot, 0)), *self._onward("Q3", mind)

    def do_q4(self, store: Store, mind: Mind) -> Outcomes:
        """The record of the decision goes last."""
        mark = store.marks[mind.snapshot]
        yield self._marked(store, mind.snapshot, mark & ~FINAL), *self._onward("Q4", mind)

    # repack: the live part of a pack moves into a new one

    def do_k1(self, store: Store, mind: Mind) -> Outcomes:
        """Copy what is live; the copy belongs to everybody as soon as it is there."""
        old, new, _ = self.repacked or (0, 0, 0)
        keep = store.contents[old] & live_blobs(store, store.sessions, self.rules.reach)
        if not store.packs >> old & 1 or not keep:
            yield store, Mind(), END
            return
        contents = put(store.contents, new, keep)
        yield store._replace(contents=contents, packs=store.packs | 1 << new), mind, NEXT

    def do_k2(self, store: Store, mind: Mind) -> Outcomes:
        """Make the copy known."""
        _, new, index = self.repacked or (0, 0, 0)
        yield store._replace(indices=put(store.indices, index, 1 << new)), mind, NEXT

    # choose

    def do_r1(self, store: Store, mind: Mind) -> Outcomes:
        """Any set that looks unneeded now; R5 decides, this is only a hint."""
        choices = list(self._targets(store))
        for packs, index, stale in choices:
            yield store, Mind(self.tomb, packs, index, look=stale), NEXT
        if not choices:
            yield store, mind, END

    def _targets(self, store: Store) -> Iterator[tuple[int, int, Look]]:
        for index in _subsets(self.spare_index & present(store.indices)):
            look = self._look(store, index, 0)
            for packs in _subsets(self.candidates & store.packs):
                fits = self._spared(store, Mind(packs=packs, look=look))
                if (packs or index or self.merged >= 0) and (fits or self.reckless):
                    yield packs, index, self._stale(look)

    def _look(self, store: Store, own: int, foreign: int) -> Look:
        index = store.indices
        stays = present(index) & ~own & ~foreign
        return Look(self._live(store), union(index, stays), union(index, own), store.packs)

    def _live(self, store: Store) -> int:
        sessions = store.sessions
        if not self.rules.forgotten_is_live:
            marked = {s for s, mark in enumerate(store.marks) if mark & MARKED}
            sessions = tuple(0 if s in marked else x for s, x in enumerate(sessions))
        return live_blobs(store, sessions, self.rules.reach)

    def _stale(self, look: Look) -> Look:
        """Of the first look, what a mutated run goes on to rely on."""
        rules = self.rules
        live = 0 if rules.roots_are_read_again else look.live
        if rules.places_are_read_again:
            return Look(live=live)
        return look._replace(live=live)

    # merge

    def do_m1(self, store: Store, mind: Mind) -> Outcomes:
        """Inputs: every index object there is."""
        yield store, mind._replace(indices=present(store.indices), union=whole(store.indices)), NEXT

    def do_m2(self, store: Store, mind: Mind) -> Outcomes:
        """What is gone stays gone, so its entries need not be kept."""
        keep = mind.union & store.packs & ~mind.packs
        if not self.rules.merge_keeps_doomed:
            for state in (PROPOSED, FINAL):
                keep &= ~tombstoned(store.tombs, state)[0]
        yield store, mind._replace(union=keep), NEXT

    def do_m3(self, store: Store, mind: Mind) -> Outcomes:
        """Write the union; a fault may lose an entry, which R5 must notice."""
        losses = [0, *(1 << p for p in members(mind.union))] if self.faulty_merge else [0]
        for lost in losses:
            index = put(store.indices, self.merged, mind.union & ~lost)
            yield store._replace(indices=index), mind._replace(union=0), NEXT

    # the deletion protocol

    def do_r2(self, store: Store, mind: Mind) -> Outcomes:
        """From now on nobody new relies on the targets."""
        tomb = Tomb(PROPOSED, mind.packs, mind.indices)
        if mind.packs | mind.indices == 0:
            yield store, mind, END
        elif store.tombs[self.tomb].state != ABSENT:  # only with shared names
            yield store, mind, NEXT
        else:
            yield store._replace(tombs=put(store.tombs, self.tomb, tomb)), mind, NEXT

    def do_r3a(self, store: Store, mind: Mind) -> Outcomes:
        """Tombstones of everybody: proposed first."""
        yield store, self._with_foreign(store, mind, PROPOSED), NEXT

    def do_r3b(self, store: Store, mind: Mind) -> Outcomes:
        """Final second."""
        yield store, self._with_foreign(store, mind, FINAL), NEXT

    def do_r3c(self, store: Store, mind: Mind) -> Outcomes:
        """Who uses the feature has announced it before, and was waited for or saw the proposal."""
        if store.feature:
            yield self._withdrawn(store), mind, END
        else:
            yield store, mind, NEXT

    def _withdrawn(self, store: Store) -> Store:
        mine = store.tombs[self.tomb].state == PROPOSED
        return self._without_tomb(store, self.tomb) if mine else store

    def _with_foreign(self, store: Store, mind: Mind, state: int) -> Mind:
        others = store.tombs
        if self.rules.withdraw == "smaller name stays":
            others = others[: self.tomb]
        packs, index = tombstoned(others, state)
        packs &= ~mind.packs if self.rules.foreign_packs_count else 0
        index &= ~mind.indices if self.rules.foreign_index_counts else 0
        return mind._replace(
            foreign_packs=mind.foreign_packs | packs, foreign_index=mind.foreign_index | index
        )

    def do_r4a(self, store: Store, mind: Mind) -> Outcomes:
        """Those who may have looked before the proposal."""
        yield store, mind._replace(sessions=where(store.sessions, OPEN)), NEXT

    def do_r4b(self, store: Store, mind: Mind) -> Outcomes:
        """Wait for them or fence them."""
        waiting = mind.sessions & where(store.sessions, OPEN)
        if not waiting or not self.rules.sessions_are_awaited:
            yield store, mind._replace(sessions=0), NEXT
            return
        for s in members(waiting):
            yield self._fenced(store, s), mind, STAY

    def do_r5a(self, store: Store, mind: Mind) -> Outcomes:
        """What they committed counts."""
        look = mind.look
        if self.rules.roots_are_read_again:
            look = look._replace(live=self._live(store))
        yield store, mind._replace(look=look), NEXT

    def do_r5b(self, store: Store, mind: Mind) -> Outcomes:
        """Where blobs are, without the targets and without what others want to delete."""
        look = mind.look
        if self.rules.places_are_read_again:
            now = self._look(store, mind.indices, mind.foreign_index)
            look = look._replace(known=now.known, covered=now.covered)
        yield store, mind._replace(look=look, foreign_index=0), NEXT

    def do_r5c(self, store: Store, mind: Mind) -> Outcomes:
        """What is not listed is gone."""
        look = mind.look
        if self.rules.places_are_read_again:
            look = look._replace(packs=store.packs)
        yield store, mind._replace(look=look), NEXT

    def do_r5d(self, store: Store, mind: Mind) -> Outcomes:
        """Go on only if every live blob, and every entry, has another place that stays."""
        if self._spared(store, mind):
            yield store, Mind(self.tomb, mind.packs, mind.indices), NEXT
        else:
            yield self._withdrawn(store), mind, END

    def _spared(self, store: Store, mind: Mind) -> bool:
        look = mind.look
        stays = look.packs & ~mind.packs
        places = look.known & stays & ~mind.foreign_packs
        if look.live & ~union(store.contents, places):
            return False
        return not self.rules.index_must_cover or not look.covered & stays & ~look.known

    def do_r6(self, store: Store, mind: Mind) -> Outcomes:
        """Between withdrawing and condemning exactly one wins."""
        tomb = store.tombs[mind.tomb]
        if tomb.state == PROPOSED:
            tombs = put(store.tombs, mind.tomb, tomb._replace(state=FINAL))
            yield store._replace(tombs=tombs), mind, NEXT
        elif self.rules.condemn_is_conditional:
            yield store, mind, END
        else:
            yield store, mind, NEXT

    def do_r7(self, store: Store, mind: Mind) -> Outcomes:
        """One by one; what is gone already was deleted by somebody who finished for us."""
        packs = mind.packs & store.packs
        index = mind.indices & present(store.indices)
        for p in members(packs)[:1]:
            yield store._replace(packs=store.packs & ~(1 << p)), mind, STAY
        for i in members(index)[:1] if not packs else ():
            yield store._replace(indices=put(store.indices, i, 0)), mind, STAY
        if not packs and not index:
            yield store, *self._onward("R7", mind)

    def do_r8(self, store: Store, mind: Mind) -> Outcomes:
        """Nothing is left that could be relied on."""
        yield self._without_tomb(store, mind.tomb), *self._onward("R8", mind)

    def _onward(self, step: str, mind: Mind) -> tuple[Mind, str]:
        """After a batch is deleted: done if it was our own, else back to where it was found."""
        if step not in (self.rules.deletion[-1], self.rules.removal[-1]):
            return mind, NEXT
        return Mind(), END if mind.tomb == self.tomb else "R0"


def _subsets(mask: int) -> Iterator[int]:
    """All subsets, the largest first, the empty one last."""
    subset = mask
    while subset:
        yield subset
        subset = (subset - 1) & mask
    yield 0
