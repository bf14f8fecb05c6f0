"""The steps of the commit and garbage-collection protocol, by name, and its rules as switches.

``STEPS`` is the vocabulary shared by the model, docs/format/protocol.md and the comments of the
engine. ``Rules()`` is the protocol; every field with another value is a mutation, which the test
suite must either catch with a counterexample or prove to be harmless.
"""

from dataclasses import dataclass

STEPS: dict[str, str] = {
    "W1": "open a session: create sessions/open/<id>",
    "W1a": "read config again: leave if it asks for a feature to write that we lack",
    "W2a": "list tombs/proposed",
    "W2b": "list tombs/final",
    "W3": "list and load index/*",
    "A1": "list packs/: what is not listed is gone, whatever the index says",
    "A2": "adopt: packs listed, in no index and without a tombstone count as present",
    "A3": "list sessions/committed: the parent is there, and W2 saw no pack with a tombstone: its "
    "blobs count as present",
    "W4": "write packs",
    "W5": "write the index of own and adopted packs",
    "W6": "write roots/<id>",
    "W7": "commit: move sessions/open/<id> to sessions/committed/<id>",
    "P1a": "flush: write the packs so far",
    "P1b": "flush: write their index",
    "P2": "open a second session",
    "P3a": "list tombs/proposed again",
    "P3b": "list tombs/final again",
    "P3c": "list packs/ again",
    "P3d": "list sessions/committed again, for the parent",
    "P4": "give up if a pack relied on, own or reused, is gone or has a tombstone; else write the "
    "root of the partial snapshot",
    "P5": "commit the second session: move sessions/open/<id> to sessions/committed/<id>",
    "P6": "after W7: forget the partial snapshots of this run",
    "N1": "announce a feature: replace config",
    "N2a": "list sessions/open",
    "N2b": "wait for each session listed, or fence it; the feature may be used from now on",
    "B1": "open a reader's session",
    "B2": "list sessions/committed, read the root",
    "B3": "list and load index/*",
    "B4": "read blobs, any copy that exists",
    "B5": "close the reader's session",
    "F1": "look for sessions/committed/<id>",
    "F2": "forget: create forgotten/marked/<id>",
    "U1": "undelete: delete forgotten/marked/<id>; whoever takes the mark away has decided",
    "U2": "look for forgotten/final/<id>: there means too late",
    "U3": "look for sessions/committed/<id>: gone means too late",
    "Q1": "decide removal: move forgotten/marked/<id> to forgotten/final/<id>",
    "Q2": "delete sessions/committed/<id>",
    "Q3": "delete roots/<id>",
    "Q4": "delete forgotten/final/<id>",
    "C1": "fence sessions that are believed dead",
    "C2": "list roots/",
    "C3": "list sessions/open",
    "C4": "list sessions/committed",
    "C5": "delete roots that are in neither list",
    "K1": "repack: write the live blobs of a pack into a new one",
    "K2": "write the index of the new pack",
    "M1": "list and load index/*: the inputs",
    "M2": "list packs/",
    "M3": "write the merged index: every existing pack of the inputs but own targets",
    "X1": "exclusive mode: list sessions/open; maintenance is there: leave",
    "X2": "exclusive mode: open a maintenance session",
    "X3": "exclusive mode: list sessions/open; anybody else is there: leave",
    "X4": "exclusive mode: close the maintenance session",
    "R0": "end what others left: finish final tombstones, withdraw proposed ones",
    "R1": "look at roots, index and packs; choose what to delete",
    "R2": "propose: create tombs/proposed/<t>, naming every target",
    "R3a": "list tombs/proposed",
    "R3b": "list tombs/final",
    "R3c": "read config again: withdraw if it asks for a feature to delete that we lack",
    "R4a": "list sessions/open, after R2",
    "R4b": "wait for each session listed, or fence it",
    "R5a": "list sessions/committed, read roots: live blobs",
    "R5b": "load index/* again",
    "R5c": "list packs/ again",
    "R5d": "withdraw (delete tombs/proposed/<t>) if anything needed has no other place that stays",
    "R6": "condemn: move tombs/proposed/<t> to tombs/final/<t>",
    "R7": "delete the targets",
    "R8": "delete tombs/final/<t>",
}

WRITER_START = ("W1", "W1a", "W2a", "W2b", "W3", "A1", "A3")
WRITER_END = ("W4", "W5", "W6", "W7")
PARTIAL = ("P1a", "P1b", "P2", "P3a", "P3b", "P3c", "P3d", "P4", "P5")
NEW_FEATURE = ("N1", "N2a", "N2b")
READER = ("B1", "B2", "B3", "B4", "B5")
FORGET = ("F1", "F2")
UNDELETE = ("U1", "U2", "U3")
REMOVAL = ("Q1", "Q2", "Q3", "Q4")
CLEANING = ("C2", "C3", "C4", "C5")
MERGE = ("M1", "M2", "M3")
REACH = ("tree", "image", "references", "extents", "segments")
"""The sorts of pages that lead on to what a snapshot needs, as ``graph/reach.py`` follows them."""
LATER = "later"
"""A sort of page that programs of today do not know: it comes with a feature."""
DELETION = ("R2", "R3a", "R3b", "R3c", "R4a", "R4b", "R5a", "R5b", "R5c", "R5d", "R6", "R7", "R8")


@dataclass(frozen=True, slots=True)
class Rules:
    """The protocol when left alone; a mutation of it when a field says otherwise."""

    writer_start: tuple[str, ...] = WRITER_START
    writer_end: tuple[str, ...] = WRITER_END
    partial: tuple[str, ...] = PARTIAL
    new_feature: tuple[str, ...] = NEW_FEATURE
    reader: tuple[str, ...] = READER
    undelete: tuple[str, ...] = UNDELETE
    removal: tuple[str, ...] = REMOVAL
    cleaning: tuple[str, ...] = CLEANING
    merge: tuple[str, ...] = MERGE
    deletion: tuple[str, ...] = DELETION
    reach: tuple[str, ...] = REACH  # R5a and K1 walk through all pages of a snapshot

    # writers
    commit_is_conditional: bool = True  # W7 and P5 fail once fenced
    tombstoned_is_absent: bool = True  # W4 never relies on a pack with a tombstone
    parent_wants_no_tombs: bool = True  # A3 inherits only when no pack is doomed
    listing_decides: bool = True  # A1 overrules the index
    packs_belong_to_all: bool = True  # a failed writer leaves its packs to the pruners
    requests_sent_once: bool = True  # W1 and R2 are not sent again when a reply is lost
    partial_checks_own_packs: bool = True  # P4 wants own packs to stand as well

    # readers
    reader_looks_again: bool = True  # B4 loads the index again before it speaks of damage

    # deletion
    sessions_are_awaited: bool = True  # R4b
    withdraw: str = "always"  # or "smaller name stays": what both sides of a conflict do
    foreign_packs_count: bool = True  # R5: a pack with somebody else's tombstone is no place
    foreign_index_counts: bool = True  # R5: nor is such an index object
    roots_are_read_again: bool = True  # R5a
    places_are_read_again: bool = True  # R5b, R5c
    condemn_is_conditional: bool = True  # R6 fails once withdrawn
    final_is_final: bool = True  # R0 finishes final tombstones, never withdraws them
    tomb_per_run: bool = True  # a tombstone belongs to one run; else one per pack, shared
    forgotten_is_live: bool = True  # R5a: forgotten snapshots are roots until Q2
    index_must_cover: bool = True  # R5c: entries of existing packs stay in an index that stays
    merge_keeps_doomed: bool = True  # M3: entries of packs somebody else tombstoned are kept

    # removal
    removal_takes_mark: bool = True  # Q1 moves the mark; else it only looks at it

    # exclusive mode
    flag_before_look: bool = True  # X1 and X3 come after the own session is open
