"""How the tree changes between two backups of the verbs, and what in it is looked for."""

import random
from pathlib import Path

from bench.contents import MIB
from bench.inputs import SEED

EACH = 100  # of how many small files one is changed
EDITS, EDITED = 10, 4096  # places in a large file, bytes at each
NEW = 20


def change(root: Path, number: int) -> None:
    """Make the next state of a tree; the same one for the same tree and number.

    Of the small files one in a hundred gets a line more, one in a thousand goes, and a folder
    with some is new; one of the large files is edited at ten places.
    """
    if not number:
        return
    rng = random.Random(SEED + number)
    files = _files(root)
    large = [path for path in files if path.stat().st_size >= MIB]
    small = [path for path in files if path not in set(large)]
    for position, path in enumerate(small[number::EACH]):
        if position % 10:
            with open(path, "ab") as file:
                file.write(b"line %d\n" % number)
        else:
            path.unlink()
    if large:
        _edit(large[0], rng)
    folder = root / f"new-{number}"
    folder.mkdir()
    for each in range(NEW):
        (folder / f"new-{number}-{each}.txt").write_bytes(rng.randbytes(1000))


def chosen(root: Path) -> tuple[Path, Path]:
    """The file that is looked for, and the folder: two above it where there are so many."""
    files = [path for path in _files(root) if not path.parent.name.startswith("new-")]
    file = files[len(files) // 2]
    above = file.parent.parent
    return file, above if root in above.parents else root


def _edit(path: Path, rng: random.Random) -> None:
    with open(path, "r+b") as file:
        for _ in range(EDITS):
            file.seek(rng.randrange(path.stat().st_size - EDITED))
            file.write(rng.randbytes(EDITED))


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())
