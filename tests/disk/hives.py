"""Registry hives for tests: an empty one written by hand, filled by ``hivexsh``."""

import struct
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

Values = Mapping[str, str]
"""Name to a value as hivexsh takes it: ``string:…``, ``dword:…``, ``hex:TYPE:…``; "" is default."""
Keys = Mapping[str, Values]
"""Path to the values there."""

FIXED_SEQUENCE = 7


def xor(block: bytes | bytearray) -> int:
    """Checksum of a base block."""
    found = 0
    for (word,) in struct.iter_unpack("<I", block[:508]):
        found ^= word
    return found


def empty(path: Path, name: str = "hive") -> Path:
    """A hive with a root key and nothing else."""
    root, security, rest = 0x20, 0x20 + 88, 0x20 + 88 + 72
    key = struct.pack(
        "<2sHQIIIIIIIIIIIIIIIHH", b"nk", 0x2C, 0, 0, 0xFFFFFFFF, 0, 0, *[0xFFFFFFFF] * 2,
        0, 0xFFFFFFFF, security, 0xFFFFFFFF, 0, 0, 0, 0, 0, 4, 0,
    )  # fmt: skip
    cells = struct.pack("<i", -88) + (key + b"ROOT").ljust(84, b"\0")
    descriptor = struct.pack("<BBHIIII", 1, 0, 0x8000, 0, 0, 0, 0)
    ring = struct.pack("<2sHIIII", b"sk", 0, security, security, 1, len(descriptor))
    cells += struct.pack("<i", -72) + (ring + descriptor).ljust(68, b"\0")
    cells += struct.pack("<i", 4096 - rest).ljust(4096 - rest, b"\0")
    bins = struct.pack("<4sII8xQI", b"hbin", 0, 4096, 0, 0) + cells
    title = name.encode("utf-16-le").ljust(64, b"\0")
    head = struct.pack(
        "<4sIIQIIIIIII", b"regf", FIXED_SEQUENCE, FIXED_SEQUENCE, 0, 1, 5, 0, 1, root, 4096, 1
    )
    base = bytearray((head + title).ljust(4096, b"\0"))
    struct.pack_into("<I", base, 508, xor(base))
    path.write_bytes(bytes(base) + bins)
    return path


def fill(path: Path, keys: Keys) -> Path:
    """Add keys and values; all values of a key are replaced by those given."""
    words = list(_words(keys))
    done = subprocess.run(
        ["hivexsh", "-w", path], input="\n".join([*words, "commit", ""]), text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert not done.stderr, done.stderr
    return path


def _words(keys: Keys) -> Iterable[str]:
    made: set[str] = set()
    for path, values in keys.items():
        names = path.split("\\") if path else []
        yield "cd \\"
        for depth, name in enumerate(names, 1):
            here = "\\".join(names[:depth])
            if here not in made:
                made.add(here)
                yield f"add {name}"
            yield f"cd {name}"
        if values:
            yield f"setval {len(values)}"
            for key, value in values.items():
                yield key or "@"
                yield value


def made(path: Path, keys: Keys) -> Path:
    """An empty hive, filled."""
    return fill(empty(path), keys)


def text(value: str) -> str:
    """A text of any letters."""
    return hexadecimal(1, (value + "\0").encode("utf-16-le"))


def hexadecimal(kind: int, data: bytes) -> str:
    """Bytes of any type."""
    return f"hex:{kind}:" + ",".join(f"{byte:02x}" for byte in data)


def rewritten(data: bytes | bytearray, **fields: int) -> bytearray:
    """A hive with fields of its base block changed and the checksum right again."""
    found = bytearray(data)
    for name, value in fields.items():
        struct.pack_into(*_FIELDS[name], found, _PLACES[name], value)
    struct.pack_into("<I", found, 508, xor(found))
    return found


_PLACES = {"primary": 4, "secondary": 8, "written": 12, "minor": 24, "type": 28, "length": 40}
_FIELDS = {name: ("<Q" if name == "written" else "<I",) for name in _PLACES}


class Extended:
    """A hive to which cells can be added behind all others."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)

    def add(self, *contents: bytes) -> list[int]:
        """One more bin with these cells; their offsets."""
        start = len(self.data) - 4096
        cells, offsets = bytearray(), []
        for content in contents:
            offsets.append(start + 32 + len(cells))
            size = (4 + len(content) + 7) // 8 * 8
            cells += struct.pack("<i", -size) + content.ljust(size - 4, b"\0")
        length = (32 + len(cells) + 4095) // 4096 * 4096
        rest = length - 32 - len(cells)
        if rest:
            cells += struct.pack("<i", rest).ljust(rest, b"\0")
        self.data += struct.pack("<4sII8xQI", b"hbin", start, length, 0, 0) + cells
        self.data = rewritten(self.data, length=len(self.data) - 4096)
        return offsets

    def key(self, name: bytes, parent: int, below: tuple[int, int], held: tuple[int, int]) -> bytes:
        """A key's cell."""
        fields = (below[0], 0, below[1], 0xFFFFFFFF, *held, 0x78, 0xFFFFFFFF, 0, 0, 0, 0, 0)
        return struct.pack(
            "<2sHQIIIIIIIIIIIIIIIHH", b"nk", 0x20, 0, 0, parent, *fields, len(name), 0
        ) + name  # fmt: skip

    def hang(self, key: int, *, below: tuple[int, int]) -> None:
        """Give a key other keys below."""
        at = 4096 + 4 + key
        struct.pack_into("<I", self.data, at + 20, below[0])
        struct.pack_into("<I", self.data, at + 28, below[1])

    def fill(self, key: int, *, held: tuple[int, int]) -> None:
        """Give a key other values."""
        struct.pack_into("<II", self.data, 4096 + 4 + key + 36, *held)


def value(name: bytes, kind: int, size: int, place: int) -> bytes:
    """A value's cell."""
    return struct.pack("<2sHIIIHH", b"vk", len(name), size, place, kind, 1, 0) + name


def listed(magic: bytes, offsets: Iterable[int]) -> bytes:
    """A list of keys, or of lists."""
    places = list(offsets)
    extra = b"\0" * 4 if magic in (b"lf", b"lh") else b""
    items = b"".join(struct.pack("<I", place) + extra for place in places)
    return struct.pack("<2sH", magic, len(places)) + items
