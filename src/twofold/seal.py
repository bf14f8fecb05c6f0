"""The one trust boundary: keys, ids, and sealing of whole messages (docs/format/keys.md).

Every object has a key of its own, derived from the subkey of its kind and its random salt; messages
in it are numbered. The header is associated data of every message.
"""

import hmac
import secrets
from array import array
from collections.abc import Callable

import blake3
import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from msgspec.structs import replace

from twofold.errors import FormatError, NewerFormat
from twofold.format.envelope import (
    AES_256_GCM,
    BODY_LIMIT,
    CHACHA20_POLY1305,
    HEADER,
    INDEX_LIMIT,
    TAG_SIZE,
    Header,
    decode_body,
    encode_body,
    mirror,
    second_copy_start,
)
from twofold.format.layout import Buffer
from twofold.format.names import BlobKind, Kind
from twofold.native import EXTENSION

KEY_SIZE = 32
_LONG = 32 << 10
"""Bytes; longer pieces are hashed faster one by one, as each fills the processor's lanes alone."""
SALT_SIZE = 32

_SUBKEY = {
    Kind.CONFIG: b"authentication",
    Kind.DATA_PACK: b"data",
    Kind.META_PACK: b"metadata",
    Kind.DATA_INDEX: b"index",
    Kind.META_INDEX: b"index",
    Kind.ROOT: b"authentication",
    Kind.SESSION: b"authentication",
    Kind.FORGOTTEN: b"authentication",
    Kind.TOMB: b"authentication",
}


def _limit(kind: Kind) -> int:
    return INDEX_LIMIT if kind in (Kind.DATA_INDEX, Kind.META_INDEX) else BODY_LIMIT


def expand(key: bytes, info: bytes) -> bytes:
    """HKDF-Expand with SHA-256 to 32 bytes (RFC 5869; one block suffices)."""
    return hmac.digest(key, info + b"\x01", "sha256")


def extract(salt: bytes, secret: bytes) -> bytes:
    """HKDF-Extract with SHA-256."""
    return hmac.digest(salt, secret, "sha256")


def cipher(aead: int, key: bytes) -> AESGCM | ChaCha20Poly1305:
    """The cipher a header names, with a key."""
    if aead == AES_256_GCM:
        return AESGCM(key)
    if aead == CHACHA20_POLY1305:
        return ChaCha20Poly1305(key)
    raise FormatError(f"unknown cipher {aead}")


def nonce(number: int) -> bytes:
    """A message number as 96-bit nonce."""
    return number.to_bytes(12, "little")


def keyed_hash(key: bytes, data: Buffer) -> bytes:
    """BLAKE3-256 under a key."""
    return blake3.blake3(data, key=key).digest()


def fast_aead() -> int:
    """The cipher for new objects: AES-GCM where the processor has AES, else ChaCha20-Poly1305."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
            words = info.read()
    except OSError:
        return AES_256_GCM
    return AES_256_GCM if " aes" in words else CHACHA20_POLY1305


class DedupKeys:
    """Keys that decide ids and cuts; shared by paired repositories. The repr shows no secret."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self.chunker = expand(secret, b"twofold 0 dedup chunker")[:16]
        self.page = expand(secret, b"twofold 0 dedup page")
        self._id_keys = (
            expand(secret, b"twofold 0 dedup data id"),
            expand(secret, b"twofold 0 dedup metadata id"),
        )

    def blob_id(self, kind: BlobKind, data: Buffer) -> bytes:
        """Id of a blob, 32 bytes."""
        return blake3.blake3(data, key=self._id_keys[kind]).digest()

    def hasher(self, kind: BlobKind) -> Callable[[Buffer], bytes]:
        """``blob_id`` for one kind, bound for tight loops."""
        key, new = self._id_keys[kind], blake3.blake3

        def blob_id(data: Buffer) -> bytes:
            return new(data, key=key).digest()

        return blob_id

    def ids_of(self, kind: BlobKind, data: Buffer, spans: "array[int]") -> bytes:
        """Ids of pieces of a buffer, one behind the other; ``spans``: begins and ends in turn."""
        key = self._id_keys[kind]
        batched = EXTENSION is not None and EXTENSION.BLAKE3_KERNELS
        if batched and sum(spans[1::2]) - sum(spans[::2]) < _LONG * len(spans) // 2:
            ids: bytes = EXTENSION.keyed_hashes(key, data, spans)  # type: ignore[union-attr]
            return ids
        view, new = memoryview(data), blake3.blake3
        pairs = zip(spans[::2], spans[1::2], strict=True)
        return b"".join([new(view[begin:end], key=key).digest() for begin, end in pairs])


class ObjectSeal(msgspec.Struct, frozen=True):
    """The cipher of one object: seals and opens its numbered messages."""

    __repr__ = object.__repr__

    header: Header
    _front: bytes
    _cipher: AESGCM | ChaCha20Poly1305

    def seal(self, number: int, plain: Buffer, more: bytes = b"") -> bytes:
        """Ciphertext and tag; ``more`` is further associated data."""
        return self._cipher.encrypt(nonce(number), plain, self._front + more)

    def seal_into(self, number: int, plain: Buffer, more: bytes, out: memoryview) -> None:
        """``seal`` into memory of exactly ``TAG_SIZE`` bytes more than ``plain``."""
        self._cipher.encrypt_into(nonce(number), plain, self._front + more, out)

    def open_into(self, number: int, sealed: Buffer, more: bytes, out: memoryview) -> None:
        """``open`` into memory of exactly ``TAG_SIZE`` bytes less than ``sealed``."""
        try:
            self._cipher.decrypt_into(nonce(number), sealed, self._front + more, out)
        except InvalidTag:
            raise FormatError("contents fail their authentication") from None

    def open(self, number: int, sealed: Buffer, more: bytes = b"") -> bytes:
        """Plaintext; ``FormatError`` when the message is not authentic."""
        try:
            return self._cipher.decrypt(nonce(number), sealed, self._front + more)
        except InvalidTag:
            raise FormatError("contents fail their authentication") from None


class Keyring:
    """All keys of an open repository. The repr shows no secret."""

    def __init__(self, repository: bytes, masters: list[bytes], dedup: bytes, aead: int) -> None:
        self.repository = repository
        self.masters = masters
        self.dedup = DedupKeys(dedup)
        self.aead = aead
        self._subkeys: dict[tuple[int, bytes], bytes] = {}

    @classmethod
    def create(cls, repository: bytes, dedup: bytes | None = None) -> "Keyring":
        """Fresh random keys; ``dedup`` is given for a paired repository."""
        master = secrets.token_bytes(KEY_SIZE)
        return cls(repository, [master], dedup or secrets.token_bytes(KEY_SIZE), fast_aead())

    def new_header(self, kind: Kind, object_id: bytes) -> Header:
        """Header for one write attempt: newest epoch, fresh salt."""
        return Header(
            kind,
            self.aead,
            len(self.masters) - 1,
            self.repository,
            object_id,
            secrets.token_bytes(SALT_SIZE),
        )

    def object_seal(self, header: Header) -> ObjectSeal:
        """The cipher for an object with this header."""
        subkey = self._subkey(header.epoch, _SUBKEY.get(header.kind, b""))
        info = b"twofold 0 object" + bytes([header.kind]) + header.object + header.salt
        return ObjectSeal(header, header.encode(), cipher(header.aead, expand(subkey, info)))

    def check(self, header: Header, kind: Kind, object_id: bytes | None) -> None:
        """Raise ``FormatError`` unless the header belongs to this repository, kind and name."""
        if header.repository != self.repository:
            raise FormatError("the object belongs to another repository")
        if header.kind != kind:
            raise FormatError("the object is of another kind than its name says")
        if object_id is not None and header.object != object_id:
            raise FormatError("the object was stored under another name")

    def _subkey(self, epoch: int, name: bytes) -> bytes:
        if not name or epoch >= len(self.masters):
            raise FormatError("the object is sealed with a key we do not have")
        found = self._subkeys.get((epoch, name))
        if found is None:
            info = b"twofold 0 subkey " + name + self.repository
            found = self._subkeys[epoch, name] = expand(self.masters[epoch], info)
        return found

    def seal_small(self, kind: Kind, object_id: bytes, contents: bytes) -> bytes:
        """The file of a small object."""
        plain = encode_body(contents, _limit(kind))
        header = self.new_header(kind, object_id)
        header = replace(header, body_length=len(plain) + TAG_SIZE)
        return mirror(header.encode() + self.object_seal(header).seal(0, plain))

    def open_small(self, kind: Kind, object_id: bytes | None, file: bytes) -> tuple[bytes, bool]:
        """(contents, healthy): from the first copy that opens; ``FormatError`` if none does.

        ``healthy`` is False when the copies differ or one of them is damaged. ``NewerFormat`` when
        the first copy says so and the second does not open: the number itself may be damaged.
        """
        try:
            contents, length = self._open_copy(kind, object_id, memoryview(file))
        except (FormatError, NewerFormat) as first:
            try:
                start = second_copy_start(len(file))
                contents, _ = self._open_copy(kind, object_id, memoryview(file)[start:])
            except (FormatError, NewerFormat):
                raise first from None
            return contents, False
        return contents, file == mirror(file[:length])

    def _open_copy(
        self, kind: Kind, object_id: bytes | None, copy: memoryview
    ) -> tuple[bytes, int]:
        header = Header.decode(copy)
        self.check(header, kind, object_id)
        end = HEADER.size + header.body_length
        if end > len(copy):
            raise FormatError("the object is cut short")
        plain = self.object_seal(header).open(0, copy[HEADER.size : end])
        return decode_body(plain, _limit(kind)), end

    def source_id(self, *parts: str | bytes) -> bytes:
        """16-byte keyed name of a backup source, for chains and client state."""
        joined = b"\0".join(p if isinstance(p, bytes) else p.encode() for p in parts)
        return keyed_hash(self._chain_key, joined)[:16]

    def chain_digest(self, previous: bytes, *parts: bytes) -> bytes:
        """Next digest of a chain of snapshots."""
        return keyed_hash(self._chain_key, b"\0".join([previous, *parts]))

    @property
    def cache_key(self) -> bytes:
        """Authenticates what this computer keeps of the index (never stored in a repository)."""
        return expand(self._subkey(0, b"authentication"), b"twofold 0 index cache")

    @property
    def _chain_key(self) -> bytes:
        return expand(self._subkey(0, b"authentication"), b"twofold 0 chain")
