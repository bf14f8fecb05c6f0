"""Restore as a command: snapshots are chosen, plans asked about, results and exit codes given."""

import os

import pytest

from tests.restorer.conftest import place, template
from tests.restorer.place import Place
from twofold.errors import PathNotFound, SnapshotNotFound, UsageError, WrongKey
from twofold.events import ItemDone, Phase, Progress
from twofold.options import RepositoryAccess, Secret
from twofold.restorer import RestorePlan

__all__ = ["place", "template"]


def test_each_snapshot_gives_what_it_held(place: Place) -> None:
    idents = []
    for number in range(3):
        (place.source / "f").write_bytes(b"%d" % number)
        snapshot = place.backup().snapshot
        assert snapshot is not None
        idents.append(snapshot.id.hex())
    addresses = {"latest": 2, "latest~1": 1, "latest~2": 0, idents[0]: 0, idents[1][:16]: 1}
    for address, number in addresses.items():
        result = place.restore(f"{address}:{place.source}", existing="replace")
        assert result.snapshot.hex() == idents[number]
        assert (place.target / "f").read_bytes() == b"%d" % number


def test_what_is_not_there(place: Place) -> None:
    (place.source / "f").write_bytes(b"x")
    place.backup()
    for address in ("latest~1", "ffffffff", "@2001-01-01"):
        with pytest.raises(SnapshotNotFound):
            place.restore(address)
    for address in ("latest:/nothing", f"latest:{place.source}/f/below"):
        with pytest.raises(PathNotFound):
            place.restore(address)
    with pytest.raises(PathNotFound, match="nothing"):
        place.restore(paths=(b"nothing",))
    with pytest.raises(UsageError):
        place.restore(f"latest:{place.source}/f", paths=(b"x",))
    with pytest.raises(UsageError):
        place.restore("latest:p1:/x")
    with pytest.raises(UsageError):
        place.restore(paths=(b"../x",))
    assert not place.target.exists()


def test_the_plan_is_asked_about_and_then_carried_out(place: Place) -> None:
    (place.source / "f").write_bytes(b"12345")
    place.backup()
    asked: list[RestorePlan] = []

    def agree(plan: RestorePlan) -> bool:
        assert not place.target.exists()
        asked.append(plan)
        return True

    result = place.restore(confirm=agree)
    assert asked == [result.plan]
    assert (result.plan.new, result.plan.bytes_needed, result.plan.fits) == (1, 5, True)
    assert (result.written, result.new, result.bytes_written) == (True, 1, 5)


def test_events_add_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twofold.restorer.report._PROGRESS_SECONDS", 0)
    for number in range(50):
        (place.source / f"f{number}").write_bytes(b"x" * number)
    (place.source / "large").write_bytes(os.urandom(3_000_000))
    place.backup()
    place.restore()
    phases = [event for event in place.told if isinstance(event, Phase)]
    assert [phase.name for phase in phases] == ["planning", "restore", "sync"]
    items = [event for event in place.told if isinstance(event, ItemDone)]
    assert len(items) == phases[1].total_items == 51
    assert sum(item.size for item in items) == phases[1].total_bytes
    shown = [event for event in place.told if isinstance(event, Progress)]
    assert shown == sorted(shown, key=lambda p: (p.done_items, p.done_bytes))
    assert shown[-1].done_items <= 51


def test_wrong_password(place: Place) -> None:
    (place.source / "f").write_bytes(b"x")
    place.backup()
    wrong = RepositoryAccess(str(place.base / "repo"), lambda: Secret(b"wrong"))
    from twofold.commands import restore

    options = restore.RestoreOptions(access=wrong, snapshot="latest", target=b"/nowhere")
    with pytest.raises(WrongKey):
        restore.run(options, place.told.append)


def test_unfinished_backups_say_so(place: Place) -> None:
    place.craft(
        lambda craft: craft.directory(craft.file(b"f", b"x")), partial=True, counts={"failed": 3}
    )
    with pytest.raises(SnapshotNotFound):
        place.restore("latest")
    with place.open() as repository:
        (snapshot,) = repository.snapshots(partial=True)
    result = place.restore(snapshot.short)
    assert result.plan.notes[:2] == (
        "this backup was never finished: it holds only part of its sources",
        "3 entries could not be read when this backup was made",
    )
