"""From a snapshot to everything it needs: pages, nodes, segments, blob ids."""

from typing import TYPE_CHECKING

from twofold.door import opened_by

if TYPE_CHECKING:
    from twofold.graph.pages import PageStore
    from twofold.graph.reach import Reach, Seen, reachable
    from twofold.graph.verify import Affected, Verifier

__getattr__ = opened_by(
    __name__,
    {"pages": "PageStore", "reach": "Reach Seen reachable", "verify": "Affected Verifier"},
)

__all__ = ["Affected", "PageStore", "Reach", "Seen", "Verifier", "reachable"]
