"""Write an image, or one partition of it, back onto a disk or into a file: plan, show, execute.

Exit code 0 when everything was written and read back the same; 1 when the target did not give back
what was written; 5 when the repository could not give some of it, or not tell whether this is the
image that is meant. A restore that was cut off goes on when it is run again with the same image and
the same target (``twofold.imaging.journal``).
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
from msgspec.structs import replace

from twofold import clock
from twofold.commands.access import refuse_own_folder
from twofold.commands.reading import read_repository, tell_absent
from twofold.errors import DamageFound, NoSpace, RefusedUnsafe, TwofoldError, UsageError
from twofold.events import Emit, Notice
from twofold.format.names import BlobKind
from twofold.format.segments import Absence
from twofold.imaging import (
    DiskPlan,
    DiskRestored,
    Estimate,
    Journal,
    estimate,
    open_source,
    plan_restore,
    restore_disk,
    with_new_ids,
)
from twofold.imaging.plan import Target
from twofold.options import Options, RepositoryAccess
from twofold.platform import Disk, current
from twofold.repository import Repository, Snapshot
from twofold.view import ImageDisk, parse_address


class RestoreDiskOptions(Options, frozen=True, kw_only=True):
    """Which image goes where. ``confirm`` is asked with the plan before anything is written.

    ``new_ids``: the disk is to stand beside the original. ``restart``: what an earlier run that was
    cut off has written counts for nothing.
    """

    access: RepositoryAccess
    snapshot: str
    target: bytes
    new_ids: bool = False
    restart: bool = False
    dry_run: bool = False
    confirm: Callable[[DiskPlan], bool] | None = None


class RestoreDiskResult(msgspec.Struct, frozen=True):
    """What was planned and what came of it. ``written`` is False for a dry run, or after a no.

    ``bytes_kept`` were written by an earlier run that was cut off, and found as they should be.
    ``bytes_unreadable`` and ``bytes_left_out`` are zeros because the image does not hold them.
    """

    exit_code: int
    snapshot: bytes
    target: bytes
    dry_run: bool
    written: bool
    bytes_target: int
    bytes_used: int
    bytes_written: int = 0
    bytes_kept: int = 0
    bytes_verified: int = 0
    damaged: int = 0
    wrong: int = 0
    bytes_unreadable: int = 0
    bytes_left_out: int = 0
    seconds: float = 0.0


def run(options: RestoreDiskOptions, emit: Emit) -> RestoreDiskResult:
    """Plan, ask, write, verify."""
    started = clock.monotonic()
    address = parse_address(options.snapshot)
    if address.path:
        raise UsageError("a path cannot be written to a disk", hint="see 'twofold restore'")
    with read_repository(options.access, "restore-disk", emit) as library:
        repository = library.repository
        refuse_own_folder(repository, options.target)
        reading = library.reading(address)
        snapshot, pages = reading.snapshot, reading.pages
        if snapshot.root.image is None:
            raise UsageError(f"{snapshot.short} is a backup of files, not an image")
        page = pages.image(snapshot.root.image)
        target, before = _target(options.target)
        plan = plan_restore(page, target, address.partition, before)
        if options.new_ids:
            plan = with_new_ids(plan, ImageDisk(pages, snapshot.root))
        for note in plan.notes:
            emit(Notice(note))
        plan = _going_on(repository, snapshot, plan, options, emit)
        nothing = _result(options, snapshot.id, plan, None, started)
        if options.dry_run or (options.confirm is not None and not options.confirm(plan)):
            return nothing
        with _opened(plan) as disk:
            journal = _journal(repository, snapshot, plan, _identity(disk), emit)
            if not plan.goes_on:
                journal.anew()
            done = restore_disk(pages, repository.keys, plan, disk, emit, journal)
            if plan.target.is_device:
                disk.reread_partitions()
        result = _result(options, snapshot.id, plan, done, started)
        code = tell_absent(done.absent, os.fsdecode(options.target), emit)
        code = code if reading.is_certain else DamageFound.exit_code
        return replace(result, exit_code=result.exit_code or code)


def _journal(
    repository: Repository, snapshot: Snapshot, plan: DiskPlan, identity: str, emit: Emit
) -> Journal:
    last = plan.parts[-1].volume.number if plan.parts else 0  # a partition follows what is in it
    part = last or None
    return Journal(repository.id, snapshot.id, part, identity, emit)


def _going_on(
    repository: Repository,
    snapshot: Snapshot,
    plan: DiskPlan,
    options: RestoreDiskOptions,
    emit: Emit,
) -> DiskPlan:
    """The plan, going on with an earlier run that was cut off if the target is as it left it."""
    journal = _journal(repository, snapshot, plan, plan.target.identity, emit)
    if journal.recorded is None or options.restart:
        return plan
    with _reading(plan.target.path) as disk:
        same = journal.matches(disk, repository.keys.dedup.hasher(BlobKind.DATA))
    if not same:
        if journal.recorded.samples:
            emit(
                Notice("an earlier restore was cut off; its target was changed, so it begins anew")
            )
        return plan
    target = replace(plan.target, fresh=journal.recorded.fresh)
    return replace(plan, target=target, goes_on=True)


def _target(path: bytes) -> tuple[Target, Estimate | None]:
    """What stands at the path now. ``UsageError`` when it cannot be written at all."""
    path = os.path.abspath(path)
    if not os.path.lexists(path):
        return Target(path, 0, 512, is_device=False, fresh=True), None
    if not os.path.exists(path):
        raise UsageError(f"'{os.fsdecode(path)}' is a link that leads nowhere")
    stamp = _stamp(path)  # before anything is looked at, so that no change is missed
    with _reading(path) as disk:  # first, for it refuses what is neither a disk nor a file
        uses = tuple(current().uses_of(path))
        before = _now(disk) if disk.size else None
        target = Target(
            path,
            disk.size,
            disk.sector_size,
            is_device=disk.is_device,
            fresh=not disk.is_device and disk.size == 0,
            uses=uses,
            identity=_identity(disk),
            title=_title(path) if disk.is_device else "",
            stamp=() if disk.is_device else stamp,
        )
    return target, before


@contextmanager
def _reading(path: bytes) -> Iterator[Disk]:
    try:
        disk = current().open_disk(path)
    except OSError as error:
        raise UsageError(f"'{os.fsdecode(path)}' cannot be opened: {error.strerror}") from error
    try:
        yield disk
    finally:
        disk.close()


def _identity(disk: Disk) -> str:
    """What tells a target from others: the serial number of a device, else where it is."""
    path = os.path.realpath(disk.path)
    if not disk.is_device:
        return f"file {os.fsdecode(path)} {os.stat(path).st_ino} {disk.size}"
    for info in current().disks():
        name = f"{info.model} {info.serial}" if info.serial else os.fsdecode(info.path)
        for number, place in ((0, info.path), *((p.number, p.path) for p in info.partitions)):
            if place == path:
                return f"device {name} {number} {disk.size} {disk.sector_size}"
    return f"device {os.fsdecode(path)} {disk.size} {disk.sector_size}"


def _stamp(path: bytes) -> tuple[int, ...]:
    """What changes when another program replaces or writes a file. ``UsageError``."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise UsageError(f"'{os.fsdecode(path)}' cannot be opened: {error.strerror}") from error
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _check_same(target: Target, disk: Disk) -> None:
    """Refuse a file that is no longer what was planned with; nobody else writes it from here on.

    Another restore onto it may have begun and ended since: what was new then is no longer empty.
    """
    if target.is_device:
        return
    if _stamp(target.path) != target.stamp if target.stamp else disk.size:
        raise RefusedUnsafe(
            f"'{os.fsdecode(target.path)}' was written by another program meanwhile",
            hint="run the same again to see what would be overwritten, or choose another name",
        )


def _title(path: bytes) -> str:
    """Maker and model of a disk."""
    real = os.path.realpath(path)
    return next((info.model for info in current().disks() if info.path == real), "")


def _now(disk: Disk) -> Estimate | None:
    """What is on the target, for the picture; nothing hangs on it."""
    try:
        return estimate(open_source(disk))
    except (OSError, TwofoldError):
        return None


@contextmanager
def _opened(plan: DiskPlan) -> Iterator[Disk]:
    target = plan.target
    try:
        disk = current().open_disk(target.path, write=True, create=target.fresh)
    except OSError as error:
        raise UsageError(
            f"'{os.fsdecode(target.path)}' cannot be written: {error.strerror}"
        ) from error
    try:
        _check_same(target, disk)
        if target.fresh:
            disk.resize(plan.size)
        yield disk
    except OSError as error:
        full = not target.is_device and error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise (NoSpace if full else TwofoldError)(
            f"writing '{os.fsdecode(target.path)}' failed: {error.strerror}",
            hint="the target is incomplete; "
            + ("free some space and " if full else "")
            + "run the same again to go on where this run stopped",
        ) from error
    finally:
        disk.close()


def _result(
    options: RestoreDiskOptions,
    snapshot: bytes,
    plan: DiskPlan,
    done: DiskRestored | None,
    started: float,
) -> RestoreDiskResult:
    what = done or DiskRestored()
    return RestoreDiskResult(
        exit_code=DamageFound.exit_code if what.damaged else int(bool(what.wrong)),
        snapshot=snapshot,
        target=plan.target.path,
        dry_run=options.dry_run,
        written=done is not None,
        bytes_target=plan.size,
        bytes_used=plan.bytes_used,
        bytes_written=what.bytes_written,
        bytes_kept=what.bytes_kept,
        bytes_verified=what.bytes_verified,
        damaged=what.damaged,
        wrong=what.wrong,
        bytes_unreadable=what.absent.bytes_of(Absence.UNREADABLE),
        bytes_left_out=what.absent.bytes_of(Absence.LEFT_OUT),
        seconds=clock.monotonic() - started,
    )
