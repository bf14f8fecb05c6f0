"""Reading around bad sectors: a drive that cannot read 4 KiB refuses the whole request.

What is refused as a whole is read in smaller and smaller pieces; pieces that stay unreadable become
zeros, for parity or the second copy to make up for. A store that is out of reach is not damaged: if
not even the size can be had, or nothing at all can be read, the error stands.
"""

from twofold.backend import Backend
from twofold.errors import ObjectNotFound, StoreError

_PIECES = (1 << 20, 64 << 10, 4 << 10)
_MOST_REFUSALS = 1024
"""Then the rest counts as unreadable: each refusal may have cost the drive many seconds."""


def read_around(backend: Backend, name: str, longest: int) -> bytes:
    """At most ``longest`` bytes of an object, zeros for what cannot be read. ``StoreError``."""
    try:
        return backend.get(name, 0, longest)
    except ObjectNotFound:
        raise
    except StoreError as error:
        size = min(backend.size(name), longest)
        return _Rough(backend, name, error).read(size)


class _Rough:
    def __init__(self, backend: Backend, name: str, error: StoreError) -> None:
        self._backend = backend
        self._name = name
        self._error = error
        self._refusals = 0
        self._got = False

    def read(self, size: int) -> bytes:
        data = bytearray(size)
        self._fill(data, 0, size, 0)
        if not self._got:
            raise self._error
        return bytes(data)

    def _fill(self, data: bytearray, start: int, end: int, depth: int) -> None:
        """Fill a range in pieces of the size for ``depth``, those refused in smaller ones."""
        step = _PIECES[depth]
        for at in range(start, end, step):
            stop = min(at + step, end)
            if self._refusals >= _MOST_REFUSALS:
                return
            try:
                piece = self._backend.get(self._name, at, stop - at)
            except ObjectNotFound:
                raise
            except StoreError:
                self._refusals += 1
                if depth + 1 < len(_PIECES):
                    self._fill(data, at, stop, depth + 1)
                continue
            self._got = True
            data[at : at + len(piece)] = piece
