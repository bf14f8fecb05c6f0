"""Subkeys, object keys and ids against two independent implementations of HKDF, and pinned.

One implementation is RFC 5869 written out with hashlib alone, the other ``cryptography``'s. The
pinned values keep every repository ever written readable: they may only change with the format.
"""

import hashlib
import io

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from twofold import seal
from twofold.errors import FormatError
from twofold.format.names import BlobKind, Kind
from twofold.seal import DedupKeys, Keyring

REPOSITORY = bytes(range(16))
MASTER = bytes(range(32, 64))
DEDUP = bytes(range(64, 96))
OBJECT = bytes(range(96, 112))
PINNED = {
    "chunker": "c2adf9bf8eacf65de28103637c66658d",
    "page": "52d286c112de62979df6197373643eb0e939e22622ae7561770cc11671e75ad0",
    "data": "23983a0bf911e9c0556d32707f28e8a80996e601aa46dcf5523d2b9adbc92ce7",
    "metadata": "741f44fbcc91c6bb7aead0710a6c50120b254638c64be6d20982b82163287b14",
    "source": "d70d28db40cadd71b0069c57944b2d6d",
    "chain": "80e0bb8cd546a5932751a27730c29f735e354e08e26466b49ff7a3e476cb59cd",
}
SUBKEYS = {
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


def mac(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA256 as RFC 2104 writes it."""
    key = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + data).digest()
    return hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).digest()


def expand(key: bytes, info: bytes) -> bytes:
    """HKDF-Expand to 32 bytes as RFC 5869 writes it: T(1) = HMAC(key, info | 0x01)."""
    return mac(key, info + b"\x01")


def keyring(epochs: int = 1) -> Keyring:
    """Known keys; the master of epoch n begins with n."""
    masters = [bytes([n]) + MASTER[1:] for n in range(epochs)] if epochs > 1 else [MASTER]
    return Keyring(REPOSITORY, masters, DEDUP, 1)


def test_rfc_5869_vector() -> None:
    """Appendix A.1 of the RFC, first block."""
    secret, salt = b"\x0b" * 22, bytes(range(13))
    pseudorandom = seal.extract(salt, secret)
    assert pseudorandom.hex() == "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
    expanded = seal.expand(pseudorandom, bytes(range(0xF0, 0xFA)))
    assert expanded.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"


@given(st.binary(max_size=100), st.binary(max_size=100), st.binary(min_size=1, max_size=100))
def test_hkdf_is_everybody_elses(key: bytes, info: bytes, salt: bytes) -> None:
    """Equal to the RFC written out and to another library, for any input."""
    assert seal.expand(key, info) == expand(key, info) == HKDFExpand(SHA256(), 32, info).derive(key)
    whole = seal.expand(seal.extract(salt, key), info)
    assert whole == HKDF(SHA256(), 32, salt, info).derive(key)


@pytest.mark.parametrize("kind", SUBKEYS)
@pytest.mark.parametrize("aead", [1, 2])
def test_object_keys_are_derived_as_specified(kind: Kind, aead: int) -> None:
    """What the seal writes opens with a key, nonce and associated data worked out by hand."""
    keys = keyring()
    keys.aead = aead
    header = keys.new_header(kind, OBJECT)
    subkey = expand(MASTER, b"twofold 0 subkey " + SUBKEYS[kind] + REPOSITORY)
    key = expand(subkey, b"twofold 0 object" + bytes([kind]) + OBJECT + header.salt)
    cipher = AESGCM(key) if aead == 1 else ChaCha20Poly1305(key)
    sealed = keys.object_seal(header)
    for number in (0, 1, 255, 256, 2**32, 2**96 - 1):
        nonce = number.to_bytes(12, "little")
        message = sealed.seal(number, b"text", b"more")
        assert message == cipher.encrypt(nonce, b"text", header.encode() + b"more")
        assert sealed.open(number, message, b"more") == b"text"


def test_every_kind_but_key_slots_has_a_subkey() -> None:
    """No kind is sealed by accident with another's key; slots bring their own."""
    keys = keyring()
    for kind in Kind:
        header = keys.new_header(kind, OBJECT)
        if kind in SUBKEYS:
            keys.object_seal(header)
        else:
            with pytest.raises(FormatError):
                keys.object_seal(header)


def test_ids_are_keyed_blake3() -> None:
    """Data and metadata ids under keys of their own, so that contents never pass for metadata."""
    dedup = DedupKeys(DEDUP)
    data_key = expand(DEDUP, b"twofold 0 dedup data id")
    meta_key = expand(DEDUP, b"twofold 0 dedup metadata id")
    for blob in (b"", b"blob", bytes(100_000)):
        assert dedup.blob_id(BlobKind.DATA, blob) == blake3(blob, key=data_key).digest()
        assert dedup.blob_id(BlobKind.META, blob) == blake3(blob, key=meta_key).digest()
        assert dedup.blob_id(BlobKind.DATA, blob) != dedup.blob_id(BlobKind.META, blob)
        for kind in BlobKind:
            assert dedup.hasher(kind)(memoryview(blob)) == dedup.blob_id(kind, blob)
    assert dedup.chunker == expand(DEDUP, b"twofold 0 dedup chunker")[:16]
    assert dedup.page == expand(DEDUP, b"twofold 0 dedup page")


def test_derived_values_are_pinned() -> None:
    """Computed once with the RFC written out; another value would make repositories unreadable."""
    dedup = DedupKeys(DEDUP)
    pinned = {
        "chunker": dedup.chunker,
        "page": dedup.page,
        "data": dedup.blob_id(BlobKind.DATA, b"blob"),
        "metadata": dedup.blob_id(BlobKind.META, b"blob"),
        "source": keyring().source_id("machine", b"files", "name"),
        "chain": keyring().chain_digest(bytes(32), b"tree"),
    }
    assert {name: value.hex() for name, value in pinned.items()} == PINNED


def test_paired_repositories_share_ids_and_nothing_else() -> None:
    """Equal dedup secrets, other masters: equal ids, unequal object keys."""
    one, two = Keyring.create(REPOSITORY, DEDUP), Keyring.create(REPOSITORY, DEDUP)
    assert one.dedup.blob_id(BlobKind.DATA, b"x") == two.dedup.blob_id(BlobKind.DATA, b"x")
    assert one.masters != two.masters
    header = one.new_header(Kind.ROOT, OBJECT)
    with pytest.raises(FormatError):
        two.object_seal(header).open(0, one.object_seal(header).seal(0, b"text"))
    assert Keyring.create(REPOSITORY).dedup.secret != Keyring.create(REPOSITORY).dedup.secret


def test_new_objects_use_the_newest_epoch_and_old_ones_stay_readable() -> None:
    """After a change of master, old headers open with the old master, new ones with the new."""
    old, new = keyring(2), keyring(3)
    header = old.new_header(Kind.ROOT, OBJECT)
    sealed = old.object_seal(header).seal(0, b"text")
    assert header.epoch == 1
    assert new.new_header(Kind.ROOT, OBJECT).epoch == 2
    assert new.object_seal(header).open(0, sealed) == b"text"
    with pytest.raises(FormatError):
        old.object_seal(new.new_header(Kind.ROOT, OBJECT))


def test_keys_never_show() -> None:
    """No repr prints a secret."""
    keys = keyring()
    shown = (
        repr(keys) + repr(keys.dedup) + repr(keys.object_seal(keys.new_header(Kind.ROOT, OBJECT)))
    )
    for secret in (MASTER, DEDUP, keys.dedup.chunker, keys.dedup.page):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flags\t\t: fpu sse2 pclmulqdq aes avx", 1),
        ("Features\t: fp asimd aes pmull sha2", 1),
        ("flags\t\t: fpu sse2", 2),
        (None, 1),
    ],
)
def test_the_cipher_suits_the_processor(
    text: str | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AES-GCM where the processor has AES (or does not say), else ChaCha20-Poly1305."""

    def opened(*_args: object, **_kwargs: object) -> io.StringIO:
        if text is None:
            raise FileNotFoundError
        return io.StringIO(text)

    monkeypatch.setattr("builtins.open", opened)
    assert seal.fast_aead() == expected
