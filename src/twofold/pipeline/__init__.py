"""The shared flow of files and images into the repository: read, cut, seal, pack.

The caller's thread reads and cuts; workers hash, deduplicate, compress and seal; one storer makes
packs durable. Queues are bounded and buffers recycled, so memory does not grow with the source.
"""

from twofold.pipeline.buffers import Buffer, BufferPool, Lease
from twofold.pipeline.flow import Flow, FlowStats, Worker
from twofold.pipeline.pages import (
    NOT_COUNTED,
    ListingWriter,
    NodeWriter,
    PageSink,
    SavePage,
    write_failures,
    write_segments,
)

__all__ = [
    "NOT_COUNTED",
    "Buffer",
    "BufferPool",
    "Flow",
    "FlowStats",
    "Lease",
    "ListingWriter",
    "NodeWriter",
    "PageSink",
    "SavePage",
    "Worker",
    "write_failures",
    "write_segments",
]
