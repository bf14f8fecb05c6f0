"""ext2, ext3 and ext4, read in one pass with little memory.

superblock ── locate          geometry; where its copies are
  ├── replay ── journal       the volume as its journal will make it, if one waits
  └── groups ── allocation    descriptors; bitmaps of what is in use
        └── table ── inode    inodes of a group, or one by number
              └── files       content by extents | indirect → pieces, or in the inode; xattrs
                    ├── streams, runs, stamp    what claims which units, for all files
                    └── volume, directory       names and facts, for one file
"""

from twofold.disk.ext.volume import ExtVolume, open_ext

__all__ = ["ExtVolume", "open_ext"]
