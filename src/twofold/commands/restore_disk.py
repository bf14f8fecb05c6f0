"""Write an image, or one partition of it, back onto a disk or into a file: plan, show, execute.

Exit code 0 when everything was written and read back the same; 1 when the target did not give back
what was written; 5 when the repository could not give some of it.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from twofold import clock
from twofold.commands.access import open_at, tell_missing_heads
from twofold.commands.reading import reader_session
from twofold.errors import TwofoldError, UsageError
from twofold.events import Emit
from twofold.graph import PageStore
from twofold.imaging import (
    DiskPlan,
    DiskRestored,
    Estimate,
    estimate,
    open_source,
    plan_restore,
    restore_disk,
)
from twofold.imaging.plan import Target
from twofold.options import Options, RepositoryAccess
from twofold.platform import Disk, current
from twofold.view import parse_address, resolve

DAMAGED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreDiskOptions(Options):
    """Which image goes where. ``confirm`` is asked with the plan before anything is written."""

    access: RepositoryAccess
    snapshot: str
    target: bytes
    dry_run: bool = False
    confirm: Callable[[DiskPlan], bool] | None = None


@dataclass(frozen=True, slots=True)
class RestoreDiskResult:
    """What was planned and what came of it. ``written`` is False for a dry run, or after a no."""

    exit_code: int
    snapshot: bytes
    target: bytes
    dry_run: bool
    written: bool
    bytes_target: int
    bytes_used: int
    bytes_written: int = 0
    bytes_verified: int = 0
    damaged: int = 0
    wrong: int = 0
    seconds: float = 0.0


def run(options: RestoreDiskOptions, emit: Emit) -> RestoreDiskResult:
    """Plan, ask, write, verify."""
    started = clock.monotonic()
    address = parse_address(options.snapshot)
    if address.path:
        raise UsageError("a path cannot be written to a disk", hint="see 'twofold restore'")
    with open_at(options.access, emit) as repository, reader_session(repository, "restore-disk"):
        tell_missing_heads(repository, emit)
        snapshot = resolve(address, repository.snapshots(partial=True))
        if snapshot.root.image is None:
            raise UsageError(f"{snapshot.short} is a backup of files, not an image")
        pages = PageStore(repository.blob_reader(repository.load_index()))
        page = pages.image(snapshot.root.image)
        target, before = _target(options.target)
        plan = plan_restore(page, target, address.partition, before)
        nothing = _result(options, snapshot.id, plan, None, started)
        if options.dry_run or (options.confirm is not None and not options.confirm(plan)):
            return nothing
        with _opened(plan) as disk:
            done = restore_disk(pages, repository.keys, plan, disk, emit)
            if plan.target.is_device:
                disk.reread_partitions()
        return _result(options, snapshot.id, plan, done, started)


def _target(path: bytes) -> tuple[Target, Estimate | None]:
    """What stands at the path now. ``UsageError`` when it cannot be written at all."""
    path = os.path.abspath(path)
    if not os.path.lexists(path):
        return Target(path, 0, 512, is_device=False, fresh=True), None
    uses = tuple(current().uses_of(path))
    try:
        disk = current().open_disk(path)
    except OSError as error:
        raise UsageError(f"'{os.fsdecode(path)}' cannot be opened: {error.strerror}") from error
    try:
        size, sector, device = disk.size, disk.sector_size, disk.is_device
        before = _now(disk) if size else None
    finally:
        disk.close()
    fresh = not device and size == 0
    return Target(path, size, sector, is_device=device, fresh=fresh, uses=uses), before


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
        if target.fresh:
            disk.resize(plan.size)
        yield disk
    except OSError as error:
        raise TwofoldError(
            f"writing '{os.fsdecode(target.path)}' failed: {error.strerror}",
            hint="the target is incomplete; run again, perhaps onto another disk",
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
        exit_code=DAMAGED if what.damaged else int(bool(what.wrong)),
        snapshot=snapshot,
        target=plan.target.path,
        dry_run=options.dry_run,
        written=done is not None,
        bytes_target=plan.size,
        bytes_used=plan.bytes_used,
        bytes_written=what.bytes_written,
        bytes_verified=what.bytes_verified,
        damaged=what.damaged,
        wrong=what.wrong,
        seconds=clock.monotonic() - started,
    )
