"""Key slots: how a password, a recovery key or a key file opens the repository.

Each slot wraps the same secrets under its own key (docs/format/keys.md). A secret that is spelled
like a recovery key is tried on recovery slots first; passwords cost one Argon2id run per slot, so
at most ``MAX_SLOTS`` slots are ever tried.
"""

import hmac
import secrets

import msgspec
from cryptography.exceptions import InvalidTag
from msgspec.structs import replace

from twofold import clock
from twofold.backend import Backend
from twofold.errors import (
    DamageFound,
    FormatError,
    NewerFormat,
    ObjectDamaged,
    ObjectNotFound,
    RefusedUnsafe,
    TwofoldError,
    UsageError,
    WrongKey,
)
from twofold.format import names
from twofold.format.envelope import HEADER, TAG_SIZE, Header, mirror, second_copy_start
from twofold.format.keyslot import (
    ARGON2ID,
    HKDF,
    MAX_SLOTS,
    PARAMETERS_SIZE,
    SLOT,
    SlotKind,
    SlotParameters,
    SlotPayload,
    decode_recovery_key,
    encode_recovery_key,
)
from twofold.format.names import Kind
from twofold.format.records import decode_record, encode_record
from twofold.repository import stretch
from twofold.repository.rough_read import read_around
from twofold.seal import SALT_SIZE, Keyring, cipher, expand, nonce

PASSWORD_PARAMETERS = SlotParameters(ARGON2ID, SlotKind.PASSWORD, 64 << 10, 3, 4)
RECOVERY_PARAMETERS = SlotParameters(HKDF, SlotKind.RECOVERY)
KEY_FILE_PARAMETERS = SlotParameters(HKDF, SlotKind.KEY_FILE)
MINIMUM_KEY_FILE = 16
ONE_COPY_DAMAGED = "one of its two copies is damaged"
_LONGEST = 1 << 20  # bytes read of a slot's file; a slot takes a few hundred


class SlotInfo(msgspec.Struct, frozen=True):
    """A key slot as listings show it; label and time only when this slot was opened."""

    id: bytes
    kind: SlotKind
    current: bool
    label: str = ""
    created_ns: int = 0


class _Slot(msgspec.Struct, frozen=True):
    __repr__ = object.__repr__
    header: Header
    parameters: SlotParameters
    commitment: bytes
    sealed: bytes

    @classmethod
    def decode(cls, object_id: bytes, file: bytes) -> list["_Slot"]:
        """The slot; both copies if they differ, for only the right secret tells which is whole.

        ``FormatError`` or ``NewerFormat`` when neither can be read.
        """
        found: list[_Slot] = []
        problem: FormatError | NewerFormat | None = None
        for start in (0, second_copy_start(len(file))):
            try:
                slot = cls._copy(object_id, memoryview(file)[start:])
            except (FormatError, NewerFormat) as error:
                problem = problem or error
                continue
            if slot not in found:
                found.append(slot)
        if problem is not None and not found:
            raise problem
        return found

    @classmethod
    def _copy(cls, object_id: bytes, copy: memoryview) -> "_Slot":
        header = Header.decode(copy)
        body = copy[HEADER.size : HEADER.size + header.body_length]
        if header.kind != Kind.KEY or header.object != object_id:
            raise FormatError("the object is not the key slot its name says")
        if len(body) != header.body_length or len(body) < SLOT.size + TAG_SIZE:
            raise FormatError("the key slot is cut short")
        parameters, commitment = SlotParameters.decode(body)
        return cls(header, parameters, commitment, bytes(body[SLOT.size :]))

    def open(self, secret: bytes) -> SlotPayload | None:
        """The payload, None when the secret is not this slot's."""
        kek = stretch.stretched(self.parameters, secret, self.header.salt)
        expected = _commitment(kek, self.header, self.parameters)
        if not hmac.compare_digest(expected, self.commitment):
            return None
        front = self.header.encode() + self.parameters.encode(self.commitment)
        try:
            plain = cipher(self.header.aead, _wrapping(kek, self.header)).decrypt(
                nonce(0), self.sealed, front
            )
        except InvalidTag as error:  # the commitment matched, so this is damage
            raise FormatError("the key slot's contents fail their authentication") from error
        payload = decode_record(plain, SlotPayload)
        payload.check()
        return payload


def _commitment(kek: bytes, header: Header, parameters: SlotParameters) -> bytes:
    front = parameters.encode(bytes(32))[:PARAMETERS_SIZE]
    return expand(kek, b"twofold 0 slot commitment" + header.encode() + front)


def _wrapping(kek: bytes, header: Header) -> bytes:
    return expand(kek, b"twofold 0 slot wrap" + header.repository + header.object)


def add_slot(
    backend: Backend, keys: Keyring, parameters: SlotParameters, secret: bytes, label: str = ""
) -> bytes:
    """Store a new slot; its id."""
    object_id = names.new_id()
    payload = encode_record(SlotPayload(keys.masters, keys.dedup.secret, label, clock.now_ns()))
    header = Header(
        Kind.KEY,
        keys.aead,
        len(keys.masters) - 1,
        keys.repository,
        object_id,
        secrets.token_bytes(SALT_SIZE),
    )
    header = replace(header, body_length=SLOT.size + len(payload) + TAG_SIZE)
    kek = stretch.stretched(parameters, secret, header.salt)
    front = parameters.encode(_commitment(kek, header, parameters))
    aead = cipher(header.aead, _wrapping(kek, header))
    sealed = aead.encrypt(nonce(0), payload, header.encode() + front)
    backend.put(names.object_name(names.KEYS, object_id), mirror(header.encode() + front + sealed))
    return object_id


def add_password(backend: Backend, keys: Keyring, password: bytes, label: str = "") -> bytes:
    """New password slot; its id. ``UsageError`` on an empty password."""
    if not password:
        raise UsageError("an empty password protects nothing", hint="choose a password")
    return add_slot(backend, keys, PASSWORD_PARAMETERS, password, label)


def add_recovery_key(backend: Backend, keys: Keyring, label: str = "") -> tuple[bytes, str]:
    """New recovery slot; (id, the key as printed). It is stored nowhere else."""
    value = secrets.token_bytes(16)
    slot = add_slot(backend, keys, RECOVERY_PARAMETERS, value, label)
    return slot, encode_recovery_key(value)


def add_key_file(backend: Backend, keys: Keyring, contents: bytes, label: str = "") -> bytes:
    """New slot opened by the random contents of a file; its id."""
    if len(contents) < MINIMUM_KEY_FILE:
        raise UsageError(
            "a key file must hold at least 16 random bytes",
            hint="make one with: head -c 32 /dev/urandom > keyfile",
        )
    return add_slot(backend, keys, KEY_FILE_PARAMETERS, contents, label)


class Opened(msgspec.Struct, frozen=True):
    """What an opened slot gives."""

    __repr__ = object.__repr__

    slot: bytes
    header: Header
    payload: SlotPayload


def open_any(backend: Backend, repository: bytes, secret: bytes) -> Opened:
    """Try the slots with a secret.

    ``WrongKey``; ``ObjectDamaged`` if no slot is readable or the secret's own slot is damaged.
    """
    slots, damaged = _load(backend, repository)
    recovery = decode_recovery_key(secret.decode("utf-8", "replace"))
    broken: FormatError | None = None
    for slot in sorted(slots, key=lambda s: _order(s, recovery is not None)):
        attempt = recovery if slot.parameters.kind == SlotKind.RECOVERY else secret
        try:
            payload = slot.open(attempt) if attempt else None
        except FormatError as error:
            broken = error  # the other copy may be whole
            continue
        if payload is not None:
            return Opened(slot.header.object, slot.header, payload)
    if broken is not None:
        raise ObjectDamaged(
            f"the password or key is right, but its key slot is damaged ({broken})",
            hint="the printed recovery key, or another password, still opens the repository",
        )
    if damaged and not slots:
        raise _nothing_readable(damaged)
    more = f"; {len(damaged)} damaged key slot(s) could not be tried" if damaged else ""
    raise WrongKey(f"the password or key does not open this repository{more}")


def begin_unlocking(backend: Backend, secret: bytes) -> None:
    """Let the slow work for a password begin before the repository is opened with it.

    Nothing depends on it, and whatever is wrong is found and told again by ``open_any``.
    """
    if decode_recovery_key(secret.decode("utf-8", "replace")) is not None:
        return
    slow = [slot for slot in _load(backend, None)[0] if slot.parameters.kdf == ARGON2ID]
    if slow:
        stretch.begin(slow[0].parameters, secret, slow[0].header.salt)


def _nothing_readable(damaged: dict[str, TwofoldError]) -> TwofoldError:
    name, first = next(iter(damaged.items()))
    return ObjectDamaged(
        f"no key slot can be read ({name}: {first})",
        hint="without a key slot the repository cannot be opened: restore 'keys/' from a copy",
    )


def _order(slot: _Slot, looks_like_recovery: bool) -> int:
    cheap = slot.parameters.kdf == HKDF
    is_recovery = slot.parameters.kind == SlotKind.RECOVERY
    return 0 if is_recovery and looks_like_recovery else 1 if cheap else 2


def _load(
    backend: Backend, repository: bytes | None
) -> tuple[list[_Slot], dict[str, TwofoldError]]:
    """The slots that may be tried, and by name what is wrong with those that cannot be read.

    Where nobody knows yet which repository it is, those of any.
    """
    slots: list[_Slot] = []
    damaged: dict[str, TwofoldError] = {}
    for name in slot_names(backend)[:MAX_SLOTS]:
        try:
            slots += _ours(repository, name, read_around(backend, name, _LONGEST))
        except (DamageFound, NewerFormat) as error:
            damaged[name] = error
        except ObjectNotFound:
            continue  # removed while we looked
    return slots, damaged


def _ours(repository: bytes | None, name: str, file: bytes) -> list[_Slot]:
    """The copies of a slot that belong to this repository, at least one."""
    found = _Slot.decode(names.id_from_name(name), file)
    ours = [slot for slot in found if repository in (None, slot.header.repository)]
    if not ours:
        raise FormatError("it belongs to another repository")
    return ours


def slot_names(backend: Backend) -> list[str]:
    """Names of all slot objects, in the order in which they are tried."""
    return sorted(info.name for info in backend.list(names.KEYS) if _is_slot(info.name))


def _is_slot(name: str) -> bool:
    try:
        names.id_from_name(name)
    except FormatError:
        return False
    return True


def slot_problem(backend: Backend, repository: bytes, name: str) -> str:
    """What is wrong with a slot as far as can be told without its secret; empty for nothing."""
    try:
        file = read_around(backend, name, _LONGEST)
        found = _ours(repository, name, file)
    except (DamageFound, NewerFormat) as error:
        return f"it cannot be read: {error}"
    length = HEADER.size + found[0].header.body_length
    return "" if file == mirror(file[:length]) else ONE_COPY_DAMAGED


def list_slots(backend: Backend, repository: bytes, opened: Opened) -> list[SlotInfo]:
    """All readable slots; the opened one with its label."""
    infos = []
    for slot in {slot.header.object: slot for slot in _load(backend, repository)[0]}.values():
        ident = slot.header.object
        current = ident == opened.slot
        label = opened.payload.label if current else ""
        created = opened.payload.created_ns if current else 0
        infos.append(SlotInfo(ident, slot.parameters.kind, current, label, created))
    return infos


def removable_slot(backend: Backend, repository: bytes, prefix: str, opened: Opened) -> SlotInfo:
    """The slot named by an id prefix. ``UsageError`` for none or several, ``RefusedUnsafe`` for the
    last one."""
    slots = list_slots(backend, repository, opened)
    matching = [s for s in slots if s.id.hex().startswith(prefix.lower())] if prefix else []
    if len(matching) != 1:
        raise UsageError(
            f"'{prefix}' names {len(matching)} key slots, not one",
            hint="'twofold key list' shows their ids",
        )
    if len(slots) == 1:
        raise RefusedUnsafe(
            "this is the last key slot; without it nobody could open the repository",
            hint="add another key first",
        )
    return matching[0]


def damaged_slots(backend: Backend, repository: bytes) -> list[str]:
    """What is wrong with slots that cannot be read, in words."""
    return [f"'{name}': {error}" for name, error in _load(backend, repository)[1].items()]
