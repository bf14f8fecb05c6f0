"""Sessions: the public record of a run, and the one step that commits it (protocol.md).

Opening a session is the first thing a run does and moving it the last: ``sessions/open/<id>`` to
``sessions/committed/<id>``. A pruner fences by moving the same object away, so exactly one wins.
After a lost reply both look for the id under its new name.
"""

import msgspec

from twofold import clock
from twofold.errors import DamageFound, Fenced, ObjectNotFound
from twofold.format import names
from twofold.format.names import Kind
from twofold.format.records import SessionRecord, decode_record, encode_record
from twofold.repository.objects import ObjectStore


class Author(msgspec.Struct, frozen=True):
    """Who runs: as recorded in sessions."""

    host: str = ""
    machine: str = ""
    boot: str = ""
    process: int = 0


class Session:
    """One open session. Use as a context: leaving without commit closes it."""

    def __init__(self, objects: ObjectStore, object_id: bytes) -> None:
        self._objects = objects
        self.id = object_id
        self._ended = False

    @classmethod
    def open(cls, objects: ObjectStore, role: str, author: Author, purpose: str = "") -> "Session":
        """W1: make the session public before anything else."""
        ident = names.new_id()
        record = SessionRecord(
            role=role,
            host=author.host,
            machine=author.machine,
            boot=author.boot,
            process=author.process,
            started_ns=clock.now_ns(),
            purpose=purpose,
        )
        objects.write(Kind.SESSION, names.SESSIONS_OPEN, ident, encode_record(record))
        return cls(objects, ident)

    def commit(self) -> None:
        """W7: the commit point. ``Fenced`` when a pruner was quicker."""
        source = names.object_name(names.SESSIONS_OPEN, self.id)
        target = names.object_name(names.SESSIONS_COMMITTED, self.id)
        try:
            self._objects.backend.move(source, target)
        except ObjectNotFound:
            if not self._is_there(target):
                self._ended = True
                raise Fenced(
                    "this run was set aside by a prune that could not wait for it"
                ) from None
        self._ended = True

    def _is_there(self, name: str) -> bool:
        try:
            self._objects.backend.size(name)
        except ObjectNotFound:
            return False
        return True

    def close(self) -> None:
        """End without a commit; safe to call twice."""
        if not self._ended:
            self._ended = True
            self._objects.delete(names.SESSIONS_OPEN, self.id)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def open_sessions(objects: ObjectStore) -> dict[bytes, SessionRecord | None]:
    """Every open session; None where the record cannot be read."""
    found: dict[bytes, SessionRecord | None] = {}
    for ident in objects.ids(names.SESSIONS_OPEN):
        try:
            data = objects.read(Kind.SESSION, names.SESSIONS_OPEN, ident)
            found[ident] = decode_record(data, SessionRecord)
        except ObjectNotFound:
            continue  # it ended while we looked
        except DamageFound:
            found[ident] = None
    return found


def fence(objects: ObjectStore, ident: bytes) -> bool:
    """Set a session aside so that it can never commit; False when it had ended already."""
    source = names.object_name(names.SESSIONS_OPEN, ident)
    try:
        objects.backend.move(source, names.object_name(names.SESSIONS_FENCED, ident))
    except ObjectNotFound:
        return False
    objects.delete(names.SESSIONS_FENCED, ident)
    return True
