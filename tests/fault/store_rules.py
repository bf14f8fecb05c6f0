"""What must be true of a store after any crash, whatever it holds.

* no torn object: what has a name that is not temporary is what its writer meant to put there;
* what was acknowledged stands: a put or moved object is there, a deleted or moved-away one is not;
* a move in flight has not lost the object, and has not doubled it;
* what is visible has what it needs (a committed session: its root, index and packs).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.fault.crash_states import Check, Rule, State
from tests.fault.oplog import Promise


@dataclass
class Expected:
    """What the promises made so far demand."""

    present: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    moving: dict[str, str] = field(default_factory=dict)

    def take(self, promise: Promise) -> None:
        """Follow one step of the promises: an operation in flight may be done or not."""
        name, target = promise.name, promise.target
        match promise.deed, promise.kept:
            case "put", False:
                self.absent.discard(name)
            case "put", True:
                self.present.add(name)
            case "delete", False:
                self.present.discard(name)
            case "delete", True:
                self.absent.add(name)
            case "move", False:
                self.absent.discard(target)
                self.present.discard(name)
                self.moving[name] = target
            case "move", True:
                del self.moving[name]
                self.present.add(target)
                self.absent.add(name)

    def check(self, state: State) -> Iterator[str]:
        """Name what a state lacks or has too much."""
        if any(not state.is_whole(name) for name in self.present):
            yield "acknowledged object lost"
        if any(name in state.inodes for name in self.absent):
            yield "removed object is back"
        for source, target in self.moving.items():
            if state.is_whole(source) == state.is_whole(target):
                yield "moving object lost or doubled"


def store_rule(needs: Mapping[str, Collection[str]] | None = None) -> Rule:
    """The rule above; ``needs`` says which objects a visible object relies on."""

    def rule(promises: Sequence[Promise]) -> Check:
        expected = Expected()
        for promise in promises:
            expected.take(promise)
        return lambda state: _check(state, expected, needs or {})

    return rule


def _check(state: State, expected: Expected, needs: Mapping[str, Collection[str]]) -> Iterator[str]:
    if not all(map(state.is_whole, state.names)):
        yield "torn object under its final name"
    yield from expected.check(state)
    for name, needed in needs.items():
        if name in state.inodes and not all(state.is_whole(one) for one in needed):
            yield "committed without what it needs"
