"""The shared flow of files and images into the repository: read, cut, seal, pack.

The caller's thread reads and cuts; workers hash, deduplicate, compress and seal; one storer makes
packs durable. Queues are bounded and buffers recycled, so memory does not grow with the source.
"""

from twofold.pipeline.buffers import Buffer, BufferPool, Lease
from twofold.pipeline.content import Parts, send, store_piece
from twofold.pipeline.flow import Flow, FlowStats, Worker
from twofold.pipeline.ledger import Ledger
from twofold.pipeline.pages import (
    NOT_COUNTED,
    ListingWriter,
    NodeWriter,
    PageSink,
    SavePage,
    write_failures,
    write_segments,
)
from twofold.pipeline.run import Contents, Outcome, Run, RunSpec, author_of, chunker_of

__all__ = [
    "NOT_COUNTED",
    "Buffer",
    "BufferPool",
    "Contents",
    "Flow",
    "FlowStats",
    "Lease",
    "Ledger",
    "ListingWriter",
    "NodeWriter",
    "Outcome",
    "PageSink",
    "Parts",
    "Run",
    "RunSpec",
    "SavePage",
    "Worker",
    "author_of",
    "chunker_of",
    "send",
    "store_piece",
    "write_failures",
    "write_segments",
]
