"""Trying again repeats only what may be repeated; limits hold; read-only means it."""

from collections.abc import Callable, Iterator

import pytest

from tests.fault.memory_store import MemoryBackend, MemoryWriter
from twofold.backend import Backend, ObjectInfo, ReadOnly, Repeats, Retry, Throttle
from twofold.backend.base import Buffer
from twofold.errors import (
    NeedsRights,
    NoSpace,
    ObjectExists,
    ObjectNotFound,
    StoreError,
    TwofoldError,
)

KIB = 1 << 10


class Flaky(MemoryBackend):
    """Fails the next calls: before they are done, or after (a lost reply)."""

    def __init__(self) -> None:
        super().__init__()
        self.before = 0
        self.after = 0
        self.error: TwofoldError = StoreError("the line is down")
        self.calls = 0

    def _fail_before(self) -> None:
        self.calls += 1
        if self.before > 0:
            self.before -= 1
            raise self.error

    def _fail_after(self) -> None:
        if self.after > 0:
            self.after -= 1
            raise self.error

    def create(self, name: str) -> MemoryWriter:
        self._fail_before()
        return super().create(name)

    def put(self, name: str, data: Buffer) -> None:
        super().put(name, data)
        self._fail_after()

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        self._fail_before()
        return super().get(name, offset, length)

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        for info in super().list(folder):
            yield info
            self._fail_before()

    def move(self, src: str, dst: str) -> None:
        self._fail_before()
        super().move(src, dst)
        self._fail_after()

    def delete(self, name: str) -> None:
        self._fail_before()
        super().delete(name)
        self._fail_after()


class Patience:
    """A Retry around a Flaky, with its waits written down."""

    def __init__(self, attempts: int = 5) -> None:
        self.inner = Flaky()
        self.waits: list[float] = []
        self.told: list[tuple[str, float]] = []
        self.store = Retry(
            self.inner,
            attempts=attempts,
            first_wait=1,
            max_wait=5,
            sleep=self.waits.append,
            jitter=lambda: 1.0,
            on_retry=lambda error, wait: self.told.append((error.message, wait)),
        )


def test_waits_grow_to_a_limit_and_are_told() -> None:
    patience = Patience()
    patience.inner.before = 4
    patience.store.put("a", b"x")
    assert patience.waits == [1, 2, 4, 5]
    assert patience.told == [("the line is down", wait) for wait in patience.waits]
    assert patience.inner.objects == {"a": b"x"}


def test_jitter_spreads_the_waits() -> None:
    waits: list[float] = []
    for _ in range(20):
        inner = Flaky()
        inner.before = 1
        Retry(inner, first_wait=1, sleep=waits.append).put("a", b"x")
    assert all(0.5 <= wait <= 1 for wait in waits)
    assert len(set(waits)) > 10


def test_after_the_last_attempt_the_error_is_raised() -> None:
    patience = Patience(attempts=3)
    patience.inner.before = 3
    with pytest.raises(StoreError, match="line is down"):
        patience.store.get("a")
    assert patience.inner.calls == 3


@pytest.mark.parametrize(
    "error", [ObjectNotFound("x"), ObjectExists("x"), NoSpace("x"), NeedsRights("x")]
)
def test_what_will_not_change_is_not_repeated(error: TwofoldError) -> None:
    patience = Patience()
    patience.inner.before, patience.inner.error = 1, error
    with pytest.raises(type(error)):
        patience.store.put("a", b"x")
    assert patience.waits == []


@pytest.mark.parametrize(("worth", "waits"), [(None, 4), (1, 0), (2, 1), (9, 4)])
def test_an_error_says_how_often_it_is_worth_trying(worth: int | None, waits: int) -> None:
    patience = Patience()
    patience.inner.before = 9
    patience.inner.error = StoreError("no answer", attempts=worth)
    with pytest.raises(StoreError, match="no answer"):
        patience.store.get("a")
    assert len(patience.waits) == waits


def test_a_deed_begins_anew_each_time() -> None:
    patience = Patience()
    pieces: list[int] = []

    def deed(store: Backend) -> str:
        writer = store.create("a")
        try:
            for number in range(3):
                pieces.append(number)
                if len(pieces) in (2, 4):
                    raise StoreError("the line is down")
                writer.write(b"%d" % number)
            writer.finish()
        finally:
            writer.abort()
        return "done"

    assert isinstance(patience.store, Repeats)
    assert patience.store.repeat(deed) == "done"
    assert pieces == [0, 1, 0, 1, 0, 1, 2]
    assert patience.inner.objects == {"a": b"012"}
    assert patience.waits == [1, 2]


def test_everything_that_may_be_repeated_is() -> None:
    patience = Patience()
    inner, store = patience.inner, patience.store
    inner.objects = {"a/1": b"abc", "a/2": b"", "b": b"x"}
    uses: list[Callable[[], object]] = [
        lambda: store.get("a/1", 1, 1),
        lambda: list(store.list("a")),
        lambda: store.create("new").finish(),
        lambda: store.move("b", "c"),
        lambda: store.delete("c"),
    ]
    for use in uses:
        inner.before = 2
        use()
    assert len(patience.waits) == 2 * len(uses)
    assert inner.objects == {"a/1": b"abc", "a/2": b"", "new": b""}


def test_a_listing_cut_short_begins_again_and_tells_nothing_twice() -> None:
    patience = Patience()
    patience.inner.objects = {f"a/{n}": b"" for n in range(5)}
    patience.inner.before = 1
    assert [info.name for info in patience.store.list("a")] == [f"a/{n}" for n in range(5)]


def test_a_put_whose_reply_is_lost_succeeds() -> None:
    patience = Patience()
    patience.inner.after = 2
    patience.store.put("a", b"x")
    assert patience.inner.objects == {"a": b"x"}


@pytest.mark.parametrize("deed", ["move", "delete"])
def test_a_move_or_delete_whose_reply_is_lost_is_not_claimed(deed: str) -> None:
    """Nor is it called lost: whoever must know who won looks for the target."""
    patience = Patience()
    patience.inner.objects = {"a": b"x"}
    patience.inner.after = 1
    with pytest.raises(StoreError) as caught:
        patience.store.move("a", "b") if deed == "move" else patience.store.delete("a")
    assert not isinstance(caught.value, ObjectNotFound)
    assert patience.inner.calls == 1
    assert patience.inner.objects == ({"b": b"x"} if deed == "move" else {})


class FakeTime:
    """A clock that only sleeping moves on."""

    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def __call__(self) -> float:
        return self.now


def test_uploads_keep_to_their_limit() -> None:
    clock, inner = FakeTime(), MemoryBackend()
    store = Throttle(inner, upload=1000 * KIB, sleep=clock.sleep, now=clock)
    store.put("a", bytes(4000 * KIB))
    writer = store.create("b")
    for _ in range(4):
        writer.write(bytes(1000 * KIB))
    writer.finish()
    assert 7.0 < clock.now - 100 <= 8.0
    assert {name: len(data) for name, data in inner.objects.items()} == {
        "a": 4000 * KIB,
        "b": 4000 * KIB,
    }
    before = clock.now
    store.get("a")
    store.get("b")
    assert clock.now == before


def test_downloads_keep_to_their_limit() -> None:
    clock = FakeTime()
    inner = MemoryBackend({"a": bytes(1000)})
    store = Throttle(inner, download=500, sleep=clock.sleep, now=clock)
    for _ in range(10):
        assert len(store.get("a", 0, 100)) == 100
    assert clock.now - 100 == pytest.approx(9 * 100 / 500)
    store.put("b", bytes(10_000))
    assert clock.now - 100 == pytest.approx(9 * 100 / 500)


def test_a_limit_of_nothing_is_refused() -> None:
    for limit in (0, -5):
        with pytest.raises(ValueError, match="more than 0"):
            Throttle(MemoryBackend(), upload=limit)


def test_a_throttled_put_that_fails_leaves_nothing() -> None:
    inner = MemoryBackend({"a": b"other"})
    with pytest.raises(ObjectExists):
        Throttle(inner, upload=1e9).put("a", b"x")
    assert inner.objects == {"a": b"other"}


def test_read_only() -> None:
    inner = MemoryBackend({"a": b"x"})
    with ReadOnly(inner) as store:
        assert (store.get("a"), store.size("a"), store.location) == (b"x", 1, "memory")
        assert list(store.list("")) == [ObjectInfo("a", 1)]
        changes: list[Callable[[], object]] = [
            lambda: store.create("b"),
            lambda: store.put("a", b"x"),
            lambda: store.move("a", "b"),
            lambda: store.delete("a"),
        ]
        for change in changes:
            with pytest.raises(NeedsRights, match="reading only"):
                change()
    assert inner.objects == {"a": b"x"}
