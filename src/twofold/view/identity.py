"""An id for the content of a file, equal wherever the file was kept.

It is a hash of the file's segments as the chunker of the repository makes them. What a file system
decodes (compressed files, those within its tables) is cut for that as a backup of it would be.
Where a list was cut in another way nevertheless, files of one size are compared by their bytes.
"""

from collections.abc import Iterator
from itertools import islice

import blake3
import msgspec

from twofold.chunker import Chunker, Piece, StreamCutter
from twofold.format.names import BlobKind
from twofold.format.segments import pack_absent, pack_blob, pack_zeros
from twofold.repository import BlobReader
from twofold.seal import DedupKeys
from twofold.view.same import Comparable, Comparer, File, Kept, Part

_STEP = 8 << 20
_PARTS = 1 << 18  # of files of images that are kept for comparison
_HOLE = 1 << 20
"""Bytes of a hole that are announced to the chunker rather than shown."""


class Cutting(msgspec.Struct, frozen=True):
    """How contents become segments in a repository."""

    chunker: Chunker
    keys: DedupKeys

    def segments(self, file: File) -> Iterator[bytes]:
        """The segments of a file as a backup of it has them. ``DamageFound``."""
        if file.tree.content(file.node) is None:
            for part in file.parts():
                yield _packed(part)
            return
        for piece in self._cut(file.parts()):
            if piece.data is None:
                yield pack_zeros(piece.length)
            else:
                yield pack_blob(self.keys.blob_id(BlobKind.DATA, piece.data), piece.length)

    def _cut(self, parts: Iterator[Part]) -> Iterator[Piece]:
        cutter = StreamCutter(self.chunker)
        rest = b""
        for part in parts:
            if part.content is None and part.length >= _HOLE:
                yield from cutter.split(rest, hole_follows=True)[0]
                cutter.hole(part.length)
                rest = b""
                continue
            for at in range(0, part.length, _STEP):
                step = min(_STEP, part.length - at)
                shown = bytes(step)
                if part.content is not None:
                    shown = part.content.read(part.at + at, step)
                buffer = rest + shown
                pieces, used = cutter.split(buffer)
                yield from pieces
                rest = buffer[used:]
        yield from cutter.split(rest, final=True)[0]


class Identities:
    """Tells contents apart; those met before are remembered."""

    def __init__(self, cutting: Cutting, blobs: BlobReader) -> None:
        self._cutting = cutting
        self._comparer = Comparer(blobs)
        self._known: dict[bytes, bytes] = {}
        self._kept: dict[int, list[tuple[Comparable, bytes]]] = {}  # by size, one of each content
        self._room = _PARTS

    def of(self, file: File) -> bytes:
        """The id of a file's content, that of the first equal one met. ``DamageFound``."""
        digest = blake3.blake3()
        for segment in self._cutting.segments(file):
            digest.update(segment)
        ident = digest.digest(16)
        if ident not in self._known:
            self._known[ident] = self._equal(file, ident)
        return self._known[ident]

    def _equal(self, file: File, ident: bytes) -> bytes:
        """The id of equal content that was cut otherwise, or else its own."""
        others = self._kept.setdefault(file.size, [])
        for other, found in others:
            if self._comparer.same(file, other):
                return found
        kept = self._keep(file)
        if kept is not None:
            others.append((kept, ident))
        return ident

    def _keep(self, file: File) -> Comparable | None:
        """A file to compare later ones with; the tree of an image is too much to be held for that.

        Nor is it for contents that are decoded: those are always cut as a backup would be.
        """
        if file.tree.counted:
            return file
        if file.tree.content(file.node) is not None:
            return None
        parts = tuple(islice(file.parts(), self._room + 1))
        if len(parts) > self._room:
            return None
        self._room -= len(parts)
        return Kept(file.size, file.fingerprint, parts)


def _packed(part: Part) -> bytes:
    if part.absence is not None:
        return pack_absent(part.absence, part.length)
    return pack_zeros(part.length) if part.blob is None else pack_blob(part.blob, part.length)
