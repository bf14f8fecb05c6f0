"""Snapshots: roots whose session committed (protocol.md), newest last."""

from collections.abc import Iterable

import msgspec

from twofold.errors import DamageFound, NewerFormat, ObjectNotFound
from twofold.events import Finding, Severity
from twofold.format import names
from twofold.format.names import Kind
from twofold.format.records import Root, decode_record, encode_record
from twofold.repository.objects import ObjectStore
from twofold.repository.sessions import Session
from twofold.seal import Keyring


class Snapshot(msgspec.Struct, frozen=True):
    """A committed backup."""

    id: bytes
    root: Root
    forgotten: bool = False

    @property
    def short(self) -> str:
        """The first digits of the id, as people type them."""
        return self.id.hex()[:8]


def commit_root(objects: ObjectStore, session: Session, root: Root) -> Snapshot:
    """W6 and W7: body first, durable; then the session moves, and only then there is a snapshot."""
    objects.write(Kind.ROOT, names.ROOTS, session.id, encode_record(root))
    session.commit()
    return Snapshot(session.id, root)


def read_root(objects: ObjectStore, ident: bytes) -> Root:
    """The body of a snapshot, of whatever kind. ``ObjectNotFound``, ``DamageFound``."""
    root = decode_record(objects.read(Kind.ROOT, names.ROOTS, ident), Root)
    root.check()
    return root


def chained_id(root: Root) -> bytes:
    """The id that stands for the contents of a snapshot in its chain."""
    top = root.image or root.tree
    return top.id if top is not None else b""


def chain_digest(keys: Keyring, previous: bytes, root: Root) -> bytes:
    """What ``root.chain.digest`` must be after a snapshot with the digest ``previous``."""
    numbers = (root.chain.sequence, root.time_ns)
    parts = [(number % 2**64).to_bytes(8, "little") for number in numbers]
    return keys.chain_digest(previous, chained_id(root), *parts)


def list_snapshots(
    objects: ObjectStore, known: dict[bytes, Root] | None = None, *, partial: bool = False
) -> list[Snapshot]:
    """All readable snapshots ``in_order``; unreadable ones are told as findings.

    Partial snapshots, made in the middle of long runs, only on request. ``known`` keeps what was
    read for the next time: bodies never change.
    """
    known = {} if known is None else known
    forgotten = {*objects.ids(names.FORGOTTEN), *objects.ids(names.FORGOTTEN_FINAL)}
    found = []
    for ident in objects.ids(names.SESSIONS_COMMITTED):
        try:
            root = known.get(ident) or read_root(objects, ident)
        except (DamageFound, NewerFormat, ObjectNotFound) as error:
            objects.emit(
                Finding(
                    Severity.DAMAGE,
                    f"snapshot {ident.hex()[:8]}",
                    f"its description cannot be read: {error}",
                    "the other snapshots are not affected; run 'twofold check'",
                )
            )
            continue
        known[ident] = root
        if partial or not root.partial:
            found.append(Snapshot(ident, root, ident in forgotten))
    return in_order(found)


def in_order(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """By time, newest last; but of one chain always the later one behind the earlier.

    A clock that was set back would else hide every new backup behind an old one. The places that a
    chain has among all others go to its snapshots in the order in which they were made. Imports are
    of times that are past and may come in any order; their roots name no machine.
    """
    found = sorted(snapshots, key=lambda s: (s.root.time_ns, s.root.chain.sequence, s.id))
    places: dict[bytes, list[int]] = {}
    for place, snapshot in enumerate(found):
        if snapshot.root.machine and snapshot.root.chain.source:
            places.setdefault(snapshot.root.chain.source, []).append(place)
    for taken in places.values():
        made = sorted((found[place] for place in taken), key=lambda s: s.root.chain.sequence)
        for place, snapshot in zip(taken, made, strict=True):
            found[place] = snapshot
    return found
