"""What of a parent snapshot may be taken over where packs are known to have lost something.

Everything that the parent needs is looked up once. Directories of which nothing is missing are
taken over as always; in the others each entry is looked at, and files that miss some of their
contents are read again.
"""

from twofold.archiver.parent import ParentDir
from twofold.errors import FormatError
from twofold.format.names import BlobKind
from twofold.format.pages import ListingPage, Node, NodeKind, NodePage, SegmentPage
from twofold.format.records import PageRef, TreeRef
from twofold.format.segments import iterate
from twofold.graph import PageStore, Verifier
from twofold.pipeline import Run
from twofold.repository import Snapshot


class Looked:
    """The answers for one parent."""

    def __init__(self, run: Run, pages: PageStore, snapshot: Snapshot) -> None:
        self._run = run
        self._verifier = Verifier(pages, run.holds, lambda: None)
        self.misses = self._verifier.verify(snapshot.id, snapshot.root).anything

    def is_whole(self, place: ParentDir) -> bool:
        """Whether a directory is, with everything below it. ``DamageFound``."""
        whole = self._verifier.is_whole
        return whole(place.tree.page, NodePage) and whole(place.listing, ListingPage)

    def holds(self, node: Node) -> bool:
        """Whether the contents of an entry are; of a directory, that is another question."""
        if node.kind == NodeKind.FILE and not self._held(node.content, node.ref):
            return False
        streams = node.more.streams if node.more is not None else ()
        return all(self._held(stream.content, stream.ref) for stream in streams)

    def _held(self, packed: bytes, ref: TreeRef | PageRef | None) -> bool:
        if ref is not None:
            page = ref.page if isinstance(ref, TreeRef) else ref
            return self._verifier.is_whole(page, SegmentPage)
        try:
            blobs = [segment.blob for segment in iterate(packed)]
        except FormatError:
            return False
        return all(self._run.holds(BlobKind.DATA, one) for one in blobs if isinstance(one, bytes))


def proof_of(run: Run, pages: PageStore, snapshot: Snapshot) -> Looked | None:
    """None where nothing is known to be lost, or nothing that this parent needs."""
    if not run.index.unreliable:
        return None
    looked = Looked(run, pages, snapshot)
    if looked.misses:
        run.doubt_metadata()  # more may be lost than was met
        looked = Looked(run, pages, snapshot)
    return looked if looked.misses else None
