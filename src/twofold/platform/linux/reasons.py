"""Why the system refused something, in words short and regular enough to be counted together."""

import errno
import os
import sys

assert sys.platform == "linux"

_WORDS = {
    errno.EPERM: "not permitted",
    errno.EACCES: "not permitted",
    errno.ENOTSUP: "not supported here",
    errno.ENOSYS: "not supported here",
    errno.ENOTTY: "not supported here",
    errno.EINVAL: "not possible here",
    errno.EOVERFLOW: "not possible here",
    errno.ENOSPC: "too large for this file system",  # the place for attributes, not the disk
    errno.E2BIG: "too large for this file system",
    errno.ERANGE: "too large for this file system",
}

_GONE = (errno.ENOENT, errno.ESTALE, errno.ENOTDIR, errno.ELOOP, errno.EBADF)
_BROKEN = (errno.EIO, errno.EUCLEAN, errno.EROFS, errno.ENOMEM)
_ABSENT = (errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ETIMEDOUT)


def reason(error: OSError) -> str:
    """The reason in words, without names or numbers."""
    number = error.errno or 0
    return _WORDS.get(number) or os.strerror(number).lower()


def tolerable(error: OSError) -> bool:
    """Whether this means "cannot be had here" rather than that the storage or the file is gone."""
    return error.errno not in (*_GONE, *_BROKEN, *_ABSENT)
