"""Names of GPT partition types and of their attribute bits, and of MBR types.

Sources: UEFI 2.10 section 5.3.3; Microsoft, "PARTITION_INFORMATION_GPT"; the Discoverable
Partitions Specification; for MBR the list that fdisk prints.
"""

from uuid import UUID

ESP = UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
MSR = UUID("e3c9e316-0b5c-4db8-817d-f92df00215ae")
MICROSOFT_DATA = UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7")
RECOVERY = UUID("de94bba4-06d1-4d40-a16a-bfd50179d6ac")
LINUX_DATA = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")

GPT_TYPES = {
    ESP: "EFI system partition",
    MSR: "Microsoft reserved partition",
    MICROSOFT_DATA: "Windows data",
    RECOVERY: "Windows recovery",
    UUID("5808c8aa-7e8f-42e0-85d2-e1e90434cfb3"): "Windows dynamic disk metadata",
    UUID("af9b60a0-1431-4f62-bc68-3311714a69ad"): "Windows dynamic disk data",
    UUID("e75caf8f-f680-4cee-afa3-b001e56efc2d"): "Windows storage spaces",
    UUID("558d43c5-a1ac-43c0-aac8-d1472b2923d1"): "Windows storage replica",
    LINUX_DATA: "Linux data",
    UUID("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"): "Linux swap",
    UUID("e6d6d379-f507-44c2-a23c-238f2a3df928"): "Linux LVM",
    UUID("a19d880f-05fc-4d3b-a006-743f0f84911e"): "Linux RAID",
    UUID("ca7d7ccb-63ed-4c53-861c-1742536059cc"): "Linux LUKS",
    UUID("7ffec5c9-2d00-49b7-8941-3ea10a5586b7"): "Linux dm-crypt",
    UUID("44479540-f297-41b2-9af7-d131d5f0458a"): "Linux root (x86)",
    UUID("4f68bce3-e8cd-4db1-96e7-fbcaf984b709"): "Linux root (x86-64)",
    UUID("b921b045-1df0-41c3-af44-4c6f280d3fae"): "Linux root (ARM 64)",
    UUID("8484680c-9521-48c6-9c11-b0720656f69e"): "Linux usr (x86-64)",
    UUID("933ac7e1-2eb4-4f13-b844-0e14e2aef915"): "Linux home",
    UUID("3b8f8425-20e0-4f3b-907f-1a25a76f98e8"): "Linux server data",
    UUID("4d21b016-b534-45c2-a9fb-5c16e091fd2d"): "Linux variable data",
    UUID("bc13c2ff-59e6-4262-a352-b275fd6f7172"): "Linux extended boot",
    UUID("8da63339-0007-60c0-c436-083ac8230908"): "Linux reserved",
    UUID("21686148-6449-6e6f-744e-656564454649"): "BIOS boot partition",
    UUID("024dee41-33e7-11d3-9d69-0008c781f39f"): "MBR partition scheme",
    UUID("48465300-0000-11aa-aa11-00306543ecac"): "Apple HFS+",
    UUID("7c3457ef-0000-11aa-aa11-00306543ecac"): "Apple APFS",
    UUID("516e7cb4-6ecf-11d6-8ff8-00022d09712b"): "FreeBSD data",
    UUID("516e7cba-6ecf-11d6-8ff8-00022d09712b"): "FreeBSD ZFS",
    UUID("6a898cc3-1dd2-11b2-99a6-080020736631"): "ZFS or macOS usr",
    UUID("bfbfafe7-a34f-448a-9a5b-6213eb736c22"): "Lenovo system partition",
}

EVERY_TYPE = ((0, "required"), (1, "no-block-io"), (2, "legacy-boot"))
MICROSOFT: tuple[tuple[int, str], ...] = (
    (60, "read-only"),
    (61, "shadow-copy"),
    (62, "hidden"),
    (63, "no-drive-letter"),
)
LINUX: tuple[tuple[int, str], ...] = ((59, "grow"), (60, "read-only"), (63, "no-auto-mount"))

MBR_TYPES = {
    0x01: "FAT12",
    0x04: "FAT16 below 32 MiB",
    0x05: "extended",
    0x06: "FAT16",
    0x07: "NTFS, exFAT or HPFS",
    0x0B: "FAT32",
    0x0C: "FAT32 (LBA)",
    0x0E: "FAT16 (LBA)",
    0x0F: "extended (LBA)",
    0x11: "hidden FAT12",
    0x12: "maker's diagnostics",
    0x14: "hidden FAT16 below 32 MiB",
    0x16: "hidden FAT16",
    0x17: "hidden NTFS or HPFS",
    0x1B: "hidden FAT32",
    0x1C: "hidden FAT32 (LBA)",
    0x1E: "hidden FAT16 (LBA)",
    0x27: "Windows recovery",
    0x42: "Windows dynamic disk",
    0x82: "Linux swap",
    0x83: "Linux",
    0x85: "Linux extended",
    0x8E: "Linux LVM",
    0xA5: "FreeBSD",
    0xA6: "OpenBSD",
    0xA8: "Apple UFS",
    0xA9: "NetBSD",
    0xAF: "Apple HFS+",
    0xBF: "Solaris",
    0xDE: "Dell diagnostics",
    0xE8: "LUKS",
    0xEA: "Linux extended boot",
    0xEE: "GPT protective",
    0xEF: "EFI system partition",
    0xFB: "VMware VMFS",
    0xFD: "Linux RAID",
}


def gpt_type_name(kind: UUID) -> str:
    """What people call the type; empty when it is not known."""
    return GPT_TYPES.get(kind, "")


def gpt_flags(kind: UUID, attributes: int) -> tuple[str, ...]:
    """Words for the attribute bits that are set and mean something for the type."""
    if kind in (MICROSOFT_DATA, RECOVERY, MSR):
        own = MICROSOFT
    else:
        own = LINUX if gpt_type_name(kind).startswith("Linux") else ()
    return tuple(word for bit, word in EVERY_TYPE + own if attributes >> bit & 1)


def mbr_type_name(kind: int) -> str:
    """What people call the type; empty when it is not known."""
    return MBR_TYPES.get(kind, "")
