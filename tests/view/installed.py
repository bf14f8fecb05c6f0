"""Installed systems for tests: a Windows on NTFS with real hives, a Linux on ext4."""

import struct
from pathlib import Path

from tests.disk import hives
from tests.imaging.disks import MIB, gpt_disk, make_ext4, make_ntfs

VERSION = "Microsoft\\Windows NT\\CurrentVersion"
UNINSTALL = "Microsoft\\Windows\\CurrentVersion\\Uninstall"
PERSON = "S-1-5-21-1000-2000-3000-1001"

SOFTWARE: hives.Keys = {
    VERSION: {
        "ProductName": "string:Windows 10 Pro",
        "DisplayVersion": "string:25H2",
        "CurrentBuild": "string:26200",
        "UBR": "dword:7462",
        "EditionID": "string:Professional",
        "InstallDate": "dword:1709280000",
        "RegisteredOwner": hives.text("Blue Müller"),
    },
    f"{VERSION}\\ProfileList\\{PERSON}": {"ProfileImagePath": "expandstring:C:\\Users\\blue"},
    f"{VERSION}\\ProfileList\\S-1-5-18": {
        "ProfileImagePath": "expandstring:%systemroot%\\system32\\config\\systemprofile"
    },
    f"{UNINSTALL}\\7-Zip": {
        "DisplayName": "string:7-Zip 24.08 (x64)",
        "DisplayVersion": "string:24.08",
        "Publisher": "string:Igor Pavlov",
        "InstallDate": "string:20240817",
    },
    f"{UNINSTALL}\\KB1": {"DisplayName": "string:an update", "ParentKeyName": "string:x"},
    f"{UNINSTALL}\\part": {"DisplayName": "string:a part", "SystemComponent": "dword:1"},
    f"{UNINSTALL}\\nameless": {"Publisher": "string:nobody"},
    f"WOW6432Node\\{UNINSTALL}\\old": {"DisplayName": "string:Old Tool"},
}
SYSTEM: hives.Keys = {
    "Select": {"Current": "dword:2"},
    "ControlSet002\\Control\\ComputerName\\ComputerName": {"ComputerName": "string:BLUE-PC"},
    "ControlSet002\\Control\\TimeZoneInformation": {
        "TimeZoneKeyName": "string:W. Europe Standard Time"
    },
}
OWN: hives.Keys = {
    f"Software\\{UNINSTALL}\\chat": {
        "DisplayName": "string:Chat",
        "DisplayVersion": "string:1.2",
    }
}


def _account(*, disabled: bool) -> str:
    data = bytearray(80)
    struct.pack_into("<H", data, 0x38, 0x10 | disabled)
    return hives.hexadecimal(3, bytes(data))


SAM: hives.Keys = {
    "SAM\\Domains\\Account\\Users\\000003E9": {"F": _account(disabled=False)},
    "SAM\\Domains\\Account\\Users\\000001F5": {"F": _account(disabled=True)},
    "SAM\\Domains\\Account\\Users\\Names\\Blue": {"": hives.hexadecimal(0x3E9, b"")},
    "SAM\\Domains\\Account\\Users\\Names\\Guest": {"": hives.hexadecimal(0x1F5, b"")},
}


def windows_tree(top: Path) -> Path:
    """The files of a Windows, as far as they tell what it is."""
    config = top / "Windows/System32/config"
    config.mkdir(parents=True)
    for name, keys in (("SOFTWARE", SOFTWARE), ("SYSTEM", SYSTEM), ("SAM", SAM)):
        hives.made(config / name, keys)
    (top / "Users/blue").mkdir(parents=True)
    hives.made(top / "Users/blue/NTUSER.DAT", OWN)
    (top / "Users/blue/notes.txt").write_text("remember the milk\n" * 100)
    return top


def linux_tree(top: Path) -> Path:
    """The same of a Linux."""
    (top / "usr/lib").mkdir(parents=True)
    (top / "etc").mkdir()
    (top / "usr/lib/os-release").write_text(
        'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\n'
        'VERSION_ID="12"\n# no more\nID=debian\n'
    )
    (top / "etc/os-release").symlink_to("../usr/lib/os-release")
    (top / "etc/hostname").write_text("attic\n")
    (top / "etc/localtime").symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    (top / "etc/fstab").write_text(
        "# static\nUUID=1 / ext4 defaults 0 1\nUUID=2 none swap sw 0 0\nUUID=3 /home ext4 x 0 2\n"
    )
    (top / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/bash\nblue:x:1000:1000::/home/blue:/bin/bash\n"
        "green:x:1001:1001::/home/green:/usr/sbin/nologin\n"
        "nobody:x:65534:65534::/nonexistent:/bin/false\nbroken\nodd:x:many:0::/:/bin/sh\n"
    )
    return top


def two_systems(folder: Path) -> Path:
    """A disk with a Windows on p1 and a Linux on p2."""
    windows, linux = folder / "windows", folder / "linux"
    make_ntfs(folder / "ntfs.img", windows_tree(windows), folder / "mnt", 32 * MIB)
    make_ext4(folder / "ext.img", linux_tree(linux), 16 * MIB, "-L", "root")
    disk = folder / "disk.img"
    gpt_disk(disk, [(folder / "ntfs.img", "0700"), (folder / "ext.img", "8300")])
    return disk
