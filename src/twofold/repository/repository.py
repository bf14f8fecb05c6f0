"""Making and opening repositories, and what an open one offers.

``open_repository`` costs a key derivation and two small reads; the index is loaded apart, by those
who need it.
"""

import secrets
from typing import Self

import msgspec

from twofold import __version__, clock
from twofold.backend import Backend
from twofold.errors import (
    DamageFound,
    FormatError,
    NewerFormat,
    ObjectDamaged,
    ObjectExists,
    ObjectNotFound,
    RefusedUnsafe,
    RepositoryNotFound,
    WrongKey,
)
from twofold.events import Emit, Finding, Severity, ignore
from twofold.format import names
from twofold.format.config import Config
from twofold.format.envelope import HEADER, Header, second_copy_start
from twofold.format.names import Kind
from twofold.format.records import Mark, Root, Tombstone, decode_record, encode_record
from twofold.repository import key_removal
from twofold.repository import keys as slots
from twofold.repository.blobs import BlobReader
from twofold.repository.client_state import cache_folder
from twofold.repository.index import (
    Index,
    extend_index,
    load_index,
    present_packs,
)
from twofold.repository.index import adopt as adopt_orphans
from twofold.repository.index_cache import IndexCache
from twofold.repository.objects import ObjectStore
from twofold.repository.pack_reader import PackReader
from twofold.repository.rotation import lost_packs
from twofold.repository.rough_read import read_around
from twofold.repository.sessions import Author, Session
from twofold.repository.snapshots import Snapshot, list_snapshots
from twofold.seal import Keyring

WRITER = f"twofold {__version__}"
READER, MAINTENANCE = "reader", "maintenance"
_LONGEST_CONFIG = 1 << 20  # bytes read of its file; it takes a few hundred


class Repository:
    """An open repository."""

    def __init__(
        self, backend: Backend, keys: Keyring, config: Config, opened: slots.Opened, emit: Emit
    ) -> None:
        self.backend = backend
        self.keys = keys
        self.config = config
        self.emit = emit
        self.objects = ObjectStore(backend, keys, emit)
        self.packs = PackReader(backend, keys, emit)
        self._opened = opened
        self._roots: dict[bytes, Root] = {}

    @property
    def id(self) -> bytes:
        """Repository id, 16 bytes."""
        return self.keys.repository

    def begin(self, role: str, author: Author, purpose: str = "") -> Session:
        """Open a session (W1). All but readers look at the features once more after that (W1a).

        Raises ``RefusedUnsafe`` where a program of this version must not do what the role does.
        """
        if role == READER:
            return Session.open(self.objects, role, author, purpose)
        self._check_role(self.config, role)
        session = Session.open(self.objects, role, author, purpose)
        try:
            self._check_role(self._config_now(), role)
        except BaseException:
            session.close()
            raise
        return session

    @staticmethod
    def _check_role(config: Config, role: str) -> None:
        config.check()
        if role == MAINTENANCE:
            config.check_deleting()
        else:
            config.check_writing()

    def _config_now(self) -> Config:
        """What the configuration says by now: somebody may have added features."""
        return _open_config(self.keys, _config_files(self.backend), ignore)

    def restore_config_copies(self) -> None:
        """Write a lost ``config`` or ``config.copy`` again from the other one, if that is whole.

        ``RefusedUnsafe`` in a repository that must not be written to.
        """
        self.config.check_writing()
        files = _config_files(self.backend)
        for name in (names.CONFIG, names.CONFIG_COPY):
            other = next(iter(files.values()), b"")
            if name not in files and self._is_whole(other):
                self.backend.put(name, other)

    def _is_whole(self, config: bytes) -> bool:
        try:
            return self.keys.open_small(Kind.CONFIG, None, config)[1]
        except (FormatError, NewerFormat):
            return False

    def doomed(self) -> set[bytes]:
        """W2a, W2b: ids of all objects that deletion runs have named, proposed ones first.

        Raises ``ObjectDamaged`` for a tombstone that cannot be read: what it names is unknown.
        """
        found: set[bytes] = set()
        for folder in (names.TOMBS, names.TOMBS_FINAL):
            for ident in self.objects.ids(folder):
                found |= self._targets(folder, ident)
        return found

    def _targets(self, folder: str, ident: bytes) -> set[bytes]:
        try:
            contents = self.objects.read(Kind.TOMB, folder, ident)
        except ObjectNotFound:
            return set()  # withdrawn, finished, or condemned and in the folder listed next
        targets = decode_record(contents, Tombstone).targets
        return {target.id for target in targets if target.kind != Kind.KEY}  # no blobs are in one

    def listed_packs(self) -> dict[bytes, int]:
        """A1: packs that are there, with their sizes in bytes."""
        return present_packs(self.backend)

    def forget(self, snapshot: bytes) -> None:
        """F2: mark a snapshot as forgotten; it stays a root until it is removed."""
        record = encode_record(Mark(time_ns=clock.now_ns()))
        try:
            self.objects.write(Kind.FORGOTTEN, names.FORGOTTEN, snapshot, record)
        except ObjectExists:
            return  # forgotten by somebody else meanwhile

    def load_index(self) -> Index:
        """The whole index; where index objects are damaged, from the packs' own tables.

        It knows which packs this computer has found to have lost something.
        """
        index = load_index(self.objects, self._index_cache())
        index.note_lost(lost_packs(self.id))
        if index.damaged or index.empty:
            adopt_orphans(self.objects, self.packs, index, set())
        index.on_look_again(lambda: self._look_again(index))
        return index

    def _look_again(self, index: Index) -> None:
        """B4: what somebody listed since, or what an index object that is lost had listed."""
        extend_index(self.objects, index, self._index_cache())
        adopt_orphans(self.objects, self.packs, index, set())

    def _index_cache(self) -> IndexCache:
        return IndexCache(cache_folder("index", self.id), self.keys.cache_key)

    def blob_reader(self, index: Index) -> BlobReader:
        """Reader over a loaded index."""
        return BlobReader(index, self.packs, self.keys.dedup)

    def snapshots(self, *, partial: bool = False) -> list[Snapshot]:
        """All snapshots by time, newest last."""
        return list_snapshots(self.objects, self._roots, partial=partial)

    def committed(self) -> set[bytes]:
        """Ids of all snapshots, readable or not."""
        return set(self.objects.ids(names.SESSIONS_COMMITTED))

    def readable(self) -> tuple[list[Snapshot], set[bytes]]:
        """All snapshots by time, partial ones too; ids of more of which nothing can be read."""
        committed = self.committed()  # before the list: a backup may end in between
        found = self.snapshots(partial=True)
        return found, committed - {each.id for each in found}

    def key_slots(self) -> list[slots.SlotInfo]:
        """Readable key slots."""
        return slots.list_slots(self.backend, self.id, self._opened)

    def add_password(self, password: bytes, label: str = "") -> bytes:
        """Add a password slot; its id. ``RefusedUnsafe`` here and below: see ``Config``."""
        self.config.check_writing()
        return slots.add_password(self.backend, self.keys, password, label)

    def add_recovery_key(self, label: str = "") -> tuple[bytes, str]:
        """Add a recovery slot; (id, key as printed)."""
        self.config.check_writing()
        return slots.add_recovery_key(self.backend, self.keys, label)

    def add_key_file(self, contents: bytes, label: str = "") -> bytes:
        """Add a slot opened by a file's contents; its id."""
        self.config.check_writing()
        return slots.add_key_file(self.backend, self.keys, contents, label)

    def remove_key(self, prefix: str) -> slots.SlotInfo:
        """Remove a slot by id prefix, never the last one nor the one in use."""
        self.config.check_deleting()
        slot = slots.removable_slot(self.backend, self.id, prefix, self._opened)

        def check() -> None:
            self._config_now().check_deleting()

        key_removal.remove(self.objects, slot.id, self._opened.slot, check)
        return slot

    def damaged_keys(self) -> list[str]:
        """What is wrong with key slots that cannot be read."""
        return slots.damaged_slots(self.backend, self.id)

    def close(self) -> None:
        """Give the store back."""
        self.backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


class Created(msgspec.Struct, frozen=True):
    """A new repository and its recovery key, which is stored nowhere."""

    __repr__ = object.__repr__

    repository: Repository
    recovery_key: str


def create_repository(
    backend: Backend,
    secret: bytes,
    *,
    key_file: bool = False,
    label: str = "",
    pair: Repository | None = None,
    emit: Emit = ignore,
) -> Created:
    """Make a repository in an empty store.

    The config comes after the key slots, so an interrupted ``init`` leaves no repository and can
    simply be run again. ``pair`` shares id and chunk keys and parameters with another repository.
    """
    dedup = pair.keys.dedup.secret if pair else None
    keys = Keyring.create(secrets.token_bytes(16), dedup)
    _clear_interrupted(backend)
    if key_file:
        slots.add_key_file(backend, keys, secret, label)
    else:
        slots.add_password(backend, keys, secret, label)
    _, recovery = slots.add_recovery_key(backend, keys, "recovery key")
    file = keys.seal_small(Kind.CONFIG, names.new_id(), encode_record(_new_config(pair)))
    backend.put(names.CONFIG, file)
    backend.put(names.CONFIG_COPY, file)
    return Created(open_repository(backend, secret, emit=emit), recovery)


def _clear_interrupted(backend: Backend) -> None:
    """Remove key slots of an init that never got as far as its config.

    Raises ``RefusedUnsafe`` if anything else shows that there is, or was, a repository here.
    """
    if _config_files(backend):
        raise RefusedUnsafe(f"there is a repository at {backend.location} already")
    for folder in names.FOLDERS:
        if folder != names.KEYS and next(backend.list(folder), None) is not None:
            raise RefusedUnsafe(
                f"{backend.location} holds a repository that has lost its configuration",
                hint="choose another place; nothing was changed here",
            )
    for leftover in list(backend.list(names.KEYS)):
        backend.delete(leftover.name)


def _new_config(pair: Repository | None) -> Config:
    config = Config(created_ns=clock.now_ns(), writer=WRITER)
    if pair is None:
        return config
    theirs = pair.config
    return Config(
        created_ns=config.created_ns,
        writer=WRITER,
        chunk_min=theirs.chunk_min,
        chunk_normal=theirs.chunk_normal,
        chunk_max=theirs.chunk_max,
        chunk_nc=theirs.chunk_nc,
    )


def open_repository(backend: Backend, secret: bytes, *, emit: Emit = ignore) -> Repository:
    """Open with a password, the recovery key or a key file's contents.

    Raises ``RepositoryNotFound``, ``NewerFormat``, ``WrongKey``, ``ObjectDamaged``, ``StoreError``.
    """
    files = _config_files(backend)
    if not files:
        raise RepositoryNotFound(f"there is no Twofold repository at {backend.location}")
    opened, (repository, aead) = _open_slot(backend, secret, _identities(files))
    keys = Keyring(repository, opened.payload.masters, opened.payload.dedup, aead)
    config = _open_config(keys, files, emit)
    config.check()
    return Repository(backend, keys, config, opened, emit)


def _open_slot(
    backend: Backend, secret: bytes, identities: list[tuple[bytes, int]]
) -> tuple[slots.Opened, tuple[bytes, int]]:
    """A slot that opens, and what its repository is.

    Where the two configs disagree, one of them was put there from another repository; the key
    slots tell which.
    """
    first: ObjectDamaged | WrongKey | None = None
    for identity in identities:
        try:
            return slots.open_any(backend, identity[0], secret), identity
        except (ObjectDamaged, WrongKey) as error:
            if first is None or isinstance(first, ObjectDamaged):
                first = error
    assert first is not None
    raise first


def _config_files(backend: Backend) -> dict[str, bytes]:
    files = {}
    for name in (names.CONFIG, names.CONFIG_COPY):
        try:
            files[name] = read_around(backend, name, _LONGEST_CONFIG)
        except ObjectNotFound:
            continue
        except ObjectDamaged:
            files[name] = b""  # there, but none of it can be read
    return files


def _identities(files: dict[str, bytes]) -> list[tuple[bytes, int]]:
    """Repository ids and ciphers out of the readable headers, at least one.

    ``NewerFormat`` only if no header can be read: the number itself may be damaged.
    """
    found: dict[tuple[bytes, int], None] = {}
    last: DamageFound | NewerFormat | None = None
    for file in files.values():
        for start in (0, second_copy_start(len(file))):
            try:
                header = Header.decode(file[start : start + HEADER.size])
            except (FormatError, NewerFormat) as error:
                last = error
                continue
            if header.kind == Kind.CONFIG:
                found[header.repository, header.aead] = None
    if isinstance(last, NewerFormat) and not found:
        raise last
    if not found:
        raise ObjectDamaged(f"the repository's configuration is damaged: {last}")
    return list(found)


def _open_config(keys: Keyring, files: dict[str, bytes], emit: Emit) -> Config:
    config: Config | None = None
    for name in (names.CONFIG, names.CONFIG_COPY):
        try:
            contents, healthy = keys.open_small(Kind.CONFIG, None, files[name])
            config = config or decode_record(contents, Config)
            problem = "" if healthy else "one of its two copies is damaged"
        except KeyError:
            problem = "it is missing"
        except (FormatError, NewerFormat) as error:
            problem = str(error)
        if problem:
            emit(Finding(Severity.WARNING, name, problem, "run 'twofold check'"))
    if config is None:
        raise ObjectDamaged("the repository's configuration is damaged in all its copies")
    return config
