"""Which file each row of a table means, among those that lie in a folder."""

import functools
import os
import posixpath
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from jaxcnn.data.photo_files import PhotoFile, Trouble, about_file, list_folder, reason_of, walk
from jaxcnn.data.tables.table_file import TableError
from jaxcnn.host.text import printable

OUTSIDE = "its path leads outside of the folder of photos"
NOT_THERE = "named by a row, but not in the folder"
SEVERAL = "fits several files of the folder; write its path out"
NO_ROW = "in the folder, but in no row of the table"
_URL = "a web address; download the photos, and name the files"


class TableImages:
    r"""The files that a table's rows may mean; paths are relative to a folder, with "/" in them.

    A row means the file of its path. Where there is none: the one whose path differs by case,
    Unicode's form or "\" in place of "/" only; else the one whose path it is without its ending;
    else, for a name without folders, the one that has it in some folder below.

    Args:
      root: folder that the paths are relative to.
      folders: look in these alone, relative to `root`; None for `root` and all below.

    Raises:
      TableError: if `root` is no folder, or cannot be read.
    """

    def __init__(self, root: Path, folders: Iterable[str] | None = None) -> None:
        self.root = os.fsencode(root)
        self._real_root = os.path.realpath(self.root)
        self.photos: list[str] = []
        self.reasons: dict[str, str] = {}  # of photos that cannot be used
        self._others: list[str] = []
        if not os.path.isdir(self.root):
            what = "is a file" if root.exists() else "does not exist"
            raise TableError(f"data_dir {printable(root)!r} {what}; give the folder of photos.")
        try:
            self._find(folders)
        except OSError as error:
            where = printable(error.filename or self.root)
            raise TableError(f"{where!r} cannot be read: {reason_of(error)}.") from error

    def _find(self, folders: Iterable[str] | None) -> None:
        if folders is None:
            for found in walk(self.root, on_other=lambda path: self._others.append(self._of(path))):
                self._add(found)
            return
        for folder in dict.fromkeys(folders):
            path = os.path.join(self.root, os.fsencode(folder))
            for file in list_folder(path)[1] if os.path.isdir(path) else ():
                self._add(about_file(file) or file)

    def _add(self, found: PhotoFile | Trouble | bytes) -> None:
        if isinstance(found, bytes):
            self._others.append(self._of(found))
            return
        self.photos.append(name := self._of(found.path))
        if isinstance(found, Trouble):
            self.reasons[name] = found.reason

    def _of(self, path: bytes) -> str:
        return os.fsdecode(path[len(self.root) :]).replace(os.sep, "/").lstrip("/")

    def find(self, text: str) -> tuple[str, str]:
        """Find the file that a row means.

        Args:
          text: the path as the table has it; absolute, or relative to the folder.

        Returns:
          The file's path, and "" or why it cannot be used; without a file, the text and why.
        """
        if re.match(r"(?i)(https?|ftp|s3|gs)://", text.strip()):
            return text, _URL
        path = self._relative(text)
        if path is None:
            return text, OUTSIDE
        for paths, wanted in self._ways(text, path):
            found = paths.get(_key(wanted), ())
            exact = [each for each in found if each == wanted] or found
            if len(exact) == 1:
                return exact[0], self.reasons.get(exact[0], "")
            if len(exact) > 1:
                return text, SEVERAL
        hidden = os.path.join(os.fsdecode(self.root), path)  # which no search shows
        return (path, "") if _is_utf8(path) and os.path.isfile(hidden) else (text, NOT_THERE)

    def _relative(self, text: str) -> str | None:
        """Give a path relative to the folder; None if it leads out of it."""
        path = as_path(text)
        if not re.match(r"/|[A-Za-z]:/", path):
            return None if path == ".." or path.startswith("../") else path
        for root in (os.path.abspath(self.root), self._real_root):
            inner = os.fsdecode(root).replace(os.sep, "/").rstrip("/") + "/"
            if path.startswith(inner):
                return path[len(inner) :]
        return None

    def _ways(self, text: str, path: str) -> Iterable[tuple[dict[str, list[str]], str]]:
        yield self._by_path, text  # blanks and "\\" may be part of a name
        yield self._by_path, path
        yield self._by_stem, path
        if "/" not in path:
            yield self._by_name, path
            yield self._by_name_stem, path

    @functools.cached_property
    def _by_path(self) -> dict[str, list[str]]:
        return _listed_by([*self.photos, *self._others], lambda path: path)

    @functools.cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        return _listed_by(self._usable, lambda path: posixpath.splitext(path)[0])

    @functools.cached_property
    def _by_name(self) -> dict[str, list[str]]:
        return _listed_by(self.photos, posixpath.basename)

    @functools.cached_property
    def _by_name_stem(self) -> dict[str, list[str]]:
        return _listed_by(
            self._usable, lambda path: posixpath.splitext(posixpath.basename(path))[0]
        )

    @property
    def _usable(self) -> list[str]:
        return [path for path in self.photos if path not in self.reasons]


def as_path(text: str) -> str:
    r"""Write a path of a table with "/" and without needless parts.

    Example:
      >>> as_path(r" .\cats\1.jpg"), as_path("a//b/../1.jpg")
      ('cats/1.jpg', 'a/1.jpg')
    """
    return posixpath.normpath(text.strip().replace("\\", "/"))


def folders_of(texts: Sequence[str]) -> list[str]:
    """List the folders that paths of a table lie in, without those outside."""
    folders = dict.fromkeys(posixpath.dirname(as_path(text)) for text in texts)
    return [f for f in folders if not re.match(r"/|\.\.|[A-Za-z]:", f) and _is_utf8(f)]


def _is_utf8(text: str) -> bool:
    """Tell whether a text can name a file; JSON may hold halves of characters, and zeros."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def _key(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _listed_by(paths: Iterable[str], about: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(_key(about(path)), []).append(path)
    return found
