"""Numbers that stand in sentences of the documents: page, pattern, values in the code.

White space in the documents is flattened before a pattern is searched; it must match exactly once.
"""

from twofold.chunker import zeros
from twofold.disk import lvm_layout
from twofold.format import (
    FORMAT_NUMBER,
    compression,
    config,
    envelope,
    image,
    index,
    keyslot,
    pack,
    pages,
    segments,
)
from twofold.platform import base

DEFAULTS = config.Config(created_ns=0, writer="")
KIB, MIB = 1 << 10, 1 << 20

CONSTANTS: list[tuple[str, str, tuple[int, ...]]] = [
    ("README.md", r"repository format, number (\d+)", (FORMAT_NUMBER,)),
    ("README.md", r"run of at least ([\d,]+) zero bytes", (zeros.ZERO_RUN,)),
    (
        "README.md",
        r"object, contents \| (\d+) MiB; of an index (\d+) MiB",
        (envelope.BODY_LIMIT // MIB, envelope.INDEX_LIMIT // MIB),
    ),
    ("README.md", r"blobs of an index object \| ([\d,]+)", (index.MAX_BLOBS_PER_INDEX,)),
    ("README.md", r"key slots that are tried \| (\d+)", (keyslot.MAX_SLOTS,)),
    (
        "README.md",
        r"memory, passes, lanes \| (\d+) GiB, (\d+), (\d+)",
        (keyslot.MAX_MEMORY_KIB // MIB, keyslot.MAX_ITERATIONS, keyslot.MAX_LANES),
    ),
    ("README.md", r"blobs of a pack \| ([\d,]+) each", (pack.MAX_FRAMES,)),
    ("README.md", r"frame, after decompression \| (\d+) MiB", (pack.MAX_FRAME_RAW // MIB,)),
    ("README.md", r"\| page \| (\d+) MiB", (pages.PAGE_LIMIT // MIB,)),
    (
        "README.md",
        r"references of a page \| ([\d,]+); ([\d,]+)",
        (pages.MAX_ITEMS, pages.MAX_REFERENCES),
    ),
    ("README.md", r"levels of reference pages \| (\d+)", (pages.MAX_LEVEL,)),
    ("README.md", r"\(`content`\) \| ([\d,]+) bytes", (segments.INLINE_LIMIT,)),
    ("README.md", r"runs of an extent \| ([\d,]+) bytes", (image.RUNS_LIMIT,)),
    ("README.md", r"volumes of an image \| ([\d,]+)", (image.MOST_VOLUMES,)),
    ("README.md", r"texts from a disk \| (\d+)", (image.TEXT_LIMIT,)),
    (
        "README.md",
        r"powers of two from (\d+) to ([\d,]+)",
        (min(image.SECTOR_SIZES), max(image.SECTOR_SIZES)),
    ),
    ("images.md", r"has a number from ([\d,]+) on", (image.FIRST_INNER,)),
    (
        "images.md",
        r"more than (\d+) volumes or ([\d,]+) pieces",
        (lvm_layout.MOST_VOLUMES, lvm_layout.MOST_PIECES),
    ),
    ("objects.md", r"format number, (\d+): that", (FORMAT_NUMBER,)),
    ("objects.md", r"The header is (\d+) bytes", (envelope.HEADER.size,)),
    (
        "objects.md",
        r"(\d) = AES-256-GCM, (\d) = ChaCha20-Poly1305",
        (envelope.AES_256_GCM, envelope.CHACHA20_POLY1305),
    ),
    ("objects.md", r"(\d) = plain, (\d) = one zstd", (compression.PLAIN, compression.ZSTD)),
    (
        "objects.md",
        r"at most (\d+) MiB, (\d+) MiB for an index",
        (envelope.BODY_LIMIT // MIB, envelope.INDEX_LIMIT // MIB),
    ),
    ("objects.md", r"up to the next multiple of (\d+), the object", (envelope.ALIGNMENT,)),
    ("objects.md", r"`ceil\(L / (\d+)\) · (\d+) \+ L`", (envelope.ALIGNMENT,) * 2),
    (
        "objects.md",
        r"`ceil\(size / (\d+)\) · (\d+)`",
        (2 * envelope.ALIGNMENT, envelope.ALIGNMENT),
    ),
    (
        "objects.md",
        r"default ([\d,]+), ([\d,]+), ([\d,]+) and (\d)",
        (DEFAULTS.chunk_min, DEFAULTS.chunk_normal, DEFAULTS.chunk_max, DEFAULTS.chunk_nc),
    ),
    ("objects.md", r"is closed, .*?; default ([\d,]+)", (DEFAULTS.pack_size,)),
    ("objects.md", r"share a frame, .*?; default ([\d,]+)", (DEFAULTS.frame_size,)),
    ("keys.md", r"(\d) = HKDF \(.*?\), (\d) = Argon2id", (keyslot.HKDF, keyslot.ARGON2ID)),
    (
        "keys.md",
        r"(\d) = password, (\d) = recovery key, (\d) = key file",
        tuple(kind.value for kind in keyslot.SlotKind),
    ),
    ("keys.md", r"Argon2id memory; at most ([\d,]+)", (keyslot.MAX_MEMORY_KIB,)),
    ("keys.md", r"Argon2id passes; at most ([\d,]+)", (keyslot.MAX_ITERATIONS,)),
    ("keys.md", r"Argon2id lanes; at most ([\d,]+)", (keyslot.MAX_LANES,)),
    ("keys.md", r"tries at most (\d+) slots", (keyslot.MAX_SLOTS,)),
    ("keys.md", r"‖ first (\d+) parameter bytes", (keyslot.PARAMETERS_SIZE,)),
    ("keys.md", r"all (\d+) parameter bytes", (keyslot.SLOT.size,)),
    ("keys.md", r"nonce n, the table 2\^(\d+)", (pack.TABLE_NONCE.bit_length() - 1,)),
    ("packs.md", r"nonce 2\^(\d+)", (pack.TABLE_NONCE.bit_length() - 1,)),
    ("packs.md", r"header \((\d+)\) · frames", (envelope.HEADER.size,)),
    ("packs.md", r"digests copy · footer \((\d+)\)", (pack.FOOTER.size,)),
    ("packs.md", r"frames and table below (\d+) MiB", (pack.MIRROR_LIMIT // MIB,)),
    (
        "packs.md",
        r"`F` \((0x\d+)\) frame, `T` \((0x\d+)\) table, `D` \((0x\d+)\) digests",
        (pack.FRAME, pack.TABLE, pack.DIGESTS),
    ),
    ("packs.md", r"frames: (\d) = plain, (\d) =", (compression.PLAIN, compression.ZSTD)),
    ("packs.md", r"number of frames, at most ([\d,]+)", (pack.MAX_FRAMES,)),
    ("packs.md", r"number of blobs, at most ([\d,]+)", (pack.MAX_BLOBS,)),
    ("packs.md", r"decompression, at most (\d+) MiB", (pack.MAX_FRAME_RAW // MIB,)),
    ("packs.md", r"then zero bytes to a multiple of (\d+)\.", (envelope.ALIGNMENT,)),
    ("packs.md", r"the first (\d+) bytes of unkeyed BLAKE3", (pack.DIGEST_SIZE,)),
    (
        "packs.md",
        r"first (\d+) bytes of BLAKE3 of the (\d+) bytes before",
        (pack.DIGEST_SIZE, pack.FOOTER.size - pack.DIGEST_SIZE),
    ),
    ("packs.md", r"next multiple of (\d+) after them", (envelope.ALIGNMENT,)),
    ("packs.md", r"footer is the last (\d+) bytes", (pack.FOOTER.size,)),
    ("index.md", r"(\d) plain, (\d) zstd", (compression.PLAIN, compression.ZSTD)),
    ("index.md", r"at most ([\d,]+) blobs", (index.MAX_BLOBS_PER_INDEX,)),
    ("metadata.md", r"at most (\d+) MiB long", (pages.PAGE_LIMIT // MIB,)),
    (
        "metadata.md",
        r"in any case at ([\d,]+) items or (\d+) KiB",
        (pages.MAX_ITEMS, pages.PAGE_AIM // KIB),
    ),
    ("metadata.md", r"Levels are at most (\d+)", (pages.MAX_LEVEL,)),
    (
        "metadata.md",
        r"BLAKE3\(page key, n\) are below 2\^(\d+)/(\d+)",
        (32, 2**32 // pages.NAME_BORDER),
    ),
    (
        "metadata.md",
        r"blob id whose first 4 bytes are below 2\^(\d+)/(\d+)",
        (32, 2**32 // pages.SEGMENT_BORDER),
    ),
    ("metadata.md", r"longer than ([\d,]+) bytes: their", (segments.INLINE_LIMIT,)),
    ("metadata.md", r"\| (\d) \| 32 bytes blob id", (segments.BLOB,)),
    ("metadata.md", r"\| (\d) \| 8 bytes length", (segments.ZERO,)),
    ("metadata.md", r"\| (\d) \| 1 byte cause", (segments.NOT_STORED,)),
    (
        "metadata.md",
        r"Cause (\d): it could not be read; cause (\d): it was left out",
        (segments.Absence.UNREADABLE, segments.Absence.LEFT_OUT),
    ),
    (
        "metadata.md",
        r"(\d) = racy and (\d) = failed",
        (base.FLAG_RACY, base.FLAG_FAILED),
    ),
]
