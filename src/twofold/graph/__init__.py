"""From a snapshot to everything it needs: pages, nodes, segments, blob ids."""

from twofold.graph.pages import PageStore
from twofold.graph.reach import Reach, reachable

__all__ = ["PageStore", "Reach", "reachable"]
