"""What a restore would do, counted before anything is done.

The selection is walked beside the target. Where the target has no such directory everything below
is new, and the totals kept in the tree stand for a walk; so a restore into an empty place is
planned at once. (Inside of images there are no totals, and all is walked.) Files of equal size and
time are taken for equal here; the restore itself reads them. Nothing is written. If the room seems
too small, the need is counted exactly: holes take none, and a file of several names takes it once.
"""

from collections.abc import Sequence
from contextlib import suppress

import msgspec

from twofold.errors import DamageFound
from twofold.format.pages import Node, NodeKind, kind_of_mode
from twofold.format.records import TreeRef
from twofold.platform import Entry, HandleStack, TargetDir
from twofold.restorer.assignment import Assignment
from twofold.restorer.compare import Decision, Judge
from twofold.restorer.report import Counts
from twofold.restorer.selection import Wish
from twofold.restorer.too_long import ALWAYS_HELD, TooLong, refuses
from twofold.view import Path, Visit

_WRITES = (Decision.NEW, Decision.REPLACED, Decision.CONFLICT, Decision.REWRITE)


class RestorePlan(msgspec.Struct, frozen=True):
    """Entries by what would become of them (directories included), and what it takes.

    ``conflicts`` are entries that stand where something of another kind belongs. ``bytes_needed``
    is what will be written, ``bytes_free`` the room there is. ``failed`` are entries that the
    target cannot hold under their names, as far as entries were looked at. ``notes`` tell what the
    target cannot hold or the backup does not have.
    """

    new: int
    replaced: int
    conflicts: int
    metadata: int
    unchanged: int
    kept: int
    failed: int
    deleted: int
    entries: int
    bytes_total: int
    bytes_needed: int
    bytes_free: int
    notes: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether there is room, as far as the target tells."""
        return self.bytes_needed <= self.bytes_free


class Tally(msgspec.Struct, eq=False):
    """What was counted on one walk."""

    counts: Counts = msgspec.field(default_factory=Counts)
    bytes_total: int = 0
    bytes_needed: int = 0
    damaged: bool = False
    too_long: TooLong = msgspec.field(default_factory=TooLong)


class _Level(msgspec.Struct, eq=False):
    """A directory on the way; ``there``: it is open in the target; ``counted``: it was.

    ``refused``: it cannot be made, and so nothing in it.
    """

    wish: Wish
    there: bool
    counted: bool
    refused: bool = False


class Planner:
    """One counting walk. ``root`` is None for a target that does not exist yet."""

    def __init__(
        self,
        assignment: Assignment,
        judge: Judge,
        root: TargetDir | None,
        above: TargetDir | None = None,
        *,
        exact: bool,
    ) -> None:
        """``exact`` looks at every entry, whatever totals there are.

        ``above``: where a target that does not exist yet will be made.
        """
        self._assignment = assignment
        self._tree = assignment.tree
        self._selection = assignment.selection
        self._maker = assignment.maker
        self._guard = assignment.guard
        self._skip = assignment.policy.skip
        self._judge = judge
        self._exact = exact
        self._above = above
        self._handles: HandleStack[TargetDir] | None = HandleStack(root) if root else None
        self._levels = [_Level(self._selection.top, root is not None, True)]
        self._groups = assignment.tree.groups()
        self._met: set[tuple[int, int]] = set()
        self._tally = Tally()

    def run(self) -> Tally:
        """Count everything. ``RefusedUnsafe``."""
        if self._handles is not None:
            self._guard.check_entry(self._handles.top)
        try:
            walk = self._tree.walk(self._selection.start, self._damaged)
            for visit in walk:
                if visit.leaving:
                    self._leave()
                elif not self._visit(visit):
                    walk.skip()
        finally:
            if self._handles is not None:
                self._handles.close()
        return self._tally

    def _damaged(self, _path: Path, _error: DamageFound) -> None:
        self._tally.damaged = True

    def _visit(self, visit: Visit) -> bool:
        above = self._levels[-1]
        wish = self._selection.below(above.wish, visit.parent, visit.node)
        if wish is None:
            return False
        if visit.node.kind == NodeKind.DIRECTORY:
            return self._directory(visit, wish, above)
        if self._is_refused(visit, above):
            self._fail(visit)
            return True
        self._count_ancestors()
        decision = self._decide(visit, above)
        self._add(decision, 1, visit.node.size)
        if decision in _WRITES:
            self._tally.bytes_needed += self._room(visit)
        return True

    def _directory(self, visit: Visit, wish: Wish, above: _Level) -> bool:
        """Whether to go into it."""
        node = visit.node
        if self._is_refused(visit, above):
            if not wish.chosen:
                self._levels.append(_Level(wish, False, True, refused=True))
                return True
            self._fail(visit)
            return False
        if wish.chosen:
            self._count_ancestors()
        entry = self._existing(node, above)
        if entry is None:
            return self._new_directory(node, wish)
        if kind_of_mode(entry.mode) != NodeKind.DIRECTORY:
            if self._skip:
                self._add_whole(Decision.KEPT, node.ref)
                return False
            self._add(Decision.CONFLICT, 1, 0)
            self._levels.append(_Level(wish, False, True))
            return True
        there = self._push(node.name)
        if wish.chosen:
            wanted = self._maker.of(node, visit.owner)
            same = entry.mode == wanted.mode and entry.mtime_ns == wanted.mtime_ns
            decision = Decision.UNCHANGED if same else Decision.METADATA
            self._add(Decision.KEPT if self._skip else decision, 1, 0)
        self._levels.append(_Level(wish, there, True))
        return True

    def _is_refused(self, visit: Visit, above: _Level) -> bool:
        """Whether the target cannot hold an entry under its name, or not what it lies in."""
        if above.refused:
            return True
        if len(visit.node.name) <= ALWAYS_HELD or not refuses(self._place(), visit.node.name):
            return False
        path = self._selection.shown((*visit.parent, visit.node.name))
        self._tally.too_long.add(path)
        return True

    def _place(self) -> TargetDir | None:
        """The nearest directory that is there."""
        if self._handles is None:
            return self._above
        with suppress(OSError):
            return self._handles.top
        return None

    def _fail(self, visit: Visit) -> None:
        """An entry and all below it, by the totals the tree keeps, cannot be had."""
        node, entries, size = visit.node, 1, visit.node.size
        if node.kind == NodeKind.DIRECTORY:
            totals = node.ref
            entries += totals.directories + totals.files if totals is not None else 0
            size = totals.bytes if totals is not None else 0
        self._tally.counts.failed += entries
        self._tally.bytes_total += size

    def _new_directory(self, node: Node, wish: Wish) -> bool:
        if self._selection.whole(wish) and not self._exact:
            self._add_whole(Decision.NEW, node.ref)
            return False
        if wish.chosen:
            self._add(Decision.NEW, 1, 0)
        self._levels.append(_Level(wish, False, wish.chosen))
        return True

    def _add_whole(self, decision: Decision, totals: TreeRef | None) -> None:
        """A directory and all below it, by the totals the tree keeps."""
        if totals is None:
            return
        self._add(decision, 1 + totals.directories + totals.files, totals.bytes)
        if decision in _WRITES:
            self._tally.bytes_needed += totals.bytes

    def _add(self, decision: Decision, entries: int, size: int) -> None:
        self._tally.counts.add(decision, entries)
        self._tally.bytes_total += size

    def _count_ancestors(self) -> None:
        """Directories that only lead here would be made as well."""
        for level in self._levels:
            if not level.counted:
                level.counted = True
                self._add(Decision.NEW, 1, 0)

    def _leave(self) -> None:
        level = self._levels.pop()
        if level.there and self._handles is not None:
            with suppress(OSError):
                self._handles.pop()

    def _push(self, name: bytes) -> bool:
        if self._handles is None:
            return False
        try:
            self._guard.check_entry(self._handles.push(name))
        except OSError:
            return False  # what cannot be opened is told by the restore itself
        return True

    def _existing(self, node: Node, above: _Level) -> Entry | None:
        if not above.there or self._handles is None:
            return None
        try:
            return self._handles.top.existing(node.name)
        except OSError:
            return None

    def _decide(self, visit: Visit, above: _Level) -> Decision:
        if not above.there or self._handles is None:
            return Decision.NEW
        folder, wanted = self._handles.top, self._maker.of(visit.node, visit.owner)
        try:
            decision, entry = self._judge.entry(folder, visit.node, wanted)
        except OSError:
            return Decision.REPLACED
        if decision is Decision.CONFLICT and entry is not None:
            self._guard.check_moved((folder.device, entry.inode))
        return decision

    def _room(self, visit: Visit) -> int:
        """Bytes an entry takes; exact where that was asked for."""
        node = visit.node
        if not self._exact:
            return node.size
        try:
            if node.linked:
                path = self._assignment.absolute(visit.parent)
                group = self._groups.of(path, node)
                if group is not None:
                    if (group.device, group.inode) in self._met:
                        return 0
                    self._met.add((group.device, group.inode))
            return node.size - sum(length for _, length in self._tree.holes(node))
        except DamageFound:
            return node.size


def expected_losses(
    fs_type: str, *, may_give_owners: bool, owner: bool, windows: bool
) -> Sequence[str]:
    """What a target cannot hold, in words, as far as its kind and our rights tell.

    ``windows``: what is restored has no owners and permissions that it could lose.
    """
    notes = []
    if owner and not may_give_owners:
        notes.append(
            "owners and device files need administrator rights: everything will belong to you"
        )
    if fs_type in _LIMITS and not (windows and fs_type in _FOREIGN):
        notes.append(f"the target's file system ({fs_type}) {_LIMITS[fs_type]}")
    return notes


_FOREIGN = ("fuse", "fuseblk")
"""NTFS and exFAT through FUSE; what they keep depends on how they are mounted."""
_NAMES = 'names with any of < > : " | ? * or a backslash'
_FAT = (
    "cannot hold owners, permissions, links, special files, extended attributes, exact times or "
    + _NAMES
)
_NETWORK = "cannot hold all owners, permissions, links and special files of this system"
_LIMITS = {
    "vfat": f"{_FAT}, nor files of 4 GiB and more",
    "msdos": f"{_FAT}, nor files of 4 GiB and more",
    "exfat": _FAT,
    "cifs": _NETWORK,
    "smb3": _NETWORK,
    **dict.fromkeys(
        _FOREIGN, f"may not keep owners, permissions, access lists, exact times or {_NAMES}"
    ),
}
