"""Restore files out of a snapshot: plan, show, execute.

Exit code 0 when everything asked for is there; 1 when the target would not take some of it; 5 when
the repository could not give some of it: each such entry is told by name, and all others are there;
or when it could not tell whether this is the backup that is meant.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

from twofold import clock
from twofold.commands.reading import Reading, read_snapshot
from twofold.errors import INCOMPLETE, DamageFound, NoSpace, TwofoldError
from twofold.events import Emit, Phase
from twofold.options import Options, RepositoryAccess
from twofold.platform import current
from twofold.restorer import Funnel, Loss, Outcome, Request, Restore, RestorePlan, select
from twofold.view import parse_address
from twofold.view.address import parse_argument


class RestoreOptions(Options, frozen=True, kw_only=True):
    """What goes where. ``paths`` lie below the path of the address, if it has one.

    ``existing``: entries in the way are moved aside and kept, replaced, or left and skipped.
    ``confirm`` is asked with the plan before anything is written; without it the restore goes on
    unless there is too little room.
    """

    access: RepositoryAccess
    snapshot: str
    target: bytes
    paths: tuple[bytes, ...] = ()
    existing: Literal["keep", "replace", "skip"] = "keep"
    owner: bool = True
    verify: bool = False
    dry_run: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    confirm: Callable[[RestorePlan], bool] | None = None


class Place(msgspec.Struct, frozen=True):
    """A path in the target."""

    path: bytes


class RestoreResult(msgspec.Struct, frozen=True):
    """What was planned and what came of it; counts are entries, directories included.

    ``written`` is False for a dry run and when the answer was no; the counts of what was done are
    0 then. ``aside`` is where replaced entries are kept. ``lacking`` entries have zeros where
    the backup holds nothing.
    """

    exit_code: int
    snapshot: bytes
    snapshot_time_ns: int
    target: bytes
    dry_run: bool
    written: bool
    plan: RestorePlan
    new: int = 0
    replaced: int = 0
    conflicts: int = 0
    metadata: int = 0
    unchanged: int = 0
    kept: int = 0
    deleted: int = 0
    failed: int = 0
    damaged: int = 0
    lacking: int = 0
    bytes_written: int = 0
    losses: tuple[Loss, ...] = ()
    aside: Place | None = None
    seconds: float = 0.0


def run(options: RestoreOptions, emit: Emit) -> RestoreResult:
    """Plan, ask, and do it."""
    started = clock.monotonic()
    funnel = Funnel(emit)
    address = parse_address(options.snapshot)
    paths = tuple(parse_argument(path) for path in options.paths)
    with read_snapshot(options.access, address, "restore", funnel.put) as reading:
        tree = reading.tree(address)
        selection = select(
            tree,
            address.path or (),
            paths,
            include=options.include,
            exclude=options.exclude,
        )
        platform = current()
        restore = Restore(
            tree,
            selection,
            Request(
                target=options.target,
                existing=options.existing,
                owner=options.owner,
                verify=options.verify,
            ),
            reader=reading.pages.blobs,
            keys=reading.repository.keys.dedup,
            platform=platform,
            location=options.access.location,
            funnel=funnel,
        )
        funnel.put(Phase("planning"))
        plan = restore.plan()
        if not _wanted(options, plan):
            return _result(options, reading, plan)
        outcome = restore.execute(plan)
        funnel.flush()
        return _result(options, reading, plan, outcome, clock.monotonic() - started)


def _wanted(options: RestoreOptions, plan: RestorePlan) -> bool:
    """Whether to go on after the plan. ``NoSpace`` where nobody can be asked."""
    if options.dry_run:
        return False
    if options.confirm is not None:
        return options.confirm(plan)
    if not plan.fits:
        raise NoSpace(
            f"the restore needs {plan.bytes_needed} bytes, the target has {plan.bytes_free} free"
        )
    return True


def _result(
    options: RestoreOptions,
    reading: Reading,
    plan: RestorePlan,
    outcome: Outcome | None = None,
    seconds: float = 0.0,
) -> RestoreResult:
    snapshot = reading.snapshot
    if outcome is None:
        return RestoreResult(
            0, snapshot.id, snapshot.root.time_ns, options.target, options.dry_run, False, plan
        )
    counts = outcome.counts
    return RestoreResult(
        exit_code=_exit_code(outcome, reading),
        snapshot=snapshot.id,
        snapshot_time_ns=snapshot.root.time_ns,
        target=options.target,
        dry_run=False,
        written=True,
        plan=plan,
        new=counts.new,
        replaced=counts.replaced,
        conflicts=counts.conflicts,
        metadata=counts.metadata,
        unchanged=counts.unchanged,
        kept=counts.kept,
        failed=counts.failed,
        damaged=counts.damaged,
        lacking=outcome.lacking,
        bytes_written=outcome.bytes_written,
        losses=outcome.losses,
        aside=Place(outcome.aside) if outcome.aside is not None else None,
        seconds=seconds,
    )


def _exit_code(outcome: Outcome, reading: Reading) -> int:
    if outcome.counts.damaged or not reading.is_certain:
        return DamageFound.exit_code
    if outcome.counts.failed:
        return TwofoldError.exit_code
    return INCOMPLETE if outcome.lacking else 0
