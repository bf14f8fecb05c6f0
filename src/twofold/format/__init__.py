"""On-disk truth: struct to bytes and back, without I/O.

Each module has its page in ``docs/format/``; a test holds the byte tables there against the
``Layout`` objects here.
"""

FORMAT_NUMBER = 0
"""The format this program reads and writes."""
