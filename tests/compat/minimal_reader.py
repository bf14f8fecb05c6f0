"""A second reader of Twofold repositories, written from docs/format alone.

It shares no code with the program and uses other libraries wherever there are others, so that what
it restores proves two things: the documents suffice, and the repository says what they say. It
reads everything from scratch, repairs nothing but by second copies, and keeps no cache.

    TWOFOLD_PASSWORD=… python minimal_reader.py REPO TARGET [--snapshot ID|latest] [--without-index]

The secret may be a password or a recovery key. TARGET must not exist or be empty. Restored are
contents, holes, modes, owners (as root), times, extended attributes, links and special files;
inode flags are not. Needs: argon2-cffi, blake3, msgpack, pycryptodome, zstandard.
"""

import argparse
import hashlib
import hmac
import os
import re
import stat
import struct
import sys
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgpack  # type: ignore[import-untyped]
import zstandard
from argon2.low_level import Type, hash_secret_raw
from blake3 import blake3
from Crypto.Cipher import AES, ChaCha20_Poly1305

HEADER = struct.Struct("<8sHBBI16s16s32sB3sIQ")  # objects.md
BODY = struct.Struct("<B3xII")
SLOT = struct.Struct("<BB2xIII32s")  # keys.md
SECTION = struct.Struct("<7sBIIB7x8s")  # packs.md
TABLE_FRAME = struct.Struct("<IIIIB3x")
TABLE_BLOB = struct.Struct("<32sI")
FOOTER = struct.Struct("<8s16sQIII4xQ8s")
INDEX_HEAD = struct.Struct("<IIII")  # index.md
INDEX_PACK = struct.Struct("<16sQII32sIB3x")
INDEX_FRAME = struct.Struct("<III3sB")
INDEX_BLOB = struct.Struct("<III")
RECORD = struct.Struct("<QQqqIIIIHH4x")  # metadata.md
SEGMENTS = {1: "<x32sI", 2: "<xQ", 3: "<xBQ"}

MAGIC = bytes.fromhex("8932464C440D0A1A")
SECTION_MAGIC = bytes.fromhex("893246530D0A1A")
FOOTER_MAGIC = bytes.fromhex("893246454E440D0A")
CONFIG, SLOT_KIND, DATA_PACK, META_PACK, DATA_INDEX, META_INDEX, ROOT = range(1, 8)
SUBKEYS: dict[int, bytes] = dict.fromkeys((CONFIG, ROOT), b"authentication")
SUBKEYS |= {DATA_PACK: b"data", META_PACK: b"metadata", DATA_INDEX: b"index", META_INDEX: b"index"}
DATA, META = 0, 1  # kinds of blobs
FILE, DIRECTORY, SYMLINK, FIFO, SOCKET, CHARACTER, BLOCK = range(1, 8)
SPECIAL = {FIFO: stat.S_IFIFO, SOCKET: stat.S_IFSOCK, CHARACTER: stat.S_IFCHR, BLOCK: stat.S_IFBLK}
MIB = 1 << 20

Header = namedtuple(
    "Header",
    "magic format kind aead epoch repository object salt wrap reserved wrapped length",
    defaults=(0, bytes(3), 0, 0),
)
Frame = namedtuple("Frame", "pack ordinal offset sealed raw encoding")  # pack: its Header
Record = dict[str, Any]
Names = dict[bytes, Any]
Item = TypeVar("Item")
Result = TypeVar("Result")


class Damaged(Exception):
    """Bytes that are not what the documents say."""


def need(condition: object, words: str) -> None:
    """Damage unless the condition holds."""
    if not condition:
        raise Damaged(words)


def first_good(work: Callable[[Item], Result], items: Iterable[Item]) -> Result:
    """What the first item gives that can be read; the last one's damage if none can."""
    last: Exception = Damaged("it is nowhere")
    for item in items:
        try:
            return work(item)
        except (Damaged, OSError) as error:
            last = error
    raise Damaged(str(last)) from last


def copies(file: bytes) -> list[bytes]:
    """Both copies of something stored twice."""
    return [file, file[-(-len(file) // 8192) * 4096 :]]


def ids(folder: Path) -> list[bytes]:
    """Ids of all objects below a folder, in order."""
    found = [path.name for path in folder.rglob("*")]
    return sorted(bytes.fromhex(name) for name in found if re.fullmatch("[0-9a-f]{32}", name))


def pack_path(pack: bytes) -> Path:
    """Where a pack lies in the repository."""
    return Path("packs", pack.hex()[:2], pack.hex())


def expand(key: bytes, info: bytes) -> bytes:
    """HKDF-Expand to 32 bytes."""
    return hmac.new(key, info + b"\x01", hashlib.sha256).digest()


def unseal(aead: int, key: bytes, number: int, sealed: bytes, front: bytes) -> bytes:
    """Open one message; ``front`` is its associated data."""
    nonce = number.to_bytes(12, "little")
    cipher: Any = ChaCha20_Poly1305.new(key=key, nonce=nonce)
    if aead == 1:
        cipher = AES.new(key, AES.MODE_GCM, nonce=nonce, mac_len=16)
    cipher.update(front)
    try:
        return bytes(cipher.decrypt_and_verify(sealed[:-16], sealed[-16:]))
    except ValueError as error:
        raise Damaged("contents fail their authentication") from error


def inflate(encoding: int, stored: bytes, length: int) -> bytes:
    """Undo compression to exactly ``length`` bytes."""
    if encoding == 1:
        try:
            stored = zstandard.ZstdDecompressor().decompress(stored, max_output_size=length)
        except zstandard.ZstdError as error:
            raise Damaged(f"compressed data is damaged: {error}") from error
    need(encoding in (0, 1) and len(stored) == length, "wrong length after decompression")
    return stored


def read_header(data: bytes) -> Header:
    """The header of an object, checked as far as it can be without keys."""
    need(len(data) >= HEADER.size and data[:8] == MAGIC, "not a Twofold object, or cut short")
    header = Header(*HEADER.unpack_from(data))
    need(header.format == 0, f"format {header.format}: of a newer Twofold, or no part of this")
    need(header.aead in (1, 2), "unknown cipher")
    need(not (header.wrap or header.wrapped or any(header.reserved)), "damaged header")
    return header


def recovery_value(text: str) -> bytes | None:
    """The 16 bytes behind a printed recovery key, None if the text is none."""
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    plain = re.sub(r"[\s\u2010-\u2015-]", "", text).upper()
    plain = plain.replace("O", "0").replace("I", "1").replace("L", "1")
    if len(plain) != 30 or not set(plain) <= set(digits):
        return None
    bits = "".join(f"{digits.index(character):05b}" for character in plain)
    value = int(bits[:128], 2).to_bytes(16, "big")
    check = hashlib.sha256(b"twofold recovery" + value).digest()
    good = bits[128:130] == "00" and int(bits[130:], 2) == int.from_bytes(check[:3], "big") >> 4
    return value if good else None


class Keys:
    """An opened repository: its master secrets and the keys derived from them."""

    def __init__(self, path: Path, secret: str) -> None:
        self.path = path
        configs = [path / name for name in ("config", "config.copy") if (path / name).exists()]
        both = [copy for config in configs for copy in copies(config.read_bytes())]
        self.repository: bytes = first_good(read_header, both).repository
        names = [path / "keys" / ident.hex() for ident in ids(path / "keys")[:20]]
        slots = ((bytes.fromhex(n.name), copy) for n in names for copy in copies(n.read_bytes()))
        payload = first_good(lambda slot: self._open_slot(*slot, secret), slots)
        self.masters: list[bytes] = payload["masters"]
        labels = (b"data id", b"metadata id")
        self.id_keys = [expand(payload["dedup"], b"twofold 0 dedup " + each) for each in labels]
        self.config: Record = first_good(self._config, configs)

    def _config(self, path: Path) -> Record:
        config: Record = msgpack.unpackb(self.small(path, None, CONFIG)[1])
        need(not config.get("features_read"), "the repository needs what we lack")
        return config

    def _open_slot(self, ident: bytes, copy: bytes, secret: str) -> Record:
        header = read_header(copy)
        need((header.kind, header.object) == (SLOT_KIND, ident), "not this slot")
        need(header.repository == self.repository, "a slot of another repository")
        body = copy[HEADER.size : HEADER.size + header.length]
        need(len(body) == header.length >= SLOT.size + 16, "slot is cut short")
        kdf, kind, memory, passes, lanes, commitment = SLOT.unpack_from(body)
        value = recovery_value(secret) if kind == 2 else secret.encode()
        if value is None:
            raise Damaged("the secret is not a recovery key")
        if kdf == 1:
            need(8 * lanes <= memory <= 4_194_304, "impossible effort")
            need(1 <= passes <= 64 and 1 <= lanes <= 64, "impossible effort")
            kek = hash_secret_raw(value, header.salt, passes, memory, lanes, 32, Type.ID, 0x13)
        else:
            need(kdf == 0, "unknown key derivation")
            extracted = hmac.new(header.salt, value, hashlib.sha256).digest()
            kek = expand(extracted, b"twofold 0 slot secret")
        front = HEADER.pack(*header)
        committed = expand(kek, b"twofold 0 slot commitment" + front + body[:16])
        need(commitment == committed, "no key slot opens with this secret")
        wrap = expand(kek, b"twofold 0 slot wrap" + self.repository + ident)
        plain = unseal(header.aead, wrap, 0, body[SLOT.size :], front + body[: SLOT.size])
        payload: Record = msgpack.unpackb(plain)
        return payload

    def open(self, header: Header, number: int, sealed: bytes, more: bytes = b"") -> bytes:
        """One message of an object; ``more`` is associated data after the header."""
        need(header.repository == self.repository, "of another repository")
        need(header.epoch < len(self.masters), "unknown key epoch")
        info = b"twofold 0 subkey " + SUBKEYS[header.kind] + self.repository
        subkey = expand(self.masters[header.epoch], info)
        kind = bytes([header.kind])
        key = expand(subkey, b"twofold 0 object" + kind + header.object + header.salt)
        return unseal(header.aead, key, number, sealed, HEADER.pack(*header) + more)

    def small(self, path: Path, ident: bytes | None, *kinds: int) -> tuple[int, bytes]:
        """(kind, contents) of a small object, from either copy."""
        return first_good(lambda copy: self._small(copy, ident, kinds), copies(path.read_bytes()))

    def _small(self, copy: bytes, ident: bytes | None, kinds: tuple[int, ...]) -> tuple[int, bytes]:
        header = read_header(copy)
        need(header.kind in kinds and ident in (None, header.object), "not the object it says")
        plain = self.open(header, 0, copy[HEADER.size : HEADER.size + header.length])
        encoding, stored, raw = BODY.unpack_from(plain)
        limit = (256 if header.kind in (DATA_INDEX, META_INDEX) else 16) * MIB
        need(BODY.size + stored <= len(plain) and raw <= limit, "impossible lengths")
        return header.kind, inflate(encoding, plain[BODY.size : BODY.size + stored], raw)


class Blobs:
    """Every blob of a repository, by kind and id: (frame, offset in its plaintext, length)."""

    def __init__(self, keys: Keys, *, without_index: bool) -> None:
        self.keys = keys
        self.places: dict[tuple[int, bytes], list[tuple[Frame, int, int]]] = {}
        self.frames: dict[Frame, bytes] = {}
        folder, read = ("packs", self._read_pack) if without_index else ("index", self._read_index)
        for ident in ids(keys.path / folder):
            read(ident)

    def _add(self, kind: int, ident: bytes, frame: Frame, offset: int, length: int) -> None:
        self.places.setdefault((kind, ident), []).append((frame, offset, length))

    def _read_index(self, ident: bytes) -> None:
        path = self.keys.path / "index" / ident.hex()
        index_kind, data = self.keys.small(path, ident, DATA_INDEX, META_INDEX)
        kind, pack_kind = (DATA, DATA_PACK) if index_kind == DATA_INDEX else (META, META_PACK)
        packs, frames, blobs, _ = INDEX_HEAD.unpack_from(data)
        column = INDEX_HEAD.size + packs * INDEX_PACK.size
        names = column + frames * INDEX_FRAME.size
        rows = names + blobs * 32
        end = rows + blobs * INDEX_BLOB.size
        need(end == len(data), "impossible counts in an index")
        found: list[Frame] = []
        for row in INDEX_PACK.iter_unpack(data[INDEX_HEAD.size : column]):
            pack, _size, first, count, salt, epoch, aead = row
            need(first == len(found) and first + count <= frames, "impossible frames")
            owner = self.keys.repository
            header = Header(MAGIC, 0, pack_kind, aead, epoch, owner, pack, salt)
            part = data[column + first * INDEX_FRAME.size :][: count * INDEX_FRAME.size]
            for offset, sealed, raw, ordinal, encoding in INDEX_FRAME.iter_unpack(part):
                number = int.from_bytes(ordinal, "little")
                found.append(Frame(header, number, offset, sealed, raw, encoding))
        for n, row in enumerate(INDEX_BLOB.iter_unpack(data[rows:end])):
            need(row[0] < len(found), "impossible frame")
            self._add(kind, data[names + n * 32 :][:32], found[row[0]], *row[1:])

    def _read_pack(self, ident: bytes) -> None:
        data = (self.keys.path / pack_path(ident)).read_bytes()
        magic, owner, offset, size, digests, groups, _length, digest = FOOTER.unpack(data[-64:])
        need(blake3(data[-64:-8]).digest()[:8] == digest, "damaged footer")
        need(magic == FOOTER_MAGIC and owner == ident, "another pack's footer")
        parity = -(-(offset + size + digests) // 4096) * 4096
        second = data[parity + groups * 8192 :] if groups else copies(data)[1][offset:]
        header = first_good(read_header, copies(data)[: 1 if groups else 2])
        need(header.object == ident and header.kind in (DATA_PACK, META_PACK), "not that pack")
        plain = first_good(
            lambda table: self.keys.open(header, 1 << 32, table[32:size], table[:32]),
            (data[offset:], second),
        )
        frames, blobs = struct.unpack_from("<II", plain)
        place = 8 + frames * TABLE_FRAME.size
        need(place + blobs * TABLE_BLOB.size <= len(plain), "impossible counts in a table")
        listed = TABLE_BLOB.iter_unpack(plain[place : place + blobs * TABLE_BLOB.size])
        kind = DATA if header.kind == DATA_PACK else META
        for ordinal, row in enumerate(TABLE_FRAME.iter_unpack(plain[8:place]), 1):
            offset, sealed, raw, count, encoding = row
            start = 0
            for _ in range(count):
                blob, length = next(listed)
                frame = Frame(header, ordinal, offset, sealed, raw, encoding)
                self._add(kind, blob, frame, start, length)
                start += length

    def read(self, kind: int, ident: bytes) -> bytes:
        """A blob whose bytes have that id, from any place it is listed at."""

        def attempt(place: tuple[Frame, int, int]) -> bytes:
            frame, offset, length = place
            blob = self._frame(frame)[offset : offset + length]
            need(len(blob) == length, "a blob outside its frame")
            need(blake3(blob, key=self.keys.id_keys[kind]).digest() == ident, "not that blob")
            return blob

        return first_good(attempt, self.places.get((kind, ident), []))

    def _frame(self, frame: Frame) -> bytes:
        if frame not in self.frames:
            if len(self.frames) > 16:
                self.frames.pop(next(iter(self.frames)))
            self.frames[frame] = self._open_frame(frame)
        return self.frames[frame]

    def _open_frame(self, frame: Frame) -> bytes:
        need(frame.raw <= 64 * MIB, "impossible length of a frame")
        pack = frame.pack.object
        front = SECTION.pack(
            SECTION_MAGIC, ord("F"), frame.ordinal, frame.sealed, frame.encoding, pack[:8]
        )

        def attempt(start: int) -> bytes:
            file.seek(start + frame.offset)
            sealed = file.read(frame.sealed)
            plain = self.keys.open(frame.pack, frame.ordinal, sealed, front)
            return inflate(frame.encoding, plain, frame.raw)

        with open(self.keys.path / pack_path(pack), "rb") as file:
            size = file.seek(0, os.SEEK_END)
            return first_good(attempt, (0, -(-size // 8192) * 4096))

    def leaves(self, kind: int, ident: bytes, level: int) -> Iterator[list[Any]]:
        """The leaf pages of one kind below a reference, in order."""
        need(0 <= level <= 8, "impossible level")
        page = msgpack.unpackb(self.read(META, ident))
        if level == 0:
            need(page[0] == kind, "a page of another kind")
            yield page
            return
        need(page[:2] == [3, level], "a reference page of another level")
        for ref in page[2]:
            yield from self.leaves(kind, ref[0], level - 1)


def listed(blobs: Blobs, ref: list[Any] | None) -> tuple[Names, Names]:
    """Of one directory, by name: hard-link groups, and references to the listings below."""
    groups: Names = {}
    below: Names = {}
    for page in blobs.leaves(2, ref[0], ref[1]) if ref else ():
        device, packed, children = page[1:4]
        place = 0
        while place < len(packed):
            inode, _size, _mtime, _ctime, _mode, _uid, _gid, links, length, _flags = (
                RECORD.unpack_from(packed, place)
            )
            place += RECORD.size + length
            if inode and links > 1:
                groups[packed[place - length : place]] = (device, inode)
        below.update(dict(children))
    return groups, below


class Restore:
    """Writes one snapshot below a folder; what could not be done is told in ``losses``."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self.first: dict[tuple[int, int], bytes] = {}
        self.losses: list[str] = []

    def directory(self, tree: list[Any], listing: list[Any] | None, path: bytes) -> None:
        """Everything in a directory, then everything below it."""
        groups, below = listed(self.blobs, listing)
        before = b""
        for page in self.blobs.leaves(1, tree[0], tree[1]):
            owners, nodes = page[1:3]
            for node in nodes:
                name: bytes = node[0]
                need(name > before and name not in (b".", b".."), "names out of order")
                need(not {0, ord("/")} & set(name), "an impossible name")
                before = name
                whole = node + [0, b"", None, False, None][len(node) - 5 :]
                where = path + b"/" + name
                try:
                    self._entry(whole, groups.get(name), below.get(name), where)
                    self._metadata(whole, owners[node[3]], where)
                except (Damaged, OSError) as error:
                    self.losses.append(f"{os.fsdecode(where)}: {error}")

    def _entry(self, node: list[Any], group: Any, listing: Any, path: bytes) -> None:
        kind, content, ref, linked, more = node[1], *node[6:9], node[9] or {}
        if linked and group in self.first:
            os.link(self.first[group], path, follow_symlinks=False)
        elif kind == FILE:
            self._file(node, path)
        elif kind == DIRECTORY:
            os.mkdir(path, 0o700)
            self.directory(ref, listing, path)
        elif kind == SYMLINK:
            os.symlink(content, path)
        else:
            need(kind in SPECIAL, "an unknown kind of entry")
            os.mknod(path, SPECIAL[kind] | 0o600, more.get("device", 0))
        if linked and group:
            self.first.setdefault(group, path)

    def _file(self, node: list[Any], path: bytes) -> None:
        size, content, ref, more = node[5], node[6], node[7], node[9] or {}
        pages = self.blobs.leaves(4, ref[0], ref[1]) if ref else [[4, content]]
        holes = list(struct.iter_unpack("<QQ", more.get("holes", b"")))
        place = 0
        with open(path, "xb") as file:
            for page in pages:
                for ident, length in segments(page[1]):
                    if isinstance(ident, int):
                        self.losses.append(f"{os.fsdecode(path)}: {length} bytes are not stored")
                    elif ident is not None:
                        blob = self.blobs.read(DATA, ident)
                        need(len(blob) == length, "a blob of another length")
                        for start, end in outside(holes, place, blob):
                            file.seek(start)
                            file.write(blob[start - place : end - place])
                    place += length
            need(place == size, "the content does not add up")
            file.truncate(size)

    def _metadata(self, node: list[Any], owner: list[Any], path: bytes) -> None:
        kind, mode, more = node[1], node[2], node[9] or {}
        mtime = node[4] + more.get("seconds", 0) * 10**9
        if os.geteuid() == 0:
            os.chown(path, owner[0], owner[1], follow_symlinks=False)
        for name, value in more.get("xattrs", []):
            os.setxattr(path, name, value, follow_symlinks=False)
        if kind != SYMLINK:
            os.chmod(path, mode)
        os.utime(path, ns=(mtime, mtime), follow_symlinks=False)


def segments(packed: bytes) -> Iterator[tuple[bytes | int | None, int]]:
    """(blob id, length), (None, length) of a zero run, (cause, length) of what is not stored."""
    place = 0
    while place < len(packed):
        need(packed[place] in SEGMENTS, "an unknown segment")
        form = SEGMENTS[packed[place]]
        *what, length = struct.unpack_from(form, packed, place)
        yield what[0] if what else None, length
        place += struct.calcsize(form)


def outside(holes: list[Any], start: int, blob: bytes) -> Iterator[tuple[int, int]]:
    """Ranges of a blob at ``start`` to be written: all but the holes that really are zeros."""
    at, end = start, start + len(blob)
    for begin, length in holes:
        low, high = max(begin, at), min(begin + length, end)
        if low < high and not any(blob[low - start : high - start]):
            yield at, low
            at = high
    yield at, end


def choose(keys: Keys, wanted: str, kind: str = "files") -> Record:
    """The root of the snapshot wanted: an id's beginning, or the latest whole one of a kind."""
    path, latest = keys.path, wanted == "latest"
    found = set(ids(path / "sessions/committed")) & set(ids(path / "roots"))
    found -= set(ids(path / "forgotten")) if latest else set()
    named = [ident for ident in found if latest or ident.hex().startswith(wanted)]
    roots = [msgpack.unpackb(keys.small(path / "roots" / i.hex(), i, ROOT)[1]) for i in named]
    kinds = {root.setdefault("kind", "files") for root in roots}
    need(kinds <= {"files", "image"}, f"there are snapshots of unknown kinds: {kinds}")
    roots = [r for r in roots if r["kind"] == kind and not (latest and r.get("partial"))]
    need(roots and (latest or len(roots) == 1), f"there are {len(roots)} snapshots '{wanted}'")
    last: Record = max(roots, key=lambda root: int(root.get("time_ns", 0)))
    own = [r for r in roots if r.get("machine") and r["chain"]["source"] == last["chain"]["source"]]
    return max(own, key=lambda root: int(root["chain"]["sequence"])) if last in own else last


def main() -> int:
    """Restore as the command line says; 1 when something was lost."""
    parser = argparse.ArgumentParser(description="Restore a Twofold snapshot into a new folder.")
    parser.add_argument("repo", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--snapshot", default="latest")
    parser.add_argument("--without-index", action="store_true")
    words = parser.parse_args()
    try:
        keys = Keys(words.repo, os.environ["TWOFOLD_PASSWORD"])
        root = choose(keys, words.snapshot)
        words.target.mkdir(parents=True, exist_ok=True)
        need(not any(words.target.iterdir()), "the target is not empty")
        restore = Restore(Blobs(keys, without_index=words.without_index))
        restore.directory(root["tree"], root.get("listing"), os.fsencode(words.target))
        losses = restore.losses
    except (Damaged, OSError) as error:
        losses = [str(error)]
    sys.stderr.writelines(f"minimal_reader: {loss}\n" for loss in losses)
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
