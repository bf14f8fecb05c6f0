"""Windows behind the platform door; begins with ``door``.

Written from the documentation and checked by type checkers; **it has not been run on Windows yet**,
except for the modules without system calls (``records``, ``paths``, ``storage``), which are tested
everywhere.

Directories are handles; while a target directory is open it cannot be renamed or replaced, because
its handle does not share deletion, so the paths made from it mean what they meant. Kept of a file
are its times, attributes and security descriptor without audit entries. Left out so far: alternate
data streams, short names, junctions as such (they come back as symbolic links), compression and
encryption states, and the privileges that let a backup read what its user may not.
"""
