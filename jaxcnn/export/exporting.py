"""Write a classifier into a folder that needs nothing of this package, whole or not at all."""

import contextlib
import datetime
import json
import logging
import math
import os
import platform
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from jaxcnn.data import opening, photo_files
from jaxcnn.export import card, onnx_program, program, standalone
from jaxcnn.export.program import ExportError
from jaxcnn.export.standalone import ABOUT, LOADERS, NAMES, sha256_of_values
from jaxcnn.host import outputs, text as host_text
from jaxcnn.host.extras import require, versions
from jaxcnn.host.files import sha256_of, write_json
from jaxcnn.host.names import unknown_name
from jaxcnn.host.text import size
from jaxcnn.runs.classifier import Classifier

logger = logging.getLogger(__name__)

FORMATS = ("stablehlo", "onnx")
_PROGRAM = {
    "predict.py": standalone,
    "photo_files.py": photo_files,
    "opening.py": opening,
    "outputs.py": outputs,
    "text.py": host_text,
}
_FILES = {"stablehlo": "classifier.jax_export", "onnx": "classifier.onnx"}


def export_classifier(
    classifier: Classifier,
    out: Path | str,
    *,
    formats: Sequence[str] = ("stablehlo",),
    workdir: Path | str | None = None,
    title: str | None = None,
    coverage: float | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a classifier as programs, a script that labels photos with them, and a model card.

    Each program is read back from its file and compared with the classifier before anything
    appears at `out`.

    Args:
      classifier: a trained network, or several whose probabilities are averaged.
      out: folder to write.
      formats: "stablehlo", for JAX on any platform; "onnx", which needs the extra of that name.
      workdir: folder of its run, from which the card takes the results; None for published weights.
      title: of the card; default the network's name.
      coverage: share of the validation photos that are not "none of these"; None for the run's own.
      overwrite: replace an export that is there.

    Returns:
      What `export.json` holds: shapes, dtypes, sizes, checksums, versions.

    Raises:
      ExportError: if `out` may not be written, or a program does not equal the classifier.
      ValueError: if a format is unknown, its converter is not installed, the coverage is out of
        range, or it is given where the network keeps no known photos.

    Example:
      classifier = Classifier.load("runs/my_pets", compute_dtype="float32")
      export_classifier(classifier, "my_pets", workdir="runs/my_pets")
    """
    formats = check_formats(formats)
    classifier.check_shares(coverage=coverage, conformal=None)
    run = card.read_run(None if workdir is None else Path(workdir))
    with new_folder(Path(out), overwrite=overwrite) as fresh:
        programs = {form: _write_program(form, classifier, fresh) for form in formats}
        _write_companions(classifier, fresh, formats)
        about = _about(classifier, programs, fresh) | _about_unknown(classifier, coverage)
        text = card.write_card(
            classifier,
            run,
            about,
            title=title or classifier.config.network.model,
            trained_here=workdir is not None,
        )
        (fresh / "MODEL_CARD.md").write_text(text, encoding="utf-8")
        about["files"] = describe_files(fresh)
        write_about(fresh, about)
    return about


def check_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """Refuse formats that cannot be written, before any work is done.

    Args:
      formats: names of FORMATS.

    Returns:
      Each of them once.

    Raises:
      ValueError: if there is none, one is unknown, or its converter is not installed.
    """
    if not formats:
        raise ValueError(f"no format to export to; known: {', '.join(FORMATS)}.")
    for form in formats:
        if form not in FORMATS:
            raise unknown_name("format", form, FORMATS)
    if "stablehlo" in formats:  # jax.export writes its files by it, without declaring it
        require("the format stablehlo", "flatbuffers", extra="export")
    if "onnx" in formats:
        onnx_program.check_installed()
    return tuple(dict.fromkeys(formats))


def _write_program(form: str, classifier: Classifier, fresh: Path) -> dict[str, Any]:
    path = fresh / _FILES[form]
    if form == "onnx":
        path.write_bytes(onnx_program.to_onnx(classifier))
        about = onnx_program.describe(path)
    else:
        exported = program.to_stablehlo(classifier)
        path.write_bytes(exported.serialize())
        about = {
            "platforms": list(exported.platforms),
            "calling_convention_version": exported.calling_convention_version,
        }
    difference = program.check_program(form, LOADERS[form](path.read_bytes()), classifier)
    logger.info(
        f"{form}: {size(path.stat().st_size)}, probabilities within {difference:.1e} of the "
        "classifier's"
    )
    return {"file": path.name, **about, "largest_difference": difference}


def _write_companions(classifier: Classifier, fresh: Path, formats: Sequence[str]) -> None:
    write_json(fresh / NAMES, classifier.class_names)
    for name, module in _PROGRAM.items():
        source = Path(module.__file__ or "").read_text(encoding="utf-8")
        # What this package has in rooms lies side by side there.
        plain = re.sub(r"(?m)^from jaxcnn\.\w+\.(\w+) import", r"from \1 import", source)
        (fresh / name).write_text(plain, encoding="utf-8")
    packages = ["numpy", "pillow"]
    if "stablehlo" in formats:
        packages += ["jax", "flatbuffers"]
    if "onnx" in formats:
        packages += ["onnxruntime"]
    lines = [f"{name}=={version}" for name, version in versions(packages).items()]
    (fresh / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _about(
    classifier: Classifier, programs: dict[str, dict[str, Any]], fresh: Path
) -> dict[str, Any]:
    decoding = classifier.preprocessing.decoding
    packages = ("jaxcnn", "jax", "jaxlib", "flax", "numpy", "pillow")
    return {
        "model": classifier.config.network.model,
        "compute_dtype": classifier.config.network.compute_dtype,
        "num_members": len(classifier.members),
        "num_parameters": sum(x.size for x in jax.tree.leaves(classifier.members[0]["params"])),
        "input": {"shape": ["b", *decoding.image_shape], "dtype": "uint8"},
        "output": {"shape": ["b", len(classifier.class_names)], "dtype": "float32"},
        **_thresholds(classifier),
        "resize": {"mode": decoding.mode, "interpolation": decoding.interpolation},
        "programs": programs,
        "files": describe_files(fresh),
        "versions": {
            "python": platform.python_version(),
            **versions(packages),
        },
        "written": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
    }


def _thresholds(classifier: Classifier) -> dict[str, Any]:
    """Say from which probability each class applies, where a photo may have several labels."""
    if classifier.thresholds is None:
        return {}
    return {"thresholds": classifier.thresholds.tolist()}


def _about_unknown(classifier: Classifier, coverage: float | None) -> dict[str, Any]:
    """Say by which score a photo is none of the classes; nothing where that is not known."""
    if (kept := classifier.known_photos) is None:
        return {}
    threshold = kept.threshold(coverage)
    return {
        "none_of_these": {
            "score": "distance to a near training photo, negated; below the threshold, or NaN, a "
            "photo is none of the classes; null keeps all",
            "coverage": kept.coverage if coverage is None else coverage,
            "threshold": threshold if math.isfinite(threshold) else None,
        }
    }


@contextlib.contextmanager
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
