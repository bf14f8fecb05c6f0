"""Images: snapshots that reach their data through pages of their own, and share it with files.

    root ── I image ── R references ── E extents ──┬── a, b data (contents in the entry)
                                                   └── S segments ── c data (a long entry)
    root ── T tree ── a data

Everything else is as with files: the same packs, indexes, sessions and tombstones.
"""

from .model import Scenario
from .rules import LATER, Rules
from .world import World


def _disk(world: World) -> None:
    """The pages of one image, of its successor (J, F), and of a file backup of the same disk."""
    world.page("T", "tree", "a")
    world.page("I", "image", "R")
    world.page("R", "references", "E")
    world.page("E", "extents", "abS")
    world.page("S", "segments", "c")
    world.page("J", "image", "F")
    world.page("F", "extents", "abd")


def image_reach(rules: Rules) -> Scenario:
    """Pruners that choose blindly: only their walk at R5a keeps the image's pages and data."""
    world = World(rules)
    _disk(world)
    data, pages = world.pack("data", "abc"), world.pack("pages", "IRES")
    world.indexed("i1", data)
    world.indexed("i2", pages)
    world.snapshot("image", "I")
    world.image_writer("anna", "JFabd")
    world.maintainer("prune1", data, pages, reckless=True)
    world.maintainer("prune2", data, pages, reckless=True, tidies=False)
    return world.scenario()


def image_beside_files(rules: Rules) -> Scenario:
    """The file backup whose content the image shares is forgotten, removed and pruned."""
    world = World(rules)
    _disk(world)
    shared, tree = world.pack("shared", "a"), world.pack("tree", "T")
    rest = world.pack("rest", "bcIRES")
    world.indexed("old", shared, tree, rest)
    files = world.snapshot("files", "T")
    world.snapshot("image", "I")
    world.image_writer("anna", "JFabd")
    world.forgetter("user", files)
    world.maintainer("prune", shared, tree, rest, removes=True, reckless=True)
    return world.scenario()


def files_beside_image(rules: Rules) -> Scenario:
    """And the other way round, with an undelete of the image."""
    world = World(rules)
    _disk(world)
    shared, rest = world.pack("shared", "a"), world.pack("rest", "bcIRES")
    world.indexed("old", shared, rest)
    image = world.snapshot("image", "I")
    world.writer("files", "Ta")
    world.forgetter("user", image, undeletes=True)
    world.maintainer("prune", shared, rest, removes=True, reckless=True)
    return world.scenario()


def image_twice(rules: Rules) -> Scenario:
    """Two images of one disk at once over garbage that both reuse, and a pruner that wants it."""
    world = World(rules)
    _disk(world)
    garbage = world.pack("garbage", "ab")
    world.indexed("old", garbage)
    world.image_writer("anna", "JFabd", adopts=True)
    world.image_writer("bert", "JFabd")
    own = list(world.packs).index("anna-meta")
    world.maintainer("prune", garbage, own, cleans=True)
    return world.scenario()


def image_parent(rules: Rules) -> Scenario:
    """Entries that are proven unchanged are inherited; their image is forgotten and pruned."""
    world = World(rules)
    _disk(world)
    only = world.pack("only", "abcIRES")
    world.indexed("old", only)
    kept = world.snapshot("kept", "I")
    world.image_writer("anna", "JFabd", parent=kept)
    world.forgetter("user", kept)
    world.maintainer("remove", removes=True)
    world.maintainer("prune", only, reckless=True)
    return world.scenario()


def image_repack(rules: Rules) -> Scenario:
    """Most of a pack is live, and only the extents of an image tell; somebody restores it."""
    world = World(rules)
    _disk(world)
    half, pages = world.pack("half", "abcd"), world.pack("pages", "TIRES")
    world.snapshot("files", "T")
    world.indexed("old", half, pages)
    kept = world.snapshot("kept", "I")
    world.image_writer("copy", "JFabd")
    world.reader("restore", kept)
    world.repacker("repack", half)
    return world.scenario()


def image_merge(rules: Rules) -> Scenario:
    """Indexes of data and of pages are merged while an image is restored and one is made."""
    world = World(rules)
    _disk(world)
    data, pages = world.pack("data", "abc"), world.pack("pages", "IRES")
    garbage = world.pack("garbage", "d")
    world.indexed("i1", data, garbage)
    world.indexed("i2", pages)
    kept = world.snapshot("kept", "I")
    world.image_writer("anna", "JFabd")
    world.reader("restore", kept, torn=True)
    world.maintainer("maintain", garbage, merges=True)
    return world.scenario()


def feature_and_prune(rules: Rules) -> Scenario:
    """An image with a page that pruners do not know: all it names is garbage to them."""
    world = World(rules)
    world.page("I", "image", "E")
    world.page("E", LATER, "ab")
    garbage = world.pack("garbage", "a")
    world.indexed("old", garbage)
    world.modern_writer("anna", "IEab")
    own = list(world.packs).index("anna")
    world.maintainer("prune1", garbage, own, reckless=True, heeds=True)
    world.maintainer("prune2", garbage, own, reckless=True, heeds=True, tidies=False)
    return world.scenario()


def feature_and_writers(rules: Rules) -> Scenario:
    """Backups by programs that must not write any more once the feature is in use."""
    world = World(rules)
    world.page("I", "image", "a")
    world.modern_writer("anna", "Ia")
    world.writer("bert", "a", heeds=True)
    world.writer("carl", "b", heeds=True)
    return world.scenario()


FEATURES = (feature_and_prune, feature_and_writers)
IMAGES = (
    image_reach,
    image_beside_files,
    files_beside_image,
    image_twice,
    image_parent,
    image_repack,
    image_merge,
)
