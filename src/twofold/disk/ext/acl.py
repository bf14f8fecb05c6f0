"""Access control lists: from the short form on disk to the form of the extended attribute.

On disk: version 1 and entries of tag and permissions, with an id only for named users and groups.
As Linux shows it: version 2 and entries of tag, permissions and id, all ones where there is none
(``linux/posix_acl_xattr.h``).
"""

import struct

from twofold.errors import FormatError

_ON_DISK_VERSION = 1
_SHOWN_VERSION = 2
_NAMED = {0x02, 0x08}
_UNNAMED = {0x01, 0x04, 0x10, 0x20}
_NO_ID = 0xFFFFFFFF


def shown(stored: bytes) -> bytes:
    """The value that getxattr gives. FormatError when it is no list."""
    if len(stored) < 4 or stored[:4] != _ON_DISK_VERSION.to_bytes(4, "little"):
        raise FormatError("an access control list is of an unknown version")
    parts = [struct.pack("<I", _SHOWN_VERSION)]
    place = 4
    while place + 4 <= len(stored):
        tag, permissions = struct.unpack_from("<HH", stored, place)
        place += 4
        ident = _NO_ID
        if tag in _NAMED and place + 4 <= len(stored):
            (ident,) = struct.unpack_from("<I", stored, place)
            place += 4
        elif tag not in _UNNAMED:
            break
        parts.append(struct.pack("<HHI", tag, permissions, ident))
    if place != len(stored):
        raise FormatError("an access control list is damaged")
    return b"".join(parts)
