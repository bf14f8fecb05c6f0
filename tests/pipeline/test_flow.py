"""Which blobs share a frame, as the stored packs themselves tell."""

import os
from functools import partial
from pathlib import Path

from twofold.backend import create_backend
from twofold.format.names import BlobKind
from twofold.pipeline import Flow, Worker
from twofold.repository import Catalog, Repository, create_repository

KIB = 1024


def frames(repository: Repository, sizes: list[int]) -> list[list[int]]:
    """Store random blobs of these sizes with one worker; the blobs' sizes in each frame."""

    def task(size: int, worker: Worker) -> None:
        worker.store(os.urandom(size))

    with Flow(
        repository.backend,
        repository.keys,
        Catalog(repository.load_index(), set()),
        pack_size=repository.config.pack_size,
        frame_size=repository.config.frame_size,
        workers=1,
    ) as flow:
        for size in sizes:
            flow.submit(partial(task, size))
        flow.drain()
    found = []
    for pack in repository.listed_packs():
        kind, entry = repository.packs.entry(pack)
        assert kind is BlobKind.DATA
        found += [[length for _, length in frame.blobs] for frame in entry.frames if frame.blobs]
    return found


def test_small_blobs_share_frames_of_two_mib_and_chunks_stand_alone(tmp_path: Path) -> None:
    """A chunk of a large file (512 KiB at least) neither joins a frame nor ends the open one."""
    made = create_repository(create_backend(str(tmp_path / "repository")), b"password")
    with made.repository as repository:
        small = 400 * KIB
        found = frames(repository, [small, 512 * KIB, small, 870 * KIB, *[small] * 4])
    assert found == [[512 * KIB], [870 * KIB], [small] * 5, [small]]
