"""The newest snapshot of every source that this computer knows of (design §5.14).

Everything in a store is authentic or damaged, but a store can also be put back to an older state,
or lose its newest snapshots, and nothing in it would tell. So the heads of the chains are
remembered here: a head that is gone, with nothing newer of its source in its place, was taken away
by somebody. No clock is asked; chains count.
"""

from collections.abc import Collection, Iterable

import msgspec

from twofold.events import Finding, Severity
from twofold.repository.client_state import recall, remember, state_file
from twofold.repository.snapshots import Snapshot

PURPOSE = "heads"


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a chain; ``own`` if this computer made that snapshot."""

    snapshot: bytes
    sequence: int
    digest: bytes
    own: bool = False
    host: str = ""
    name: str = ""


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """The file: heads by source."""

    heads: dict[bytes, Head] = msgspec.field(default_factory=dict)


class Heads:
    """The heads remembered of one repository."""

    def __init__(self, repository: bytes) -> None:
        self._repository = repository
        self._heads = self._load()

    def _load(self) -> dict[bytes, Head]:
        memory = recall(PURPOSE, self._repository, Memory)
        return memory.heads if memory is not None else {}

    def __len__(self) -> int:
        return len(self._heads)

    def note_head(self, snapshot: Snapshot) -> None:
        """This computer has just made the newest snapshot of its source. ``OSError``."""
        self._change({snapshot.root.chain.source: _head(snapshot, own=True)}, ())

    def observe(self, snapshots: Iterable[Snapshot]) -> None:
        """Remember every chain that has grown or is new, whoever made it. ``OSError``."""
        newer: dict[bytes, Head] = {}
        for snapshot in _whole(snapshots):
            chain = snapshot.root.chain
            known = newer.get(chain.source) or self._heads.get(chain.source)
            if known is None or chain.sequence > known.sequence:
                newer[chain.source] = _head(snapshot, own=False)
        if newer:
            self._change(newer, ())

    def accept(self, snapshots: Iterable[Snapshot], committed: Collection[bytes] = ()) -> None:
        """Forget the heads that are gone: whoever calls has just removed them. ``OSError``."""
        gone = [source for source, _ in self._missing(list(snapshots), committed)]
        if gone:
            self._change({}, gone)

    def missing_heads(
        self, snapshots: Iterable[Snapshot], committed: Collection[bytes] = ()
    ) -> list[Finding]:
        """What to say about heads that are gone; ``committed`` are those that may be unreadable."""
        return [self._finding(head) for _, head in self._missing(list(snapshots), committed)]

    def _missing(
        self, snapshots: list[Snapshot], committed: Collection[bytes]
    ) -> list[tuple[bytes, Head]]:
        there = {snapshot.id: snapshot.root.chain.digest for snapshot in snapshots}
        unreadable = set(committed) - set(there)
        highest: dict[bytes, int] = {}
        for snapshot in _whole(snapshots):
            chain = snapshot.root.chain
            highest[chain.source] = max(chain.sequence, highest.get(chain.source, 0))
        return [
            (source, head)
            for source, head in self._heads.items()
            if there.get(head.snapshot) != head.digest
            and head.snapshot not in unreadable
            and highest.get(source, 0) <= head.sequence
        ]

    def _finding(self, head: Head) -> Finding:
        whose = f" of {head.host}" if head.host else ""
        whose += f" named '{head.name}'" if head.name else ""
        path = state_file(PURPOSE, self._repository)
        end = "the next backup of the same folders ends this warning, and so does"
        way = end if head.own else "this warning ends by"
        return Finding(
            Severity.DAMAGE if head.own else Severity.WARNING,
            f"snapshot {head.snapshot.hex()[:8]}",
            f"the newest snapshot{whose} this computer knows of is gone: somebody removed it or "
            "put back an older state of the repository",
            f"find out who did; if it was on purpose, {way} removing {path}",
        )

    def _change(self, newer: dict[bytes, Head], gone: Iterable[bytes]) -> None:
        """Change the file as it is now: another run may have written it since."""
        heads = {**self._load(), **newer}
        for source in gone:
            heads.pop(source, None)
        remember(PURPOSE, self._repository, Memory(heads=heads))
        self._heads = heads


def _head(snapshot: Snapshot, *, own: bool) -> Head:
    root = snapshot.root
    return Head(
        snapshot=snapshot.id,
        sequence=root.chain.sequence,
        digest=root.chain.digest,
        own=own,
        host=root.host,
        name=root.name,
    )


def _whole(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """Those that have a place in a chain."""
    return [each for each in snapshots if each.root.chain.source and not each.root.partial]
