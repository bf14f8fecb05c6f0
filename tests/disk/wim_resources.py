"""Chunks that wimlib compressed: a WIM file keeps each file as WofCompressedData does.

Header: 44 chunk size in bytes; 72 the table of blobs (7 bytes size, 1 flags, 8 place, 8 size when
decoded). Its entries of 50 bytes begin with such a place and end with a SHA-1.
"""

import hashlib
import struct
import subprocess
from pathlib import Path


def compress(content: bytes, folder: Path, chunk: int, method: str = "XPRESS") -> bytes:
    """The table of chunks and the chunks of one file."""
    source, wim = folder / "source", folder / "one.wim"
    source.mkdir()
    (source / "file").write_bytes(content)
    words = ["wimcapture", str(source), str(wim), f"--compress={method}", f"--chunk-size={chunk}"]
    subprocess.run(words, check=True, capture_output=True)
    data = wim.read_bytes()
    at, size = _place(data, 48)
    for entry in range(at, at + size, 50):
        if data[entry + 30 : entry + 50] == hashlib.sha1(content).digest():
            start, length = _place(data, entry)
            return data[start : start + length]
    raise AssertionError("the file is not in the archive")


def _place(data: bytes, at: int) -> tuple[int, int]:
    size, start = struct.unpack_from("<QQ", data, at)
    return start, size & (1 << 56) - 1
