"""The door of the repository: everything above imports from here only, and loads what it uses."""

from typing import TYPE_CHECKING

from twofold.door import opened_by

if TYPE_CHECKING:
    from twofold.repository.blobs import BlobReader, other_contents
    from twofold.repository.catalog import Catalog
    from twofold.repository.check import check_stored
    from twofold.repository.check_packs import PacksCheck
    from twofold.repository.client_state import dismiss, recall, remember
    from twofold.repository.heads import Heads
    from twofold.repository.index import Index, adopt
    from twofold.repository.keys import SlotInfo, begin_unlocking
    from twofold.repository.objects import ObjectStore
    from twofold.repository.pack_reader import PackReader
    from twofold.repository.pack_writer import FinishedPack, FrameWorks, PackBuilder
    from twofold.repository.report import Report
    from twofold.repository.repository import (
        WRITER,
        Created,
        Repository,
        create_repository,
        open_repository,
    )
    from twofold.repository.rotation import Rotation, remember_lost
    from twofold.repository.sessions import Author, Session, fence, open_sessions
    from twofold.repository.snapshots import Snapshot, chained_id, commit_root, list_snapshots
    from twofold.repository.survey import Survey

__getattr__ = opened_by(
    __name__,
    {
        "blobs": "BlobReader other_contents",
        "catalog": "Catalog",
        "check": "check_stored",
        "check_packs": "PacksCheck",
        "client_state": "dismiss recall remember",
        "heads": "Heads",
        "index": "Index adopt",
        "keys": "SlotInfo begin_unlocking",
        "objects": "ObjectStore",
        "pack_reader": "PackReader",
        "pack_writer": "FinishedPack FrameWorks PackBuilder",
        "report": "Report",
        "repository": "WRITER Created Repository create_repository open_repository",
        "rotation": "Rotation remember_lost",
        "sessions": "Author Session fence open_sessions",
        "snapshots": "Snapshot chained_id commit_root list_snapshots",
        "survey": "Survey",
    },
)

__all__ = [
    "WRITER",
    "Author",
    "BlobReader",
    "Catalog",
    "Created",
    "FinishedPack",
    "FrameWorks",
    "Heads",
    "Index",
    "ObjectStore",
    "PackBuilder",
    "PackReader",
    "PacksCheck",
    "Report",
    "Repository",
    "Rotation",
    "Session",
    "SlotInfo",
    "Snapshot",
    "Survey",
    "adopt",
    "begin_unlocking",
    "chained_id",
    "check_stored",
    "commit_root",
    "create_repository",
    "dismiss",
    "fence",
    "list_snapshots",
    "open_repository",
    "open_sessions",
    "other_contents",
    "recall",
    "remember",
    "remember_lost",
]
