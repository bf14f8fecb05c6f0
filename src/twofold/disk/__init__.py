"""Disks as bytes: partition tables, file systems and disk-image containers, read and understood.

Everything here is parsing over a ``BlockReader``: no operating system, no repository. What is read
may be damaged or made by an enemy: ``FormatError`` in bounded time and memory is the answer then.
"""

from twofold.disk.base import (
    HOLE,
    BlockReader,
    Content,
    DirectoryEntry,
    Facts,
    FileFacts,
    FileSystem,
    Kind,
    PlainFile,
    RecordedFiles,
    Role,
    Run,
    SparseContent,
    Stream,
    UsedBlocks,
)

__all__ = [
    "HOLE",
    "BlockReader",
    "Content",
    "DirectoryEntry",
    "Facts",
    "FileFacts",
    "FileSystem",
    "Kind",
    "PlainFile",
    "RecordedFiles",
    "Role",
    "Run",
    "SparseContent",
    "Stream",
    "UsedBlocks",
]
