"""Words of a command line, as somebody can copy them from the screen into a shell."""

import shlex


def shell_word(word: str | bytes) -> str:
    """A word that a POSIX shell reads as it is meant, whatever it holds.

    What cannot be shown (control characters, bytes that are no UTF-8) is written in ``$'...'``.
    """
    data = word.encode("utf-8", "surrogateescape") if isinstance(word, str) else word
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return _escaped(data)
    return shlex.quote(text) if text.isprintable() else _escaped(data)


def _escaped(data: bytes) -> str:
    return "$'" + "".join(map(_byte, data)) + "'"


def _byte(one: int) -> str:
    character = chr(one)
    if character in "\\'":
        return "\\" + character
    return character if 0x20 <= one < 0x7F else f"\\x{one:02x}"
