"""Why an entry could not be read, in words that help: some numbers mean something else here.

Names are listed first and opened afterwards, never through a link. So what the system calls a loop
of links is an entry that became a link in between.
"""

import errno
import os

_WORDS = {
    errno.ELOOP: "it became a link while the backup ran",
    errno.EISDIR: "it became a folder while the backup ran",
    errno.ENOTDIR: "it is no folder any more",
    errno.ENOTCONN: "what is mounted there does not answer",
    errno.ESTALE: "the network place does not find it any more",
}


def words_for(error: OSError) -> str:
    """Why; words that are not the system's own are left as they are."""
    number = error.errno or 0
    own = error.strerror is not None and error.strerror != os.strerror(number)
    return (None if own else _WORDS.get(number)) or error.strerror or str(error)
