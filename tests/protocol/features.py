"""A feature is added to a repository that programs of today are at work in.

They do not know the feature, nor a sort of page that comes with it: their walks do not enter it,
so what only such a page names is garbage to them. And it is a feature to write: once it is in use,
none of them may commit.
"""

from dataclasses import dataclass
from functools import cached_property

from .model import ANNOUNCED, FENCED, OPEN, USED, Store, members, put, where
from .stepper import NEXT, STAY, Outcomes
from .writers import ImageWriter, View


@dataclass(frozen=True)
class ModernWriter(ImageWriter):
    """A later program: announces its feature, waits for everybody, then makes an image."""

    @cached_property
    def program(self) -> tuple[str, ...]:
        """The feature before everything else."""
        return (*self.rules.new_feature, *super().program)

    def do_n1(self, store: Store, view: View) -> Outcomes:
        """From now on whoever looks at the config knows."""
        yield store._replace(feature=store.feature | ANNOUNCED), view, NEXT

    def do_n2a(self, store: Store, view: View) -> Outcomes:
        """Those who may have looked before."""
        yield store, view._replace(waited=where(store.sessions, OPEN)), NEXT

    def do_n2b(self, store: Store, view: View) -> Outcomes:
        """Wait for them or fence them."""
        waiting = view.waited & where(store.sessions, OPEN)
        if not waiting:
            yield store, view._replace(waited=0), NEXT
        for s in members(waiting):
            yield store._replace(sessions=put(store.sessions, s, FENCED)), view, STAY

    def do_w1(self, store: Store, view: View) -> Outcomes:
        """In use, for what we know."""
        used = store._replace(feature=store.feature | USED)
        yield from super().do_w1(used, view)
