"""Registry hives: what ``hivexml`` and ``hivexget`` say of them is what we read."""

import random
import struct
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.disk import hives
from twofold.disk import hive as hive_module
from twofold.disk.hive import Hive, Key
from twofold.errors import FormatError

ROOT = 0x20
KEYS: hives.Keys = {
    "Software\\Größe\\日本": {"text": hives.text("Grün 😀"), "": "string:the default"},
    "Software\\numbers": {
        "d": hives.hexadecimal(4, (4_000_000_000).to_bytes(4, "little")),
        "q": hives.hexadecimal(11, (0xFEDCBA9876543210).to_bytes(8, "little")),
        "be": hives.hexadecimal(5, b"\x01\x02\x03\x04"),
        "small": hives.hexadecimal(4, b"\x07\0\0\0"),
    },
    "Software\\others": {
        "e": "expandstring:%SystemRoot%\\x",
        "b": hives.hexadecimal(3, bytes(range(200))),
        "none": hives.hexadecimal(0, b""),
        "unended": hives.hexadecimal(1, "no end".encode("utf-16-le")),
        "buffer": hives.hexadecimal(1, "zone\0garbage\0".encode("utf-16-le")),
        "odd": hives.hexadecimal(1, b"a\0b"),
    },
    **{f"Many\\key {number}": {"n": f"dword:{number}"} for number in range(1500)},
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hives.made(tmp_path_factory.mktemp("hive") / "hive", KEYS)


def names(key: Key) -> dict[str, object]:
    """All keys below, and the names of all values, capitals as they are."""
    return {
        "values": sorted(value.name for value in key.values()),
        "keys": {each.name: names(each) for each in key.subkeys()},
    }


def names_in(node: ElementTree.Element) -> dict[str, object]:
    """The same as hivexml has it."""
    return {
        "values": sorted(each.get("key", "") for each in node.findall("value")),
        "keys": {each.attrib["name"]: names_in(each) for each in node.findall("node")},
    }


def test_every_key_and_value_is_found(path: Path) -> None:
    told = subprocess.run(["hivexml", path], capture_output=True, check=True).stdout
    (root,) = ElementTree.fromstring(told).findall("node")
    hive = Hive(path.read_bytes())
    assert hive.clean
    assert names(hive.root) == names_in(root)
    many = hive.find("MANY")
    assert many is not None
    assert sorted(int(key.text("N")) for key in many.subkeys()) == list(range(1500))


def test_texts_and_numbers(path: Path) -> None:
    hive = Hive(path.read_bytes())
    found = {name: key.texts() for name in ("größe\\日本", "Numbers", "others")
             if (key := hive.find(f"software\\{name}"))}  # fmt: skip
    assert found == {
        "größe\\日本": {"text": "Grün 😀", "": "the default"},
        "Numbers": {"d": "4000000000", "q": "18364758544493064720", "be": "16909060", "small": "7"},
        "others": {
            "e": "%SystemRoot%\\x",
            "unended": "no end",
            "buffer": "zone",
            "odd": "a\ufffd",
        },
    }
    others = hive.find("software\\others")
    assert others is not None
    assert others.data("b") == bytes(range(200))
    assert (others.data("none"), others.data("nothing"), others.text("nothing")) == (b"", b"", "")
    assert hive.find("software\\nothing\\at all") is None


def test_lists_of_lists_and_values_in_pieces(tmp_path: Path) -> None:
    """What hivexsh never writes but Windows does, read by hivexget as well."""
    made = hives.Extended(hives.empty(tmp_path / "hive").read_bytes())
    data = random.Random(1).randbytes(40_000)
    pieces = made.add(*(data[at : at + 16344] for at in range(0, len(data), 16344)))
    (places,) = made.add(b"".join(struct.pack("<I", place) for place in pieces))
    (big,) = made.add(struct.pack("<2sHI", b"db", len(pieces), places))
    (large,) = made.add(hives.value(b"large", 3, len(data), big))
    (held,) = made.add(struct.pack("<I", large))
    keys = made.add(
        *(made.key(b"%03d" % number, ROOT, (0, 0xFFFFFFFF), (1, held)) for number in range(400))
    )
    kinds = enumerate((b"lh", b"lf", b"li", b"lh"))
    parts = [hives.listed(magic, keys[at * 100 : at * 100 + 100]) for at, magic in kinds]
    lists = made.add(*parts)
    (top,) = made.add(hives.listed(b"ri", lists))
    made.hang(ROOT, below=(400, top))
    path = tmp_path / "built"
    path.write_bytes(made.data)

    hive = Hive(made.data)
    assert [key.name for key in hive.root.subkeys()] == [f"{n:03}" for n in range(400)]
    key = hive.find("250")
    assert key is not None
    assert key.data("large") == data
    told = subprocess.run(["hivexget", path, "\\250", "large"], capture_output=True, check=True)
    assert told.stdout.rstrip(b"\n") == data.rstrip(b"\n")


def visit(data: bytes | bytearray) -> int:
    """Ask for everything; how many things there were."""
    met, pending = 0, [Hive(data).root]
    while pending:
        key = pending.pop()
        pending += key.subkeys()
        met += 1 + len(key.texts()) + sum(len(key.hive.data(value)) >= 0 for value in key.values())
    return met


def test_damage_is_told_and_nothing_else_happens(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hive_module, "_BUDGET", 20_000)  # so that circles end soon
    rand, whole = (
        random.Random(7),
        hives.made(path.with_name("small"), dict(list(KEYS.items())[:3])),
    )
    good = whole.read_bytes()
    assert visit(good) > 10
    told = 0
    for _ in range(10_000):
        data = bytearray(good)
        for _ in range(rand.randrange(1, 6)):
            at = rand.randrange(len(data))
            data[at] = rand.choice((0, 1, 0x7F, 0x80, 0xFF, rand.randrange(256)))
        if rand.random() < 0.2:
            del data[rand.randrange(len(data)) :]
        try:
            visit(data)
        except FormatError:
            told += 1
    assert told > 300


def test_circles_and_floods_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key below itself; a list of lists of one key, four billion times; values without end."""
    monkeypatch.setattr(hive_module, "_BUDGET", 70_000)
    made = hives.Extended(hives.empty(tmp_path / "hive").read_bytes())
    (ring,) = made.add(hives.listed(b"li", [ROOT]))
    made.hang(ROOT, below=(1, ring))
    with pytest.raises(FormatError, match="circles"):
        visit(made.data)

    (leaf,) = made.add(hives.listed(b"li", [ROOT] * 65535))
    (flood,) = made.add(hives.listed(b"ri", [leaf] * 65535))
    made.hang(ROOT, below=(65535, flood))
    with pytest.raises(FormatError, match="circles"):
        Hive(made.data).find("nothing")
    (deep,) = made.add(hives.listed(b"ri", [flood]))
    made.hang(ROOT, below=(1, deep))
    with pytest.raises(FormatError, match="damaged list"):
        Hive(made.data).find("nothing")

    long = "x".encode("utf-16-le") * 32000
    (text,) = made.add(long)
    (one,) = made.add(hives.value(b"v", 1, len(long), text))
    (all_,) = made.add(struct.pack("<I", one) * 65536)
    made.fill(ROOT, held=(65536, all_))
    with pytest.raises(FormatError, match="circles"):
        Hive(made.data).root.texts()
    made.fill(ROOT, held=(65537, all_))
    with pytest.raises(FormatError, match="list of values"):
        Hive(made.data).root.texts()


def test_what_is_no_hive(tmp_path: Path) -> None:
    good = hives.empty(tmp_path / "hive").read_bytes()
    for bad in (b"", good[:300], b"x" * 8192, b"regf" + bytes(8192), good[:4096]):
        with pytest.raises(FormatError):
            Hive(bad)
    assert not Hive(hives.rewritten(good, primary=9)).clean
    damaged = bytearray(good)
    damaged[60] ^= 1  # the name, under the checksum
    assert not Hive(damaged).clean
