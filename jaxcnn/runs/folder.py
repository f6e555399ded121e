"""The folder of a run: which files it holds, and when a run may write there.

config.json      the settings, complete
origin.json      fingerprints of the data and the weights that it began with
splits.json      the names of the photos of each split
metrics.jsonl    one row per epoch
summary.json     the result, written at the end
test_answers.npz    the network's answer to each test photo, by name
report_photos.npz   some test photos, with the maps of what the network looked at
report.html      the page that explains the run
tensorboard/     the same rows as TensorBoard events
checkpoints/     last/ to resume from (last_head/ in a first phase), best/ to predict with,
                 and seen_photos.npz: digests of the photos that its weights have seen
features/        what a frozen backbone or a teacher gave, where one is used
pictures/
members/         with several seeds or folds: 00/, 01/, ... each with its best checkpoint, metrics,
                 summary
out_of_fold.csv, out_of_fold.npz   with folds: the answer to each photo by the network of its fold
sweep/           with a sweep: its trials
best_trial.json  with a sweep or the learning-rate finder: the values of the best trial
skipped_files.csv   what was left out, and why
applied_decisions.csv   the decisions about photos that it was trained with, where there are any
decisions.csv    decisions that were made since, on the page of its findings; never removed
duplicates.csv   photos that are there twice, with both splits and labels
near_duplicates.csv   photos that are nearly the same, with both splits and labels
export/          what an export made of it; never removed with the run
in_use.lock      while a program writes there: its process and machine
"""

import contextlib
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.host.files import disk_trouble, read_json, write_arrays, write_json
from jaxcnn.host.text import listed
from jaxcnn.runs.config.train_config import completed

SEEN_PHOTOS = "seen_photos.npz"
# What a run writes beside config.json, and what is removed with it.
_FOLDERS = ("checkpoints", "pictures", "tensorboard", "features", "members", "sweep", "look_inside")
_FILES = (
    *(
        "origin.json",
        "splits.json",
        "metrics.jsonl",
        "summary.json",
        "test_answers.npz",
        "report_photos.npz",
    ),
    *("report.html", "skipped_files.csv", "duplicates.csv", "hard_examples.csv"),
    *("near_duplicates.csv", "out_of_fold.csv", "out_of_fold.npz", "fold_answers.npz"),
    *("applied_decisions.csv", "best_trial.json", "chosen.json"),
)


class WorkdirError(ValueError):
    """A folder that this run may not write to; the message says why and what to do."""


class CannotWriteError(RuntimeError):
    """The run's folder cannot be written to, as on a full disk; the message says what is saved."""


class Workdir:
    """The paths of one run, see this module's text for what they hold.

    Attributes:
      path: the run's folder; the other attributes are files and folders in it, named alike.
    """

    def __init__(self, path: Path) -> None:
        self.path = path = path.expanduser()
        self.config = path / "config.json"
        self.origin = path / "origin.json"
        self.splits = path / "splits.json"
        self.metrics = path / "metrics.jsonl"
        self.summary = path / "summary.json"
        self.test_answers = path / "test_answers.npz"
        self.report_photos = path / "report_photos.npz"
        self.report = path / "report.html"
        self.out_of_fold = path / "out_of_fold.npz"
        self.fold_answers = path / "fold_answers.npz"  # in the folder of a fold
        self.skipped_files = path / "skipped_files.csv"
        self.duplicates = path / "duplicates.csv"
        self.near_duplicates = path / "near_duplicates.csv"
        self.applied_decisions = path / "applied_decisions.csv"
        self.decisions = path / "decisions.csv"
        self.last_checkpoints = path / "checkpoints" / "last"
        self.best_checkpoints = path / "checkpoints" / "best"
        self.recent_checkpoints = path / "checkpoints" / "recent"
        self.features = path / "features"

    @property
    def is_ours(self) -> bool:
        """Whether there is a `config.json` of a run."""
        try:
            there = json.loads(self.config.read_text("utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(there, dict) and {"num_epochs", "data_dir"} <= there.keys()

    @property
    def holds_run(self) -> bool:
        """Whether there is something to resume, to test or to lose: a checkpoint, or a trial."""
        there = ("checkpoints/*/[0-9]*", "members/*/checkpoints/*/[0-9]*", "sweep/*")
        files = (self.summary, self.best_trial)
        has = any(file.exists() for file in files) or any(any(self.path.glob(x)) for x in there)
        return self.is_ours and has

    @property
    def pictures(self) -> Path:
        """The folder of pictures, made when it is asked for."""
        folder = self.path / "pictures"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def best_trial(self) -> Path:
        """The best values of a sweep or of the learning-rate finder, as JSON."""
        older = self.path / "chosen.json"  # its name in runs of jaxcnn 0.1
        return older if older.exists() else self.path / "best_trial.json"

    @property
    def sweep(self) -> Path:
        """The folder of a sweep's trials, made when it is asked for."""
        folder = self.path / "sweep"
        folder.mkdir(exist_ok=True)
        return folder

    def member(self, number: int) -> "Workdir":
        """Give the folder of one of several networks, counted from 0, made when it is asked for."""
        folder = self.path / "members" / f"{number:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        return Workdir(folder)


def check_run(path: Path) -> None:
    """Refuse a path that is not the folder of a run.

    Raises:
      WorkdirError: if it does not exist, is not a folder, or holds no run.
    """
    if not path.exists():
        raise WorkdirError(f"{path} does not exist; give the folder of a run.")
    if not path.is_dir():
        raise WorkdirError(f"{path} is a file; give the folder of a run.")
    if not Workdir(path).config.is_file():
        raise WorkdirError(f"{path} holds no run (there is no config.json); train one first.")


@contextlib.contextmanager
def telling_what_is_safe(workdir: Workdir) -> Iterator[None]:
    """Raise CannotWriteError for whatever error a full or read-only disk leads to."""
    try:
        yield
    except Exception as error:
        trouble = disk_trouble(error)
        if not trouble:
            raise
        found = workdir.path.glob("checkpoints/last*/[0-9]*")
        steps = sorted(int(path.name) for path in found if path.name.isdecimal())
        safe = f"step {steps[-1]} is saved" if steps else "no step was saved yet"
        raise CannotWriteError(
            f"{workdir.path} cannot be written to ({trouble}); {safe}. Make room or make it "
            "writable, then go on with resume=True."
        ) from error


def check_places(workdir: Workdir, places: Mapping[str, Any]) -> None:
    """Refuse a run's folder among the photos, and photos in a folder that the run writes to.

    Args:
      workdir: the run's folder.
      places: values of the settings data_dir, init_from and teacher, where they are given.

    Raises:
      WorkdirError: if one lies there, if the run's folder or one above it is a file, or if it holds
        the run to start from, or the teacher.
    """
    above = next(p for p in (workdir.path, *workdir.path.parents) if os.path.lexists(p))
    if not above.is_dir():
        kind = "a file" if above.exists() else "a link to what is not there"
        raise WorkdirError(
            f"workdir (={workdir.path}) must be the name of a folder, but {above} is {kind}."
        )
    run = workdir.path.resolve()
    for name in ("init_from", "teacher"):
        place = places.get(name)
        if place and run in ((other := Path(place).resolve()), *other.parents):
            raise WorkdirError(
                f"{name} (={place}) lies in workdir (={workdir.path}), where it would be "
                "replaced; choose another workdir."
            )
    data_dir = places.get("data_dir")
    if data_dir is None:
        return
    photos = Path(data_dir).expanduser().resolve()
    if photos in (run, *run.parents):
        raise WorkdirError(
            f"workdir (={workdir.path}) lies in data_dir (={data_dir}), so the run's pictures "
            "would count as photos; choose a workdir outside of it."
        )
    if any((run / name) in (photos, *photos.parents) for name in _FOLDERS):
        raise WorkdirError(
            f"data_dir (={data_dir}) lies where the run in workdir (={workdir.path}) writes "
            "its own files; choose another workdir."
        )


def check_workdir(
    path: Path | str,
    settings: Mapping[str, Any],
    *,
    resume: bool = False,
    overwrite: bool = False,
    free: Collection[str] = (),
) -> None:
    """Refuse a folder where a run would mix with another run, or with files of the user.

    Args:
      path: the folder; it need not be there.
      settings: the run's settings as JSON values; a resumed run must have the same.
      resume: continue the run that is there; if there is none, begin one.
      overwrite: replace the run that is there.
      free: settings that a resumed run may change.

    Raises:
      WorkdirError: if the folder holds a run and neither option is given, a run with other
        settings, or files named like a run's without a run.
    """
    workdir = Workdir(Path(path))
    if not workdir.is_ours:
        if there := [
            name for name in (*_FOLDERS, *_FILES, "config.json") if (workdir.path / name).exists()
        ]:
            raise WorkdirError(
                f"{workdir.path} holds {listed(there)} but no config.json of a run, so they may be "
                "your own. Move them away, or choose another workdir."
            )
    elif workdir.holds_run and not overwrite:
        if not resume:
            raise WorkdirError(
                f"{workdir.path} already holds a run. Continue it with resume=True, start it "
                "again with overwrite=True, or choose another workdir."
            )
        there_now = _settings(workdir)
        names = {*free, *(("num_epochs",) if _is_longer(there_now, settings) else ())}
        kept = {name: value for name, value in there_now.items() if name in names}
        _check_same(there_now, {**settings, **kept}, workdir.path)


def open_workdir(
    path: Path | str,
    settings: Mapping[str, Any],
    *,
    resume: bool = False,
    overwrite: bool = False,
    free: Collection[str] = (),
) -> Workdir:
    """Prepare a run's folder, refusing what `check_places` and `check_workdir` refuse.

    What a run left that ended before its first checkpoint is removed, unless the same run is
    resumed.

    Returns:
      The folder, made if it was not there, holding `config.json`.
    """
    workdir = Workdir(Path(path))
    check_places(workdir, settings)
    check_workdir(path, settings, resume=resume, overwrite=overwrite, free=free)
    goes_on = resume and workdir.is_ours
    if goes_on and not workdir.holds_run:
        goes_on = _settings(workdir) == json.loads(json.dumps(settings))
    if goes_on and _is_longer(_settings(workdir), settings):
        write_json(workdir.config, _settings(workdir) | {"num_epochs": settings["num_epochs"]})
    if not goes_on:
        if workdir.is_ours:
            _remove_run(workdir)
        workdir.path.mkdir(parents=True, exist_ok=True)
        write_json(workdir.config, settings)
    return workdir


NO_ORIGIN = "none"  # of what a run began without
_CALLED = {"teacher": "answers of the teacher"}


def check_origin(workdir: Workdir, origin: Mapping[str, str]) -> None:
    """Note what a run begins with, and refuse to go on with something else.

    Args:
      workdir: the run's folder.
      origin: fingerprints by what they are of, e.g. {"data": ..., "weights": ...}.

    Raises:
      WorkdirError: if the run that is there began with others.
    """
    if not workdir.origin.exists():
        write_json(workdir.origin, origin)
        return
    if changed := changed_origin(workdir, origin):
        named = " and the ".join(_CALLED.get(name, name) for name in changed)
        raise WorkdirError(
            f"the {named} are not those that the run in {workdir.path} began "
            "with, so it cannot go on with them. Give those that it began with, or start again "
            "with overwrite=True."
        )


def changed_origin(workdir: Workdir, origin: Mapping[str, str]) -> list[str]:
    """List what has changed since the run began.

    Photos that are the same byte for byte are the same data, wherever they lie and however this
    machine decodes them.

    Args:
      workdir: the run's folder, with its origin.
      origin: fingerprints now, by name; "photos" if each photo's file was read.

    Returns:
      Names of those that differ, sorted.
    """
    there = read_json(workdir.origin)
    same_photos = "photos" in origin and there.get("photos") == origin["photos"]
    names = origin.keys() - {"photos"} - ({"data"} if same_photos else set())
    return sorted(name for name in names if there.get(name, NO_ORIGIN) != origin[name])


def note_seen_photos(
    folders: Iterable[Path], own: Iterable[bytes], *, before: Iterable[bytes], unknown: list[str]
) -> None:
    """Write beside the best checkpoints which photos their weights are trained on, beforehand.

    Args:
      folders: of the best checkpoints of each network.
      own: digests of the run's training photos, see `data.source.example_digests`.
      before: digests of the photos that the starting weights were trained on.
      unknown: names of the starting weights whose training photos are not known.
    """
    digests = sorted({*own, *before} - {b""})
    arrays = {
        "digests": np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16),
        "unknown": np.array(unknown, np.str_),
    }
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        write_arrays(folder / SEEN_PHOTOS, arrays)


def _settings(workdir: Workdir) -> dict[str, Any]:
    return completed(json.loads(workdir.config.read_text("utf-8")))


def _is_longer(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether more epochs are wanted, and the learning rate does not depend on their number."""
    is_constant = there.get("schedule") == "constant" and not there.get("fine_tune")
    return bool(is_constant and wanted["num_epochs"] > there["num_epochs"])


def _remove_run(workdir: Workdir) -> None:
    """Remove what a run writes, and nothing else that a user may keep there."""
    parts = workdir.path.glob(f".*.{'[0-9a-f]' * 8}.part*")  # of a process that was killed
    for path in (*parts, *(workdir.path / name for name in (*_FOLDERS, *_FILES))):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    workdir.config.unlink()  # last, so that what a kill leaves is still known as a run's


def _check_same(there: dict[str, Any], wanted: dict[str, Any], path: Path) -> None:
    # JSON has no tuples; compare what was written with what would be written.
    wanted = json.loads(json.dumps(wanted))
    changed = [
        f"{name}: {there.get(name)!r} there, {wanted.get(name)!r} now"
        for name in sorted(there.keys() | wanted.keys())
        if there.get(name) != wanted.get(name)
    ]
    if changed:
        raise WorkdirError(
            f"{path} holds a run with other settings ({'; '.join(changed)}). To resume it, give "
            "its own settings; to train its network further with these, give "
            f"init_from={path} and another workdir; to replace it, give overwrite=True."
        )
