"""What all actors have in common: named steps, one after another.

An actor is a list of step names and one method per step. A method gets the store and what the
actor knows, and yields every possible outcome: store after, knowledge after, and where to go on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .model import (
    OVER,
    Local,
    Move,
    Store,
    members,
    whole,
)
from .rules import Rules

NEXT, STAY, END = "next", "stay", "end"  # else the name of a step

Outcome = tuple[Store, Any, str]
Outcomes = Iterator[Outcome]


@dataclass(frozen=True)
class Stepper:
    """The common part of all actors: a program counter over named steps."""

    name: str
    rules: Rules

    @cached_property
    def program(self) -> tuple[str, ...]:
        """The steps in order."""
        raise NotImplementedError

    @cached_property
    def steps(self) -> tuple[Callable[[Store, Any], Outcomes], ...]:
        """The method of each step: ``do_w2a`` for W2a."""
        return tuple(getattr(self, "do_" + step.lower()) for step in self.program)

    def knowledge(self) -> Any:
        """What the actor knows at first."""
        return None

    @property
    def start(self) -> Local:
        """Before the first step."""
        return (0, self.knowledge())

    def moves(self, store: Store, local: Local) -> Iterator[Move]:
        """All outcomes of the step the actor stands before."""
        at, know = local
        if at < 0:
            return
        step = self.program[at]
        for after, knows, goto in self.steps[at](store, know):
            yield step, after, self._then(at, knows, goto)

    def _then(self, at: int, know: Any, goto: str) -> Local:
        if goto == STAY:
            return (at, know)
        if goto == END or (goto == NEXT and at + 1 == len(self.program)):
            return OVER
        return (at + 1 if goto == NEXT else self.program.index(goto), know)

    def complaint(self, store: Store, local: Local) -> str:
        """Most actors were promised nothing beyond an undamaged store."""
        return ""


def load_index(store: Store, view: Any, torn: bool) -> Outcomes:
    """Add what index objects tell to ``view.known``.

    Torn: every object is looked for once, at a time of its own and in any order, which includes
    all that a listing which takes its time followed by reads can show.
    """
    if not torn:
        yield store, view._replace(known=view.known | whole(store.indices)), NEXT
        return
    loading = (1 << len(store.indices)) - 1 if view.loading < 0 else view.loading
    for i in members(loading):
        rest = loading & ~(1 << i)
        seen = view._replace(known=view.known | store.indices[i], loading=rest)
        yield store, seen if rest else seen._replace(loading=-1), STAY if rest else NEXT
