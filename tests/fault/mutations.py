"""The store with one barrier taken out, in sixteen ways, and the three ways it really is.

A crash-state enumerator that does not notice every one of the ``MUTATIONS`` proves nothing.
"""

import errno
import os

from tests.fault.crash_states import folder_of, is_temp
from tests.fault.oplog import RecordingCalls
from tests.fault.scenario import Mutation
from twofold.backend.durable import Tree
from twofold.backend.files import FileCalls
from twofold.backend.local import LocalBackend
from twofold.backend.local_writer import LocalWriter
from twofold.backend.names import check_name, parent

# --- calls that do less than they say --------------------------------------------------------


class _NoFileSync(RecordingCalls):
    def sync_file(self, fd: int) -> None:
        del fd


class _NoDirSync(RecordingCalls):
    def sync_dir(self, path: str) -> bool:
        del path
        return True


class NoRenameNew(RecordingCalls):
    """A file system like NFS: rename cannot refuse a target, links there are."""

    def rename_new(self, source: str, target: str) -> None:
        raise OSError(errno.EINVAL, "no such flag", source, None, target)


class NoLink(NoRenameNew):
    """A file system like exFAT behind FUSE: neither."""

    def link(self, source: str, target: str) -> None:
        raise OSError(errno.EPERM, "no links", source, None, target)


class _UnlinkBeforeLink(RecordingCalls):
    """A move made of a private name, the removal of the old and then the making of the new one."""

    def rename_new(self, source: str, target: str) -> None:
        if not is_temp(source):
            private = f"{folder_of(target)}/.{0:08x}-{0:032x}.tmp"
            self.link(source, private)
            self.unlink(source)
            source = private
        super().rename_new(source, target)


# --- stores with a step missing or misplaced -------------------------------------------------


class _Writer(LocalWriter):
    """A writer whose steps can be put in another order."""

    ORDER = "sync publish settle"

    def _finish(self) -> None:
        tree = self._tree
        for step in self.ORDER.split():
            match step:
                case "sync":
                    tree.calls.sync_file(self._fd)
                case "publish":
                    self._publish()
                case "settle":
                    tree.settle(parent(self._name))
        self._temp = ""
        self._close()


class _PublishFirst(_Writer):
    ORDER = "publish sync settle"


class _SettleFirst(_Writer):
    ORDER = "sync settle publish"


class _InPlace(LocalWriter):
    """Writes under the final name from the beginning."""

    def __init__(self, tree: Tree, name: str, living: set[LocalWriter]) -> None:
        super().__init__(tree, name, living)
        tree.calls.rename_new(self._temp, tree.path(name))

    def _publish(self) -> None:
        """It has its name already."""


class _WithWriter(LocalBackend):
    WRITER: type[LocalWriter] = LocalWriter

    def create(self, name: str) -> LocalWriter:
        check_name(name)
        return self.WRITER(self._tree, name, self._living)


class _PublishFirstStore(_WithWriter):
    WRITER = _PublishFirst


class _SettleFirstStore(_WithWriter):
    WRITER = _SettleFirst


class _InPlaceStore(_WithWriter):
    WRITER = _InPlace


class _Unsettled(Tree):
    """Syncs the folder of an object but none above it."""

    def settle(self, folder: str) -> bool:
        return self.sync(folder)


class _TrustsOthers(Tree):
    """Takes a folder that others made for durable."""

    def __init__(self, root: str, location: str, calls: FileCalls) -> None:
        super().__init__(root, location, calls)
        self._made: set[str] = set()

    def make_folders(self, folder: str) -> None:
        above = folder
        while above and not self.exists(self.path(above)):
            self._made.add(above)
            above = parent(above)
        super().make_folders(folder)

    def settle(self, folder: str) -> bool:
        above = folder
        while above:
            if above not in self._made:
                self._settled.add(above)
            above = parent(above)
        return super().settle(folder)


class _SettlesTooEarly(Tree):
    """Calls a folder settled before it has been synced; other threads believe it."""

    def settle(self, folder: str) -> bool:
        synced = self.sync(folder)
        while folder and folder not in self._settled:
            self._settled.add(folder)
            folder = parent(folder)
            self.sync(folder)
        return synced


class _MovesWithoutSync(Tree):
    def move(self, source: str, target: str) -> None:
        self.make_folders(parent(target))
        self._rename(self.path(source), self.path(target))


class _MovesWithoutTargetSync(Tree):
    def move(self, source: str, target: str) -> None:
        self.make_folders(parent(target))
        self._rename(self.path(source), self.path(target))
        self.settle(parent(source))


class _WithTree(LocalBackend):
    TREE: type[Tree] = Tree

    def __init__(self, path: str | os.PathLike[str], calls: FileCalls | None = None) -> None:
        super().__init__(path, calls)
        self._tree = self.TREE(os.path.abspath(path), os.fspath(path), self._calls)


class _UnsettledStore(_WithTree):
    TREE = _Unsettled


class _TrustsOthersStore(_WithTree):
    TREE = _TrustsOthers


class _SettlesTooEarlyStore(_WithTree):
    TREE = _SettlesTooEarly


class _MovesWithoutSyncStore(_WithTree):
    TREE = _MovesWithoutSync


class _MovesWithoutTargetSyncStore(_WithTree):
    TREE = _MovesWithoutTargetSync


class _DeletesWithoutSyncStore(LocalBackend):
    def delete(self, name: str) -> None:
        self._calls.unlink(self._tree.path(name))


REAL = (
    Mutation("the store as it is"),
    Mutation("publishing by link and unlink", calls=NoRenameNew),
    # One writer per process: threads of one store may not take turns within "look, then rename".
    Mutation("publishing by looking first", calls=NoLink, processes=8),
)

MUTATIONS = (
    Mutation("no fsync of the file", calls=_NoFileSync),
    Mutation("no fsync of folders", calls=_NoDirSync),
    Mutation("no fsync of new parents", store=_UnsettledStore),
    Mutation("folders made by others taken for durable", store=_TrustsOthersStore),
    Mutation("folder called settled before it is", store=_SettlesTooEarlyStore, processes=1),
    Mutation("written in place", store=_InPlaceStore),
    Mutation("published before fsync", store=_PublishFirstStore),
    Mutation("folder synced before publishing", store=_SettleFirstStore),
    Mutation("move: unlink before link", calls=_UnlinkBeforeLink),
    Mutation("move: no fsync of any folder", store=_MovesWithoutSyncStore),
    Mutation("move: no fsync of the new folder", store=_MovesWithoutTargetSyncStore),
    Mutation("delete: no fsync of the folder", store=_DeletesWithoutSyncStore),
    Mutation("commit before root", phases=(("packs",), ("index",), ("commit",), ("root",))),
    Mutation("commit before index", phases=(("packs",), ("root",), ("commit",), ("index",))),
    Mutation("commit before packs", phases=(("index",), ("root",), ("commit",), ("packs",))),
    Mutation("commit does not wait", phases=(("packs", "index", "root", "commit"),)),
)
