"""Threads and queues between the reader and the store.

    reader ──tasks──► workers (hash · claim · frame · compress · seal · prove) ──packs──► storer

Each worker fills a pack of its own. The storer adds parity, writes, makes durable and only then
enters the pack in the catalog. The first error anywhere stops all further work and is raised in
the reader's thread at its next call; nothing is ever half entered.
"""

import os
import queue
import threading
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from operator import sub

import msgspec

from twofold.backend import Backend, Repeats
from twofold.format.compression import Search
from twofold.format.layout import Buffer
from twofold.format.names import BLOB_ID_SIZE, BlobKind
from twofold.native import keep_memory, raw_memory
from twofold.repository import Catalog, FinishedPack, FrameWorks, PackBuilder
from twofold.seal import Keyring

META_FRAME = 256 << 10
FRAME_BLOBS = 8192
"""Most blobs of one frame, so that tiny files cannot outgrow a pack's table."""
ALONE = 4
"""A blob of one part in so many of a frame gets its own: it is sealed from where it was read, and
can be read back without others."""
_QUEUE_PER_WORKER = 8


class FlowStats(msgspec.Struct):
    """What went into the store, in blobs and bytes."""

    blobs_new: int = 0
    blobs_known: int = 0
    packs: int = 0
    bytes_stored: int = 0


class _Open:
    """A frame that small blobs are put into."""

    def __init__(self, size: int) -> None:
        self._room = memoryview(bytearray(size))
        self._used = 0
        self._listed: list[tuple[bytes, int]] = []

    def fits(self, size: int) -> bool:
        """Whether a blob of so many bytes goes in."""
        return self._used + size <= len(self._room) and len(self._listed) < FRAME_BLOBS

    def add(self, blob_id: bytes, data: Buffer) -> None:
        """One more blob, copied."""
        end = self._used + len(data)
        self._room[self._used : end] = data
        self._used = end
        self._listed.append((blob_id, len(data)))

    def add_many(
        self, ids: Sequence[bytes], data: memoryview, begin: int, ends: Sequence[int]
    ) -> int:
        """As many blobs as fit of those that lie side by side from ``begin`` on; their number."""
        room = begin + len(self._room) - self._used
        count = bisect_right(ends, room, hi=min(len(ids), FRAME_BLOBS - len(self._listed)))
        if count:
            taken = data[begin : ends[count - 1]]
            self._room[self._used : self._used + len(taken)] = taken
            self._used += len(taken)
            sizes = map(sub, ends[:count], (begin, *ends[: count - 1]))
            self._listed += zip(ids, sizes, strict=False)
        return count

    def take(self) -> tuple[list[tuple[bytes, int]], memoryview]:
        """What is in it, valid until more is added; it is empty then."""
        listed, used = self._listed, self._used
        self._listed, self._used = [], 0
        return listed, self._room[:used]


def _runs(fresh: bytes) -> Iterator[tuple[int, int]]:
    """Where runs of ones begin and end, among zeros."""
    stop = 0
    while (at := fresh.find(1, stop)) >= 0:
        stop = fresh.find(0, at)
        stop = stop if stop >= 0 else len(fresh)
        yield at, stop


class Worker:
    """Turns blobs into frames of one pack after another; used by one thread at a time."""

    def __init__(self, flow: "Flow", kind: BlobKind, frame_size: int) -> None:
        self._flow = flow
        self._kind = kind
        self._hash = flow.keys.dedup.hasher(kind)
        self._frame_size = frame_size
        self._pack: PackBuilder | None = None
        self._works = FrameWorks()
        self._frame = _Open(frame_size)
        self._apart: _Open | None = None
        self.stats = FlowStats()

    def store(self, data: Buffer, *, apart: bool = False) -> bytes:
        """The blob's id; its bytes are copied or sealed before this returns.

        Those that are told ``apart`` share frames only with one another.
        """
        blob_id = self._hash(data)
        if self._flow.catalog.claim(self._kind, blob_id):
            self.stats.blobs_new += 1
            self._add(blob_id, data, apart=apart)
        else:
            self.stats.blobs_known += 1
        return blob_id

    def store_many(self, data: memoryview, spans: "array[int]") -> list[bytes]:
        """``store`` for pieces of a buffer; ``spans`` are their begins and ends in turn."""
        joined = self._flow.keys.dedup.ids_of(self._kind, data, spans)
        fresh = self._flow.catalog.claim_many(self._kind, joined)
        ids = [joined[at : at + BLOB_ID_SIZE] for at in range(0, len(joined), BLOB_ID_SIZE)]
        begins, ends = spans[::2], spans[1::2]
        for at, stop in _runs(fresh):
            self._add_run(ids[at:stop], data, begins[at:stop], ends[at:stop])
        new = sum(fresh)
        self.stats.blobs_new += new
        self.stats.blobs_known += len(ids) - new
        return ids

    def set_search(self, search: Search) -> None:
        """Compress all frames this hard; before the first of them."""
        self._works = FrameWorks(search, search)

    def _add(self, blob_id: bytes, data: Buffer, *, apart: bool = False) -> None:
        """Put a new blob into an open frame, or into one of its own."""
        size = len(data)
        if self._flow.dry:
            return
        if size * ALONE >= self._frame_size:
            self._seal([(blob_id, size)], data)
            return
        frame = self._open_apart() if apart else self._frame
        if not frame.fits(size):
            self._seal(*frame.take())
        frame.add(blob_id, data)

    def _add_run(
        self, ids: list[bytes], data: memoryview, begins: "array[int]", ends: "array[int]"
    ) -> None:
        """``_add`` for new blobs of a buffer: at once where they lie side by side."""
        together = begins[1:] == ends[:-1]
        if not together or max(map(sub, ends, begins)) * ALONE >= self._frame_size:
            for blob_id, begin, end in zip(ids, begins, ends, strict=True):
                self._add(blob_id, data[begin:end])
            return
        done = 0
        while done < len(ids) and not self._flow.dry:
            done += self._frame.add_many(ids[done:], data, begins[done], ends[done:])
            if done < len(ids):
                self._seal(*self._frame.take())

    def _open_apart(self) -> _Open:
        if self._apart is None:
            self._apart = _Open(self._frame_size)
        return self._apart

    def _seal(self, listed: list[tuple[bytes, int]], payload: Buffer) -> None:
        if not listed:
            return
        if self._pack is not None and not self._pack.has_room(len(listed)):
            self._hand_over(pad=False)
        if self._pack is None:
            self._pack = self._flow.new_pack(self._kind, self._works)
        self._pack.add_frame(listed, payload)
        if self._pack.full:
            self._hand_over(pad=False)

    def _hand_over(self, *, pad: bool) -> None:
        pack, self._pack = self._pack, None
        if pack is not None:
            self._flow.put_pack(pack, pad)

    def finish(self) -> None:
        """Seal what is open and hand the pack to the storer."""
        for frame in (self._frame, self._apart):
            if frame is not None:
                self._seal(*frame.take())
        self._hand_over(pad=True)


Task = Callable[[Worker], None]


class Flow:
    """One run's threads. Use as a context; leaving it by an error drops open work."""

    def __init__(
        self,
        backend: Backend,
        keys: Keyring,
        catalog: Catalog,
        *,
        pack_size: int,
        frame_size: int,
        workers: int = 0,
        dry: bool = False,
        after_pack: Callable[[], object] = lambda: None,
    ) -> None:
        """``dry``: everything is hashed and claimed, nothing is stored.

        ``after_pack`` is called by the storer when a pack is durable and in the catalog.
        """
        keep_memory()
        self.dry = dry
        self.keys = keys
        self.catalog = catalog
        self.pack_size = pack_size
        self._backend = backend
        self._after_pack = after_pack
        self._error: BaseException | None = None
        count = workers or min(4, os.cpu_count() or 1)
        self._tasks: queue.Queue[Task | None] = queue.Queue(count * _QUEUE_PER_WORKER)
        self._packs: queue.Queue[tuple[PackBuilder, bool] | None] = queue.Queue(1)
        # of data packs: one for each worker and one being stored, which bounds what is in memory
        self._memory: queue.SimpleQueue[bytearray | None] = queue.SimpleQueue()
        for _ in range(count + 1):
            self._memory.put(None)  # made when first needed
        self._workers = [Worker(self, BlobKind.DATA, frame_size) for _ in range(count)]
        self._meta = Worker(self, BlobKind.META, META_FRAME)
        self.stored = FlowStats()
        self._threads = [
            threading.Thread(target=self._work, args=(w,), name=f"worker-{i}", daemon=True)
            for i, w in enumerate(self._workers)
        ]
        self._threads.append(threading.Thread(target=self._store_all, name="storer", daemon=True))
        for thread in self._threads:
            thread.start()

    def set_search(self, search: Search) -> None:
        """Compress data this hard; before anything is submitted."""
        for worker in self._workers:
            worker.set_search(search)

    @property
    def worker_count(self) -> int:
        """Threads that hash and seal."""
        return len(self._workers)

    def submit(self, task: Task) -> None:
        """Give a worker something to do; waits while the queue is full. Raises earlier errors."""
        self.raise_error()
        self._tasks.put(task)

    def save_page(self, page: bytes) -> bytes:
        """Store a metadata page from the reader's thread; its blob id."""
        self.raise_error()
        return self._meta.store(page)

    def drain(self) -> None:
        """Wait until everything submitted is durable and in the catalog. Raises errors."""
        self._tasks.join()
        self.raise_error()
        for worker in (*self._workers, self._meta):
            worker.finish()
        self._packs.join()
        self.raise_error()

    def settle(self) -> None:
        """Wait until everything submitted was worked on; packs may stay open. Raises errors."""
        self._tasks.join()
        self.raise_error()

    def stats(self) -> FlowStats:
        """Totals over all workers."""
        total = FlowStats(packs=self.stored.packs, bytes_stored=self.stored.bytes_stored)
        for worker in (*self._workers, self._meta):
            total.blobs_new += worker.stats.blobs_new
            total.blobs_known += worker.stats.blobs_known
        return total

    def raise_error(self) -> None:
        """Raise what went wrong in a thread, if anything did."""
        if self._error is not None:
            raise self._error

    def new_pack(self, kind: BlobKind, works: FrameWorks) -> PackBuilder:
        """An empty pack, once there is memory for it; called by workers."""
        # a pack of metadata fills slowly and is mostly not full: it does not wait for memory
        memory = None
        if kind is BlobKind.DATA:
            memory = self._memory.get() or raw_memory(self.pack_size + self.pack_size // 8)
        return PackBuilder(self.keys, kind, self.pack_size, works, memory)

    def put_pack(self, pack: PackBuilder, pad: bool) -> None:
        """Hand a pack to the storer; called by workers."""
        self._packs.put((pack, pad))

    def _work(self, worker: Worker) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task(worker)  # even after an error elsewhere: it must give its buffer back
            except BaseException as error:  # noqa: BLE001 - raised in the reader's thread
                self._error = self._error or error
            finally:
                self._tasks.task_done()
        self._tasks.task_done()

    def _store_all(self) -> None:
        while (item := self._packs.get()) is not None:
            try:
                if self._error is None:
                    self._store(item[0].finish(pad=item[1]))
            except BaseException as error:  # noqa: BLE001 - raised in the reader's thread
                self._error = self._error or error
            finally:
                if item[0].kind is BlobKind.DATA:
                    self._memory.put(item[0].memory)
                self._packs.task_done()
        self._packs.task_done()

    def _store(self, pack: FinishedPack) -> None:
        """W4: durable first, then known."""
        if isinstance(self._backend, Repeats):
            self._backend.repeat(lambda store: _write(store, pack))
        else:
            _write(self._backend, pack)
        self.catalog.add_pack(pack.kind, pack.entry)
        self._after_pack()
        self.stored.packs += 1
        self.stored.bytes_stored += pack.entry.pack.size
        pack.release()

    def close(self) -> None:
        """Stop the threads; open frames and packs are dropped."""
        self._error = self._error or RuntimeError("the flow was closed")
        for _ in self._workers:
            self._tasks.put(None)
        for thread in self._threads[:-1]:
            thread.join()
        self._packs.put(None)
        self._threads[-1].join()

    def __enter__(self) -> "Flow":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def _write(store: Backend, pack: FinishedPack) -> None:
    writer = store.create(pack.name)
    try:
        for piece in pack.pieces:
            writer.write(piece)
        writer.finish()
    finally:
        writer.abort()
