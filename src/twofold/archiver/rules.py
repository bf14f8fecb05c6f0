"""Which entries are left out, and by which rule.

Patterns are those of gitignore, matched against the absolute path; later ones win, ``!`` takes
back. Rules are a pure function of path, listing record and the directory's own entries, so a
snapshot can be used to prove entries unchanged only if its rules had the same ``digest``.
"""

import hashlib
import os
import stat
from collections.abc import Sequence

import msgspec

from twofold.gitignore import GitIgnore
from twofold.platform import Entry

CACHE_TAG = b"CACHEDIR.TAG"
CACHE_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"
_PSEUDO = frozenset(
    "proc sysfs devtmpfs devpts cgroup cgroup2 securityfs debugfs tracefs pstore bpf".split()
    + "efivarfs configfs fusectl mqueue hugetlbfs binfmt_misc autofs rpc_pipefs nsfs".split()
)


class RuleOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Rules as given; sizes in bytes."""

    patterns: tuple[str, ...] = ()
    if_present: tuple[bytes, ...] = ()
    larger_than: int | None = None
    caches: bool = False
    one_file_system: bool = False
    never: tuple[bytes, ...] = ()  # absolute paths, the repository itself above all


class Rules:
    """Compiled rules."""

    def __init__(self, options: RuleOptions) -> None:
        """Raises ``UsageError`` for a pattern that is none."""
        self.options = options
        self._never = frozenset(options.never)
        self._patterns = GitIgnore(options.patterns) if options.patterns else None
        self.digest = hashlib.sha256(repr(options).encode()).digest()[:16]
        self._marks = frozenset(options.if_present) | ({CACHE_TAG} if options.caches else set())
        self._simple = self._patterns is None and options.larger_than is None
        self._guarded = frozenset(os.path.dirname(path) for path in self._never)

    def trivial_in(self, directory: bytes) -> bool:
        """Whether no rule leaves out an entry of this directory (an absolute path, empty for /)."""
        return self._simple and (directory or b"/") not in self._guarded

    def excludes(self, path: bytes, entry: Entry) -> str:
        """The rule that leaves this entry out, empty when none does."""
        if path in self._never:
            return "repository"
        limit = self.options.larger_than
        if limit is not None and stat.S_ISREG(entry.mode) and entry.size > limit:
            return "larger"
        return self._pattern(path, entry)

    def _pattern(self, path: bytes, entry: Entry) -> str:
        if self._patterns is None:
            return ""
        text = os.fsdecode(path).lstrip("/")
        position = self._patterns.decides(text, folder=stat.S_ISDIR(entry.mode))
        return self.options.patterns[position] if position is not None else ""

    def excludes_file_system(self, fs_type: str, device: int, top_device: int) -> str:
        """The rule that keeps us from entering a mounted file system, empty when none does."""
        if fs_type in _PSEUDO:
            return "pseudo file system"
        if self.options.one_file_system and device != top_device:
            return "other file system"
        return ""

    def marks(self, names: Sequence[bytes]) -> list[bytes]:
        """Names that may mark their directory as left out; cache tags still need a look inside."""
        return [name for name in names if name in self._marks]

    def may_be_marked(self, listing: bytes) -> bool:
        """Whether a packed listing might hold one of the ``marks``; False is certain."""
        return any(name in listing for name in self._marks)

    @property
    def has_marks(self) -> bool:
        """Whether directories can be left out by a file in them."""
        return bool(self._marks)
