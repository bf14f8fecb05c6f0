"""Key slots: parameters, payload, and the spelling of recovery keys (docs/format/keys.md)."""

import hashlib
import re
from enum import IntEnum

import msgspec

from twofold.errors import FormatError
from twofold.format.layout import Buffer, Layout

SLOT = Layout(
    "Slot",
    [
        ("kdf", "B"),
        ("slot_kind", "B"),
        ("reserved", "2s"),
        ("memory_kib", "I"),
        ("iterations", "I"),
        ("lanes", "I"),
        ("commitment", "32s"),
    ],
)
PARAMETERS_SIZE = 16
SECRET_SIZE = 32
MAX_MEMORY_KIB, MAX_ITERATIONS, MAX_LANES = 4 << 20, 64, 64
MAX_SLOTS = 20
HKDF, ARGON2ID = 0, 1
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SKIPPED = re.compile(r"[\s\u2010-\u2015-]+")  # white space, and what word processors make of "-"
_LOOKALIKES = str.maketrans({"O": "0", "I": "1", "L": "1"})


class SlotKind(IntEnum):
    """What opens the slot."""

    PASSWORD = 1
    RECOVERY = 2
    KEY_FILE = 3


class SlotParameters(msgspec.Struct, frozen=True):
    """How a secret becomes a key-encryption key; memory in KiB."""

    kdf: int
    kind: SlotKind
    memory_kib: int = 0
    iterations: int = 0
    lanes: int = 0

    def encode(self, commitment: bytes) -> bytes:
        """The 48 parameter bytes."""
        return SLOT.pack(
            self.kdf, self.kind, self.memory_kib, self.iterations, self.lanes, commitment
        )

    @classmethod
    def decode(cls, data: Buffer) -> tuple["SlotParameters", bytes]:
        """(parameters, commitment); ``FormatError`` beyond the bounds, so none can exhaust us."""
        kdf, kind, memory, iterations, lanes, commitment = SLOT.read(data)
        if kind not in SlotKind.__members__.values():
            raise FormatError(f"unknown kind of key slot {kind}")
        if kdf == ARGON2ID:
            if not (
                8 * max(lanes, 1) <= memory <= MAX_MEMORY_KIB
                and 1 <= iterations <= MAX_ITERATIONS
                and 1 <= lanes <= MAX_LANES
            ):
                raise FormatError("key slot demands impossible effort")
        elif kdf != HKDF:
            raise FormatError(f"unknown key derivation {kdf}")
        return cls(kdf, SlotKind(kind), memory, iterations, lanes), commitment


class SlotPayload(msgspec.Struct, frozen=True):
    """What a slot protects: a master secret per epoch and the dedup secret, 32 bytes each."""

    masters: list[bytes]
    dedup: bytes
    label: str = ""
    created_ns: int = 0

    def check(self) -> None:
        """``FormatError`` unless there is a master secret and every secret is as long as one."""
        if not self.masters or any(len(key) != SECRET_SIZE for key in (*self.masters, self.dedup)):
            raise FormatError("a key slot holds what is no key")


def encode_recovery_key(value: bytes) -> str:
    """16 bytes as six groups of five characters, with 20 check bits."""
    number = int.from_bytes(value, "big") << 2
    digits = [_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5)]
    text = "".join(digits) + _check_characters(value)
    return "-".join(text[i : i + 5] for i in range(0, 30, 5))


def decode_recovery_key(text: str) -> bytes | None:
    """The 16 bytes, or None when the text is not a recovery key."""
    plain = _SKIPPED.sub("", text).upper().translate(_LOOKALIKES)
    if len(plain) != 30 or any(c not in _ALPHABET for c in plain):
        return None
    number = 0
    for character in plain[:26]:
        number = number << 5 | _ALPHABET.index(character)
    value = (number >> 2).to_bytes(16, "big")
    good = number & 3 == 0 and plain[26:] == _check_characters(value)
    return value if good else None


def _check_characters(value: bytes) -> str:
    bits = int.from_bytes(hashlib.sha256(b"twofold recovery" + value).digest()[:3], "big") >> 4
    return "".join(_ALPHABET[(bits >> shift) & 31] for shift in (15, 10, 5, 0))
