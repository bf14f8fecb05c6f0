"""Entries without contents of their own: symbolic links, FIFOs, sockets, devices."""

from collections.abc import Sequence

from twofold.format.pages import Node, NodeKind
from twofold.platform import Attributes, TargetDir
from twofold.restorer.asides import Asides
from twofold.restorer.directory import Directory


def make_other(
    folder: TargetDir,
    directory: Directory,
    node: Node,
    attributes: Attributes,
    asides: Asides,
    *,
    aside: bool,
) -> Sequence[str]:
    """Make one of them, with what stands there moved aside first if asked; losses. OSError."""
    with asides.out_of_the_way(folder, directory, node.name, needed=aside):
        if node.kind == NodeKind.SYMLINK:
            return folder.make_symlink(node.name, node.content, attributes)
        device = node.more.device if node.more else 0
        return folder.make_special(node.name, device, attributes)
