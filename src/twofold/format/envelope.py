"""The header every object wears, and the shape of small objects (docs/format/objects.md).

A small object is ``header · sealed body`` and its file holds it twice, the second copy starting
at a multiple of 4096 bytes, so that one bad sector never takes both.
"""

import msgspec

from twofold.errors import FormatError, NewerFormat
from twofold.format import FORMAT_NUMBER
from twofold.format.compression import compress, decompress
from twofold.format.layout import Buffer, Layout
from twofold.format.names import Kind

MAGIC = b"\x892FLD\r\n\x1a"
ALIGNMENT = 4096
TAG_SIZE = 16
AES_256_GCM, CHACHA20_POLY1305 = 1, 2
BODY_LIMIT = 16 << 20
INDEX_LIMIT = 256 << 20

HEADER = Layout(
    "Header",
    [
        ("magic", "8s"),
        ("format", "H"),
        ("kind", "B"),
        ("aead", "B"),
        ("epoch", "I"),
        ("repository", "16s"),
        ("object", "16s"),
        ("salt", "32s"),
        ("wrap", "B"),
        ("reserved", "3s"),
        ("wrapped_length", "I"),
        ("body_length", "Q"),
    ],
)
BODY = Layout(
    "Body",
    [("encoding", "B"), ("reserved", "3s"), ("stored_length", "I"), ("raw_length", "I")],
)


class Header(msgspec.Struct, frozen=True):
    """The authenticated front of an object; ``wrapped`` is empty while keys are derived."""

    kind: Kind
    aead: int
    epoch: int
    repository: bytes
    object: bytes
    salt: bytes
    body_length: int = 0

    def encode(self) -> bytes:
        """The 96 bytes, also used as associated data."""
        return HEADER.pack(
            MAGIC,
            FORMAT_NUMBER,
            self.kind,
            self.aead,
            self.epoch,
            self.repository,
            self.object,
            self.salt,
            0,
            0,
            self.body_length,
        )

    @classmethod
    def decode(cls, data: Buffer) -> "Header":
        """Read a header; ``FormatError`` if it is none, or of another format number.

        The number of a repository is that of its configuration: there one above ours is
        ``NewerFormat``. In all other objects another number is damage.
        """
        (
            magic,
            number,
            kind,
            aead,
            epoch,
            repository,
            ident,
            salt,
            wrap,
            wrapped,
            body,
        ) = HEADER.read(data)
        if magic != MAGIC:
            raise FormatError("this is not a Twofold object")
        if number > FORMAT_NUMBER and kind == Kind.CONFIG:
            raise NewerFormat(f"format {number} was written by a newer Twofold")
        if number != FORMAT_NUMBER:
            raise FormatError(f"an object of format {number} in a repository of {FORMAT_NUMBER}")
        if kind not in Kind.__members__.values() or wrap or wrapped:
            raise FormatError("the object's header is damaged")
        if aead not in (AES_256_GCM, CHACHA20_POLY1305):
            raise FormatError(f"unknown cipher {aead}")
        header = cls(Kind(kind), aead, epoch, repository, ident, salt, body)
        if header.encode() != data[: HEADER.size]:  # what is not kept would escape the seal
            raise FormatError("the object's header is damaged")
        return header


def padme(length: int) -> int:
    """``length`` rounded up so that only O(log log) bits of it show (PURBs, 2019)."""
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    step = 1 << max(0, exponent - exponent.bit_length())
    return -(-length // step) * step


def encode_body(contents: bytes, limit: int) -> bytes:
    """Plaintext of a small object's message: lengths, contents, padding.

    ``FormatError`` beyond ``limit`` bytes: no reader would take them.
    """
    if len(contents) > limit:
        raise FormatError(f"{len(contents)} bytes are too long for one object")
    encoding, stored = compress(contents)
    front = BODY.pack(encoding, len(stored), len(contents)) + bytes(stored)
    return front.ljust(padme(len(front)), b"\0")


def decode_body(plain: Buffer, limit: int) -> bytes:
    """Contents out of the plaintext; ``FormatError`` beyond ``limit`` bytes or on bad lengths."""
    encoding, stored, raw = BODY.read(plain)
    if raw > limit or BODY.size + stored > len(plain):
        raise FormatError("the object's contents have impossible lengths")
    view = memoryview(plain)[BODY.size : BODY.size + stored]
    return bytes(decompress(encoding, view, raw))


def mirror(copy: bytes) -> bytes:
    """The file that holds a small object twice."""
    return copy.ljust(-(-len(copy) // ALIGNMENT) * ALIGNMENT, b"\0") + copy


def second_copy_start(file_size: int) -> int:
    """Where the second copy begins in a mirrored file of this size."""
    return -(-file_size // (2 * ALIGNMENT)) * ALIGNMENT
