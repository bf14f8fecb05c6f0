"""Index objects kept in files: believed only as they were put, and made again when they are not."""

import os
import stat
from pathlib import Path

import pytest

from twofold.errors import FormatError
from twofold.format.index import IndexRun, PackEntry, PackInfo, encode_index
from twofold.format.names import BlobKind
from twofold.format.pack import FrameEntry
from twofold.repository import index_cache
from twofold.repository.index_cache import IndexCache

IDENT, OTHER = b"i" * 16, b"o" * 16
KEY = bytes(range(32))
FRAME = FrameEntry(1, 128, 60, 30, 0, tuple((bytes([n]) * 32, 10) for n in range(3)))
CONTENTS = encode_index([PackEntry(PackInfo(b"p" * 16, 5000, b"s" * 32, 0, 1), (FRAME,))])


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IndexCache:
    monkeypatch.setattr(index_cache, "SMALLEST", 100)
    return IndexCache(tmp_path / "a" / "b", KEY)


def file_of(cache: IndexCache, ident: bytes = IDENT) -> Path:
    return cache._folder / ident.hex()


def same(run: IndexRun) -> bool:
    return run.pack_entries() == IndexRun(CONTENTS).pack_entries()


@pytest.mark.parametrize("kind", BlobKind)
def test_what_was_put_comes_back(kind: BlobKind, cache: IndexCache) -> None:
    assert cache.get(IDENT) is None
    assert same(cache.put(IDENT, kind, CONTENTS))
    found = cache.get(IDENT)
    assert found is not None
    assert found[0] is kind
    assert same(found[1])
    found[1].release_memory()
    assert same(found[1])


def test_it_is_private(cache: IndexCache) -> None:
    cache.put(IDENT, BlobKind.DATA, CONTENTS)
    assert stat.S_IMODE(file_of(cache).stat().st_mode) == 0o600
    assert os.listdir(cache._folder) == [IDENT.hex()]


def test_any_byte_changed_is_noticed(cache: IndexCache) -> None:
    cache.put(IDENT, BlobKind.DATA, CONTENTS)
    file = file_of(cache)
    whole = file.read_bytes()
    for at in range(len(whole)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert cache.get(IDENT) is None
    for length in (0, 1, 32, 63, 64, 65, len(whole) - 1):
        file.write_bytes(whole[:length])
        assert cache.get(IDENT) is None
    file.write_bytes(whole + b"\0")
    assert cache.get(IDENT) is None
    file.write_bytes(whole)
    assert cache.get(IDENT) is not None


def test_a_file_counts_only_under_its_own_name_and_key(cache: IndexCache) -> None:
    cache.put(IDENT, BlobKind.DATA, CONTENTS)
    file_of(cache, OTHER).write_bytes(file_of(cache).read_bytes())
    assert cache.get(OTHER) is None
    assert IndexCache(cache._folder, bytes(32)).get(IDENT) is None


def test_a_damaged_file_is_made_again(cache: IndexCache) -> None:
    cache.put(IDENT, BlobKind.DATA, CONTENTS)
    file_of(cache).write_bytes(b"damaged")
    assert same(cache.put(IDENT, BlobKind.DATA, CONTENTS))
    assert cache.get(IDENT) is not None


def test_what_is_gone_from_the_repository_goes(cache: IndexCache) -> None:
    cache.put(IDENT, BlobKind.DATA, CONTENTS)
    run = cache.put(OTHER, BlobKind.DATA, CONTENTS)
    (cache._folder / ".half-written.tmp").write_bytes(b"")
    cache.keep_only({IDENT})
    assert os.listdir(cache._folder) == [IDENT.hex()]
    assert same(run)


def test_short_objects_are_not_kept(cache: IndexCache) -> None:
    empty = encode_index([])
    assert cache.put(IDENT, BlobKind.DATA, empty).count == 0
    assert not cache._folder.exists()


def test_no_folder_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_cache, "SMALLEST", 100)
    (tmp_path / "file").write_bytes(b"")
    cache = IndexCache(tmp_path / "file" / "below", KEY)
    assert same(cache.put(IDENT, BlobKind.DATA, CONTENTS))
    assert cache.get(IDENT) is None
    cache.keep_only(set())


def test_what_is_no_index_object_is_refused(cache: IndexCache) -> None:
    with pytest.raises(FormatError):
        cache.put(IDENT, BlobKind.DATA, CONTENTS + b"more")
