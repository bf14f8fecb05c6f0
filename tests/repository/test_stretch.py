"""Keys begun early are the keys that RFC 9106's own reference makes, whatever happens meanwhile."""

import pytest
from argon2.low_level import Type, hash_secret_raw

from tests.repository.sample import PASSWORD, Lab
from twofold.backend import LocalBackend
from twofold.format.keyslot import ARGON2ID, HKDF, SlotKind, SlotParameters
from twofold.repository import begin_unlocking, open_repository, stretch

SALT = b"salt" * 8
SMALL = SlotParameters(ARGON2ID, SlotKind.PASSWORD, 64, 1, 2)


@pytest.fixture(autouse=True)
def derivations(monkeypatch: pytest.MonkeyPatch) -> list[SlotParameters]:
    """What was derived; nothing is left begun by another test."""
    monkeypatch.setattr(stretch, "_begun", {})
    original, made = stretch._derived, []

    def derived(parameters: SlotParameters, secret: bytes, salt: bytes) -> bytes:
        made.append(parameters)
        return original(parameters, secret, salt)

    monkeypatch.setattr(stretch, "_derived", derived)
    return made


def reference(secret: bytes) -> bytes:
    return hash_secret_raw(secret, SALT, 1, 64, 2, 32, Type.ID)


def test_a_key_begun_is_made_once(derivations: list[SlotParameters]) -> None:
    stretch.begin(SMALL, b"secret", SALT)
    stretch.begin(SMALL, b"secret", SALT)
    assert stretch.stretched(SMALL, b"secret", SALT) == reference(b"secret")
    assert derivations == [SMALL]
    assert stretch._begun == {}


def test_another_secret_gets_its_own_key(derivations: list[SlotParameters]) -> None:
    stretch.begin(SMALL, b"secret", SALT)
    assert stretch.stretched(SMALL, b"other", SALT) == reference(b"other")
    assert stretch.stretched(SMALL, b"secret", SALT) == reference(b"secret")
    assert len(derivations) == 2


def test_many_keys_at_once_neither_fail_nor_hang() -> None:
    secrets = [b"secret %d" % number for number in range(32)]
    for secret in secrets:
        stretch.begin(SMALL, secret, SALT)
    for secret in secrets:
        assert stretch.stretched(SMALL, secret, SALT) == reference(secret)


def test_what_is_quick_is_not_begun(derivations: list[SlotParameters]) -> None:
    stretch.begin(SlotParameters(HKDF, SlotKind.KEY_FILE), b"secret" * 4, SALT)
    assert derivations == []


def test_a_failure_is_met_again_by_who_needs_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_wanted: object) -> bytes:
        raise MemoryError("too little memory")

    monkeypatch.setattr(stretch, "_derived", fails)
    stretch.begin(SMALL, b"secret", SALT)
    with pytest.raises(MemoryError):
        stretch.stretched(SMALL, b"secret", SALT)


def test_opening_takes_the_key_that_was_begun(lab: Lab, derivations: list[SlotParameters]) -> None:
    backend = LocalBackend(lab.sample.store)
    begin_unlocking(backend, PASSWORD)
    assert len(stretch._begun) == 1
    open_repository(backend, PASSWORD)
    assert len(derivations) == 1


def test_what_looks_like_a_recovery_key_begins_nothing(
    lab: Lab, derivations: list[SlotParameters]
) -> None:
    begin_unlocking(LocalBackend(lab.sample.store), lab.sample.recovery_key.encode())
    assert derivations == []
