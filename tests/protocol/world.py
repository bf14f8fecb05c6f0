"""Setting up a scenario: names and numbers for objects, and actors."""

from dataclasses import dataclass, field
from typing import Any

from .exclusive import ExclusiveMaintainer, PoliteWriter
from .features import ModernWriter
from .maintenance import Maintainer
from .model import COMMITTED, Actor, Page, Scenario, Store, Tomb
from .readers import Forgetter, LateDuplicate, Reader
from .rules import Rules
from .writers import ImageWriter, LongWriter, Writer

LETTERS = "abcdefTIJREFS"
"""Names of blobs: small ones for data, large ones for pages."""


def blobs(letters: str) -> int:
    """``"ac"`` as a set of blobs."""
    return sum(1 << LETTERS.index(letter) for letter in letters)


@dataclass
class World:
    """Hands out numbers to objects and puts actors on stage."""

    rules: Rules
    packs: dict[str, int] = field(default_factory=dict)  # contents by name
    existing: int = 0
    index: dict[str, int] = field(default_factory=dict)
    roots: dict[str, int] = field(default_factory=dict)
    tombs: list[str] = field(default_factory=list)
    actors: list[Actor] = field(default_factory=list)
    pages: dict[str, Page] = field(default_factory=dict)

    def pack(self, name: str, letters: str = "") -> int:
        """A pack that exists when it has contents; its number."""
        number = len(self.packs)
        self.packs[name] = blobs(letters)
        self.existing |= bool(letters) << number
        return number

    def page(self, letter: str, sort: str, names: str) -> None:
        """A blob that is a page and names others."""
        self.pages[letter] = Page(sort, blobs(names))

    def indexed(self, name: str, *packs: int) -> int:
        """An index object; its number."""
        self.index[name] = sum(1 << p for p in packs)
        return len(self.index) - 1

    def snapshot(self, name: str, letters: str = "") -> int:
        """A committed snapshot when it has contents, else a session to come; its number."""
        self.roots[name] = blobs(letters)
        return len(self.roots) - 1

    def writer(self, name: str, need: str, **options: Any) -> int:
        """A backup; its session."""
        session = self.snapshot(name)
        own = self.pack(name), self.indexed(name)
        self.actors.append(Writer(name, self.rules, session, *own, blobs(need), **options))
        return session

    def long_writer(self, name: str, first: str, need: str, **options: Any) -> int:
        """A backup with a partial commit; its partial session."""
        session, partial = self.snapshot(name), self.snapshot(name + "-part")
        actor = LongWriter(
            name,
            self.rules,
            session,
            self.pack(name),
            self.indexed(name),
            blobs(need),
            partial=partial,
            first=blobs(first),
            pack2=self.pack(name + "-2"),
            index2=self.indexed(name + "-2"),
            **options,
        )
        self.actors.append(actor)
        return partial

    def image_writer(self, name: str, need: str, **options: Any) -> int:
        """An image of a disk; its session."""
        session = self.snapshot(name)
        own = self.pack(name), self.indexed(name), blobs(need)
        actor = ImageWriter(
            name, self.rules, session, *own, meta_pack=self.pack(name + "-meta"), **options
        )
        self.actors.append(actor)
        return session

    def modern_writer(self, name: str, need: str) -> int:
        """An image by a program that adds a feature first; its session."""
        session = self.snapshot(name)
        own = self.pack(name), self.indexed(name), blobs(need)
        meta = self.pack(name + "-meta")
        self.actors.append(ModernWriter(name, self.rules, session, *own, meta_pack=meta))
        return session

    def reader(self, name: str, snapshot: int, *, torn: bool = False) -> None:
        """A restore."""
        session = self.snapshot(name)
        self.actors.append(Reader(name, self.rules, session, snapshot, torn))

    def polite_writer(self, name: str, need: str, maintenance: int) -> None:
        """A backup on a store without an atomic move."""
        own = self.snapshot(name), self.pack(name), self.indexed(name)
        actor = PoliteWriter(name, self.rules, *own, blobs(need), maintenance=maintenance)
        self.actors.append(actor)

    def exclusive(self, name: str, session: int, *packs: int) -> None:
        """Maintenance on such a store: prune and merge."""
        candidates = sum(1 << p for p in packs)
        merged = self.indexed(name)
        actor = ExclusiveMaintainer(name, self.rules, 0, candidates, merged, session=session)
        self.actors.append(actor)

    def forgetter(self, name: str, snapshot: int, **options: bool) -> None:
        """Somebody who forgets or undeletes."""
        self.actors.append(Forgetter(name, self.rules, snapshot, **options))

    def late_duplicate(self, **request: Any) -> None:
        """A network with a long memory, when the rules let it have one."""
        if not self.rules.requests_sent_once:
            self.actors.append(LateDuplicate("network", self.rules, **request))

    def maintainer(self, name: str, *packs: int, merges: bool = False, **options: Any) -> None:
        """A maintenance run that may delete the packs given."""
        if self.rules.tomb_per_run or not self.tombs:
            self.tombs.append(name)
        merged = self.indexed(name) if merges else -1
        candidates = sum(1 << p for p in packs)
        self.actors.append(
            Maintainer(name, self.rules, len(self.tombs) - 1, candidates, merged, **options)
        )

    def repacker(self, name: str, old: int) -> None:
        """A maintenance run that moves the live part of a pack into a new one."""
        new, index = self.pack(name), self.indexed(name)
        self.maintainer(name, old, repacked=(old, new, index))

    def scenario(self) -> Scenario:
        """The store at the start, and everybody; places for the last run come last (quiet.py)."""
        self.tombs.append("last")
        self.indexed("last")
        sessions = tuple(COMMITTED if root else 0 for root in self.roots.values())
        store = Store(
            contents=tuple(self.packs.values()),
            packs=self.existing,
            indices=tuple(self.index.values()),
            roots=tuple(self.roots.values()),
            sessions=sessions,
            marks=(0,) * len(sessions),
            tombs=(Tomb(),) * len(self.tombs),
            pages=tuple(self.pages.get(letter, Page()) for letter in LETTERS) if self.pages else (),
        )
        names = {
            "packs": tuple(self.packs),
            "index": tuple(self.index),
            "sessions": tuple(self.roots),
            "tombs": tuple(self.tombs),
        }
        return Scenario(store, tuple(self.actors), names)
