"""One small backup as a list of store operations, for sweeps over every call they make.

``perform`` does them in order and reports each one done; ``examine`` looks at what is left after a
death or an error; ``recover`` does what the next run would do and must end with ``FINAL``.
"""

from collections.abc import Callable, Collection
from pathlib import Path

from tests.fault.crash_states import is_temp
from tests.fault.scenario import COMMITTED, INDEX, ROOT, SESSION, TOMB, body
from twofold.backend import Backend, LocalBackend
from twofold.errors import ObjectNotFound

PACK = "packs/3f/3f00"
SIZES = {"config": 700, TOMB: 100, SESSION: 300, PACK: 9000, INDEX: 900, ROOT: 600}
FINAL = {name: body(name, size) for name, size in SIZES.items() if name not in (SESSION, TOMB)}
FINAL[COMMITTED] = body(SESSION, SIZES[SESSION])

Done = Callable[[str], object]


def prepare(root: Path) -> None:
    """What is in the store before."""
    root.mkdir(exist_ok=True)
    with LocalBackend(root) as store:
        for name in ("config", TOMB):
            store.put(name, body(name, SIZES[name]))


def _write(store: Backend, name: str) -> None:
    writer = store.create(name)
    data = body(name, SIZES[name])
    for start in range(0, len(data), 4000):
        writer.write(data[start : start + 4000])
    writer.finish()


def perform(store: Backend, done: Done) -> None:
    """All operations; ``done`` is told the name of each acknowledged one."""
    for name in (SESSION, PACK, INDEX, ROOT):
        _write(store, name)
        done(name)
    store.move(SESSION, COMMITTED)
    done(COMMITTED)
    store.delete(TOMB)
    done("deleted")


def examine(root: Path, done: Collection[str]) -> None:
    """Nothing torn, nothing acknowledged lost, nothing committed without what it needs."""
    store = LocalBackend(root)
    found = {info.name: store.get(info.name) for info in store.list("")}
    assert not any(map(is_temp, found))
    for name, data in found.items():
        assert data == body(SESSION if name == COMMITTED else name, len(data)), name
        assert len(data) == SIZES[SESSION if name == COMMITTED else name], name
    assert (SESSION in found) + (COMMITTED in found) >= (SESSION in done)
    assert not (SESSION in found and COMMITTED in found)
    assert {name for name in done if name not in (SESSION, "deleted")} <= set(found)
    assert "deleted" not in done or TOMB not in found
    if COMMITTED in found:
        assert {PACK, INDEX, ROOT} <= set(found)


def recover(root: Path) -> None:
    """Sweep, do again what is not there, and end with exactly what should be there."""
    store = LocalBackend(root)
    store.sweep()
    names = {info.name for info in store.list("")}
    for name in (PACK, INDEX, ROOT):
        _write(store, name)  # also when it is there: the same bytes again are no error
    if COMMITTED not in names:
        _write(store, SESSION)
        store.move(SESSION, COMMITTED)
    try:
        store.delete(TOMB)
    except ObjectNotFound:
        assert TOMB not in names
    assert {info.name: store.get(info.name) for info in store.list("")} == FINAL
    left = [path.name for path in root.rglob("*") if path.name.endswith(".tmp")]
    assert not left
