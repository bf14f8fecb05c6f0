"""Fuzzing of the C extension: one module per part, each with a corpus folder of its name.

A target is a function of bytes that raises when the extension does not do what an independent
oracle says, or that dies under ``python -m scripts.sanitize --fuzz PART`` when the extension
touches memory that is not its own. Inputs are mutations of the corpus; a run is told by its number
and the seed alone, so it can be repeated.
"""
