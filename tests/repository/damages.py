"""The damage matrix: every kind of object × everything that can happen to a file.

A *kind* picks an object of the sample and another one of its kind; a *damage* does something to its
file. What must come of a cell is ``found`` (check says exit 5 and names the object), unless the
table ``OTHERWISE`` says and explains something else.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.repository.sample import Lab, Sample
from twofold.format import names
from twofold.format.config import Config
from twofold.format.envelope import HEADER, Header
from twofold.format.names import BlobKind, Kind
from twofold.format.pack import FOOTER, Footer
from twofold.format.records import Mark, SessionRecord, Tombstone, decode_record, encode_record
from twofold.repository import PackBuilder
from twofold.seal import Keyring

FOUND = "found"


@dataclass
class Target:
    """The object to damage: its name, where in it, and another object of its kind."""

    lab: Lab
    foreign: Lab
    name: str
    other: str
    at: int = 100
    foreign_name: str = ""
    detail: dict[str, int] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        """The file as it was."""
        return self.lab.files[self.name]

    @property
    def ident(self) -> str:
        """What a finding may call it."""
        return self.name.rpartition("/")[2][:8]


# --- what can be damaged -------------------------------------------------------------------


def _of_kind(lab: Lab, folder: str, kind: Kind) -> list[str]:
    found = []
    for name in lab.names(folder):
        if Header.decode(lab.files[name]).kind == kind:
            found.append(name)
    return found


def _packs(lab: Lab, kind: Kind, *, large: bool) -> list[str]:
    found = _of_kind(lab, "packs", kind)
    return [name for name in found if (len(lab.files[name]) > 1 << 20) == large]


def _in_use(lab: Lab, found: list[str]) -> list[str]:
    """The newest snapshot's object first, for its absence must be noticed as well."""
    newest = lab.sample.snapshots[-1].hex()
    return sorted(found, key=lambda name: not name.endswith(newest))


def _slots(lab: Lab, *, in_use: bool) -> list[str]:
    """The password's slot first, or that of the recovery key, by which the tests open."""
    return sorted(
        lab.names("keys"), key=lambda name: lab.files[name][HEADER.size + 1], reverse=in_use
    )


FINDERS: dict[str, Callable[[Lab], list[str]]] = {
    "config": lambda lab: ["config", "config.copy"],
    "config-copy": lambda lab: ["config.copy", "config"],
    "key-slot": lambda lab: _slots(lab, in_use=False),
    "key-slot-in-use": lambda lab: _slots(lab, in_use=True),
    "data-pack": lambda lab: _packs(lab, Kind.DATA_PACK, large=True),
    "small-pack": lambda lab: _packs(lab, Kind.DATA_PACK, large=False),
    "metadata-pack": lambda lab: _packs(lab, Kind.META_PACK, large=False),
    "data-index": lambda lab: _of_kind(lab, "index", Kind.DATA_INDEX),
    "metadata-index": lambda lab: _of_kind(lab, "index", Kind.META_INDEX),
    "root": lambda lab: _in_use(lab, lab.names("roots")),
    "session": lambda lab: _in_use(lab, lab.names("sessions/committed")),
    "tombstone": lambda lab: lab.names("tombs"),
    "forgotten-mark": lambda lab: lab.names("forgotten"),
}
REGIONS = (
    "header",
    "section-header",
    "frame",
    "table",
    "digests",
    "parity",
    "table-copy",
    "digests-copy",
    "footer",
)


def region_start(data: bytes, region: str) -> int:
    """Where a part of a large pack begins."""
    footer = Footer.decode(data[-FOOTER.size :])
    tail = footer.parity_offset + footer.parity_length
    return {
        "header": 40,
        "section-header": HEADER.size + 2,
        "frame": footer.table_offset // 2,
        "table": footer.table_offset + 40,
        "digests": footer.digests_offset + 40,
        "parity": footer.parity_offset + 5000,
        "table-copy": tail + 40,
        "digests-copy": tail + footer.table_length + 40,
        "footer": len(data) - 20,
    }[region]


def find_target(kind: str, lab: Lab, foreign: Lab) -> Target:
    """The object of a kind; ``data-pack@table`` is damaged in its table."""
    base, _, region = kind.partition("@")
    found = FINDERS[base](lab)
    target = Target(lab, foreign, found[0], found[1], foreign_name=FINDERS[base](foreign)[0])
    if region:
        target.at = region_start(target.data, region)
    return target


# --- what can happen -----------------------------------------------------------------------


def _patched(target: Target, patch: bytes) -> bytes:
    data = bytearray(target.data)
    start = min(target.at, len(data) - 1)
    end = min(len(data), start + len(patch))
    data[start:end] = patch[: end - start]
    return bytes(data)


def bit(target: Target) -> None:
    """One bit flips."""
    target.lab.write(target.name, _patched(target, bytes([target.data[target.at] ^ 4])))


def zeros(target: Target) -> None:
    """A sector is zeroed."""
    target.at -= target.at % 4096
    target.lab.write(target.name, _patched(target, bytes(4096)))


def noise(target: Target) -> None:
    """A sector holds something else."""
    target.at -= target.at % 4096
    target.lab.write(target.name, _patched(target, random.Random(1).randbytes(4096)))


def cut_byte(target: Target) -> None:
    """The last byte is gone."""
    target.lab.write(target.name, target.data[:-1])


def cut_half(target: Target) -> None:
    """The second half is gone."""
    target.lab.write(target.name, target.data[: len(target.data) // 2])


def emptied(target: Target) -> None:
    """The file is there, its contents are not."""
    target.lab.write(target.name, b"")


def deleted(target: Target) -> None:
    """The file is gone."""
    target.lab.path(target.name).unlink()


def appended(target: Target) -> None:
    """Something was added at the end."""
    target.lab.write(target.name, target.data + random.Random(2).randbytes(5000))


def renamed(target: Target) -> None:
    """It lies under another valid name."""
    new = names.new_id()
    folder = target.name.rpartition("/")[0]
    folder = names.PACKS if folder.startswith(names.PACKS) else folder
    target.lab.path(target.name).unlink()
    target.lab.write(names.object_name(folder, new), target.data)


def swapped(target: Target) -> None:
    """It and another one of its kind have changed places."""
    target.lab.write(target.name, target.lab.files[target.other])
    target.lab.write(target.other, target.data)


def foreign(target: Target) -> None:
    """An object of another repository with the same password lies in its place."""
    target.lab.write(target.name, target.foreign.files[target.foreign_name])


def older(target: Target) -> None:
    """Another valid object of the same id, as a key holder could have sealed it before."""
    with target.lab.sample.open() as repository:
        keys = repository.keys
    target.lab.write(target.name, _resealed(target, keys))


def _resealed(target: Target, keys: Keyring) -> bytes:
    if target.name.startswith("config"):
        config = Config(created_ns=1, writer="an older one", chunk_min=256 << 10)
        return keys.seal_small(Kind.CONFIG, names.new_id(), encode_record(config))
    ident = names.id_from_name(target.name)
    kind = Header.decode(target.data).kind
    if kind in (Kind.DATA_PACK, Kind.META_PACK):
        return _other_pack(ident, kind, keys)
    if kind in (Kind.DATA_INDEX, Kind.META_INDEX):
        return keys.seal_small(kind, ident, bytes(16))  # lists nothing, as a new one would
    contents, _ = keys.open_small(
        kind, names.id_from_name(target.other), target.lab.files[target.other]
    )
    if kind == Kind.SESSION:
        contents = encode_record(decode_record(contents, SessionRecord))
    if kind in (Kind.FORGOTTEN, Kind.TOMB):
        contents = encode_record((Mark if kind == Kind.FORGOTTEN else Tombstone)(time_ns=7))
    return keys.seal_small(kind, ident, contents)


def _other_pack(ident: bytes, kind: Kind, keys: Keyring) -> bytes:
    blob_kind = next(each for each in BlobKind if each.pack_kind == kind)
    builder = PackBuilder(keys, blob_kind, 1 << 20)
    builder.id = ident
    builder._seal = keys.object_seal(keys.new_header(kind, ident))
    builder._size = 0
    builder._append(builder._seal.header.encode())
    blob = b"other contents"
    builder.add_frame([(keys.dedup.blob_id(blob_kind, blob), len(blob))], blob)
    return b"".join(bytes(piece) for piece in builder.finish().pieces)


DAMAGES: dict[str, Callable[[Target], None]] = {
    "bit": bit,
    "zeros": zeros,
    "noise": noise,
    "cut-byte": cut_byte,
    "cut-half": cut_half,
    "emptied": emptied,
    "deleted": deleted,
    "appended": appended,
    "renamed": renamed,
    "swapped": swapped,
    "older": older,
    "foreign": foreign,
}
LOCAL = ("bit", "zeros", "noise")

# --- what is not simply found --------------------------------------------------------------

NOTHING_OPENS = "neither key slot is where its header says, so none may be trusted"
DOES_NOT_OPEN = "the only slot of this key is gone; any other key still opens"
MEANS_NOTHING = "a mark or key that is not there is how a repository looks that never had it"
SAYS_THE_SAME = "the record only tells people who was at work; its id is what commits"
OTHERWISE: dict[tuple[str, str], str] = {
    ("key-slot", "swapped"): NOTHING_OPENS,
    ("key-slot-in-use", "swapped"): NOTHING_OPENS,
    ("key-slot-in-use", "emptied"): DOES_NOT_OPEN,
    ("key-slot-in-use", "deleted"): DOES_NOT_OPEN,
    ("key-slot-in-use", "renamed"): DOES_NOT_OPEN,
    ("key-slot-in-use", "foreign"): DOES_NOT_OPEN,
    ("key-slot", "deleted"): MEANS_NOTHING,
    ("tombstone", "deleted"): MEANS_NOTHING,
    ("forgotten-mark", "deleted"): MEANS_NOTHING,
    ("session", "older"): SAYS_THE_SAME,
    ("tombstone", "older"): SAYS_THE_SAME,
    ("forgotten-mark", "older"): SAYS_THE_SAME,
}
IMPOSSIBLE = frozenset(
    {
        ("key-slot-in-use", "older"),
        ("key-slot", "older"),  # nothing seals a key slot a second time under its id
        ("config", "swapped"),  # both files are the same, byte for byte
        ("config-copy", "swapped"),
    }
)

CELLS = [
    (kind, damage) for kind in FINDERS for damage in DAMAGES if (kind, damage) not in IMPOSSIBLE
] + [(f"data-pack@{region}", damage) for region in REGIONS for damage in LOCAL]

COVERED = {
    (kind, damage)
    for kind, damage in CELLS
    if damage in ("bit", "zeros", "noise", "cut-byte", "appended")
    or kind.startswith(("config", "key", "session", "tomb", "forgotten"))
    or kind.endswith("-index")
    or (damage == "cut-half" and kind != "data-pack")
}
"""Cells where some redundancy covers everything: no blob may be lost."""


def newest_source(sample: Sample) -> bytes:
    """The snapshot whose head this computer remembers."""
    return sample.snapshots[-1]
