"""A run that was trained before: opened with its photos, and tested again or on others."""

import contextlib
from pathlib import Path
from typing import Any

from jaxcnn.data.datasets import DRAWN_PETS, FOLDER, ImageSplits
from jaxcnn.data.folder import FolderError
from jaxcnn.data.image_splits import StreamedSplit
from jaxcnn.data.photo_sources import load_test_photos, tell_what_is_left_out
from jaxcnn.data.source import SplitError, example_digests
from jaxcnn.data.tables.table_columns import TableColumns
from jaxcnn.data.workers import usable_cores
from jaxcnn.runs import config as config_lib
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.config.settings import TABLE_SETTINGS, DataSettings
from jaxcnn.runs.folder import Workdir, changed_origin, check_run
from jaxcnn.runs.run import Run
from jaxcnn.runs.train_and_evaluate import load_data, origin_of
from jaxcnn.training.checkpoints import CheckpointStore


def evaluate_classifier(
    workdir: Path | str,
    *,
    data_dir: Path | str | None = None,
    labels: Path | str | None = None,
    allow_seen_test_photos: bool = False,
    **machine: Any,
) -> dict[str, Any]:
    """Evaluate the best checkpoint of a run on its validation and test splits again.

    Args:
      workdir: the folder of a run.
      data_dir: other photos to test on, in one sub-folder per class or with test/ above these; the
        run's own where they lie now; None for where they lay. Also Parquet files or tar shards.
      labels: a table of labels of other photos, or the run's own where it lies now.
      allow_seen_test_photos: test on other photos though some were seen in training.
      **machine: settings that a run may change, see `jaxcnn.runs.config.MACHINE_SETTINGS`; and of
        other photos those of a table, see `jaxcnn.runs.config.settings.TABLE_SETTINGS`.

    Returns:
      {"step": ..., "data": ..., "validation": {...}, "test": {...}} with loss, accuracy, interval
      and count, and the counts of photos that were seen in training; of several networks
      "members", a list of {"validation": {...}, "test": {...}}, in the place of "step"; of other
      photos "test" alone.

    Raises:
      ValueError: if the folder holds no run that can be evaluated, the classes of other photos are
        not its own, or they were seen in training.
    """
    columns = {name: machine.pop(name) for name in TABLE_SETTINGS if name in machine}
    try:
        return load_run(workdir, data_dir=data_dir, labels=labels, **machine).test_again()
    except OtherDataError:
        config = settings_of(workdir).replace(**machine)
    folder = Workdir(Path(workdir))
    # A table is read as the run's was; what else other photos lie in has columns of its own.
    is_alike = (labels is None) == (config.data.labels is None)
    own = config.data.columns._replace(split=None, group=None) if is_alike else TableColumns()
    given = DataSettings(**columns).columns
    read_by = TableColumns(*(b if a is None else a for a, b in zip(given, own, strict=True)))
    source = load_test_photos(data_dir, _classes_of(folder), labels, read_by)
    tell_what_is_left_out([source])
    threads = config.data.num_workers or usable_cores()
    split = StreamedSplit(source, config.preprocessing.decoding, num_threads=threads)
    digests = [example_digests(source)] * 3
    data = ImageSplits(split, split, split, [], [], digests)
    run = Run(config.replace(data_dir=str(data_dir or labels)), folder, data)
    return run.test_others(allow_seen=allow_seen_test_photos)


class OtherDataError(ValueError):
    """A folder holds other photos than those of the run."""


def load_run(
    workdir: Path | str,
    *,
    data_dir: Path | str | None = None,
    labels: Path | str | None = None,
    **machine: Any,
) -> Run:
    """Open a run that was trained before, with its data.

    Args:
      workdir: the folder of a run.
      data_dir: where its photos lie now; None for where they lay.
      labels: where its table of labels lies now; likewise.
      **machine: settings that a run may change, see `jaxcnn.runs.config.MACHINE_SETTINGS`.

    Returns:
      The run; its checkpoints are not read yet.

    Raises:
      OtherDataError: if other photos lie in `data_dir`.
      ValueError: if the folder holds no run, or its data cannot be used.
    """
    folder, config = Workdir(Path(workdir)), settings_of(workdir).replace(**machine)
    if folder.applied_decisions.is_file():  # those of its training; the table may have grown since
        config = config.replace(decisions=str(folder.applied_decisions))
    if data_dir is None and labels is None:
        if config.data.dataset == FOLDER:
            _check_places(workdir, config)
        return Run(config, folder, load_data(config, folder=folder))
    refusal = (
        f"the photos in {data_dir or labels} are not those of the run in {workdir}; give the "
        f"{'folder of these as data_dir' if data_dir else 'table of these as labels'}."
    )
    if not _may_lie_in(config.data.dataset, Path(data_dir or "")):
        raise OtherDataError(refusal)
    now = {"data_dir": data_dir, "labels": labels}
    config = config.replace(**{name: str(path) for name, path in now.items() if path})
    try:
        data = load_data(config, folder=folder)
    except (FolderError, SplitError) as error:
        raise OtherDataError(f"{refusal} ({error})") from error
    if not folder.origin.exists() or changed_origin(folder, origin_of(config, data, None)):
        raise OtherDataError(refusal)
    return Run(config, folder, data)


def _check_places(workdir: Path | str, config: TrainConfig) -> None:
    """Refuse photos, or a table of them, that are not where they were."""
    places = (("photos", "data_dir"), ("table of labels", "labels"))
    for what, name in places:
        place = config.flat()[name]
        if place and not Path(place).exists():
            raise ValueError(
                f"the {what} of the run in {workdir} lay in {place}, which is not there now; give "
                f"the place where they are as {name}."
            )


def _may_lie_in(dataset: str, folder: Path) -> bool:
    """Tell whether a folder may hold a data set; tensorflow-datasets uses a folder of its name."""
    return dataset == FOLDER or (
        dataset != DRAWN_PETS and (folder / dataset.split(":")[0].split("/")[0]).is_dir()
    )


def settings_of(workdir: Path | str) -> TrainConfig:
    """Read the settings of a run; WorkdirError where there is none."""
    folder = Workdir(Path(workdir))
    check_run(folder.path)
    config = config_lib.load_config(folder.config)
    if config.run.folds:
        raise ValueError(
            f"{workdir} holds a cross-validation of {config.run.folds} networks, and this is for "
            "a run of one; train one on these photos (folds=0). The answer to each photo by the "
            "network that never saw it is in out_of_fold.csv."
        )
    return config


def _classes_of(folder: Workdir) -> list[str]:
    """Read the classes that the best checkpoint of a run knows."""
    first = next(iter(sorted(folder.path.glob("members/[0-9]*"))), folder.path)
    with contextlib.closing(
        CheckpointStore(Workdir(first).best_checkpoints, read_only=True)
    ) as store:
        return list(store.metadata()["class_names"])
