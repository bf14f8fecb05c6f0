"""The fall-back for stores without an atomic move: maintenance only while nobody else works.

Without a move nobody can be fenced and no tombstone condemned. What is left is the oldest rule of
mutual exclusion: raise your flag, then look whether another is up. Flags are session records. A
flag of somebody who crashed blocks the others until a person takes it down, which is safe.
"""

from dataclasses import dataclass
from functools import cached_property

from .maintenance import Maintainer, Mind
from .model import ABSENT, OPEN, Store, put, where
from .stepper import END, NEXT, Outcomes
from .writers import View, Writer


@dataclass(frozen=True)
class PoliteWriter(Writer):
    """A writer that leaves when maintenance is at work; its commit needs no condition."""

    maintenance: int = 0  # sessions of maintenance runs

    @cached_property
    def opening(self) -> tuple[str, ...]:
        """Raise the flag (W1), look (X1)."""
        opening = list(super().opening)
        opening.insert(opening.index("W1") + self.rules.flag_before_look, "X1")
        return tuple(opening)

    def do_x1(self, store: Store, view: View) -> Outcomes:
        """Maintenance may be at work: leave, try again later."""
        if where(store.sessions, OPEN) & self.maintenance:
            closed = put(store.sessions, self.session, ABSENT)
            yield store._replace(sessions=closed), view, END
        else:
            yield store, view, NEXT


@dataclass(frozen=True)
class ExclusiveMaintainer(Maintainer):
    """Maintenance that has the repository for itself, so it deletes without tombstones."""

    session: int = 0

    @cached_property
    def program(self) -> tuple[str, ...]:
        """Raise the flag (X2), look (X3), work, take it down (X4)."""
        flag = ("X2", "X3") if self.rules.flag_before_look else ("X3", "X2")
        merge = self.rules.merge if self.merged >= 0 else ()
        return (*flag, "R1", *merge, "R5a", "R5b", "R5c", "R5d", "R7", "X4")

    def do_x2(self, store: Store, mind: Mind) -> Outcomes:
        """The flag."""
        yield store._replace(sessions=put(store.sessions, self.session, OPEN)), mind, NEXT

    def do_x3(self, store: Store, mind: Mind) -> Outcomes:
        """Anybody else: leave."""
        others = where(store.sessions, OPEN) & ~(1 << self.session)
        if others:
            closed = put(store.sessions, self.session, ABSENT)
            yield store._replace(sessions=closed), mind, END
        else:
            yield store, mind, NEXT

    def do_x4(self, store: Store, mind: Mind) -> Outcomes:
        """Others may work again."""
        yield store._replace(sessions=put(store.sessions, self.session, ABSENT)), mind, END
