"""What an operating system inside of an image is: told from its own files, without starting it."""

from collections.abc import Iterator

import msgspec

from twofold.errors import DamageFound, TwofoldError
from twofold.format.image import PartName
from twofold.format.records import Root
from twofold.graph import PageStore
from twofold.view.image import ImageDisk
from twofold.view.linux import linux_facts
from twofold.view.open import partition_tree
from twofold.view.system_facts import SystemFacts
from twofold.view.whole_file import WholeFiles
from twofold.view.windows import windows_facts


class Unread(msgspec.Struct, frozen=True):
    """A partition whose files could not be asked, and why."""

    partition: PartName
    reason: str


def systems_in(pages: PageStore, root: Root) -> Iterator[SystemFacts | Unread]:
    """The operating systems of an image by partition. ``DamageFound`` when it is no image at all.

    Partitions without a file system that can be looked into are passed over; damage is told.
    """
    for record in ImageDisk(pages, root).partitions:
        try:
            tree = partition_tree(pages, root, record.called)
        except DamageFound as error:
            yield Unread(record.called, error.message)
            continue
        except TwofoldError:
            continue  # nothing that has files
        files = WholeFiles(tree, pages.blobs)
        try:
            found = windows_facts(files, record.called) or linux_facts(files, record.called)
        except DamageFound as error:
            yield Unread(record.called, error.message)
            continue
        if found is not None:
            yield found
