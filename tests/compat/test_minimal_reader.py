"""What the program stores, a reader written from the documents alone restores: entry by entry.

The program is the installed command line, the reader a program that shares no code with it. The
trees are compared by an own description and, where it is installed, by rsync.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from . import trees

READER = Path(__file__).with_name("minimal_reader.py")
PRODUCT = ("twofold", "cryptography", "msgspec", "backports", "compression")
PASSWORD = "correct horse – ключ"


@dataclass(frozen=True)
class Stored:
    """A tree, the repository that holds it, and its recovery key as printed."""

    tree: Path
    repo: Path
    recovery: str

    def restored(self, target: Path) -> Path:
        """Where the tree lies in a restored snapshot."""
        return target / self.tree.relative_to("/")


def environment(home: Path, secret: str) -> dict[str, str]:
    """Ours without settings of ours; client state goes to a folder of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TWOFOLD")}
    return {**kept, "TWOFOLD_PASSWORD": secret, "HOME": str(home), "XDG_STATE_HOME": str(home),
            "XDG_CACHE_HOME": str(home), "XDG_CONFIG_HOME": str(home)}  # fmt: skip


def twofold(home: Path, *words: object, code: str = "") -> str:
    """Run the command line; what it printed. ``code`` runs before it."""
    start = (
        ["-c", f"{code}; from twofold.cli.start import main; main()"] if code else ["-m", "twofold"]
    )
    outcome = subprocess.run(
        [sys.executable, *start, *map(str, words)],
        env=environment(home, PASSWORD),
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout + outcome.stderr


def store(base: Path, code: str = "", *, full: bool = True) -> Stored:
    """A new repository with one backup: of every kind of entry, or of one file."""
    tree, repo = base / "tree", base / "repo"
    if full:
        trees.make(tree)
    else:
        tree.mkdir()
        (tree / "file").write_bytes(b"first")
    printed = twofold(base, "init", repo, code=code)
    (recovery,) = re.findall(r"(?:[0-9A-Z]{5}-){5}[0-9A-Z]{5}", printed)
    twofold(base, "-r", repo, "backup", tree, code=code)
    return Stored(tree, repo, recovery)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """One repository for all tests that only read it."""
    return store(tmp_path_factory.mktemp("compat"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """A repository with a backup of one small file."""
    return store(tmp_path_factory.mktemp("small"), full=False)


def read(repo: Path, target: Path, *words: str, secret: str = PASSWORD) -> tuple[int, str]:
    """Run the minimal reader: exit code and what it said."""
    outcome = subprocess.run(
        [sys.executable, READER, repo, target, *words],
        env=environment(target.parent, secret),
        capture_output=True,
        text=True,
        check=False,
    )
    return outcome.returncode, outcome.stdout + outcome.stderr


def compare(tree: Path, restored: Path) -> None:
    """Equal in everything; rsync, where there is one, agrees."""
    expected, found = trees.describe(tree), trees.describe(restored)
    assert {n: f for n, f in found.items() if expected.get(n) != f} == {}
    assert expected.keys() == found.keys()
    if rsync := shutil.which("rsync"):
        words = ["-aHAXn", "--checksum", "--delete", "--itemize-changes", "--modify-window=-1"]
        said = subprocess.check_output([rsync, *words, f"{tree}/", f"{restored}/"], text=True)
        assert said == ""


def test_the_reader_is_independent() -> None:
    """No code of the program, nor of the libraries it uses where there are others; 500 lines."""
    text = READER.read_text("utf-8")
    assert text.count("\n") <= 500
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add((node.module or "").partition(".")[0])
    assert imported.isdisjoint(PRODUCT)
    code = f"import sys; sys.path.insert(0, {str(READER.parent)!r}); import minimal_reader"
    said = subprocess.check_output(
        [sys.executable, "-c", f"{code}; print(*sys.modules)"], text=True, cwd="/"
    )
    assert {name.partition(".")[0] for name in said.split()}.isdisjoint(PRODUCT)


@pytest.mark.parametrize("words", [(), ("--without-index",)], ids=["index", "packs alone"])
def test_everything_comes_back(stored: Stored, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Files, folders, links, special files, modes, owners, times, attributes, holes."""
    assert read(stored.repo, tmp_path / "out", *words) == (0, "")
    restored = stored.restored(tmp_path / "out")
    compare(stored.tree, restored)
    assert trees.allocated(restored) <= trees.allocated(stored.tree) + 64 * trees.KIB


def test_the_recovery_key_opens_as_well(small: Stored, tmp_path: Path) -> None:
    """As printed, and as somebody types it."""
    for number, secret in enumerate((small.recovery, small.recovery.lower().replace("-", " "))):
        target = tmp_path / str(number)
        assert read(small.repo, target, secret=secret) == (0, "")
        compare(small.tree, small.restored(target))


@pytest.mark.parametrize("secret", ["wrong", "", "00000-00000-00000-00000-00000-08GVP"])
def test_other_secrets_open_nothing(small: Stored, tmp_path: Path, secret: str) -> None:
    """A wrong password and a well-formed foreign recovery key."""
    code, said = read(small.repo, tmp_path / "out", secret=secret)
    assert code == 1
    assert said
    assert not (tmp_path / "out").exists()


def test_second_copies_answer_for_the_first(stored: Stored, tmp_path: Path) -> None:
    """First copies of everything stored twice are spoiled, one config is gone: all comes back."""
    repo = tmp_path / "repo"
    shutil.copytree(stored.repo, repo)
    (repo / "config").unlink()
    for path in repo.rglob("*"):
        if path.is_file():
            _spoil(path)
    assert read(repo, tmp_path / "out") == (0, "")
    compare(stored.tree, stored.restored(tmp_path / "out"))


def _spoil(path: Path) -> None:
    """Noise over the first copy, if the object is stored twice."""
    data = path.read_bytes()
    second = -(-len(data) // 8192) * 4096
    if data[second : second + 8] == data[:8]:
        path.write_bytes(bytes(b ^ 0x55 for b in data[:second]) + data[second:])


def test_damage_is_told(stored: Stored, tmp_path: Path) -> None:
    """One byte of a large pack: the files in that frame are named, the others come back."""
    repo = tmp_path / "repo"
    shutil.copytree(stored.repo, repo)
    large = max(repo.joinpath("packs").rglob("*"), key=lambda path: path.stat().st_size)
    data = bytearray(large.read_bytes())
    data[1 << 20] ^= 1
    large.write_bytes(data)
    code, said = read(repo, tmp_path / "out")
    assert code == 1
    assert "authentication" in said
    assert (stored.restored(tmp_path / "out") / "names" / "a").read_bytes() == b"a"


def test_snapshots_are_chosen_by_id(tmp_path: Path) -> None:
    """The latest is the default; an older one comes back whole by the beginning of its id."""
    stored = store(tmp_path, full=False)
    tree, repo = stored.tree, stored.repo
    (first,) = (path.name for path in (repo / "roots").iterdir())
    (tree / "file").write_bytes(b"second")
    twofold(tmp_path, "-r", repo, "backup", tree)
    for words, expected in (((), b"second"), (("--snapshot", first[:12]), b"first")):
        target = tmp_path / expected.decode()
        assert read(repo, target, *words) == (0, "")
        assert (stored.restored(target) / "file").read_bytes() == expected
    assert read(repo, tmp_path / "none", "--snapshot", "xyz")[0] == 1


@pytest.mark.slow
def test_the_other_cipher(tmp_path: Path) -> None:
    """A repository of a computer without AES instructions: ChaCha20-Poly1305 throughout."""
    stored = store(tmp_path, "import twofold.seal; twofold.seal.fast_aead = lambda: 2")
    for path in stored.repo.rglob("*"):
        assert path.is_dir() or path.read_bytes()[11] == 2
    assert read(stored.repo, tmp_path / "out") == (0, "")
    compare(stored.tree, stored.restored(tmp_path / "out"))
