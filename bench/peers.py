"""How each program is told to make a repository, back up, and restore.

All encrypt under a password that is stretched at every start, as they do by default; ``cp`` does
not, and shows what the kernel alone costs.
"""

from pathlib import Path

from bench.measure import Pipeline
from bench.program import Program, World

PASSWORD = "correct horse battery staple"


class Twofold(Program):
    """The program that this is about, by its documented command line."""

    name = tool = "twofold"
    settings = "defaults: Argon2id, AES-256-GCM, zstd 1 to 3, parity"
    asks_version = ("version",)

    def environment(self, world: World) -> dict[str, str]:
        return world.variables() | {
            "TWOFOLD_REPO": str(world.repository),
            "TWOFOLD_PASSWORD": PASSWORD,
        }

    def init(self, world: World) -> list[Pipeline]:
        return [[[self.command, "init", str(world.repository)]]]

    def backup(self, world: World) -> Pipeline:
        return [[self.command, "backup", str(world.source)]]

    def restore(self, world: World) -> Pipeline:
        return [[self.command, "restore", f"latest:{world.source}", "--to", str(world.restored)]]


class Restic(Program):
    """restic with what it does by default."""

    name = tool = "restic"
    settings = "defaults: compression auto, 16 MiB packs"
    asks_version = ("version",)

    def environment(self, world: World) -> dict[str, str]:
        return world.variables() | {
            "RESTIC_REPOSITORY": str(world.repository),
            "RESTIC_PASSWORD": PASSWORD,
        }

    def init(self, world: World) -> list[Pipeline]:
        return [[[self.command, "init", "--quiet", "--repo", str(world.repository)]]]

    def backup(self, world: World) -> Pipeline:
        return [[self.command, "backup", "--quiet", "--compression", "auto", str(world.source)]]

    def restore(self, world: World) -> Pipeline:
        return [
            [
                self.command,
                "restore",
                "--quiet",
                f"latest:{world.source}",
                "--target",
                str(world.restored),
            ]
        ]


class Borg(Program):
    """borg with the faster of its key modes on processors with SHA instructions, and lz4."""

    name, tool = "borg lz4", "borg"
    compression = "lz4"
    settings = "repokey (AES-CTR, HMAC-SHA256), lz4, which is its default"

    def environment(self, world: World) -> dict[str, str]:
        return world.variables() | {"BORG_REPO": str(world.repository), "BORG_PASSPHRASE": PASSWORD}

    def init(self, world: World) -> list[Pipeline]:
        return [[[self.command, "init", "--encryption", "repokey", str(world.repository)]]]

    def backup(self, world: World) -> Pipeline:
        words = [
            "create",
            "--compression",
            self.compression,
            f"::b{world.number}",
            str(world.source),
        ]
        return [[self.command, *words]]

    def restore(self, world: World) -> Pipeline:
        # borg extracts into the current folder
        return [["env", f"--chdir={world.restored}", self.command, "extract", f"::b{world.number}"]]

    def landed(self, world: World) -> Path:
        return world.restored / world.source.relative_to("/")


class BorgZstd(Borg):
    """borg with the compressor that Twofold uses, at the same level."""

    name = "borg zstd"
    compression = "zstd,3"
    settings = "repokey (AES-CTR, HMAC-SHA256), zstd 3"


class Kopia(Program):
    """kopia with what it does by default, which is not to compress."""

    name = tool = "kopia"
    compression = ""
    settings = "defaults: no compression"

    def environment(self, world: World) -> dict[str, str]:
        home = world.folder / "home"
        return world.variables() | {
            "KOPIA_PASSWORD": PASSWORD,
            "KOPIA_CONFIG_PATH": str(home / "kopia.config"),
            "KOPIA_CACHE_DIRECTORY": str(home / "kopia-cache"),
            "KOPIA_LOG_DIR": str(home / "kopia-log"),
            "KOPIA_CHECK_FOR_UPDATES": "false",
        }

    def init(self, world: World) -> list[Pipeline]:
        words = ["repository", "create", "filesystem", "--path", str(world.repository)]
        made: list[Pipeline] = [[[self.command, *words]]]
        if self.compression:
            policy = ["policy", "set", "--global", f"--compression={self.compression}"]
            made.append([[self.command, *policy]])
        return made

    def backup(self, world: World) -> Pipeline:
        return [[self.command, "snapshot", "create", "--no-progress", str(world.source)]]

    def restore(self, world: World) -> Pipeline:
        return [[self.command, "restore", "--no-progress", str(world.source), str(world.restored)]]


class KopiaZstd(Kopia):
    """kopia with its fastest zstd."""

    name = "kopia zstd"
    compression = "zstd-fastest"
    settings = "compression zstd-fastest"


class Rustic(Program):
    """rustic with what it does by default."""

    name = tool = "rustic"
    settings = "defaults: zstd"

    def environment(self, world: World) -> dict[str, str]:
        return world.variables() | {
            "RUSTIC_REPOSITORY": str(world.repository),
            "RUSTIC_PASSWORD": PASSWORD,
            "RUSTIC_NO_PROGRESS": "true",
        }

    def init(self, world: World) -> list[Pipeline]:
        return [[[self.command, "init", "--repository", str(world.repository)]]]

    def backup(self, world: World) -> Pipeline:
        return [[self.command, "backup", str(world.source)]]

    def restore(self, world: World) -> Pipeline:
        return [[self.command, "restore", f"latest:{world.source}", str(world.restored)]]


class Copy(Program):
    """A plain copy: no encryption, no compression, what the kernel alone costs."""

    name = "cp -a"
    tool = "cp"
    settings = "plain copy, not encrypted"
    proves_unchanged = False

    def init(self, world: World) -> list[Pipeline]:
        return [[["mkdir", str(world.repository)]]]

    def backup(self, world: World) -> Pipeline:
        return [
            [self.command, "-a", f"{world.source}/.", str(world.repository / f"{world.number}")]
        ]

    def restore(self, world: World) -> Pipeline:
        return [
            [self.command, "-a", f"{world.repository / str(world.number)}/.", str(world.restored)]
        ]


class Tar(Program):
    """The pipeline of standard tools: one stream, compressed on all cores and encrypted."""

    name = "tar+zstd+openssl"
    tool = "tar"
    settings = "zstd -1 -T0, aes-256-ctr"
    proves_unchanged = False

    def environment(self, world: World) -> dict[str, str]:
        return world.variables() | {"BENCH_PASSWORD": PASSWORD}

    def _cipher(self, *words: str) -> list[str]:
        return ["openssl", "enc", "-aes-256-ctr", "-pbkdf2", "-pass", "env:BENCH_PASSWORD", *words]

    def init(self, world: World) -> list[Pipeline]:
        return [[["mkdir", str(world.repository)]]]

    def backup(self, world: World) -> Pipeline:
        read = [self.command, "--create", "--format=posix", f"--directory={world.source}", "."]
        sealed = self._cipher("-out", str(world.repository / f"{world.number}.tar"))
        return [read, ["zstd", "-q", "-1", "-T0", "-c"], sealed]

    def restore(self, world: World) -> Pipeline:
        opened = self._cipher("-d", "-in", str(world.repository / f"{world.number}.tar"))
        write = [
            self.command,
            "--extract",
            "--preserve-permissions",
            f"--directory={world.restored}",
        ]
        return [opened, ["zstd", "-q", "-d", "-c"], write]


PROGRAMS: tuple[type[Program], ...] = (
    Twofold,
    Restic,
    Borg,
    Rustic,
    KopiaZstd,
    Kopia,
    BorgZstd,
    Copy,
    Tar,
)
