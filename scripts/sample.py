"""A home folder made up for the demonstration: always the same bytes, nothing of yours.

Documents, pictures (real PNG files), a source tree, a mailbox, a database with pages of zeros, a
sparse disk file, copies, links and difficult names. ``change`` then does what a week of use does.
"""

import os
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WORDS = (
    "river stone window early letter garden paper light winter answer music bridge table morning "
    "silver number harbour engine summer forest memory kitchen signal evening market thread "
    "shadow corner village measure captain orchard lantern journey copper meadow reason anchor"
).split()
MIB = 1 << 20


@dataclass(frozen=True)
class Changes:
    """What happened to the sample between two backups, in files."""

    edited: int
    added: int
    deleted: int
    renamed: int


def make(root: Path) -> None:
    """Fill an empty folder with the sample."""
    rng = random.Random(20260101)
    _documents(root / "Documents", rng)
    _pictures(root / "Pictures", rng)
    _sources(root / "Projects", rng)
    _mail(root / "Mail" / "inbox.mbox", rng)
    _database(root / "Data" / "ledger.db", rng)
    _oddities(root / "Odd names", root, rng)


def change(root: Path) -> Changes:
    """Edit, add, delete and rename, as a week of use does."""
    rng = random.Random(20260108)
    edited = list(_edit(root, rng))
    added = list(_add(root, rng))
    deleted = sorted((root / "Projects" / "module-07").rglob("*.py"))[:60]
    for path in deleted:
        path.unlink()
    album = root / "Pictures" / "2024 summer"
    album.rename(root / "Pictures" / "2024 summer at the lake")
    renamed = len(list((root / "Pictures" / "2024 summer at the lake").iterdir()))
    return Changes(len(edited), len(added), len(deleted), renamed)


def png(rng: random.Random, width: int, height: int) -> bytes:
    """A valid PNG: a soft gradient under four bits of camera noise."""
    tables = [bytes(min(255, base + (value & 15)) for value in range(256)) for base in range(240)]
    rows = [
        b"\0" + rng.randbytes(3 * width).translate(tables[240 * row // height])
        for row in range(height)
    ]
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(b"".join(rows), 1)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_part(kind, data) for kind, data in parts)


def _png_part(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _write(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def _text(rng: random.Random, count: int) -> str:
    words = rng.choices(WORDS, k=count)
    lines = (" ".join(words[at : at + 12]) for at in range(0, count, 12))
    return "\n".join(lines) + "\n"


def _documents(folder: Path, rng: random.Random) -> None:
    for number in range(480):
        name = f"{rng.choice(WORDS)} {rng.choice(WORDS)} {number:03}.txt"
        _write(folder / f"{2019 + number % 7}" / name, _text(rng, rng.randrange(40, 9000)))


def _pictures(folder: Path, rng: random.Random) -> None:
    for number in range(44):
        album = ("2023 winter", "2024 summer", "2025 spring")[number % 3]
        picture = png(rng, 800, rng.randrange(520, 620))
        _write(folder / album / f"IMG_{number:04}.png", picture)
        if number % 9 == 0:
            _write(folder / "Sent to grandmother" / f"IMG_{number:04}.png", picture)


def _sources(folder: Path, rng: random.Random) -> None:
    for number in range(3200):
        package = folder / f"module-{number % 16:02}" / f"{WORDS[number % 29]}_{number % 5}"
        body = "".join(_function(rng) for _ in range(rng.randrange(2, 24)))
        _write(package / f"part_{number:04}.py", f'"""{_text(rng, 8).strip()}."""\n\n{body}')


def _function(rng: random.Random) -> str:
    one, two = rng.sample(WORDS, 2)
    return (
        f"def {one}_{two}({two}: int) -> int:\n"
        f"    {one} = {two} * {rng.randrange(1000)}\n    return {one}\n\n\n"
    )


def _mail(path: Path, rng: random.Random) -> None:
    _write(path, "".join(_letter(rng, number) for number in range(2600)))


def _letter(rng: random.Random, number: int) -> str:
    attachment = rng.randbytes(1200).hex() if number % 3 == 0 else ""
    return f"From sample@example.org\nSubject: {_text(rng, 4)}\n{_text(rng, 500)}{attachment}\n"


def _database(path: Path, rng: random.Random) -> None:
    pages = (rng.randbytes(4096) if number % 3 else bytes(4096) for number in range(3000))
    _write(path, b"".join(pages) + bytes(2 * MIB))


def _oddities(folder: Path, root: Path, rng: random.Random) -> None:
    _write(folder / "empty", b"")
    _write(folder / "naïve café – 日本語 🙂.txt", _text(rng, 50))
    _write(folder / " leading and trailing space .txt", _text(rng, 50))
    _write(folder.joinpath(*["deep"] * 40, "bottom.txt"), _text(rng, 50))
    with open(folder / "sparse disk.img", "wb") as disk:
        disk.write(rng.randbytes(MIB))
        disk.seek(11 * MIB)
        disk.write(rng.randbytes(MIB))
    try:
        os.link(folder / "empty", folder / "empty, a hard link")
        (folder / "link to the mailbox").symlink_to(os.path.relpath(root / "Mail", folder))
        (folder / "link to nowhere").symlink_to("nowhere")
    except OSError:
        return  # links need rights on Windows; the sample does without them there


def _edit(root: Path, rng: random.Random) -> Iterator[Path]:
    """Append to a mailbox, overwrite a database page, revise some texts."""
    mailbox = root / "Mail" / "inbox.mbox"
    with open(mailbox, "a", encoding="utf-8") as mail:
        mail.write("".join(_letter(rng, number) for number in range(40)))
    database = root / "Data" / "ledger.db"
    with open(database, "r+b") as pages:
        pages.seek(5 * MIB)
        pages.write(rng.randbytes(4096))
    yield from (mailbox, database)
    for path in sorted((root / "Documents").rglob("*.txt"))[::12]:
        yield _write(path, path.read_text("utf-8") + _text(rng, 30))


def _add(root: Path, rng: random.Random) -> Iterator[Path]:
    for number in range(120):
        yield _write(root / "Documents" / "2026" / f"note {number:03}.txt", _text(rng, 300))
    for number in range(2):
        yield _write(root / "Pictures" / "2026 new" / f"IMG_{number:04}.png", png(rng, 800, 560))
