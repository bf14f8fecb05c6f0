"""From a snapshot to everything it needs: pages, nodes, segments, blob ids."""

from twofold.graph.pages import PageStore
from twofold.graph.reach import Reach, Seen, reachable
from twofold.graph.verify import Affected, Verifier

__all__ = ["Affected", "PageStore", "Reach", "Seen", "Verifier", "reachable"]
