"""Look inside a trained network: what it sees in photos, and what it learned of its data.

    jaxcnn look-inside --workdir=RUN photo.jpg ...
        of a run: the photos, and the data that it was trained on.
    jaxcnn look-inside --workdir=RUN
        the data alone.
    jaxcnn look-inside --model=efficientnet_lite0 --pretrained photo.jpg
        of published weights: the photos.

Pictures of photos: explanations.png (Grad-CAM, occlusion and integrated gradients for the most
probable class, or --class_name), feature_maps_1.png and on, filters.png, receptive_fields.png. Of
the data: calibration.png and .json, most_confident_errors.png, nearest_training_photos.png,
photo_map.png, and excitations_STAGE.png, what excites the channels of each stage.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from absl import flags

from jaxcnn.cli import command_line, help_formatter, network_flags
from jaxcnn.data.datasets import ImageSplits
from jaxcnn.data.decode import DecodeError
from jaxcnn.data.photo_files import Trouble, find_named
from jaxcnn.host.names import unknown_name
from jaxcnn.host.outputs import JSON, PICTURE, check_folder
from jaxcnn.host.text import printable
from jaxcnn.interpret.likeness import METHODS
from jaxcnn.runs import evaluate_again
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.look_inside import MAX_PHOTOS, look_at_data, look_at_photos

_OUT = flags.DEFINE_string(
    "out",
    None,
    "folder for the pictures; default look_inside, in the run's folder if there is one.",
)
_CLASS = flags.DEFINE_string(
    "class_name", None, "the class to explain; default the most probable one of each photo."
)
_STAGE = flags.DEFINE_string(
    "stage", None, "the stage that Grad-CAM maps; default the last whose map has several pixels."
)
_STEPS = flags.DEFINE_integer("num_steps", 64, "steps of integrated gradients.", lower_bound=1)
_DATA = flags.DEFINE_bool("data", True, "with --workdir: look at the run's data, too.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "where the run's photos lie now, if they were moved."
)
_MAX_PHOTOS = flags.DEFINE_integer(
    "max_photos", 2000, "photos to take of each split, evenly spaced.", lower_bound=1
)
_METHOD = flags.DEFINE_string(
    "method", "auto", f"how to lay out the map of photos. Known: {', '.join(METHODS)}."
)
_OVERWRITE = command_line.define_overwrite()
_NAMES = help_formatter.group(
    *("pictures", "out", "overwrite", "class_name", "stage", "num_steps", "data", "data_dir"),
    *("max_photos", "method"),
)


def main(words: list[str]) -> None:
    """Look at the photos that the command line names, and at the run's data."""
    paths = list(_find_photos(words))
    _check(paths)
    if _OUT.value:
        check_folder(_OUT.value, PICTURE, JSON, overwrite=_OVERWRITE.value)
    classifier = network_flags.load_classifier()
    made = _look(classifier, paths, _folder())
    print(f"{len(made)} files in {made[0].parent}: {', '.join(path.name for path in made)}")


def _find_photos(words: list[str]) -> Iterator[Path]:
    for found in find_named(words):
        if isinstance(found, Trouble):
            print(f"{printable(found.path)} is left out: {found.reason}", file=sys.stderr)
        else:
            yield Path(os.fsdecode(found.path))


def _check(paths: list[Path]) -> None:
    """Refuse what cannot be done, before anything is loaded."""
    if not paths and (network_flags.WORKDIR.value is None or not _DATA.value):
        raise ValueError("no photo to look at: name files or folders after the flags.")
    if len(paths) > MAX_PHOTOS:
        raise ValueError(f"{len(paths)} photos are too many for one picture; at most {MAX_PHOTOS}.")
    if _METHOD.value not in METHODS:
        raise unknown_name("method", _METHOD.value, METHODS)


def _folder() -> Path:
    workdir = network_flags.WORKDIR.value
    folder = Path(_OUT.value).expanduser() if _OUT.value else Path(workdir or "") / "look_inside"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _look(classifier: Classifier, paths: list[Path], folder: Path) -> list[Path]:
    photos = {str(path): _read(classifier, path) for path in paths}
    made: list[Path] = []
    if photos:
        made += look_at_photos(
            classifier,
            photos,
            folder,
            class_name=_CLASS.value,
            stage=_STAGE.value,
            num_steps=_STEPS.value,
        )
    data = _load_data(bool(photos), several=classifier.thresholds is not None)
    if data is not None:
        made += look_at_data(
            classifier,
            data,
            folder,
            photos=photos,
            max_photos=_MAX_PHOTOS.value,
            method=_METHOD.value,
        )
    return made


def _read(classifier: Classifier, path: Path) -> np.ndarray:
    try:
        return classifier.preprocess(path)
    except DecodeError as error:
        raise ValueError(f"{path} cannot be read as a photo: {error}") from error


def _load_data(has_photos: bool, *, several: bool) -> ImageSplits | None:
    """Load the run's data; None without a run, or where they are no use and there are photos."""
    workdir = network_flags.WORKDIR.value
    if workdir is None or not _DATA.value:
        if _DATA_DIR.value:
            raise ValueError(
                "--data_dir has no effect without --workdir, or with --nodata; leave it out."
            )
        return None
    try:
        if several:
            raise ValueError(
                "pictures of a run's data are of one label per photo, and this run has several; "
                "name photos to look at"
            )
        return evaluate_again.load_run(workdir, data_dir=_DATA_DIR.value).data
    except (ValueError, OSError) as error:
        if not has_photos:
            raise
        print(f"the run's data are not looked at: {error}", file=sys.stderr)
        return None


def run() -> None:
    """Parse the flags and do as they say."""
    with command_line.running(
        __doc__, common=(*network_flags.NAMES, *_NAMES), takes_words=True
    ) as words:
        main(words)
