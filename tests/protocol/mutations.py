"""The protocol with one rule broken: what must be noticed, and what may be left out.

``DETECTED`` are the rules safety rests on, each with a scenario in which breaking it does harm.
``HARMLESS`` are orders and checks that look as if safety needed them and do not; they are here so
that nobody has to wonder, and so that a change of the protocol that makes one of them necessary
is noticed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import image_scenarios as images
from . import scenarios as on
from .model import Scenario
from .rules import DELETION, REACH, Rules


@dataclass(frozen=True)
class Mutation:
    """A broken rule, and where that shows."""

    name: str
    scenario: Callable[[Rules], Scenario]
    changes: dict[str, Any] = field(default_factory=dict)


def moved(step: str, *, before: str) -> tuple[str, ...]:
    """The deletion protocol with one step at another place."""
    steps = [s for s in DELETION if s != step]
    steps.insert(steps.index(before), step)
    return tuple(steps)


def without(*steps: str) -> tuple[str, ...]:
    """The deletion protocol with steps left out."""
    return tuple(s for s in DELETION if s not in steps)


def start(*steps: str) -> dict[str, Any]:
    """Another order of a writer's first steps."""
    return {"writer_start": steps}


def finish(*steps: str) -> dict[str, Any]:
    """Another order of a writer's last steps."""
    return {"writer_end": steps}


def half_way(steps: str) -> dict[str, Any]:
    """Another order of a partial commit."""
    return {"partial": tuple(steps.split())}


WRITING = (
    Mutation("commit cannot be fenced", on.two_writers, {"commit_is_conditional": False}),
    Mutation("session opened last", on.two_writers, start("W2a", "W2b", "W3", "A1", "W1")),
    Mutation("session after tombstones", on.two_writers, start("W2a", "W2b", "W1", "W3", "A1")),
    Mutation("tombstones last", on.two_pruners, start("W1", "W3", "A1", "W2a", "W2b")),
    Mutation("packs listed before tombstones", on.adoption, start("W1", "A1", "W2a", "W2b", "W3")),
    Mutation("adoption before session", on.adoption, start("A1", "W1", "W2a", "W2b", "W3")),
    Mutation("final before proposed", on.two_pruners, start("W1", "W2b", "W2a", "W3", "A1")),
    Mutation("tombstones not heeded", on.two_pruners, {"tombstoned_is_absent": False}),
    Mutation("index believed, packs not listed", on.zombie_index, {"listing_decides": False}),
    Mutation("failed writer deletes its packs", on.adoption, {"packs_belong_to_all": False}),
    Mutation("lost W1 sent again", on.two_writers, {"requests_sent_once": False}),
    Mutation("commit before index", on.two_writers, finish("W4", "W6", "W7", "W5")),
    Mutation("commit before root", on.two_writers, finish("W4", "W5", "W7", "W6")),
    Mutation(
        "parent inherited in spite of tombstones", on.parent, {"parent_wants_no_tombs": False}
    ),
    Mutation("parent looked up first", on.parent, start("A3", "W1", "W2a", "W2b", "W3", "A1")),
    Mutation(
        "parent looked up before tombstones", on.parent, start("W1", "A3", "W2a", "W2b", "W3", "A1")
    ),
)

PARTIAL = (
    Mutation("no check", on.partial_commit, half_way("P1a P1b P2 P4 P5")),
    Mutation("tombstones not read again", on.partial_commit, half_way("P1a P1b P2 P3c P3d P4 P5")),
    Mutation("packs not listed again", on.partial_commit, half_way("P1a P1b P2 P3a P3b P4 P5")),
    Mutation(
        "packs before tombstones", on.partial_end, half_way("P1a P1b P2 P3c P3a P3b P3d P4 P5")
    ),
    Mutation("final before proposed", on.partial_end, half_way("P1a P1b P2 P3b P3a P3c P3d P4 P5")),
    Mutation("check before session", on.partial_end, half_way("P1a P1b P3a P3b P3c P3d P2 P4 P5")),
    Mutation("only reused packs checked", on.partial_end, {"partial_checks_own_packs": False}),
    Mutation(
        "parent not looked up again", on.partial_parent, half_way("P1a P1b P2 P3a P3b P3c P4 P5")
    ),
    Mutation(
        "parent before tombstones", on.partial_parent, half_way("P1a P1b P2 P3d P3a P3b P3c P4 P5")
    ),
    Mutation(
        "index before its packs", on.partial_merge, half_way("P1b P1a P2 P3a P3b P3c P3d P4 P5")
    ),
)

READING = (
    Mutation("no session", on.two_merges, {"reader": ("B2", "B3", "B4", "B5")}),
    Mutation("index before session", on.two_merges, {"reader": ("B3", "B1", "B2", "B4", "B5")}),
    Mutation("no second look at the index", on.repack, {"reader_looks_again": False}),
)

FORGETTING = (
    Mutation("undelete without a re-check", on.forget_twice, {"undelete": ("U1",)}),
    Mutation("undelete without U2", on.forget_twice, {"undelete": ("U1", "U3")}),
    Mutation("undelete without U3", on.forget_twice, {"undelete": ("U1", "U2")}),
    Mutation("U3 before U2", on.forget_twice, {"undelete": ("U1", "U3", "U2")}),
    Mutation("removal only looks at the mark", on.forget, {"removal_takes_mark": False}),
    Mutation("root before committed session", on.forget, {"removal": ("Q1", "Q3", "Q2", "Q4")}),
    Mutation("decision dropped early", on.forget_twice, {"removal": ("Q1", "Q4", "Q2", "Q3")}),
    Mutation("forgotten counts as gone", on.forget, {"forgotten_is_live": False}),
    Mutation(
        "cleaning lists committed first", on.two_writers, {"cleaning": ("C2", "C4", "C3", "C5")}
    ),
    Mutation("cleaning lists roots last", on.two_writers, {"cleaning": ("C3", "C4", "C2", "C5")}),
)

DELETING = (
    Mutation("no tombstone", on.two_pruners, {"deletion": without("R2", "R3a", "R3b", "R6", "R8")}),
    Mutation("sessions not awaited", on.two_pruners, {"sessions_are_awaited": False}),
    Mutation("sessions before proposal", on.two_pruners, {"deletion": moved("R4a", before="R2")}),
    Mutation("roots not read again", on.two_pruners, {"roots_are_read_again": False}),
    Mutation("roots before sessions", on.two_pruners, {"deletion": moved("R5a", before="R4a")}),
    Mutation("places not read again", on.duplicates, {"places_are_read_again": False}),
    Mutation(
        "index before tombstones", on.reckless_index, {"deletion": moved("R5b", before="R3a")}
    ),
    Mutation("packs before tombstones", on.reckless, {"deletion": moved("R5c", before="R3a")}),
    Mutation("tombstones before proposal", on.duplicates, {"deletion": moved("R2", before="R4a")}),
    Mutation("final before proposed", on.duplicates, {"deletion": moved("R3b", before="R3a")}),
    Mutation("no withdrawing for duplicates", on.duplicates, {"foreign_packs_count": False}),
    Mutation("nor for index objects", on.reckless_index, {"foreign_index_counts": False}),
    Mutation("smaller name stays", on.duplicates, {"withdraw": "smaller name stays"}),
    Mutation("no condemning", on.two_pruners, {"deletion": without("R6")}),
    Mutation("condemned though withdrawn", on.two_pruners, {"condemn_is_conditional": False}),
    Mutation("final tombstone withdrawn", on.two_pruners, {"final_is_final": False}),
    Mutation("tombstone named after its pack", on.two_pruners, {"tomb_per_run": False}),
    Mutation("lost R2 sent again", on.two_pruners, {"requests_sent_once": False}),
    Mutation("tombstone before pack", on.two_pruners, {"deletion": moved("R8", before="R7")}),
)

MERGING = (
    Mutation("merge not verified", on.merge_and_prune, {"index_must_cover": False}),
    Mutation(
        "merge drops doomed packs, not verified",
        on.merge_with_foreign_prune,
        {"merge_keeps_doomed": False, "index_must_cover": False},
    ),
    Mutation(
        "merge deletes its inputs at once",
        on.two_merges,
        {"deletion": without("R2", "R3a", "R3b", "R4a", "R4b", "R6", "R8")},
    ),
    Mutation("merge does not wait for readers", on.two_merges, {"sessions_are_awaited": False}),
)

EXCLUSIVE = (Mutation("look before the flag is up", on.exclusive, {"flag_before_look": False}),)


def unfollowed(*sorts: str) -> dict[str, Any]:
    """A walk that does not enter pages of these sorts."""
    return {"reach": tuple(sort for sort in REACH if sort not in sorts)}


IMAGING = (
    Mutation("files not followed", images.files_beside_image, unfollowed("tree")),
    Mutation("images not followed", images.image_reach, unfollowed("image")),
    Mutation("references not followed", images.image_reach, unfollowed("references")),
    Mutation("extents not followed", images.image_reach, unfollowed("extents")),
    Mutation("segments not followed", images.image_reach, unfollowed("segments")),
    Mutation("images not followed, data shared", images.image_beside_files, unfollowed("image")),
    Mutation("extents not followed in a repack", images.image_repack, unfollowed("extents")),
    Mutation("tombstones not heeded", images.image_twice, {"tombstoned_is_absent": False}),
    Mutation("commit cannot be fenced", images.image_twice, {"commit_is_conditional": False}),
    Mutation("commit before index", images.image_twice, finish("W4", "W6", "W7", "W5")),
    Mutation("commit before root", images.image_twice, finish("W4", "W5", "W7", "W6")),
    Mutation("session opened last", images.image_twice, start("W2a", "W2b", "W3", "A1", "W1")),
    Mutation("failed writer deletes its packs", images.image_twice, {"packs_belong_to_all": False}),
    Mutation("inherited under tombstones", images.image_parent, {"parent_wants_no_tombs": False}),
    Mutation("forgotten is gone", images.files_beside_image, {"forgotten_is_live": False}),
    Mutation("mark only looked at", images.files_beside_image, {"removal_takes_mark": False}),
    Mutation("sessions not awaited", images.image_twice, {"sessions_are_awaited": False}),
    Mutation("roots not read again", images.image_twice, {"roots_are_read_again": False}),
    Mutation("readers not awaited", images.image_merge, {"sessions_are_awaited": False}),
)

FEATURES = (
    Mutation("config not read again", images.feature_and_prune, {"deletion": without("R3c")}),
    Mutation(
        "config before the proposal",
        images.feature_and_prune,
        {"deletion": moved("R3c", before="R2")},
    ),
    Mutation(
        "writer does not read it again",
        images.feature_and_writers,
        start("W1", "W2a", "W2b", "W3", "A1"),
    ),
    Mutation(
        "writer reads it before its session",
        images.feature_and_writers,
        start("W1a", "W1", "W2a", "W2b", "W3", "A1"),
    ),
    Mutation("sessions not waited for", images.feature_and_writers, {"new_feature": ("N1",)}),
    Mutation(
        "sessions listed before it is announced",
        images.feature_and_writers,
        {"new_feature": ("N2a", "N1", "N2b")},
    ),
)

DETECTED = {
    "writing": WRITING,
    "partial": PARTIAL,
    "reading": READING,
    "forgetting": FORGETTING,
    "deleting": DELETING,
    "merging": MERGING,
    "exclusive": EXCLUSIVE,
    "imaging": IMAGING,
    "features": FEATURES,
}

LATE_FLUSH = half_way("P2 P3a P3b P3c P3d P1a P1b P4 P5") | {"partial_checks_own_packs": False}

HARMLESS = (
    # what is written after P2 is pinned by the second session from the beginning
    Mutation("packs flushed after P2 not checked", on.partial_commit, LATE_FLUSH),
    Mutation("nor under a merge", on.partial_merge, LATE_FLUSH),
    # A1 overrules the index, so it does not matter when that was loaded or how old it is
    Mutation("index before tombstones", on.adoption, start("W1", "W3", "W2a", "W2b", "A1", "A3")),
    Mutation("index before session", on.two_writers, start("W3", "W1", "W2a", "W2b", "A1", "A3")),
    # whoever comes later sees the proposal, so any time after that will do
    Mutation(
        "config read last", images.feature_and_prune, {"deletion": moved("R3c", before="R5d")}
    ),
    # a deleter withdraws, so nobody need wait for it
    Mutation("no wait for deleters", images.feature_and_prune, {"new_feature": ("N1",)}),
    # a session that is open or fenced shows nothing to anybody; the order only helps adoption
    Mutation("root before index", on.two_writers, finish("W4", "W6", "W5", "W7")),
    Mutation("root before packs", on.two_writers, finish("W6", "W4", "W5", "W7")),
    # true while all under one session; P1 is where it is not
    Mutation("index before packs", on.merge_with_prune, finish("W5", "W4", "W6", "W7")),
    # what a reader read before its session is only the list of blobs
    Mutation("root before session", on.merge, {"reader": ("B2", "B1", "B3", "B4", "B5")}),
    # cleaning finds the root
    Mutation("decision before root", on.forget_twice, {"removal": ("Q1", "Q2", "Q4", "Q3")}),
    # stale places only make R5d withdraw without need
    Mutation("places before sessions", on.duplicates, {"deletion": (
        "R2", "R3a", "R3b", "R5b", "R5c", "R4a", "R4b", "R5a", "R5d", "R6", "R7", "R8")}),
    Mutation("places before roots", on.two_pruners, {"deletion": (
        "R2", "R3a", "R3b", "R4a", "R4b", "R5b", "R5c", "R5a", "R5d", "R6", "R7", "R8")}),
    Mutation("tombstones after sessions", on.duplicates, {"deletion": (
        "R2", "R4a", "R4b", "R3a", "R3b", "R5a", "R5b", "R5c", "R5d", "R6", "R7", "R8")}),
    # R5d notices
    Mutation("merge lists packs first", on.merge_and_prune, {"merge": ("M2", "M1", "M3")}),
    Mutation(
        "merge drops doomed packs", on.merge_with_foreign_prune, {"merge_keeps_doomed": False}
    ),
)  # fmt: skip
