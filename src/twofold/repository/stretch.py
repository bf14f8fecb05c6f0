"""Stretching a secret into a key, which may begin before anybody asks for the key.

Argon2id needs no interpreter while the rest of the program is loaded. So whoever knows the secret
early lets it begin; who needs the key then waits for the rest of it.
"""

from functools import partial
from threading import Thread

from twofold.format.keyslot import HKDF, SlotParameters
from twofold.repository.argon2id import argon2id
from twofold.seal import expand, extract

_Wanted = tuple[SlotParameters, bytes, bytes]


class _Ahead:
    """One key in the making. A failure is told to whoever makes it again."""

    def __init__(self, wanted: _Wanted) -> None:
        self._key: bytes | None = None
        self._thread = Thread(target=partial(self._make, wanted), name="key derivation")
        self._thread.start()

    def _make(self, wanted: _Wanted) -> None:
        try:
            self._key = _derived(*wanted)
        except Exception:  # noqa: BLE001 (too little memory, say: who needs the key meets it again)
            self._key = None

    def key(self) -> bytes | None:
        """The key when it is made, None if that failed."""
        self._thread.join()
        return self._key


_begun: dict[_Wanted, _Ahead] = {}


def begin(parameters: SlotParameters, secret: bytes, salt: bytes) -> None:
    """Let a key begin that will be asked for soon; nothing if it is made at once anyway."""
    wanted = (parameters, secret, salt)
    if parameters.kdf != HKDF and wanted not in _begun:
        _begun[wanted] = _Ahead(wanted)


def stretched(parameters: SlotParameters, secret: bytes, salt: bytes) -> bytes:
    """The key, 32 bytes; it and the secret are forgotten here."""
    ahead = _begun.pop((parameters, secret, salt), None)
    key = ahead.key() if ahead is not None else None
    return key if key is not None else _derived(parameters, secret, salt)


def _derived(parameters: SlotParameters, secret: bytes, salt: bytes) -> bytes:
    if parameters.kdf == HKDF:
        return expand(extract(salt, secret), b"twofold 0 slot secret")
    return argon2id(parameters, secret, salt)
