"""The restore itself: one walk over what is wanted, deciding entry by entry.

    directory ─► opened, or made (0700); its metadata follows when everything below it is there
    file      ─► compared with what stands there; what must be written goes into a window
    link, FIFO, socket, device ─► made at once
    further name of a file restored before ─► linked at the end of the window

The decision is taken anew, whatever a plan said: the world may have changed. Directories that only
lead to what is wanted are made when that is met. All of the target is reached by handle.
"""

import errno
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto

import msgspec

from twofold.errors import DamageFound
from twofold.format.pages import Node, NodeKind, Owner, kind_of_mode
from twofold.platform import Attributes, Dropped, Entry, HandleStack, TargetDir, is_temporary
from twofold.restorer.assignment import Assignment
from twofold.restorer.compare import Decision, Judge, Judged
from twofold.restorer.directory import Directory
from twofold.restorer.folds import Folds
from twofold.restorer.jobs import FileJob, LeftDirectory, LinkJob, LinkState, Window
from twofold.restorer.others import make_other
from twofold.restorer.runner import Runner
from twofold.restorer.selection import Wish
from twofold.restorer.target import Target, stop_when_full
from twofold.restorer.writer import Tools
from twofold.view import Path, Visit

_HANDLES = 12
_ACCESS = 0o700
_FLUSH = 512
_UNREACHABLE = "its directory could not be made"


class Made(Enum):
    """How a directory of the walk stands in the target."""

    NOT_YET = auto()
    FRESH = auto()
    EXISTING = auto()
    REFUSED = auto()


_THERE = (Made.FRESH, Made.EXISTING)


class Level(msgspec.Struct, eq=False):
    """A directory on the way from the start to where the walk is.

    ``plain``: all in it is wanted and none of it is there, so that files need no thought.
    """

    directory: Directory
    node: Node
    owner: Owner
    wish: Wish
    made: Made = Made.NOT_YET
    folds: Folds | None = None
    plain: bool = False


class Execution:
    """One run over a selection; counts and losses are in the report afterwards."""

    def __init__(
        self,
        assignment: Assignment,
        judge: Judge,
        target: Target,
        runner: Runner,
        tools: Tools,
    ) -> None:
        self._assignment = assignment
        self._tree = assignment.tree
        self._selection = assignment.selection
        self._maker = assignment.maker
        self._guard = assignment.guard
        self._policy = assignment.policy
        self._judge = judge
        self._target = target
        self._runner = runner
        self._asides = tools.asides
        self._report = tools.report
        self._groups = assignment.tree.groups()
        self._states: dict[tuple[int, int, int], LinkState] = {}
        self._handles: HandleStack[TargetDir] = HandleStack(target.root, _HANDLES)
        self._window = Window()
        self._serial = 0
        self._levels: list[Level] = []
        self._links_told = False

    def run(self) -> None:
        """Restore everything wanted. Raises what stops the run."""
        try:
            self._begin()
            walk = self._tree.walk(self._selection.start, self._damaged)
            for number, visit in enumerate(walk):
                if number % _FLUSH == 0:
                    self._report.flush()
                if visit.leaving:
                    self._leave()
                elif not self._visit(visit):
                    walk.skip()
                if self._window.full:
                    self._submit()
            self._end()
        finally:
            self._handles.close()

    def _submit(self) -> None:
        window, self._window = self._window, Window()
        self._runner.submit(window)

    def _damaged(self, _path: Path, error: DamageFound) -> None:
        """Part of a directory cannot be read: what was in it is not even known by name."""
        self._report.damaged(self._levels[-1].directory, b"", error)

    # directories, from the top down and up again

    def _begin(self) -> None:
        start = self._selection.start
        level = Level(self._target.top, start.node, start.owner, self._selection.top)
        level.made = Made.FRESH if self._target.created else Made.EXISTING
        self._levels.append(level)
        self._target.mark()
        self._guard.check_entry(self._target.root)
        self._maker.dropped = self._target.root.dropped()
        level.folds = self._settle(self._target.root)

    def _end(self) -> None:
        self._submit()
        start = self._levels.pop()
        if self._selection.gives_start and self._target.ours:
            self._give_start(self._maker.of(start.node, start.owner))
        self._runner.wait()
        self._target.unmark()

    def _give_start(self, wanted: Attributes) -> None:
        """Make the target what the start was, in such an order that a kill loses only its time.

        Removing the mark needs the right to write and changes the time, so both come last, and
        close together.
        """
        first = msgspec.structs.replace(wanted, mode=wanted.mode | _ACCESS)
        self._runner.wait()
        self._runner.give(LeftDirectory(self._target.top, first, once_more=True))
        self._target.unmark()
        self._runner.give(LeftDirectory(self._target.top, wanted))

    def _visit(self, visit: Visit) -> bool:
        """False when a directory is not to be entered."""
        above, node = self._levels[-1], visit.node
        if above.plain and node.kind == NodeKind.FILE and not node.linked and node.more is None:
            attributes = self._maker.of(node, visit.owner)
            self._window.add(
                FileJob.of(above.directory, node, attributes, Decision.NEW, aside=False)
            )
            return True
        wish = self._selection.below(above.wish, visit.parent, visit.node)
        if wish is None:
            return False
        if visit.node.kind != NodeKind.DIRECTORY:
            self._entry(visit)
            return True
        self._serial += 1
        level = Level(
            above.directory.child(visit.node.name, self._serial), visit.node, visit.owner, wish
        )
        if wish.chosen and not self._reach():
            self._without(level, None if self._policy.skip else _UNREACHABLE)
            return False
        if wish.chosen and not self._open(level):
            return False
        self._levels.append(level)
        return True

    def _reach(self) -> bool:
        """Make the directories that lead here, now that something in them is wanted."""
        levels = self._levels
        if levels[-1].made in _THERE:
            return True
        first = next(at for at, level in enumerate(levels) if level.made not in _THERE)
        try:
            for at in range(first, len(levels)):
                self._levels = levels[:at]
                if levels[at].made is Made.REFUSED or not self._open(levels[at]):
                    levels[at].made = Made.REFUSED
                    return False
        finally:
            self._levels = levels
        return True

    def _open(self, level: Level) -> bool:
        """Open or make a directory in the one the walk is in; False when it cannot be had."""
        above, name = self._levels[-1], level.node.name
        depth = self._handles.depth
        try:
            self._refuse_clash(above, name)
            entry = None if above.made is Made.FRESH else self._handles.top.existing(name)
            if entry is not None and kind_of_mode(entry.mode) == NodeKind.DIRECTORY:
                self._open_existing(level, entry)
            elif entry is not None and self._policy.skip:
                self._without(level, None)
                return False
            else:
                self._make(level, entry)
        except OSError as error:
            stop_when_full(error)
            while self._handles.depth > depth:
                with suppress(OSError):
                    self._handles.pop()
            self._without(level, error)
            return False
        self._target.note_device(self._handles.top, level.directory)
        return True

    def _without(self, level: Level, error: OSError | str | None) -> None:
        """A directory was left out, with an error or because something else is to be kept.

        Where only some of it was wanted, the entries are told one by one as they are met.
        """
        totals = level.node.ref
        entries, size = int(level.wish.chosen), 0
        if level.wish.chosen and totals is not None:
            entries, size = 1 + totals.directories + totals.files, totals.bytes
        if error is not None:
            self._report.failed(
                level.directory, b"", "make directory", error, entries=entries, size=size
            )
        elif entries:
            self._report.kept(level.directory, b"", size, entries)

    def _make(self, level: Level, entry: Entry | None) -> None:
        folder, name = self._handles.top, level.node.name
        decision = Decision.NEW if entry is None else Decision.CONFLICT
        flags = self._maker.of(level.node, level.owner).flags or 0
        with self._asides.out_of_the_way(
            folder, self._levels[-1].directory, name, needed=self._policy.aside(decision)
        ):
            self._handles.enter(name, folder.make_dir(name, flags=flags))
        level.made = Made.FRESH
        above = self._levels[-1].folds
        level.folds = Folds(blind=above is not None and above.blind)
        level.plain = (
            self._selection.whole(level.wish)
            and not level.folds.blind
            and self._maker.dropped == Dropped()
        )
        losses = self._maker.losses(level.node, self._maker.of(level.node, level.owner))
        self._report.done(decision, level.directory, b"", losses=losses)

    def _open_existing(self, level: Level, entry: Entry) -> None:
        name = level.node.name
        changes = level.wish.chosen and not self._policy.skip
        if changes and entry.mode & _ACCESS != _ACCESS:
            # only our own can be opened up; its metadata is given back at the end
            ours = Attributes(entry.mode | _ACCESS, entry.mtime_ns)
            with suppress(OSError):
                self._handles.top.apply(name, ours, directory=True)
        folder = self._handles.push(name)
        level.made = Made.EXISTING
        self._guard.check_entry(folder)
        level.folds = self._settle(folder)
        if not level.wish.chosen:
            return
        if self._policy.skip:
            self._report.kept(level.directory, b"", 0)
        else:
            with suppress(OSError):  # if one is needed, writing will tell
                folder.lift_flags()
            wanted = self._maker.of(level.node, level.owner)
            same = entry.mode == wanted.mode and entry.mtime_ns == wanted.mtime_ns
            decision = Decision.UNCHANGED if same else Decision.METADATA
            losses = self._maker.losses(level.node, wanted)
            self._report.done(decision, level.directory, b"", losses=losses)

    def _leave(self) -> None:
        level = self._levels.pop()
        if level.made not in _THERE:
            return
        with suppress(OSError):  # the level above is told as lost when it is used
            self._handles.pop()
        if level.made is Made.FRESH or (level.wish.chosen and not self._policy.skip):
            attributes = self._maker.of(level.node, level.owner)
            self._window.left.append(LeftDirectory(level.directory, attributes))

    def _settle(self, folder: TargetDir) -> Folds:
        """Look at a directory that is there; remove what an interrupted restore left. OSError."""
        names = folder.names() if folder.listed else []
        for name in filter(is_temporary, names):
            with suppress(OSError):
                folder.remove_file(name)
        return Folds.of_existing(folder, names)

    def _refuse_clash(self, above: Level, name: bytes) -> None:
        clash = above.folds.clash(name) if above.folds else None
        if clash is not None:
            words = f"the target cannot tell it from {clash.decode('utf-8', 'replace')!r}"
            raise OSError(errno.EEXIST, words, name)

    # other entries

    def _entry(self, visit: Visit) -> None:
        level, node = self._levels[-1], visit.node
        if not self._reach():
            if self._policy.skip:
                self._report.kept(level.directory, node.name, node.size)
            else:
                self._failed(level, node, _UNREACHABLE)
            return
        try:
            self._refuse_clash(level, node.name)
            self._decide(level, visit)
        except OSError as error:
            stop_when_full(error)
            self._failed(level, node, error)
        except DamageFound as error:
            self._report.damaged(level.directory, node.name, error, node.size)

    def _failed(self, level: Level, node: Node, error: OSError | str) -> None:
        self._report.failed(
            level.directory, node.name, "restore", error, size=node.size, kind=node.kind
        )

    def _decide(self, level: Level, visit: Visit) -> None:
        node = visit.node
        refusal = self._tree.refusal(node)
        if refusal:
            self._failed(level, node, refusal)
            return
        attributes = self._maker.of(node, visit.owner)
        state = self._state(level, visit) if node.linked else None
        known = state.inode if state is not None else 0
        judged = self._judged(level, node, attributes, known)
        decision, entry = judged
        if entry is not None and decision is Decision.CONFLICT:
            self._guard.check_moved((self._handles.top.device, entry.inode))
        if decision is Decision.KEPT:
            self._report.kept(level.directory, node.name, node.size)
            return
        aside = self._policy.aside(decision)
        job = FileJob.of(level.directory, node, attributes, decision, aside=aside)
        if state is not None and not (
            state.directory is level.directory and state.name == node.name
        ):
            self._further_name(job, state, judged)
        else:
            job.state = state
            self._first_name(job, judged)

    def _judged(self, level: Level, node: Node, attributes: Attributes, known_inode: int) -> Judged:
        if level.made is Made.FRESH:
            return Judged(Decision.NEW, None)
        return self._judge.entry(self._handles.top, node, attributes, known_inode)

    def _first_name(self, job: FileJob, judged: Judged) -> None:
        """An entry, or the first of several that are one."""
        decision, entry = judged
        losses: Sequence[str] = self._maker.losses(job.node, job.attributes)
        if decision in (Decision.UNCHANGED, Decision.METADATA):
            if decision is Decision.METADATA:
                here = self._handles.top
                losses = [*losses, *here.apply(job.node.name, job.attributes, directory=False)]
            if job.state is not None and entry is not None:
                job.state.inode, job.state.ready = entry.inode, True
            self._report.done(decision, job.directory, job.node.name, job.node.size, losses)
            return
        if job.node.kind == NodeKind.FILE:
            self._report.lost(losses)
            self._window.add(job)
            return
        losses = [*losses, *self._other(job)]
        if job.state is not None:
            job.state.ready = True
        self._report.done(decision, job.directory, job.node.name, 0, losses)

    def _other(self, job: FileJob) -> Sequence[str]:
        return make_other(
            self._handles.top,
            job.directory,
            job.node,
            job.attributes,
            self._asides,
            aside=job.aside,
        )

    def _further_name(self, job: FileJob, state: LinkState, judged: Judged) -> None:
        if judged.entry is not None and state.inode and judged.entry.inode == state.inode:
            self._report.done(Decision.UNCHANGED, job.directory, job.node.name, job.node.size)
            return
        if job.decision is Decision.UNCHANGED:
            job.decision = Decision.METADATA  # the same contents, but in a file of its own
        self._window.links.append(LinkJob(job, state))

    def _state(self, level: Level, visit: Visit) -> LinkState | None:
        """The file an entry is a name of, as far as this restore knows; None when it is alone.

        Names are only joined when they hold the same: a file may have changed between them.
        """
        try:
            group = self._groups.of(self._assignment.absolute(visit.parent), visit.node)
        except DamageFound as error:
            if not self._links_told:
                self._links_told = True
                self._report.damaged(level.directory, b"", error)
            return None
        if group is None:
            return None
        node = visit.node
        contents = hash((node.kind, node.size, node.content, node.ref and node.ref.id))
        key = (group.device, group.inode, contents)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = LinkState(level.directory, node.name, group.links)
        state.left -= 1
        if state.left <= 0:
            del self._states[key]
        return state
