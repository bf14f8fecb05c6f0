"""Samples of the repository format: what encoders were given while real repositories were made.

Every encoder of the format is listened to while files are backed up (small and large ones, holes,
links, attributes, names of all sorts, failures, a second and a partial run), disks are imaged, keys
added and snapshots forgotten. Of each kind a few are kept that differ most in length. What no
command writes yet (tombstones) is written by hand.
"""

import os
import random
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.archiver.world import World
from tests.format import test_inner_volumes as inner_volumes
from tests.hostile.format.test_hostile_codecs import ID, KEYS
from tests.imaging.disks import MIB, gpt_disk, make_ext4
from tests.imaging.disks import run as tool
from tests.imaging.world import ImageWorld
from twofold.archiver import RuleOptions
from twofold.format import (
    compression,
    envelope,
    image,
    index,
    keyslot,
    pack,
    pages,
    records,
    segments,
)
from twofold.format.names import Kind
from twofold.format.pages import encode_page
from twofold.platform import current

MOST = 2400  # bytes of a sample
KEPT = 5  # samples of a kind
_PAGES: dict[type, str] = {
    pages.NodePage: "nodes",
    pages.ListingPage: "listing",
    pages.ReferencePage: "references",
    pages.SegmentPage: "segment page",
    pages.FailurePage: "failures",
    image.ImagePage: "image",
    image.ExtentsPage: "extents",
    records.Root: "root",
    records.SessionRecord: "session",
    records.Mark: "mark",
    records.Tombstone: "tombstone",
    keyslot.SlotPayload: "payload",
}


class Heard:
    """What was encoded, by kind."""

    def __init__(self, folder: Path) -> None:
        self._found: dict[str, set[bytes]] = {}
        machine = current().machine()
        words = (machine.host, machine.machine_id, machine.boot_id, machine.system, folder.name)
        self._ours = [word.encode() for word in words if word]

    def add(self, kind: str, data: bytes) -> None:
        """One more, if it is short enough to be a sample; nothing in it tells of this computer."""
        if 0 < len(data) <= MOST:
            for word in self._ours:
                data = data.replace(word, b"0" * len(word))
            self._found.setdefault(kind, set()).add(bytes(data))

    def samples(self) -> Iterator[tuple[str, str, bytes]]:
        """(target, name, input): of each kind a few evenly by rank, and one of each magnitude."""
        for kind, found in sorted(self._found.items()):
            ordered = sorted(found, key=lambda data: (len(data), data))
            step = max(1, (len(ordered) - 1) / (KEPT - 1))
            chosen = {round(n * step) for n in range(KEPT)}
            chosen |= set({len(data).bit_length(): n for n, data in enumerate(ordered)}.values())
            for number in sorted(n for n in chosen if n < len(ordered)):
                yield f"format {kind}", str(number), ordered[number]


def _replace(old: Any, new: Any) -> None:
    """In every module that has it by name."""
    for module in [m for name, m in sys.modules.items() if name.startswith("twofold")]:
        for name, value in list(vars(module).items()):
            if value is old:
                setattr(module, name, new)


@contextmanager
def listening(heard: Heard) -> Iterator[None]:
    """Encoders tell what they made, until the end."""
    undo: list[Callable[[], None]] = []

    def function(old: Any, kind: Callable[..., str]) -> None:
        def new(*words: Any, **more: Any) -> Any:
            made = old(*words, **more)
            heard.add(kind(*words), bytes(made))
            return made

        _replace(old, new)
        undo.append(lambda: _replace(new, old))

    def method(owner: type, kind: str) -> None:
        old = owner.__dict__["encode"]

        def new(*words: Any) -> bytes:
            made: bytes = old(*words)
            heard.add(kind, made)
            return made

        owner.encode = new  # type: ignore[attr-defined]
        undo.append(lambda: setattr(owner, "encode", old))

    function(records.encode_record, lambda record: _PAGES.get(type(record), "config"))
    function(image.pack_runs, lambda *_: "runs")
    function(segments.pack_holes, lambda *_: "holes")
    function(
        envelope.encode_body,
        lambda contents, _: "plain body" if len(contents) < 300 else "packed body",
    )
    for owner, kind in (
        (envelope.Header, "header"),
        (keyslot.SlotParameters, "slot"),
        (pack.PackTable, "table"),
        (pack.Footer, "footer"),
        (index.IndexBuilder, "index"),
    ):
        method(owner, kind)
    try:
        yield
    finally:
        for each in undo:
            each()


def _files(top: Path) -> None:
    rand = random.Random(3)
    (top / "empty").touch()
    (top / "inline").write_bytes(b"short")
    for number in range(30):
        (top / f"small {number}").write_bytes(rand.randbytes(40 * number))
    (top / "large").write_bytes(rand.randbytes(9 * MIB))
    (top / "zeros").write_bytes(rand.randbytes(70_000) + bytes(3 * MIB) + b"end")
    with (top / "holes").open("wb") as file:
        for number in range(1, 9):
            file.seek(number * 300_000)
            file.write(rand.randbytes(5000))
        file.truncate(4 * MIB)
    with (top / "comb").open("wb") as file:  # so many pieces that they need a page
        for number in range(40):
            file.seek(number * 140_000)
            file.write(rand.randbytes(3000))
    (top / "link").symlink_to("target/of a link")
    os.link(top / "inline", top / "hard link")
    os.mkfifo(top / "fifo", 0o600)
    os.mknod(top / "device", 0o20640, os.makedev(5, 1))
    (top / "r\u00e4tsel \u2603").write_text("names")
    (top / ("long " * 40)).write_text("name")
    os.setxattr(top / "inline", "user.a", b"value")
    os.setxattr(top / "inline", "user.b", bytes(300))
    os.utime(top / "empty", ns=(0, -5_000_000_000_000_000_000))
    (top / "below" / "deeper").mkdir(parents=True)
    os.chown(top / "below", 1000, 1000)
    (top / "below" / "text").write_text("words " * 400)
    with socket.socket(socket.AF_UNIX) as opened:
        os.chdir(top)
        opened.bind("socket")


def _backups(folder: Path) -> None:
    world = World.make(folder / "files")
    with world.open() as repository:
        repository.add_password(b"another password", "label")
        repository.add_recovery_key("kit")
        repository.add_key_file(bytes(range(64)), "file")
    _files(world.source)
    world.backup()
    (world.source / "below" / "text").write_text("other words")
    for number in range(400):
        (world.source / "below" / f"n{number}").write_text(str(number))
    world.backup(folder / "absent", world.source, rules=RuleOptions(patterns=("comb",)))
    with world.open() as repository:
        for snapshot in repository.snapshots()[:1]:
            repository.forget(snapshot.id)


def _images(folder: Path) -> None:
    made = World.make(folder / "images")
    world = ImageWorld(made.base, made.key)
    _files(world.source)
    (world.source / "large").unlink()
    parts = folder / "ext4", folder / "fat"
    make_ext4(parts[0], world.source, 24 * MIB)
    with parts[1].open("wb") as file:
        file.truncate(4 * MIB)
    tool("mkfs.fat", "-F", "12", parts[1])
    disk = folder / "disk"
    gpt_disk(disk, [(parts[0], "8300"), (parts[1], "0700")])
    world.image(disk)
    world.image(parts[1], exact=True)
    world.image(parts[0])
    world.backup()


def _tombstones() -> Iterator[bytes]:
    for count in (0, 1, 12):
        targets = [records.Target(kind % 10 + 1, bytes([kind]) * 16) for kind in range(count)]
        yield records.encode_record(records.Tombstone(time_ns=10**18, host="pc", targets=targets))


def formats(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """(target, name, input) of the decoders of our own format."""
    here = Path.cwd()
    heard = Heard(folder)
    with listening(heard):
        _backups(folder)
        _images(folder)
    os.chdir(here)
    for data in _tombstones():
        heard.add("tombstone", data)
    for kind, name, data in list(heard.samples()):
        yield kind, name, data
        if kind == "format nodes" and name == "0":
            yield "format object", "nodes", KEYS.seal_small(Kind.ROOT, ID, data)
        if kind in ("format root", "format listing"):
            yield "format zstd", f"{kind[7:]}-{name}", _stored(data)
    yield "format image", "inner", encode_page(inner_volumes.page(*inner_volumes.ALL))
    for name, content in (
        ("blobs", b"\1" + bytes(range(36))),
        ("zeros", b"\2" + bytes(2) + b"\1" * 6),
        ("not-stored", b"\3\1" + bytes(2) + b"\1" * 6),
    ):
        yield "format segments", name, content * 3


def _stored(data: bytes) -> bytes:
    encoding, stored = compression.compress(data * 3)
    return bytes([encoding]) + (3 * len(data)).to_bytes(4, "little") + bytes(stored)
