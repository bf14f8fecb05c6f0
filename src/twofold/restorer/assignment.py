"""What is restored and by which rules: the same for planning and for doing."""

import msgspec

from twofold.restorer.attributes import AttributeMaker
from twofold.restorer.compare import Decision
from twofold.restorer.selection import Selection
from twofold.restorer.target import RepositoryGuard
from twofold.view import FileTree, Path


class Policy(msgspec.Struct, frozen=True):
    """What becomes of existing entries: "keep" them aside, "replace" them, or "skip" those."""

    existing: str

    @property
    def skip(self) -> bool:
        """Whether existing entries are left alone."""
        return self.existing == "skip"

    def aside(self, decision: Decision) -> bool:
        """Whether what is there is moved aside; a directory in the way always is."""
        return decision is Decision.CONFLICT or (
            decision is Decision.REPLACED and self.existing == "keep"
        )


class Assignment(msgspec.Struct, frozen=True):
    """One selection of one snapshot, and how it is to be restored."""

    tree: FileTree
    selection: Selection
    policy: Policy
    maker: AttributeMaker
    guard: RepositoryGuard

    def absolute(self, path: Path) -> Path:
        """A path below the start of the selection, from the top of the snapshot."""
        return (*self.selection.start.path, *path)
