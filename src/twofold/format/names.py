"""Object kinds, ids and the names objects have in a store (docs/format/README.md)."""

import re
import secrets
from enum import IntEnum

from twofold.errors import FormatError

OBJECT_ID_SIZE = 16
BLOB_ID_SIZE = 32

CONFIG = "config"
CONFIG_COPY = "config.copy"
KEYS, PACKS, INDEX, ROOTS = "keys", "packs", "index", "roots"
FORGOTTEN, FORGOTTEN_FINAL = "forgotten/marked", "forgotten/final"
TOMBS, TOMBS_FINAL = "tombs/proposed", "tombs/final"
SESSIONS_OPEN, SESSIONS_COMMITTED, SESSIONS_FENCED = (
    "sessions/open",
    "sessions/committed",
    "sessions/fenced",
)
FOLDERS = (
    KEYS,
    PACKS,
    INDEX,
    ROOTS,
    SESSIONS_OPEN,
    SESSIONS_COMMITTED,
    SESSIONS_FENCED,
    FORGOTTEN,
    FORGOTTEN_FINAL,
    TOMBS,
    TOMBS_FINAL,
)

_HEX_ID = re.compile(r"[0-9a-f]{32}")


class Kind(IntEnum):
    """What an object is; part of its authenticated header."""

    CONFIG = 1
    KEY = 2
    DATA_PACK = 3
    META_PACK = 4
    DATA_INDEX = 5
    META_INDEX = 6
    ROOT = 7
    SESSION = 8
    FORGOTTEN = 9
    TOMB = 10


class BlobKind(IntEnum):
    """Contents of files, or metadata pages; never mixed in a pack."""

    DATA = 0
    META = 1

    @property
    def pack_kind(self) -> Kind:
        """Kind of the packs that hold such blobs."""
        return Kind.META_PACK if self else Kind.DATA_PACK

    @property
    def index_kind(self) -> Kind:
        """Kind of the index objects that list such blobs."""
        return Kind.META_INDEX if self else Kind.DATA_INDEX


def new_id() -> bytes:
    """A fresh random object id, 16 bytes."""
    return secrets.token_bytes(OBJECT_ID_SIZE)


def object_name(folder: str, object_id: bytes) -> str:
    """Name of an object in a store."""
    text = object_id.hex()
    return f"{folder}/{text[:2]}/{text}" if folder == PACKS else f"{folder}/{text}"


def id_from_name(name: str) -> bytes:
    """The object id at the end of a name; ``FormatError`` when there is none."""
    folder, _, text = name.rpartition("/")
    if not _HEX_ID.fullmatch(text) or name != object_name(_top(folder), bytes.fromhex(text)):
        raise FormatError(f"'{name}' is not the name of an object")
    return bytes.fromhex(text)


def _top(folder: str) -> str:
    return PACKS if folder.startswith(PACKS + "/") else folder
