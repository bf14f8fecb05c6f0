"""Making repositories and their keys, without a command line."""

from pathlib import Path
from typing import NoReturn

import pytest
from msgspec.structs import replace

from twofold.commands import init, key
from twofold.commands.access import open_at
from twofold.errors import RefusedUnsafe, RepositoryNotFound, UsageError, WrongKey
from twofold.events import ignore
from twofold.options import RepositoryAccess, Secret
from twofold.repository import Repository

from .conftest import opened_with


def never() -> NoReturn:
    """A secret that must not be asked for."""
    raise AssertionError("nobody should be asked")


def kinds(access: RepositoryAccess) -> list[str]:
    """What opens the repository."""
    return sorted(
        each.kind for each in key.list_keys(key.KeyListOptions(access=access), ignore).keys
    )


def test_a_new_repository_opens_with_both_its_keys(tmp_path: Path) -> None:
    place = tmp_path / "new"
    made = init.run(init.InitOptions(access=opened_with(place)), ignore)
    assert kinds(opened_with(place)) == ["key file", "recovery key"]
    recovery = opened_with(place, made.recovery_key.encode(), is_key_file=False)
    assert kinds(recovery) == ["key file", "recovery key"]
    assert made.recovery_key not in repr(made)


def test_nobody_is_asked_before_the_place_was_looked_at(
    access: RepositoryAccess, tmp_path: Path
) -> None:
    silent = replace(access, secret=never)
    with pytest.raises(RefusedUnsafe, match="already"):
        init.run(init.InitOptions(access=silent), ignore)
    with pytest.raises(RepositoryNotFound):
        open_at(RepositoryAccess(str(tmp_path / "nowhere"), never), ignore)
    pair = RepositoryAccess(str(tmp_path / "nowhere"), never)
    with pytest.raises(RepositoryNotFound):
        init.run(init.InitOptions(access=RepositoryAccess("new", never), pair_with=pair), ignore)


def test_a_pair_shares_what_decides_ids_and_cuts(access: RepositoryAccess, tmp_path: Path) -> None:
    other = opened_with(tmp_path / "second", b"another key file, also random")
    made = init.run(init.InitOptions(access=other, pair_with=access), ignore)
    assert made.paired_with == access.location
    with open_at(access, ignore) as one, open_at(other, ignore) as two:
        assert one.keys.dedup.secret == two.keys.dedup.secret
        assert one.keys.masters != two.keys.masters
        assert one.id != two.id


def test_a_store_is_closed_when_the_key_is_wrong(
    access: RepositoryAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twofold.backend import LocalBackend

    closed: list[LocalBackend] = []

    def close(store: LocalBackend) -> None:
        closed.append(store)

    monkeypatch.setattr(LocalBackend, "close", close)
    with pytest.raises(WrongKey):
        open_at(replace(access, secret=lambda: Secret(b"wrong", is_key_file=True)), ignore)
    assert len(closed) == 1


def test_limits_reach_the_store(access: RepositoryAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    from twofold.commands import access as module

    seen: list[tuple[object, object]] = []

    def throttle(backend: object, *, upload: object, download: object) -> object:
        seen.append((upload, download))
        return backend

    monkeypatch.setattr(module, "Throttle", throttle)
    with open_at(replace(access, upload_limit=5, download_limit=None), ignore) as repository:
        assert isinstance(repository, Repository)
    open_at(access, ignore).close()
    assert seen == [(5, None)]


def test_keys_are_added_and_removed(access: RepositoryAccess) -> None:
    fresh = Secret(b"another key file with random bytes", is_key_file=True)
    options = key.KeyAddOptions(access=access, new_secret=lambda: fresh, label="second")
    dry = key.add(replace(options, dry_run=True), ignore)
    assert (dry.key, dry.kind, dry.dry_run) == (b"", "key file", True)
    assert len(kinds(access)) == 2
    added = key.add(options, ignore)
    with_it = replace(access, secret=lambda: fresh)
    (used,) = [
        each
        for each in key.list_keys(key.KeyListOptions(access=with_it), ignore).keys
        if each.in_use
    ]
    assert (used.id, used.label, used.kind) == (added.key, "second", "key file")
    assert used.created_ns

    def remove(answer: bool, *, dry_run: bool = False) -> key.KeyRemoveResult:
        options = key.KeyRemoveOptions(
            access=access, key=used.short_id, confirm=lambda _: answer, dry_run=dry_run
        )
        return key.remove(options, ignore)

    assert not remove(False).removed
    assert not remove(True, dry_run=True).removed
    assert len(kinds(access)) == 3
    assert remove(True).removed
    with pytest.raises(WrongKey):
        kinds(with_it)


@pytest.mark.parametrize("prefix", ["", "zz"])
def test_a_key_must_be_named(access: RepositoryAccess, prefix: str) -> None:
    options = key.KeyRemoveOptions(access=access, key=prefix, confirm=lambda _: True)
    with pytest.raises(UsageError, match="names 0 keys, not one"):
        key.remove(options, ignore)


def test_the_last_key_stays(access: RepositoryAccess) -> None:
    def remove(each: key.KeyInfo) -> None:
        options = key.KeyRemoveOptions(access=access, key=each.short_id, confirm=lambda _: True)
        key.remove(options, ignore)

    keys = sorted(
        key.list_keys(key.KeyListOptions(access=access), ignore).keys, key=lambda each: each.in_use
    )
    remove(keys[0])
    with pytest.raises(RefusedUnsafe, match="last key"):
        remove(keys[1])


def test_a_recovery_kit_holds_a_new_key(access: RepositoryAccess) -> None:
    dry = key.recovery_kit(key.RecoveryKitOptions(access=access, dry_run=True), ignore)
    assert (dry.recovery_key, dry.key) == ("", b"")
    kit = key.recovery_kit(key.RecoveryKitOptions(access=access), ignore)
    assert kinds(access) == ["key file", "recovery key", "recovery key"]
    typed = kit.recovery_key.lower().replace("-", " ").encode()
    assert len(kinds(replace(access, secret=lambda: Secret(typed)))) == 3
    assert kit.recovery_key not in repr(kit)


def test_damaged_keys_are_told(access: RepositoryAccess) -> None:
    (Path(access.location) / "keys" / ("ab" * 16)).write_bytes(b"damaged")
    found = key.list_keys(key.KeyListOptions(access=access), ignore)
    assert len(found.keys) == 2
    assert len(found.damaged) == 1
