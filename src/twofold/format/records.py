"""MessagePack records of small objects, and their bounded decoding (docs/format/objects.md)."""

from typing import TypeVar

import msgspec

from twofold.errors import FormatError, NewerFormat

RecordT = TypeVar("RecordT")


class PageRef(msgspec.Struct, frozen=True, array_like=True):
    """A page (level 0) or a tree of pages under a reference page."""

    id: bytes
    level: int = 0


class TreeRef(msgspec.Struct, frozen=True, array_like=True):
    """The node pages of a directory, with the totals of everything below it."""

    id: bytes
    level: int = 0
    directories: int = 0
    files: int = 0
    bytes: int = 0

    @property
    def page(self) -> PageRef:
        """The same without totals."""
        return PageRef(self.id, self.level)


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """Links the snapshots of one source, so that a missing head is noticed."""

    source: bytes = b""
    sequence: int = 0
    previous: bytes | None = None
    digest: bytes = b""


FILES, IMAGE = "files", "image"
"""Kinds of snapshots."""


class Root(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot's body; times in ns since 1970, sizes in bytes."""

    kind: str = FILES
    partial: bool = False
    time_ns: int = 0
    end_ns: int = 0
    host: str = ""
    machine: str = ""
    user: str = ""
    system: str = ""
    name: str = ""
    tags: list[str] = msgspec.field(default_factory=list)
    sources: list[bytes] = msgspec.field(default_factory=list)
    tree: TreeRef | None = None
    listing: PageRef | None = None
    image: PageRef | None = None
    rules: bytes = b""
    counts: dict[str, int] = msgspec.field(default_factory=dict)
    failures: PageRef | None = None
    bytes_read: int = 0
    bytes_stored: int = 0
    bytes_total: int = 0
    parent: bytes | None = None
    chain: Chain = msgspec.field(default_factory=Chain)
    writer: str = ""

    @property
    def is_known(self) -> bool:
        """Whether this program knows what such a snapshot holds."""
        return self.kind in (FILES, IMAGE)

    def check_kind(self) -> None:
        """Raise ``NewerFormat`` for a kind of snapshot that this program does not know."""
        if not self.is_known:
            raise NewerFormat(
                f"this backup is of a kind that this version does not know ({self.kind!r})"
            )

    def check(self) -> None:
        """Raise ``FormatError`` unless it holds what its kind does, and nothing of the other."""
        if self.kind == FILES and (self.tree is None or self.image is not None):
            raise FormatError("a backup of files must have a directory, and no disk")
        if self.kind == IMAGE and (self.image is None or self.tree is not None):
            raise FormatError("an image must have a disk, and no directory")

    @property
    def files_tree(self) -> TreeRef:
        """The root directory of a backup of files. ``FormatError`` where there is none."""
        if self.tree is None:
            raise FormatError("this backup has no directory")
        return self.tree

    @property
    def totals(self) -> TreeRef:
        """The totals of all directories: of an image, none."""
        return self.tree or TreeRef(b"")


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Who is at work in the repository."""

    role: str
    host: str = ""
    machine: str = ""
    boot: str = ""
    process: int = 0
    started_ns: int = 0
    purpose: str = ""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot was forgotten."""

    time_ns: int = 0
    host: str = ""


class Target(msgspec.Struct, frozen=True, array_like=True):
    """An object that a deletion run wants to delete."""

    kind: int
    id: bytes


class Tombstone(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one deletion run wants to delete."""

    time_ns: int = 0
    host: str = ""
    targets: list[Target] = msgspec.field(default_factory=list)


def encode_record(record: msgspec.Struct) -> bytes:
    """A record (or page) as MessagePack.

    Text from the operating system may hold bytes that are no UTF-8 (a Latin-1 user name, a pattern
    typed under an old locale); they are spelled as escapes rather than making the backup fail.
    """
    try:
        return msgspec.msgpack.encode(record)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(record, builtin_types=(bytes,))
        return msgspec.msgpack.encode(_printable(plain))


def _printable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_printable(key): _printable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(each) for each in value]
    return value


def decode_record(data: bytes, kind: type[RecordT]) -> RecordT:
    """A record out of MessagePack; ``FormatError`` when it does not fit its type."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"a {kind.__name__} record is damaged ({error})") from error
