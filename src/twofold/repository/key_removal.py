"""Removing a key slot so that nobody is locked out, whoever else removes one at the same time.

The steps are those of a deletion run (docs/format/protocol.md) with the slot as its target:

    propose (R2) ─► what others propose or condemned (R3a, R3b), features (R3c)
                 ─► does a slot stay that is known to open? (R5d) ─► condemn (R6) ─► delete (R7, R8)
                                                            no ─► withdraw

Of two who each remove the slot that the other one opened, the later sees the proposal of the
earlier. The slot known to open is the one that the repository was opened with.
"""

from collections.abc import Callable, Iterator

from twofold import clock
from twofold.errors import ObjectNotFound, RefusedUnsafe, RepositoryLocked
from twofold.format import names
from twofold.format.names import Kind
from twofold.format.records import Target, Tombstone, decode_record, encode_record
from twofold.repository.keys import slot_names
from twofold.repository.objects import ObjectStore

_SEEMS_DEAD_NS = 3600 * 10**9
"""After this a proposal is withdrawn (R0). A wrong guess costs its owner the run, no more."""


def remove(objects: ObjectStore, slot: bytes, opened: bytes, check: Callable[[], None]) -> None:
    """Remove ``slot``; ``opened`` is the one known to open, ``check`` looks at the features.

    ``RefusedUnsafe`` where no slot known to open would stay, or by ``check``; ``ObjectDamaged`` for
    a tombstone that cannot be read; ``RepositoryLocked`` when another run withdrew the removal.
    """
    _end_left(objects)
    tomb = names.new_id()
    record = Tombstone(time_ns=clock.now_ns(), targets=[Target(Kind.KEY, slot)])
    objects.write(Kind.TOMB, names.TOMBS, tomb, encode_record(record))
    try:
        doomed = {target for ident, target in _doomed(objects) if ident != tomb}
        check()
        if opened in {slot, *doomed} or not _is_there(objects, opened):
            raise RefusedUnsafe(
                "the key in use would not stay, and no other is known to open the repository",
                hint="run it again with the key that stays",
            )
    except BaseException:
        objects.delete(names.TOMBS, tomb)
        raise
    _condemn(objects, tomb)
    _finish(objects, tomb, [slot])


def _condemn(objects: ObjectStore, tomb: bytes) -> None:
    """R6."""
    final = names.object_name(names.TOMBS_FINAL, tomb)
    try:
        objects.backend.move(names.object_name(names.TOMBS, tomb), final)
    except ObjectNotFound:
        if not any(ident == tomb for ident in objects.ids(names.TOMBS_FINAL)):
            raise RepositoryLocked("another run withdrew the removal of the key") from None


def _finish(objects: ObjectStore, tomb: bytes, slots: list[bytes]) -> None:
    """R7, R8."""
    for slot in slots:
        objects.delete(names.KEYS, slot)
    objects.delete(names.TOMBS_FINAL, tomb)


def _end_left(objects: ObjectStore) -> None:
    """R0, of removals of keys: finish what was condemned, withdraw what seems to be left behind."""
    for ident, record in _removals(objects, names.TOMBS_FINAL):
        _finish(objects, ident, [target.id for target in record.targets])
    for ident, record in _removals(objects, names.TOMBS):
        if abs(clock.now_ns() - record.time_ns) > _SEEMS_DEAD_NS:  # the clock may have been wrong
            objects.delete(names.TOMBS, ident)


def _doomed(objects: ObjectStore) -> Iterator[tuple[bytes, bytes]]:
    """R3a, R3b: tombstones and the slots that they name, proposed ones first."""
    for folder in (names.TOMBS, names.TOMBS_FINAL):
        for ident, record in _removals(objects, folder):
            yield from ((ident, target.id) for target in record.targets)


def _removals(objects: ObjectStore, folder: str) -> Iterator[tuple[bytes, Tombstone]]:
    """The tombstones over key slots and nothing else. ``ObjectDamaged``."""
    for ident in list(objects.ids(folder)):
        try:
            record = decode_record(objects.read(Kind.TOMB, folder, ident), Tombstone)
        except ObjectNotFound:
            continue  # withdrawn, finished, or condemned and in the folder listed next
        if record.targets and all(target.kind == Kind.KEY for target in record.targets):
            yield ident, record


def _is_there(objects: ObjectStore, slot: bytes) -> bool:
    """Listed after the tombstones were: a slot deleted meanwhile does not stay."""
    return names.object_name(names.KEYS, slot) in slot_names(objects.backend)
