"""Which blobs share a frame, as the stored packs themselves tell."""

import os
import random
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from twofold.backend import create_backend
from twofold.format.compression import LEVEL, OF_IMAGES, Compressor, Search
from twofold.format.envelope import TAG_SIZE
from twofold.format.index import IndexRun
from twofold.format.names import BlobKind
from twofold.pipeline import Flow, Worker
from twofold.repository import Catalog, Repository, create_repository
from twofold.repository import catalog as catalogs

KIB = 1024


def task(size: int, worker: Worker) -> None:
    worker.store(os.urandom(size))


def given(blob: bytes, worker: Worker) -> None:
    worker.store(blob)


def open_flow(repository: Repository) -> Flow:
    """One worker, as the repository is configured."""
    return Flow(
        repository.backend,
        repository.keys,
        Catalog(repository.load_index(), set()),
        pack_size=repository.config.pack_size,
        frame_size=repository.config.frame_size,
        workers=1,
    )


def frames(repository: Repository, sizes: list[int]) -> list[list[int]]:
    """Store random blobs of these sizes with one worker; the blobs' sizes in each frame."""

    with open_flow(repository) as flow:
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


def test_what_is_told_apart_shares_frames_with_its_like_alone(tmp_path: Path) -> None:
    """By their sizes: odd ones are told apart; both sorts come in turns, in tasks of any kind."""

    def both(size: int, worker: Worker) -> None:
        worker.store(os.urandom(2 * size))
        worker.store(os.urandom(2 * size + 1), apart=True)

    made = create_repository(create_backend(str(tmp_path / "repository")), b"password")
    with made.repository as repository:
        with open_flow(repository) as flow:
            for size in range(100_000, 100_050):
                flow.submit(partial(both, size))
            flow.drain()
        found = []
        for pack in repository.listed_packs():
            _, entry = repository.packs.entry(pack)
            found += [{length % 2 for _, length in each.blobs} for each in entry.frames]
            lengths = [length for each in entry.frames for _, length in each.blobs]
        assert sorted(lengths) == list(range(200_000, 200_100))
    assert {0} in found
    assert {1} in found
    assert {0, 1} not in found


def worded(size: int) -> bytes:
    """Text that each kind of search for matches makes something else of."""
    words = [b"%d" % number for number in range(5000)]
    return b" ".join(random.Random(size).choices(words, k=size // 5))[:size]


@pytest.mark.parametrize("search", [LEVEL, OF_IMAGES], ids=["a level", "parameters"])
def test_frames_are_compressed_as_was_set(tmp_path: Path, search: Search) -> None:
    """Single blobs as well as those that share a frame."""
    large, small = worded(1000 * KIB), [worded(300 * KIB), worded(400 * KIB)]
    frames = [large, b"".join(small)]
    sizes = [[len(Compressor(s).compress(f)[1]) for f in frames] for s in (LEVEL, OF_IMAGES, 2)]
    assert all(len(set(each)) == len(sizes) for each in zip(*sizes, strict=True))
    made = create_repository(create_backend(str(tmp_path / "repository")), b"password")
    with made.repository as repository, open_flow(repository) as flow:
        flow.set_search(search)
        for blob in (large, *small):
            flow.submit(partial(given, blob))
        flow.drain()
        packs = [repository.packs.entry(pack)[1] for pack in repository.listed_packs()]
        stored = {f.sealed_length - TAG_SIZE for pack in packs for f in pack.frames if f.blobs}
    assert stored == {len(Compressor(search).compress(frame)[1]) for frame in frames}


def test_long_runs_list_their_packs_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No index object is there before its packs are, and in the end each pack is in one."""
    monkeypatch.setattr(catalogs, "MANY", 3)
    made = create_repository(create_backend(str(tmp_path / "repository")), b"password")
    with made.repository as repository:
        catalog = Catalog(repository.load_index(), set())
        listed: list[int] = []

        def after_pack() -> None:
            catalog.flush_if_many(repository.objects)
            packs = [pack.id for run in runs(repository) for pack in run.packs()]
            assert set(packs) <= set(repository.listed_packs())
            assert len(packs) == len(set(packs))
            listed.append(len(packs))

        with Flow(
            repository.backend,
            repository.keys,
            catalog,
            pack_size=64 * KIB,
            frame_size=32 * KIB,
            workers=1,
            after_pack=after_pack,
        ) as flow:
            for _ in range(20):
                flow.submit(partial(task, 40 * KIB))
            flow.drain()
        assert listed == sorted(listed)
        assert len(runs(repository)) > 2
        assert max(after - before for before, after in pairwise([0, *listed])) <= 3
        catalog.flush(repository.objects)
        packs = [pack.id for run in runs(repository) for pack in run.packs()]
        assert sorted(packs) == sorted(repository.listed_packs())


def runs(repository: Repository) -> list[IndexRun]:
    """Every index object of data in the store."""
    return repository.load_index().runs[BlobKind.DATA]
