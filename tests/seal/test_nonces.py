"""No (key, nonce) pair is ever used for two messages, whatever is retried or begun again.

The product's own writers (packs, small objects, key slots) seal while runs are killed, restarted
with the same secrets and the same data, and retried. The ciphers are watched from outside: the
constructors that ``twofold.seal`` calls are replaced by recorders, the code under test is as it is.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from twofold import seal
from twofold.format import names
from twofold.format.names import BlobKind, Kind
from twofold.format.pack import TABLE_NONCE
from twofold.repository import keys as slots
from twofold.repository.pack_writer import PackBuilder
from twofold.seal import Keyring

Pair = tuple[bytes, bytes]


class Watch:
    """Counts encryptions per (key, nonce)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pairs: Counter[Pair] = Counter()
        self.keys: Counter[bytes] = Counter()
        for name in ("AESGCM", "ChaCha20Poly1305"):
            monkeypatch.setattr(seal, name, self._recorder(getattr(seal, name)))

    def _recorder(self, real: type) -> Callable[[bytes], object]:
        watch = self

        class Recorder:
            """The real cipher, noting what it is asked to encrypt."""

            def __init__(self, key: bytes) -> None:
                self._key, self._real = key, real(key)
                watch.keys[key] += 1

            def encrypt(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
                """Note, then encrypt."""
                watch.pairs[self._key, nonce] += 1
                return bytes(self._real.encrypt(nonce, data, aad))

            def encrypt_into(self, nonce: bytes, data: bytes, aad: bytes, out: memoryview) -> None:
                """Note, then encrypt."""
                watch.pairs[self._key, nonce] += 1
                self._real.encrypt_into(nonce, data, aad, out)

            def decrypt_into(self, nonce: bytes, data: bytes, aad: bytes, out: memoryview) -> None:
                """Decrypt."""
                self._real.decrypt_into(nonce, data, aad, out)

            def decrypt(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
                """Decrypt."""
                return bytes(self._real.decrypt(nonce, data, aad))

        return Recorder

    @property
    def sealed(self) -> int:
        """Messages sealed."""
        return self.pairs.total()

    def repeated(self) -> list[Pair]:
        """Pairs that sealed more than one message."""
        return [pair for pair, count in self.pairs.items() if count > 1]


class Run:
    """One process after another backs up the same few blobs; any of them may die at any point."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.masters = [self.rng.randbytes(32)]
        self.dedup = self.rng.randbytes(32)
        self.repository = self.rng.randbytes(16)
        self.blobs = [self.rng.randbytes(self.rng.randrange(1, 90)) for _ in range(50)]
        self.objects = [names.new_id() for _ in range(20)]
        self.stored: dict[str, bytes] = {}

    def processes(self) -> Iterator[Keyring]:
        """A new process has the same secrets, and nothing else; now and then a new epoch begins."""
        while True:
            if self.rng.random() < 0.01:
                self.masters.append(self.rng.randbytes(32))
            aead = self.rng.choice([1, 1, 1, 2])
            yield Keyring(self.repository, list(self.masters), self.dedup, aead)

    def work(self, keys: Keyring) -> None:
        """Fill packs and write small objects until killed."""
        for _ in range(self.rng.randrange(1, 6)):
            self._pack(keys)
            self._small(keys)

    def _pack(self, keys: Keyring) -> None:
        kind = self.rng.choice(list(BlobKind))
        builder = PackBuilder(keys, kind, 1 << 20)
        for _ in range(self.rng.randrange(1, 60)):
            blob = self.rng.choice(self.blobs)
            builder.add_frame([(keys.dedup.blob_id(kind, blob), len(blob))], blob)
        if self.rng.random() < 0.2:
            return  # killed before the end: the next process begins a pack of the same blobs
        finished = builder.finish(pad=self.rng.random() < 0.5)
        self._send(finished.name, b"".join(bytes(piece) for piece in finished.pieces))

    def _small(self, keys: Keyring) -> None:
        kind = self.rng.choice([Kind.ROOT, Kind.SESSION, Kind.DATA_INDEX, Kind.TOMB])
        ident = self.rng.choice(self.objects)  # even a name used before gets a key of its own
        for _ in range(self.rng.choice([1, 1, 2, 3])):  # encoded anew after a lost reply
            file = keys.seal_small(kind, ident, self.rng.choice(self.blobs))
            self._send(f"{kind}/{ident.hex()}/{len(self.stored)}", file)

    def _send(self, name: str, data: bytes) -> None:
        """A transfer repeated after a timeout carries the identical bytes: nothing is sealed."""
        for _ in range(self.rng.choice([1, 1, 1, 2, 4])):
            assert self.stored.get(name, data) == data
            self.stored[name] = data
        if len(self.stored) > 50:
            self.stored.clear()


def back_up(watch: Watch, seed: int, messages: int) -> None:
    """Processes live and die until that many messages were sealed."""
    run = Run(seed)
    for keys in run.processes():
        run.work(keys)
        if watch.sealed >= messages:
            return


def test_no_pair_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty thousand messages of many runs: all pairs distinct; numbers as documented."""
    watch = Watch(monkeypatch)
    back_up(watch, 1, 20_000)
    assert watch.repeated() == []
    used = Counter(int.from_bytes(nonce, "little") for _, nonce in watch.pairs)
    assert set(used) <= {*range(70), TABLE_NONCE}
    assert used[0] > 500
    assert used[TABLE_NONCE] > 300
    assert max(watch.keys.values()) == 1


@pytest.mark.slow
def test_no_pair_repeats_in_a_million(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million messages under random deaths, retries and restarts: all pairs distinct."""
    watch = Watch(monkeypatch)
    for seed in range(4):
        back_up(watch, seed, (seed + 1) * 250_000)
    assert watch.sealed >= 1_000_000
    assert len(watch.pairs) == watch.sealed
    assert max(watch.keys.values()) == 1


def test_slots_use_keys_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same secret in many slots: each wraps under another key."""
    watch = Watch(monkeypatch)
    keys = Keyring(b"r" * 16, [b"m" * 32], b"d" * 32, 1)
    backend: Any = _Sink()
    for _ in range(50):
        slots.add_slot(backend, keys, slots.RECOVERY_PARAMETERS, b"secret of sixteen")
    assert watch.sealed == len(watch.pairs) == 50
    assert {nonce for _, nonce in watch.pairs} == {bytes(12)}


class _Sink:
    """A store that takes everything."""

    put: Callable[..., None] = staticmethod(lambda name, data: None)


def test_a_salt_used_again_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch bites: if a process drew the salt and id of another again, pairs would repeat."""
    watch = Watch(monkeypatch)
    monkeypatch.setattr("twofold.seal.secrets.token_bytes", bytes)
    keys = Keyring(b"r" * 16, [b"m" * 32], b"d" * 32, 1)
    keys.seal_small(Kind.ROOT, b"o" * 16, b"one")
    assert watch.repeated() == []
    keys.seal_small(Kind.SESSION, b"o" * 16, b"two")
    keys.seal_small(Kind.ROOT, b"x" * 16, b"two")
    assert watch.repeated() == []
    keys.seal_small(Kind.ROOT, b"o" * 16, b"two")
    assert len(watch.repeated()) == 1


def test_a_number_used_again_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch bites: a builder that counted a frame twice would repeat a pair."""
    watch = Watch(monkeypatch)
    keys = Keyring(b"r" * 16, [b"m" * 32], b"d" * 32, 1)
    builder = PackBuilder(keys, BlobKind.DATA, 1 << 20)
    builder.add_frame([(b"i" * 32, 3)], b"one")
    builder._frames.clear()
    builder.add_frame([(b"i" * 32, 3)], b"two")
    assert len(watch.repeated()) == 1
