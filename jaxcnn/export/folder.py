"""The folder of an export: all of it is there, or nothing; what it holds is known by checksum."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jaxcnn.export.program import ExportError
from jaxcnn.export.standalone import ABOUT, sha256_of_values
from jaxcnn.host.files import write_json
from jaxcnn.pretrained import sha256_of


@contextmanager
def new_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a folder to write to that takes its place once it is complete.

    Args:
      path: where it will be.
      overwrite: replace an export that is there.

    Yields:
      An empty folder beside `path`; it is removed again where the body raises.

    Raises:
      ExportError: if something is at `path` that may not be replaced.
    """
    check_free(path, overwrite=overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
        fresh = Path(scratch) / "new"
        fresh.mkdir()
        yield fresh
        check_free(path, overwrite=overwrite)  # the work in between took minutes
        if path.exists():
            os.replace(path, Path(scratch) / "old")  # removed with the scratch folder
        os.replace(fresh, path)


def check_free(path: Path, *, overwrite: bool) -> None:
    """Refuse a place where an export may not be written.

    Args:
      path: the place.
      overwrite: whether an export that is there may be replaced.

    Raises:
      ExportError: if there is an export and `overwrite` is False, or anything else.
    """
    if not path.exists() and not path.is_symlink():
        return
    if path.is_symlink() or not path.is_dir():
        raise ExportError(f"{path} is not a folder; name a new one.")
    names = {entry.name for entry in path.iterdir()} - {"__pycache__"}
    if not names:
        return
    others = sorted(names - {ABOUT} - set(_files_of(path)))
    if others:
        raise ExportError(
            f"{path} holds {others[0]}{' and more' if len(others) > 1 else ''}, which no export "
            "wrote; name a new folder."
        )
    if not overwrite:
        raise ExportError(
            f"{path} holds an export; replace it with overwrite=True, or name another folder."
        )


def _files_of(path: Path) -> list[str]:
    try:
        return list(json.loads((path / ABOUT).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    """List a folder's files with their sizes in bytes and SHA-256, by name."""
    return {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for path in sorted(folder.iterdir())
    }


def write_about(folder: Path, about: Mapping[str, Any]) -> None:
    """Write what the folder says of itself, with a checksum of that.

    Args:
      folder: of the export.
      about: JSON values.
    """
    sealed = {**about, "sha256": sha256_of_values(json.loads(json.dumps(about)))}
    write_json(folder / ABOUT, sealed)
