"""NTFS, read: volumes of all cluster and record sizes, from NT 4 on, in memory of a few MiB.

    boot        sizes and places                 table     $MFT: files by number, records in blocks
    fixups      records torn or whole            scan      all streams in one pass
    attributes  what a record holds              files     one file: facts, content, names
    runs        which clusters                   index     B-trees: directories, $Secure
    values      times, names, ...                system    the system's own files, page files
    content, lznt1, wof, xpress                  bytes as they are stored, and decoded
    journal     $LogFile               state     whether the tables are up to date
    volume      the file system as a whole: ``open_ntfs``

Sources: [MS-FSCC] and [MS-XCA] for what Windows documents; the rest is known from the layouts that
chkdsk, ntfs-3g and The Sleuth Kit agree on, against which the tests compare. Not read: files that
Windows compressed with LZX or encrypted (their clusters are told as they are), and the change log
of a volume that was not unmounted: $LogFile is not replayed, and ``facts.doubt`` tells of it.
"""

from twofold.disk.ntfs.volume import Ntfs, open_ntfs

__all__ = ["Ntfs", "open_ntfs"]
