"""Reading around bad sectors: a drive that cannot read 4 KiB refuses the whole request.

What is refused as a whole is read in smaller and smaller pieces; pieces that stay unreadable become
zeros, for parity or the second copy to make up for. A store that is out of reach is not damaged: if
not even the size can be had, the error stands. An object whose size is told but of which nothing at
all can be read is.
"""

from twofold.backend import Backend
from twofold.errors import ObjectDamaged, ObjectNotFound, StoreError

_PIECES = (1 << 20, 64 << 10, 4 << 10)
_MOST_REFUSALS = 1024
"""Then the rest counts as unreadable: each refusal may have cost the drive many seconds."""


def read_around(backend: Backend, name: str, longest: int, start: int = 0) -> bytes:
    """At most ``longest`` bytes of an object, zeros for what cannot be read.

    ``ObjectDamaged`` if none of it can be read, ``StoreError``.
    """
    try:
        return backend.get(name, start, longest)
    except ObjectNotFound:
        raise
    except StoreError as error:
        end = min(backend.size(name), start + longest)
        return _Rough(backend, name, error).read(start, end)


class _Rough:
    def __init__(self, backend: Backend, name: str, error: StoreError) -> None:
        self._backend = backend
        self._name = name
        self._error = error
        self._refusals = 0
        self._got = False

    def read(self, start: int, end: int) -> bytes:
        data = bytearray(max(0, end - start))
        self._fill(memoryview(data), start, 0)
        if not self._got:
            self._backend.size(self._name)  # still within reach?
            raise ObjectDamaged(str(self._error))
        return bytes(data)

    def _fill(self, data: memoryview, start: int, depth: int) -> None:
        """Fill the range from ``start`` in pieces of the size for ``depth``, then smaller ones."""
        step = _PIECES[depth]
        for at in range(0, len(data), step):
            target = data[at : at + step]
            if self._refusals >= _MOST_REFUSALS:
                return
            try:
                piece = self._backend.get(self._name, start + at, len(target))
            except ObjectNotFound:
                raise
            except StoreError:
                self._refusals += 1
                if depth + 1 < len(_PIECES):
                    self._fill(target, start + at, depth + 1)
                continue
            self._got = True
            target[: len(piece)] = piece
