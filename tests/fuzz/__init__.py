"""Fuzzing of everything that reads foreign bytes: parsers, containers, codecs, our own format.

A target is a function of a reader. Its inputs are damaged samples of a stored corpus; a run is told
by the target and its number alone, so any run can be repeated. Every run may end with an answer or
with ``FormatError``; any other exception, more reads or bytes than the target's bound, more memory
or processor time than any sound input needs is a crash. ``python -m scripts.fuzz`` is the way in.
"""
