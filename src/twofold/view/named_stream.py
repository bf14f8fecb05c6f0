"""Further streams of the files in an image, by the names that Windows gives them: ``file:stream``.

A file whose own name holds the colon is found before anybody asks here.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from twofold.disk import Content, FileFacts
from twofold.errors import TwofoldError
from twofold.format.pages import Node
from twofold.view.base import FileTree
from twofold.view.typed import find_typed

_CONTENT = b":$DATA"
"""What may stand behind the name of a stream, and says that it is one."""


@runtime_checkable
class _Streamed(Protocol):
    """A tree of files that may have more than one content."""

    def facts(self, node: Node) -> FileFacts: ...

    def stream(self, node: Node, name: bytes) -> Content: ...


def named_stream(tree: FileTree, path: Sequence[bytes]) -> Content | None:
    """The stream that the last step of a path names behind a colon; None if there is none.

    ``DamageFound``; ``TwofoldError`` for what is encrypted.
    """
    if not path or b":" not in path[-1] or not isinstance(tree, _Streamed):
        return None
    name, _, stream = path[-1].partition(b":")
    stream = stream.removesuffix(_CONTENT)
    found = find_typed(tree, (*path[:-1], name) if name else path[:-1])
    facts = tree.facts(found.node) if found is not None else None
    if found is None or facts is None or stream not in facts.streams:
        return None
    if facts.encrypted:
        raise TwofoldError("the stream cannot be read: it is encrypted by the file system")
    return tree.stream(found.node, stream)
