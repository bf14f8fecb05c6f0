"""The configurations that are explored: small stores, each with the actors of one concern."""

from collections.abc import Callable
from dataclasses import replace

from .model import Scenario
from .rules import Rules
from .world import World


def two_writers(rules: Rules) -> Scenario:
    """Two backups want to reuse what a pruner takes for garbage."""
    world = World(rules)
    garbage = world.pack("garbage", "a")
    world.indexed("old", garbage)
    anna = world.writer("anna", "a")
    world.writer("bert", "ab")
    world.late_duplicate(session=anna)
    world.maintainer("prune", garbage, cleans=True)
    return world.scenario()


def two_pruners(rules: Rules) -> Scenario:
    """A backup while two pruners want the same garbage and clear up after each other."""
    world = World(rules)
    garbage = world.pack("garbage", "a")
    world.indexed("old", garbage)
    world.writer("anna", "a")
    world.maintainer("prune1", garbage)
    world.maintainer("prune2", garbage)
    world.late_duplicate(at=0, packs=1 << garbage)
    return world.scenario()


def duplicates(rules: Rules) -> Scenario:
    """A live blob in two packs, each wanted by another pruner, and a backup that reuses."""
    world = World(rules)
    left, right = world.pack("left", "ab"), world.pack("right", "bc")
    world.indexed("old", left, right)
    world.snapshot("kept", "b")
    world.writer("anna", "ab")
    world.maintainer("prune1", left, right)
    world.maintainer("prune2", left, right)
    return world.scenario()


def reckless(rules: Rules) -> Scenario:
    """Pruners that choose blindly: R1 is only a hint, R5 decides."""
    return _reckless(rules, 2)


def three_reckless(rules: Rules) -> Scenario:
    """Three of them."""
    return _reckless(rules, 3)


def _reckless(rules: Rules, pruners: int) -> Scenario:
    world = World(rules)
    left, right = world.pack("left", "ab"), world.pack("right", "ab")
    world.indexed("i1", left)
    world.indexed("i2", right)
    world.snapshot("kept", "a")
    for n in range(pruners):
        world.maintainer(f"prune{n + 1}", left, right, reckless=True, tidies=n < 2)
    return world.scenario()


def reckless_index(rules: Rules) -> Scenario:
    """The same with index objects: two describe the one pack, all want to delete either."""
    world = World(rules)
    live = world.pack("live", "a")
    either = 1 << world.indexed("i1", live) | 1 << world.indexed("i2", live)
    kept = world.snapshot("kept", "a")
    world.reader("restore", kept)
    world.maintainer("drop1", spare_index=either, reckless=True)
    world.maintainer("drop2", spare_index=either, reckless=True)
    return world.scenario()


def partial_commit(rules: Rules) -> Scenario:
    """A long run commits half way while two pruners fence it and want what it relies on."""
    world = World(rules)
    garbage = world.pack("garbage", "a")
    world.indexed("old", garbage)
    world.long_writer("anna", "ab", "abc")
    own = list(world.packs).index("anna")
    world.maintainer("prune1", garbage, own)
    world.maintainer("prune2", garbage, own, tidies=False)
    return world.scenario()


def partial_end(rules: Rules) -> Scenario:
    """The partial snapshot is removed after the long run ended, its blobs are still needed."""
    world = World(rules)
    garbage = world.pack("garbage", "a")
    world.indexed("old", garbage)
    world.long_writer("anna", "ab", "abc")
    own = list(world.packs).index("anna")
    world.maintainer("prune", garbage, own, removes=True, cleans=True)
    return world.scenario()


def _partial_merge(rules: Rules) -> World:
    """A long run commits half way while indexes are merged and what it relies on is pruned."""
    world = World(rules)
    garbage = world.pack("garbage", "a")
    world.indexed("old", garbage)
    world.long_writer("anna", "ab", "abc")
    own = list(world.packs).index("anna")
    world.maintainer("maintain", garbage, own, merges=True)
    return world


def partial_merge(rules: Rules) -> Scenario:
    """That."""
    return _partial_merge(rules).scenario()


def partial_merges(rules: Rules) -> Scenario:
    """And one more merge at the same time."""
    world = _partial_merge(rules)
    world.maintainer("merge", merges=True, tidies=False)
    return world.scenario()


def forget(rules: Rules) -> Scenario:
    """Forgotten, undeleted, removed, and its only pack pruned while a backup reuses it."""
    world = World(rules)
    only = world.pack("only", "a")
    world.indexed("old", only)
    kept = world.snapshot("kept", "a")
    world.writer("anna", "a")
    world.forgetter("user", kept, undeletes=True)
    world.maintainer("prune", only, removes=True, reckless=True)
    return world.scenario()


def forget_twice(rules: Rules) -> Scenario:
    """Two people forget, one of them undeletes, two removers."""
    world = World(rules)
    only = world.pack("only", "a")
    world.indexed("old", only)
    kept = world.snapshot("kept", "a")
    world.forgetter("user1", kept, undeletes=True)
    world.forgetter("user2", kept)
    world.maintainer("prune1", only, removes=True)
    world.maintainer("prune2", removes=True)
    return world.scenario()


def parent(rules: Rules) -> Scenario:
    """A backup inherits from a parent that is forgotten, removed and pruned at the same time."""
    world = World(rules)
    only = world.pack("only", "a")
    world.indexed("old", only)
    kept = world.snapshot("kept", "a")
    world.writer("anna", "a", parent=kept)
    world.forgetter("user", kept)
    world.maintainer("remove", removes=True)
    world.maintainer("prune", only, reckless=True)
    return world.scenario()


def partial_parent(rules: Rules) -> Scenario:
    """The same with a long run that commits half way."""
    world = World(rules)
    only = world.pack("only", "a")
    world.indexed("old", only)
    kept = world.snapshot("kept", "a")
    world.long_writer("anna", "ab", "ab", parent=kept)
    world.forgetter("user", kept)
    world.maintainer("remove", removes=True)
    world.maintainer("prune", only, reckless=True)
    return world.scenario()


def merge(rules: Rules) -> Scenario:
    """Indexes are merged while a backup and a restore load them and garbage is pruned."""
    world = World(rules)
    live, garbage = world.pack("live", "a"), world.pack("garbage", "b")
    world.indexed("i1", live)
    world.indexed("i2", garbage)
    kept = world.snapshot("kept", "a")
    world.writer("anna", "b", torn=True)
    world.reader("restore", kept, torn=True)
    world.maintainer("merge", merges=True)
    return world.scenario()


def merge_and_prune(rules: Rules) -> Scenario:
    """A merge, a prune that may be withdrawn, and a backup that makes it so."""
    world = World(rules)
    live, garbage = world.pack("live", "a"), world.pack("garbage", "b")
    world.indexed("i1", live, garbage)
    world.snapshot("kept", "a")
    world.writer("anna", "bc")
    world.maintainer("merge", merges=True, faulty_merge=True)
    world.maintainer("prune", garbage)
    return world.scenario()


def merge_with_foreign_prune(rules: Rules) -> Scenario:
    """A merge that makes no mistakes, and a prune that somebody else withdraws."""
    world = World(rules)
    live, garbage = world.pack("live", "a"), world.pack("garbage", "b")
    world.indexed("i1", live, garbage)
    world.snapshot("kept", "a")
    world.writer("anna", "b")
    world.maintainer("merge", merges=True)
    world.maintainer("prune", garbage, tidies=False)
    world.maintainer("tidy")
    return world.scenario()


def merge_with_prune(rules: Rules) -> Scenario:
    """One run merges and prunes in one batch, while a backup reuses what it prunes."""
    world = World(rules)
    live, garbage = world.pack("live", "a"), world.pack("garbage", "b")
    world.indexed("i1", live, garbage)
    world.snapshot("kept", "a")
    world.writer("anna", "bc")
    world.writer("bert", "b")
    world.maintainer("maintain", garbage, merges=True)
    return world.scenario()


def two_merges(rules: Rules) -> Scenario:
    """Two merges of the same inputs, and of each other's output."""
    world = World(rules)
    live = world.pack("live", "a")
    world.indexed("i1", live)
    kept = world.snapshot("kept", "a")
    world.reader("restore", kept, torn=True)
    world.maintainer("merge1", merges=True)
    world.maintainer("merge2", merges=True)
    return world.scenario()


def adoption(rules: Rules) -> Scenario:
    """A backup adopts the packs of a dead run; a pruner takes them for garbage."""
    world = World(rules)
    orphan = world.pack("orphan", "a")
    world.writer("anna", "a", adopts=True)
    world.writer("bert", "a", adopts=True)
    own = list(world.packs).index("anna")
    world.maintainer("prune", orphan, own)
    return world.scenario()


def zombie_index(rules: Rules) -> Scenario:
    """A fenced writer wakes up and writes the index of packs that were pruned meanwhile."""
    world = World(rules)
    world.writer("anna", "a")
    world.writer("bert", "a")
    own = list(world.packs).index("anna")
    world.maintainer("prune", own, cleans=True)
    return world.scenario()


def repack(rules: Rules) -> Scenario:
    """A half-live pack is repacked, another pruner prefers the old copy, a copy run reuses."""
    world = World(rules)
    old = world.pack("half", "ab")
    world.indexed("old", old)
    kept = world.snapshot("kept", "a")
    world.writer("copy", "ab")
    world.reader("restore", kept)
    world.repacker("repack", old)
    world.maintainer("prune", list(world.packs).index("repack"), tidies=False)
    return world.scenario()


def restore(rules: Rules) -> Scenario:
    """A restore while its snapshot is forgotten and duplicates of its blobs are pruned."""
    world = World(rules)
    left, right = world.pack("left", "a"), world.pack("right", "a")
    world.indexed("i1", left)
    world.indexed("i2", right)
    kept = world.snapshot("kept", "a")
    world.reader("restore", kept)
    world.forgetter("user", kept)
    world.maintainer("prune1", left, right, removes=True)
    world.maintainer("prune2", left, right, merges=True, tidies=False)
    return world.scenario()


def exclusive(rules: Rules) -> Scenario:
    """Two backups and two maintenance runs on a store without an atomic move."""
    world = World(replace(rules, commit_is_conditional=False))
    garbage = world.pack("garbage", "a")
    world.indexed("old", garbage)
    first, second = world.snapshot("prune1"), world.snapshot("prune2")
    world.polite_writer("anna", "a", 1 << first | 1 << second)
    world.polite_writer("bert", "ab", 1 << first | 1 << second)
    world.exclusive("prune1", first, garbage)
    world.exclusive("prune2", second, garbage)
    return world.scenario()


def crowd(rules: Rules) -> Scenario:
    """Two backups, two pruners."""
    world = World(rules)
    garbage, other = world.pack("left", "ab"), world.pack("right", "bc")
    world.indexed("old", garbage, other)
    world.snapshot("kept", "b")
    world.writer("anna", "a")
    world.writer("bert", "bc")
    world.maintainer("prune1", garbage, other)
    world.maintainer("prune2", garbage, other)
    return world.scenario()


def household(rules: Rules) -> Scenario:
    """Some of everything: adoption, forget, clean, remove, merge and prune at once."""
    world = World(rules)
    orphan, live = world.pack("orphan", "b"), world.pack("live", "a")
    world.indexed("i1", live)
    kept = world.snapshot("kept", "a")
    world.writer("anna", "ab", adopts=True)
    world.forgetter("user", kept, undeletes=True)
    world.maintainer("maintain", orphan, live, merges=True, cleans=True, removes=True)
    world.maintainer("prune", orphan, live)
    return world.scenario()


DEFAULT: tuple[Callable[[Rules], Scenario], ...] = (
    two_writers,
    two_pruners,
    duplicates,
    reckless,
    reckless_index,
    partial_commit,
    partial_end,
    partial_merge,
    forget,
    forget_twice,
    parent,
    partial_parent,
    merge,
    merge_and_prune,
    merge_with_foreign_prune,
    merge_with_prune,
    two_merges,
    adoption,
    zombie_index,
    repack,
    restore,
    exclusive,
)
SLOW: tuple[Callable[[Rules], Scenario], ...] = (crowd, household, three_reckless, partial_merges)
