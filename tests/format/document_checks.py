"""Comparing documents with code: each check returns what differs, in words.

A check never asserts, so that the tests can also run it over mutated documents and see that it
finds the mutation.
"""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from types import UnionType
from typing import Union, get_args, get_origin, get_type_hints

import msgspec
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

import twofold.format
from twofold.format import config, envelope, image, keyslot, names, pack, pages, records
from twofold.format.layout import Layout
from twofold.format.names import BlobKind, Kind
from twofold.platform.base import RECORD, Entry
from twofold.seal import Keyring

from .constants import CONSTANTS
from .documents import Docs, code_names, flowing, headed, marked

RECORD_NAMES = [*Entry._fields[:2], "mtime", "ctime", *Entry._fields[4:8]]
RECORD_NAMES += ["name_length", "flags", "reserved"]
MAGICS = {
    "Header": envelope.MAGIC,
    "Section": pack.SECTION_MAGIC,
    "Footer": pack.FOOTER_MAGIC,
}
RECORDS: dict[str, type[msgspec.Struct]] = {
    kind.__name__: kind
    for kind in (
        config.Config,
        records.Root,
        records.Chain,
        records.SessionRecord,
        records.Mark,
        records.Tombstone,
        keyslot.SlotPayload,
        pages.More,
    )
}
ARRAYS: dict[str, type[msgspec.Struct]] = {
    kind.__name__: kind
    for kind in (
        pages.NodePage,
        pages.ListingPage,
        pages.ReferencePage,
        pages.SegmentPage,
        pages.FailurePage,
        records.PageRef,
        records.TreeRef,
        pages.Reference,
        pages.Owner,
        pages.ExtraStream,
        pages.ChildListing,
        pages.Failure,
        image.ImagePage,
        image.ExtentsPage,
        image.VolumeRecord,
        image.ExtentEntry,
    )
}
PAGES: dict[int, type[msgspec.Struct]] = {
    pages.NODES: pages.NodePage,
    pages.LISTING: pages.ListingPage,
    pages.REFERENCES: pages.ReferencePage,
    pages.SEGMENTS: pages.SegmentPage,
    pages.FAILURES: pages.FailurePage,
    image.IMAGE: image.ImagePage,
    image.EXTENTS: image.ExtentsPage,
}
_TYPE_WORDS = {int: "int", str: "str", bytes: "bin", bool: "bool", type(None): "nil"}


def layouts() -> dict[str, Layout]:
    """Every Layout of the format package, and the listing's record, by name."""
    codes = re.findall(r"\d*[a-zA-Z]", RECORD.format.lstrip("<"))
    shown = [(n, c.replace("x", "s")) for n, c in zip(RECORD_NAMES, codes, strict=True)]
    found = {"Record": Layout("Record", shown)}
    for module in pkgutil.walk_packages(twofold.format.__path__, "twofold.format."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Layout):
                found[value.name] = value
    return found


def layout_problems(docs: Docs) -> list[str]:
    """Byte tables against Layouts: both ways, offsets, sizes, names, magics, signs."""
    known = layouts()
    problems = []
    seen: set[str] = set()
    for table in marked(docs, "layout"):
        if table.name not in known or table.name in seen:
            problems.append(f"{table.page}: table {table.name} has no Layout of its own")
            continue
        seen.add(table.name)
        layout = known[table.name]
        said = [row[:3] for row in table.rows]
        coded = [(str(place), str(size), name) for place, size, name in layout.table()]
        if said != coded:
            problems.append(f"{table.page}: {table.name}: {said} is not {coded}")
        problems += _meaning_problems(table.name, layout, [row[3] for row in table.rows])
    problems += [f"{name} has no table" for name in known.keys() - seen]
    return problems


def _meaning_problems(name: str, layout: Layout, meanings: list[str]) -> Iterator[str]:
    for (field, code), meaning in zip(layout.fields, meanings, strict=False):
        if field == "magic":
            said = bytes.fromhex(code_names(meaning)[0])
            if said != MAGICS[name]:
                yield f"{name}: magic {said!r} is not {MAGICS[name]!r}"
        if field == "reserved" and meaning != "0":
            yield f"{name}: a reserved field means '{meaning}'"
        if (code == "q") != (" signed" in meaning):
            yield f"{name}: {field}: sign"


def type_words(hint: object) -> str:
    """A Python type as the documents word it."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(type_words(each) for each in arguments)
    if origin is list:
        return f"array of {type_words(arguments[0])}"
    if origin is tuple:
        return f"[{', '.join(type_words(each) for each in arguments)}]"
    if origin is dict:
        return f"map {type_words(arguments[0])} → {type_words(arguments[1])}"
    assert isinstance(hint, type)
    return _TYPE_WORDS.get(hint) or hint.__name__


def coded_fields(kind: type[msgspec.Struct]) -> list[tuple[str, str]]:
    """(name, type in words) of a Struct's fields, as encoded."""
    hints = get_type_hints(kind)
    return [(field.encode_name, type_words(hints[field.name])) for field in _fields(kind)]


def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def record_problems(docs: Docs) -> list[str]:
    """MessagePack maps against Structs, both ways; the order of keys does not matter."""
    problems = []
    seen: set[str] = set()
    for table in marked(docs, "record"):
        seen.add(table.name)
        said = [(n, row[1].replace("`", "")) for row in table.rows for n in code_names(row[0])]
        coded = coded_fields(RECORDS[table.name]) if table.name in RECORDS else []
        if sorted(said) != sorted(coded):
            odd = set(said) ^ set(coded)
            problems.append(f"{table.page}: {table.name}: {sorted(odd)} on one side only")
    problems += [f"{name} has no table" for name in RECORDS.keys() - seen]
    return problems


def array_problems(docs: Docs) -> list[str]:
    """MessagePack arrays against Structs: elements, their order and types."""
    (table,) = marked(docs, "arrays")
    problems = []
    for name, elements in table.rows:
        said = [(n, t) for n, t in re.findall(r"`(\w+)` ([^,]+)", elements)]
        coded = coded_fields(ARRAYS[name]) if name in ARRAYS else []
        if said != coded:
            problems.append(f"{name}: {said} is not {coded}")
    problems += [f"{name} has no row" for name in ARRAYS.keys() - {row[0] for row in table.rows}]
    return problems


def node_problems(docs: Docs) -> list[str]:
    """The array of a node: positions, names, types, and its kinds."""
    (table,) = marked(docs, "node")
    said = [row[:3] for row in table.rows]
    coded = [(str(i), name, kind) for i, (name, kind) in enumerate(coded_fields(pages.Node))]
    problems = [] if said == coded else [f"node: {said} is not {coded}"]
    words = re.findall(r"(\d) ([\w ]+)", table.rows[1][3])
    named = [(number, words.replace("symbolic link", "symlink")) for number, words in words]
    kinds = [(str(kind.value), kind.name.lower().replace("_", " ")) for kind in pages.NodeKind]
    if [(n, w.lower()) for n, w in named] != kinds:
        problems.append(f"node kinds: {named} is not {kinds}")
    return problems


def page_problems(docs: Docs) -> list[str]:
    """Page kinds and the names of their elements."""
    rows = headed(docs, "metadata.md", ("kind", "page", "array"))
    said = [(kind, array) for kind, _, array in rows]
    coded = [
        (str(kind), f"`[{', '.join([str(kind), *(f.name for f in _fields(page)[1:])])}]`")
        for kind, page in PAGES.items()
    ]
    return [] if said == coded else [f"pages: {said} is not {coded}"]


def kind_problems(docs: Docs) -> list[str]:
    """Kinds of objects, and the folder in which each has its name."""
    rows = headed(docs, "objects.md", ("kind", "object", "subkey that seals it"))
    said = {int(row[0]): row[1].replace(" ", "_").upper() for row in rows}
    words = {"FORGOTTEN_MARK": "FORGOTTEN", "TOMBSTONE": "TOMB", "KEY_SLOT": "KEY"}
    said = {n: words.get(w, w).replace("METADATA_", "META_") for n, w in said.items()}
    coded = {kind.value: kind.name for kind in Kind}
    problems = [] if said == coded else [f"kinds: {said} is not {coded}"]
    rows = headed(docs, "README.md", ("name", "object", "kind"))
    quoted = [word for row in rows for word in code_names(row[0])]
    folders = {name.removesuffix("/<id>").removesuffix("/<xx>") for name in quoted}
    if folders != {*names.FOLDERS, names.CONFIG, names.CONFIG_COPY}:
        problems.append(f"names: {sorted(folders)} is not {sorted(names.FOLDERS)}")
    numbers = sorted({int(n) for row in rows for n in row[2].split(",")})
    if numbers != sorted(coded):
        problems.append(f"kinds in the table of names: {numbers}")
    return problems


def key_problems(docs: Docs) -> list[str]:
    """Subkeys, computed from the document's words by another library, open what the code seals."""
    repository, master, dedup = b"r" * 16, b"m" * 32, b"d" * 32
    keys = Keyring(repository, [master], dedup, envelope.AES_256_GCM)
    infos = {row[0]: row for row in headed(docs, "keys.md", ("key", "from", "info"))}
    seals = headed(docs, "objects.md", ("kind", "object", "subkey that seals it"))
    problems = []
    for number, _, name in seals:
        if int(number) == Kind.KEY:
            continue
        header = keys.new_header(Kind(int(number)), b"o" * 16)
        subkey = _expand(master, _row(infos, "`data`, `")[2], {"<name>": name, "rep": repository})
        kind = bytes([int(number)])
        parts = {"kind": kind, "object": header.object, "salt": header.salt}
        key = _expand(subkey, _row(infos, "object key")[2], parts)
        sealed = keys.object_seal(header).seal(7, b"text")
        if not _opens(key, sealed, header.encode()):
            problems.append(f"kind {number}: the key described opens nothing")
    return problems + list(_dedup_problems(infos, keys, dedup, master, repository))


def _dedup_problems(
    infos: dict[str, tuple[str, ...]], keys: Keyring, dedup: bytes, master: bytes, repo: bytes
) -> Iterator[str]:
    for kind, label in ((BlobKind.DATA, "data id key"), (BlobKind.META, "metadata id key")):
        key = _expand(dedup, infos[label][2], {})
        if keys.dedup.blob_id(kind, b"blob") != blake3(b"blob", key=key).digest():
            yield label
    chunker = _expand(dedup, _row(infos, "chunker key")[2], {})
    if not keys.dedup.chunker or keys.dedup.chunker != chunker[:16]:
        yield "chunker key"
    if keys.dedup.page != _expand(dedup, infos["page key"][2], {}):
        yield "page key"
    parts: dict[str, bytes | str] = {"<name>": "authentication", "rep": repo}
    chain = _expand(master, _row(infos, "`data`, `")[2], parts)
    chain = _expand(chain, infos["chain key"][2], {})
    if keys.source_id("a", "b") != blake3(b"a\0b", key=chain).digest()[:16]:
        yield "chain key"


def _row(infos: dict[str, tuple[str, ...]], start: str) -> tuple[str, ...]:
    (found,) = [row for label, row in infos.items() if label.startswith(start)]
    return found


def _expand(secret: bytes, info: str, parts: Mapping[str, bytes | str]) -> bytes:
    """Evaluate an info cell: quoted text, then the bytes of the things named, in their order."""
    text, *things = info.split(" ‖ ")
    data = code_names(text)[0]
    if isinstance(name := parts.get("<name>"), str):
        data = data.replace("<name>", name)
    raw = data.encode("ascii")
    for thing in things:
        (value,) = [v for label, v in parts.items() if thing.startswith(label)]
        assert isinstance(value, bytes)
        raw += value
    return HKDFExpand(SHA256(), 32, raw).derive(secret)


def _opens(key: bytes, sealed: bytes, front: bytes) -> bool:
    try:
        return AESGCM(key).decrypt((7).to_bytes(12, "little"), sealed, front) == b"text"
    except InvalidTag:
        return False


def constant_problems(docs: Docs) -> list[str]:
    """Numbers in sentences against constants of the code."""
    problems = []
    for page, pattern, expected in CONSTANTS:
        found = [match.groups() for match in re.finditer(pattern, flowing(docs[page]))]
        said = [tuple(int(word.replace(",", ""), 0) for word in groups) for groups in found]
        if said != [expected]:
            problems.append(f"{page}: '{pattern}' says {said}, the code {expected}")
    return problems


CHECKS: tuple[Callable[[Docs], list[str]], ...] = (
    layout_problems,
    record_problems,
    array_problems,
    node_problems,
    page_problems,
    kind_problems,
    key_problems,
    constant_problems,
)


def all_problems(docs: Docs) -> list[str]:
    """Everything in which the documents and the code differ."""
    problems = []
    for check in CHECKS:
        try:
            problems += check(docs)
        except (AssertionError, ValueError, KeyError, IndexError) as error:
            problems.append(f"{check.__name__}: {error!r}")
    return problems
