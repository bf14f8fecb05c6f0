"""The archiver's part of the protocol (docs/format/protocol.md), step by step, on a real store."""

import os
from collections.abc import Callable

import pytest

from tests.archiver.test_backup import fill
from tests.archiver.world import World, assert_same
from twofold.errors import ObjectDamaged
from twofold.format import names
from twofold.format.names import Kind
from twofold.format.records import Target, Tombstone, encode_record
from twofold.repository import Repository

Later = Callable[[], None]


def condemn(repository: Repository, folder: str, packs: list[bytes]) -> bytes:
    """A deletion run's tombstone over some packs."""
    ident = names.new_id()
    targets = [Target(Kind.DATA_PACK, pack) for pack in packs]
    repository.objects.write(Kind.TOMB, folder, ident, encode_record(Tombstone(targets=targets)))
    return ident


@pytest.mark.parametrize("folder", [names.TOMBS, names.TOMBS_FINAL])
def test_what_is_in_a_doomed_pack_is_stored_again(world: World, later: Later, folder: str) -> None:
    """W2, W4 and A3: neither single blobs nor a parent may lean on a pack that is to go."""
    fill(world.source)
    later()
    world.backup()
    with world.open() as repository:
        old = list(repository.listed_packs())
        condemn(repository, folder, old)
    second = world.backup()
    assert second.root.counts.get("unchanged", 0) == 0
    with world.open() as repository:
        for pack in old:
            repository.backend.delete(names.object_name(names.PACKS, pack))
    assert_same(world, second.root)


def test_a_pack_that_is_gone_is_absent_whatever_the_index_says(world: World, later: Later) -> None:
    """A1: its blobs are stored again, which also heals a repository that lost a pack."""
    fill(world.source)
    later()
    world.backup()
    with world.open() as repository:
        for pack in repository.listed_packs():
            repository.backend.delete(names.object_name(names.PACKS, pack))
    assert_same(world, world.backup().root)


def test_a_tombstone_nobody_can_read_stops_the_run(world: World) -> None:
    fill(world.source)
    world.backup()
    with world.open() as repository:
        ident = condemn(repository, names.TOMBS, [])
    path = world.base / "repo" / names.object_name(names.TOMBS, ident)
    os.chmod(path, 0o600)
    path.write_bytes(b"not a tombstone")
    with pytest.raises(ObjectDamaged):
        world.backup()


def test_a_partial_snapshot_is_given_up_when_something_is_doomed_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P3, P4: looked at again after the second session is open."""
    fill(world.source)
    begin = Repository.begin

    def doom_then_begin(repository: Repository, role: str, *rest: object) -> object:
        session = begin(repository, role, *rest)  # type: ignore[arg-type]
        if role == "partial":
            condemn(repository, names.TOMBS, list(repository.listed_packs())[:1])
        return session

    monkeypatch.setattr(Repository, "begin", doom_then_begin)
    world.backup(partial_seconds=0.0)
    with world.open() as repository:
        assert not [s for s in repository.snapshots(partial=True) if s.root.partial]


def test_partial_snapshots_are_forgotten_when_the_run_is_whole(world: World) -> None:
    """P6."""
    fill(world.source)
    outcome = world.backup(partial_seconds=0.0)
    assert outcome.snapshot is not None
    with world.open() as repository:
        partial = [s for s in repository.snapshots(partial=True) if s.root.partial]
        assert partial
        assert all(s.forgotten for s in partial)
        assert [s.id for s in repository.snapshots()] == [outcome.snapshot.id]
        assert not repository.snapshots()[0].forgotten
