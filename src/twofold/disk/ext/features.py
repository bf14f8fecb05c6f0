"""The feature bits of ext2, ext3 and ext4, by the names that e2fsprogs prints.

A bit in ``incompat`` that is not known forbids understanding the volume at all; one in
``ro_compat`` forbids only writing; one in ``compat`` nothing. (Kernel documentation, "ext4 Data
Structures and Algorithms", super block.)
"""

# incompat
RECOVER = 0x4
JOURNAL_DEVICE = 0x8
META_BG = 0x10
BITS64 = 0x80
EA_INODE = 0x400
CHECKSUM_SEED = 0x2000

# ro_compat
SPARSE_SUPER = 0x1
GROUP_CHECKSUM = 0x10
BIGALLOC = 0x200
METADATA_CHECKSUM = 0x400
ORPHAN_PRESENT = 0x10000

# compat
HAS_JOURNAL = 0x4
SPARSE_SUPER2 = 0x200

COMPAT = {
    0x1: "dir_prealloc",
    0x2: "imagic_inodes",
    0x4: "has_journal",
    0x8: "ext_attr",
    0x10: "resize_inode",
    0x20: "dir_index",
    0x40: "lazy_bg",
    0x80: "snapshot_bitmap",
    0x200: "sparse_super2",
    0x400: "fast_commit",
    0x800: "stable_inodes",
    0x1000: "orphan_file",
}
INCOMPAT = {
    0x1: "compression",
    0x2: "filetype",
    0x4: "needs_recovery",
    0x8: "journal_dev",
    0x10: "meta_bg",
    0x40: "extent",
    0x80: "64bit",
    0x100: "mmp",
    0x200: "flex_bg",
    0x400: "ea_inode",
    0x1000: "dirdata",
    0x2000: "metadata_csum_seed",
    0x4000: "large_dir",
    0x8000: "inline_data",
    0x10000: "encrypt",
    0x20000: "casefold",
}
RO_COMPAT = {
    0x1: "sparse_super",
    0x2: "large_file",
    0x4: "btree_dir",
    0x8: "huge_file",
    0x10: "uninit_bg",
    0x20: "dir_nlink",
    0x40: "extra_isize",
    0x80: "snapshot",
    0x100: "quota",
    0x200: "bigalloc",
    0x400: "metadata_csum",
    0x800: "replica",
    0x1000: "read-only",
    0x2000: "project",
    0x4000: "shared_blocks",
    0x8000: "verity",
    0x10000: "orphan_present",
}
KNOWN_INCOMPAT = sum(INCOMPAT) & ~JOURNAL_DEVICE

# What makes ext4 of ext3, and needs its driver.
_EXT3_INCOMPAT = 0x2 | RECOVER | META_BG
_EXT3_RO_COMPAT = SPARSE_SUPER | 0x2 | 0x4


def names(compat: int, incompat: int, ro_compat: int) -> list[str]:
    """The names of all bits that are set; unknown ones as ``FEATURE_C12`` and the like."""
    return (
        _names(compat, COMPAT, "C")
        + _names(incompat, INCOMPAT, "I")
        + _names(ro_compat, RO_COMPAT, "R")
    )


def _names(bits: int, known: dict[int, str], letter: str) -> list[str]:
    return [
        known.get(1 << place, f"FEATURE_{letter}{place}")
        for place in range(32)
        if bits >> place & 1
    ]


def kind(compat: int, incompat: int, ro_compat: int) -> str:
    """``ext2``, ``ext3`` or ``ext4``, by the driver that is needed."""
    if incompat & ~_EXT3_INCOMPAT or ro_compat & ~_EXT3_RO_COMPAT:
        return "ext4"
    return "ext3" if compat & HAS_JOURNAL else "ext2"
