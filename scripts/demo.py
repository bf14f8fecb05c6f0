"""The main job on sample data, through the real command line, with proof.

make a sample → init → backup → a week of changes → backup → restore both → compare every file with
what was recorded when its backup was made → read the whole repository back. Everything happens in
one temporary folder, caches and settings included, and is removed at the end.
"""

import hashlib
import json
import os
import secrets
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from scripts import sample
from scripts.environment import Trouble

KINDS = ("CACHE", "CONFIG", "DATA", "STATE")


@dataclass(frozen=True, slots=True)
class Item:
    """What makes a file itself: content (or link target), permissions, time of last change."""

    digest: str
    size: int
    mode: int
    mtime_ns: int


Record = dict[str, Item]


@dataclass(frozen=True)
class Program:
    """The twofold command with a repository, a password and settings of its own."""

    command: Path
    place: Path
    env: dict[str, str]

    @classmethod
    def in_world(cls, command: Path, place: Path) -> "Program":
        """Keep everything the program writes below one folder."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("TWOFOLD_")}
        world = {f"XDG_{kind}_HOME": str(place / kind.lower()) for kind in KINDS}
        secret = {
            "TWOFOLD_REPO": str(place / "repository"),
            "TWOFOLD_PASSWORD": secrets.token_urlsafe(12),
        }
        return cls(command, place, {**inherited, **world, **secret})

    def __call__(self, *words: str) -> float:
        """Run one command to its good end; the seconds it took."""
        started = time.monotonic()
        command = [str(self.command), *words, "--json"]
        outcome = subprocess.run(command, env=self.env, capture_output=True, check=False)
        if outcome.returncode:
            raise Trouble(f"'twofold {words[0]}' failed: {_complaint(outcome)}")
        return time.monotonic() - started

    def stored(self) -> int:
        """Bytes in the repository, as the file system counts them."""
        files = (self.place / "repository").rglob("*")
        return sum(path.stat().st_size for path in files if path.is_file())


def run(command: Path) -> int:
    """Show the program at work; 0 only if every file of every backup came back identical."""
    with tempfile.TemporaryDirectory(prefix="twofold-demo-") as folder:
        place = Path(folder).resolve()
        print(f"\nTwofold at work on sample data, in {place}\n")
        return _story(Program.in_world(command, place), place)


def _story(twofold: Program, place: Path) -> int:
    home = place / "home"
    sample.make(home)
    before = record(home)
    _tell("sample", f"{_files(before)}: documents, pictures, source code, mail, a database")
    _tell("init", "an encrypted repository", twofold("init", twofold.env["TWOFOLD_REPO"]))
    seconds = twofold("backup", str(home))
    first = twofold.stored()
    _tell("first backup", f"{_files(before)} read, {_size(first)} stored", seconds)
    week = sample.change(home)
    _tell(
        "a week of use",
        f"{week.edited} files edited, {week.added} added, {week.deleted} deleted, "
        f"{week.renamed} in a renamed folder",
    )
    after = record(home)
    seconds = twofold("backup", str(home))
    grown = twofold.stored() - first
    _tell("second backup", f"{_files(after)} covered, {_size(grown)} more stored", seconds)
    snapshots = (("latest~1", "the first", before), ("latest", "the second", after))
    wrong = [_restore(twofold, home, *each) for each in snapshots]
    seconds = twofold("check", "--read-data")
    _tell("check --read-data", f"all {_size(twofold.stored())} read back and verified", seconds)
    return _verdict(before, after, twofold.stored(), sum(wrong))


def _restore(twofold: Program, home: Path, snapshot: str, name: str, wanted: Record) -> int:
    """Restore one backup into a fresh folder; the number of files that differ."""
    target = twofold.place / f"restored {snapshot}"
    seconds = twofold("restore", f"{snapshot}:{home}", "--to", str(target))
    wrong = differences(wanted, record(target))
    same = f"{len(wanted) - len(wrong):,} of {len(wanted):,} files identical"
    _tell(f"restore {name}", f"{same} (bytes, permissions, times)", seconds)
    for line in wrong[:5]:
        _tell("", line)
    return len(wrong)


def _verdict(before: Record, after: Record, stored: int, wrong: int) -> int:
    total = sum(item.size for item in [*before.values(), *after.values()])
    print(f"\n  Two whole backups of together {_size(total)} take {_size(stored)}.")
    if wrong:
        print(f"  {wrong:,} files did NOT come back as they were.\n")
        return 1
    print(f"  Every one of {len(before) + len(after):,} files came back as it was.\n")
    return 0


def record(root: Path) -> Record:
    """Every file and link below a folder, by relative name."""
    found: Record = {}
    for folder, folders, files in os.walk(root):
        for name in (*files, *(each for each in folders if Path(folder, each).is_symlink())):
            path = Path(folder, name)
            found[str(path.relative_to(root))] = _item(path)
    return found


def _item(path: Path) -> Item:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return Item(f"link to {os.readlink(path)}", 0, status.st_mode, status.st_mtime_ns)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Item(digest, status.st_size, status.st_mode, status.st_mtime_ns)


def differences(wanted: Record, found: Record) -> list[str]:
    """One line per file that is missing, unexpected or not the same."""
    lines = [f"missing: {name}" for name in wanted.keys() - found.keys()]
    lines += [f"unexpected: {name}" for name in found.keys() - wanted.keys()]
    for name in wanted.keys() & found.keys():
        one, two = wanted[name], found[name]
        parts = [part for part in Item.__slots__ if getattr(one, part) != getattr(two, part)]
        lines += [f"different {', '.join(parts)}: {name}"] if parts else []
    return sorted(lines)


def _complaint(outcome: subprocess.CompletedProcess[bytes]) -> str:
    """What a failed command said, from its last records or else its last line."""
    lines = outcome.stdout.decode(errors="replace").splitlines()
    for line in reversed(lines):
        try:
            fields = json.loads(line)
        except ValueError:
            continue
        if isinstance(fields, dict) and fields.get("message"):
            return str(fields["message"])
    said = outcome.stderr.decode(errors="replace").strip().splitlines()
    return said[-1] if said else f"it ended with code {outcome.returncode}"


def _tell(step: str, sentence: str, seconds: float | None = None) -> None:
    took = "" if seconds is None else f"{seconds:.1f} s"
    print(f"  {step:18}{took:>8}   {sentence}", flush=True)


def _files(record: Record) -> str:
    return f"{len(record):,} files, {_size(sum(item.size for item in record.values()))}"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
