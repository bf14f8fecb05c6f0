"""An explicit-state model of the repository: what is in the store, who does what, what is bad.

Every step of every actor is one atomic action on a linearizable store. An actor that never moves
again has crashed, one that moves later has been paused, so exploring all interleavings breadth
first explores all crashes and pauses too. Names are never reused: an object that is gone stays
gone. Blobs, packs, index objects, sessions and tombstones are numbered from 0 and sets of them are
bit masks, so that states are small and hash fast.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, Protocol

Row = tuple[int, ...]

ABSENT = 0
OPEN, COMMITTED, FENCED = 1, 2, 3  # sessions
PROPOSED, FINAL = 1, 2  # tombstones
MARKED = 1  # forgotten marks are bits, as MARKED and FINAL may be there together
ANNOUNCED, USED, SPOILED = 1, 2, 4  # a feature; the last: by somebody who should have refused
ANEW = 4  # not in the store: somebody forgot since the last undelete took the mark away


class Tomb(NamedTuple):
    """A tombstone: its state, the packs and the index objects it names."""

    state: int = ABSENT
    packs: int = 0
    indices: int = 0


class Page(NamedTuple):
    """A metadata blob: what sort of page it is, and the blobs it names. Data blobs name none."""

    sort: str = ""
    names: int = 0


Pages = tuple[Page, ...]
"""By blob; blobs beyond the end are data."""


class Store(NamedTuple):
    """Everything in the repository.

    ``contents`` (blobs of each pack ever written) outlives the pack, because those who read a
    pack's table remember it; ``packs`` says which packs exist. An index object holds the packs it
    describes, 0 when it does not exist; a root names blobs likewise and has its session's id. What
    pages name never changes, so ``pages`` is the same in all stores of a world. ``feature`` is what
    ``config`` says of the one feature that is ever added.
    """

    contents: Row
    packs: int
    indices: Row
    roots: Row
    sessions: Row
    marks: Row
    tombs: tuple[Tomb, ...]
    pages: Pages = ()
    feature: int = 0


Local = tuple[int, Any]  # program counter, knowledge
Move = tuple[str, Store, Local]
OVER: Local = (-1, None)  # an actor that is done; all its endings are one state


@cache
def members(mask: int) -> Row:
    """The numbers in a set."""
    return tuple(i for i in range(mask.bit_length()) if mask >> i & 1)


def put(row: tuple[Any, ...], at: int, value: Any) -> tuple[Any, ...]:
    """A row with one entry replaced."""
    return (*row[:at], value, *row[at + 1 :])


def union(row: Row, mask: int) -> int:
    """The union of the entries in a set: blobs of packs, packs of index objects."""
    total = 0
    for i in members(mask):
        total |= row[i]
    return total


@cache
def whole(row: Row) -> int:
    """The union of all entries."""
    return union(row, (1 << len(row)) - 1)


@cache
def where(row: Row, value: int) -> int:
    """The set of places that hold a value."""
    return sum(1 << i for i, entry in enumerate(row) if entry == value)


@cache
def present(row: Row) -> int:
    """The set of places that hold anything."""
    return sum(1 << i for i, entry in enumerate(row) if entry)


@cache
def tombstoned(tombs: tuple[Tomb, ...], state: int) -> tuple[int, int]:
    """Packs and index objects named by the tombstones in a state."""
    packs = index = 0
    for tomb in tombs:
        if tomb.state == state:
            packs |= tomb.packs
            index |= tomb.indices
    return packs, index


@cache
def reached(pages: Pages, blobs: int, follow: tuple[str, ...] | None = None) -> int:
    """These blobs and all that they lead to; only through pages of the sorts to follow, if told.

    A page whose sort is not followed is not entered and, like one that nobody heard of, not found.
    """
    found = 0
    while blobs:
        step = 0
        for blob in members(blobs):
            page = pages[blob] if blob < len(pages) else Page()
            if not page.sort or follow is None or page.sort in follow:
                found |= 1 << blob
                step |= page.names
        blobs = step & ~found
    return found


def live_blobs(store: Store, sessions: Row, follow: tuple[str, ...] | None = None) -> int:
    """Blobs of the committed snapshots, as far as a walk follows pages."""
    return reached(store.pages, union(store.roots, where(sessions, COMMITTED)), follow)


@cache
def damage(store: Store) -> str:
    """Why the store is in a bad state; empty when it is not."""
    if store.feature & SPOILED:
        return "a program committed that does not know a feature to write which is in use"
    reachable = union(store.contents, whole(store.indices) & store.packs)
    for s in members(where(store.sessions, COMMITTED)):
        if not store.roots[s]:
            return f"snapshot {s} is committed but has no root"
        if not store.marks[s] & FINAL and reached(store.pages, store.roots[s]) & ~reachable:
            return f"snapshot {s} needs a blob that no index and existing pack provide"
    return ""


class Actor(Protocol):
    """Somebody who works on the store, one atomic step at a time."""

    @property
    def name(self) -> str:
        """For traces."""
        ...

    @property
    def start(self) -> Local:
        """Before the first step."""
        ...

    def moves(self, store: Store, local: Local) -> Iterator[Move]:
        """Every step possible now."""
        ...

    def complaint(self, store: Store, local: Local) -> str:
        """What this actor was promised and does not get; empty when content."""
        ...


@dataclass(frozen=True)
class Scenario:
    """A store and the actors let loose on it, with names for the traces."""

    store: Store
    actors: tuple[Actor, ...]
    names: dict[str, tuple[str, ...]]


class Step(NamedTuple):
    """One line of a trace."""

    actor: str
    step: str
    before: Store
    after: Store


@dataclass
class Verdict:
    """What an exploration found."""

    states: int = 0
    bad: str = ""
    trace: list[Step] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    steps: set[str] = field(default_factory=set)


class Numbers(dict[Any, int]):
    """Numbers things in the order in which they are first asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.things: list[Any] = []

    def __missing__(self, thing: Any) -> int:
        number = self[thing] = len(self.things)
        self.things.append(thing)
        return number


@dataclass(frozen=True, slots=True)
class Choices:
    """What an actor in one frame of mind can do to one store: steps, and what each adds to the
    number of the state; and what is bad about the store or the actor's lot."""

    steps: tuple[str, ...]
    changes: tuple[int, ...]
    bad: str


FIELD = 24  # bits of a state's number for the store, and for each actor
MASK = (1 << FIELD) - 1


class Explorer:
    """Breadth-first search of every interleaving; the first bad state has a shortest trace.

    A state is one number: that of its store and, in further fields, those of the actors' frames of
    mind. What an actor can do depends on the store and its own mind only, so it is worked out once
    per such pair and then added to the number of every state in which the pair occurs.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.stores = Numbers()
        self.minds = [Numbers() for _ in scenario.actors]
        self.choices: list[dict[int, Choices]] = [{} for _ in scenario.actors]
        first = self.stores[scenario.store]
        for i, actor in enumerate(scenario.actors):
            first |= self.minds[i][actor.start] << FIELD * (i + 1)
        self.origin: dict[int, int] = {first: -1}

    def run(self) -> Verdict:
        """Explore until a bad state or until there is nothing new."""
        queue = deque(self.origin)
        verdict = Verdict()
        while queue and not verdict.bad:
            state = queue.popleft()
            verdict.bad = self._expand(state, queue)
            if verdict.bad:
                verdict.trace = self._trace(state)
        verdict.states = len(self.origin)
        verdict.stores = self.stores.things
        made = (choices for known in self.choices for choices in known.values())
        verdict.steps = {step for choices in made for step in choices.steps}
        return verdict

    def _expand(self, state: int, queue: deque[int]) -> str:
        at, bad, origin = state & MASK, "", self.origin
        for i, known in enumerate(self.choices):
            pair = at | (state >> FIELD * (i + 1) & MASK) << FIELD
            choices = known.get(pair) or self._choices(i, pair)
            bad = bad or choices.bad
            for change in choices.changes:
                following = state + change
                if following not in origin:
                    origin[following] = state
                    queue.append(following)
        return bad

    def _choices(self, i: int, pair: int) -> Choices:
        actor, minds = self.scenario.actors[i], self.minds[i]
        at, was = pair & MASK, pair >> FIELD
        store, mind = self.stores.things[at], minds.things[was]
        steps, changes = [], []
        for step, after, becomes in actor.moves(store, mind):
            steps.append(step)
            change = minds[becomes] - was << FIELD * (i + 1)
            changes.append(change + self.stores[after] - at)
        bad = damage(store) or actor.complaint(store, mind)
        made = Choices(tuple(steps), tuple(changes), bad)
        self.choices[i][pair] = made
        return made

    def _trace(self, state: int) -> list[Step]:
        steps = []
        before = self.origin[state]
        while before >= 0:
            steps.append(self._step(before, state))
            before, state = self.origin[before], before
        return steps[::-1]

    def _step(self, before: int, state: int) -> Step:
        stores = self.stores.things
        for i, actor in enumerate(self.scenario.actors):
            pair = before & MASK | (before >> FIELD * (i + 1) & MASK) << FIELD
            choices = self.choices[i][pair]
            if state - before in choices.changes:
                step = choices.steps[choices.changes.index(state - before)]
                return Step(actor.name, step, stores[before & MASK], stores[state & MASK])
        raise ValueError("no actor leads from one state to the other")
