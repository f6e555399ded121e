"""A whole run, from settings to a tested classifier: data, training, test, pictures, summary."""

import contextlib
import logging
import time
from pathlib import Path
from typing import Any

import jax

from jaxcnn.data.bad_files import write_skipped_csv
from jaxcnn.data.batches import steps_per_epoch
from jaxcnn.data.datasets import (
    DRAWN_PETS,
    ImageSplits,
    load_images,
)
from jaxcnn.data.decisions.applying import decide_splits, digest_of_decisions
from jaxcnn.data.decisions.decision_table import read_decisions, write_decisions
from jaxcnn.data.image_cache import ImageCache
from jaxcnn.data.image_splits import DecodedSplit
from jaxcnn.data.label_sets import class_counts
from jaxcnn.data.source import Source, describe_sizes, example_labels
from jaxcnn.data.splits.duplicates import write_duplicates_csv
from jaxcnn.data.splits.splitting import split_of_each
from jaxcnn.host.files import read_json, write_json
from jaxcnn.host.folders import cache_folder, in_sole_use
from jaxcnn.host.processes import from_first, on_first, peers_watched
from jaxcnn.host.text import counted, duration, listed
from jaxcnn.ops.precision import fastest_dtype
from jaxcnn.runs import build, config as config_lib, near_duplicates
from jaxcnn.runs.conclusion import conclude
from jaxcnn.runs.config.checks import without_effect
from jaxcnn.runs.config.train_config import (
    MACHINE_SETTINGS,
    TrainConfig,
    settle_head,
    starts_from_weights,
)
from jaxcnn.runs.cross_validation import cross_validate
from jaxcnn.runs.folder import (
    NO_ORIGIN,
    Workdir,
    check_origin,
    check_places,
    check_workdir,
    open_workdir,
    telling_what_is_safe,
)
from jaxcnn.runs.known_splits import (
    find_splits,
    known_splits,
    splits_before,
    tell_of_moved,
    write_split_names,
)
from jaxcnn.runs.phases import plan_phases
from jaxcnn.runs.run import Run
from jaxcnn.runs.seen_photos import check_unseen
from jaxcnn.runs.teaching import FoundTeacher, check_teacher, find_teacher, teacher_for
from jaxcnn.runs.transfer import Start, find_start
from jaxcnn.runs.tuning import search
from jaxcnn.training.checkpoints import fingerprint
from jaxcnn.training.sharding import Layout

logger = logging.getLogger(__name__)


def check(config: TrainConfig, start: Start | None = None) -> TrainConfig:
    """Complete the settings and try every name and size in them, before any data is read.

    Args:
      config: settings, some of them None.
      start: the weights that the run starts from, as `transfer.find_start` gives.

    Returns:
      Complete settings.

    Raises:
      ValueError: naming what is wrong, what was expected, and what is known.
    """
    if config.run.searches:
        search.check_search(config)
    config = _choose_dtype(config_lib.resolve(config, start.preset if start else None))
    # The classes are not known yet; two stand in for them, or as many as there are weights.
    num_classes = max(2, config.training.class_weights.count(",") + 1)
    if config.run.num_seeds > 1 or config.run.searches or config.run.folds:
        config = _on_one_device(config)
    Layout.make(config.run.mesh, batch_size=config.training.batch_size)
    build.build_metrics(config)
    for phase in plan_phases(config):
        build.build_parts(config, phase, class_counts=[1] * num_classes, steps_per_epoch=1)
    return config


def load_data(
    config: TrainConfig,
    *,
    folder: Workdir | None = None,
    for_training: bool = False,
    taught_by: FoundTeacher | None = None,
    progress: bool = True,
) -> ImageSplits:
    """Load the images that the settings name.

    Args:
      config: complete settings.
      folder: of a run that is resumed or tested again: its photos keep their splits.
      for_training: check the settings that depend on the data before any image is decoded.
      taught_by: the run's teacher, which is checked with them.
      progress: show a bar while images are decoded.

    Returns:
      Three splits of images, and what was noticed while reading them.

    Raises:
      ValueError: if the data cannot be used.
    """
    is_drawn = config.data.dataset == DRAWN_PETS
    known = known_splits(config, folder)
    whole, splits = find_splits(config, known)
    if config.data.near_duplicates == "group" and not known:
        splits = whole  # `near_duplicates.regroup` looks at all, and then limits them
    decided = None
    if config.data.decisions:
        splits, decided = decide_splits(splits, config.data.decisions)
    is_split_again = not known and (config.run.folds > 0 or config.data.near_duplicates == "group")
    sizes = counted(sum(map(len, splits)), "photo") if is_split_again else describe_sizes(splits)
    logger.info(f"{config.data.dataset}: {sizes}; classes: {listed(splits.train.class_names)}")
    if for_training:
        _check_data(config, splits.train, taught_by)
    gib = config.data.image_cache_gib
    cache = ImageCache(cache_folder() / "decoded", round(gib * 2**30)) if gib else None
    is_alone = jax.process_count() == 1  # else each process reads its part of each batch alone
    may_check = is_alone and config.data.check_files
    images = load_images(
        splits,
        config.preprocessing.decoding,
        num_workers=config.data.num_workers,
        max_bad_share=config.data.max_bad_share,
        memory_limit_bytes=round(config.data.memory_limit_gib * 2**30) if is_alone else 0,
        cache=cache,
        # Drawings are made for each split.
        look_for_duplicates=may_check and not is_drawn,
        check_beforehand=may_check,
        are_final=not is_split_again,
        progress=progress,
    )
    split_names = {} if is_drawn else split_of_each(whole)
    return images._replace(split_names=split_names, decided=decided)


@peers_watched()
def train_classifier(
    config: TrainConfig,
    workdir: Path | str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Train a classifier, test it once, and leave everything worth keeping in a folder.

    Args:
      config: the settings; None fields take the data set's preset.
      workdir: the run's folder, which will hold settings, checkpoints, pictures and `report.html`.
      resume: continue the run in the folder where there is one.
      overwrite: remove the run in the folder first.
      progress: show moving lines, and a line per epoch. All else that is worth knowing is logged
        by the logger "jaxcnn", at the level INFO; trouble at WARNING.

    Returns:
      The summary, as written to `summary.json`.

    Raises:
      ValueError: for settings, folders or data that cannot be used.
      CannotWriteError: if the folder takes no more, as on a full disk.
      NonFiniteLossError: if training diverges.
      Interrupted: on SIGTERM or Ctrl-C, after saving.
      PeerLostError: if another process of the job is lost.
    """
    folder, started = Workdir(Path(workdir)), time.perf_counter()
    given = config = _anchored(config)
    if resume:
        given = _given_now(folder, config)
        config = _in_precision_there(folder, _as_there(folder, config))
    start = find_start(config) if starts_from_weights(config) else None
    config = check(config, start)
    taught_by = find_teacher(config) if config.training.teacher else None
    for line in without_effect(given, config):
        logger.warning(line)
    check_places(folder, config.flat())
    with contextlib.ExitStack() as held:
        on_first(lambda: held.enter_context(in_sole_use(folder.path)))
        if config.run.searches and resume:
            config = search.go_on(folder.path, config)
        options: dict[str, Any] = {"resume": resume, "overwrite": overwrite}
        options["free"] = (*MACHINE_SETTINGS, *_PLACES, "compute_dtype")
        settings = config_lib.to_json(config)
        on_first(lambda: check_workdir(folder.path, settings, **options))
        there = folder if resume else None
        options_of_data: dict[str, Any] = {"for_training": True, "taught_by": taught_by}
        data = load_data(config, folder=there, progress=progress, **options_of_data)
        config = settle_head(config, data.train.labels)
        settings = config_lib.to_json(config)
        _check_unseen(config, data, start, taught_by)
        teacher = None
        if taught_by:
            teacher = teacher_for(taught_by, config, data.class_names, config.head)
        # The user's mistakes were found above, so that none of them leaves a run behind.
        held.enter_context(telling_what_is_safe(folder))
        before, where = splits_before(config, folder)
        on_first(lambda: open_workdir(folder.path, settings, **options))
        shared = None
        if config.data.near_duplicates == "group" and not config.run.folds:
            data, shared = near_duplicates.regroup(config, folder, data, start=start)
        taught = fingerprint(taught_by.classifier.members) if taught_by else NO_ORIGIN
        origin = {**origin_of(config, data, start), "teacher": taught}
        on_first(lambda: check_origin(folder, origin))
        on_first(lambda: _remember(folder, config))
        if data.split_names and not config.run.folds:
            on_first(lambda: write_split_names(folder.splits, data.split_names))
            tell_of_moved(before, data.split_names, where)
        if config.data.decisions:
            on_first(lambda: _keep_decisions(folder, config.data.decisions or ""))
        _tell_of_photos(folder, data)
        if config.run.searches:
            config = search.choose(config, folder, data, start=start, progress=progress)
        if config.run.folds:
            summary = cross_validate(config, folder, data, start=start, progress=progress)
        else:
            run = Run(config, folder, data, start=start, progress=progress)
            run.context = run.context._replace(shared_features=shared, teacher=teacher)
            run.taught_on = taught_by.seen if taught_by else run.taught_on
            if config.data.near_duplicates != "none" and jax.process_count() == 1:
                run.near_duplicates = near_duplicates.report(run)
            on_first(run.note_seen)
            summary = conclude(run, run.train())
    logger.info(f"total time {duration(time.perf_counter() - started)}")
    return summary


def _tell_of_photos(folder: Workdir, data: ImageSplits) -> None:
    """List the files that are left out, and the photos that are there twice."""
    if data.skipped:
        write_skipped_csv(folder.skipped_files, data.skipped)
        logger.warning(f"{counted(len(data.skipped), 'file')} left out; see {folder.skipped_files}")
    if data.duplicates:
        write_duplicates_csv(folder.duplicates, data.duplicates)
        logger.warning(
            f"{counted(len(data.duplicates), 'pair')} of equal photos, "
            f"{sum(pair.is_conflict for pair in data.duplicates):,} with two labels; see "
            f"{folder.duplicates}"
        )


def _check_unseen(
    config: TrainConfig, data: ImageSplits, start: Start | None, taught_by: FoundTeacher | None
) -> None:
    """Refuse to test on photos that the first weights or the teacher have seen."""
    allowed = config.data.allow_seen_test_photos
    if start and not config.run.folds:  # which look at all photos
        check_unseen(data, start.seen, allowed=allowed)
    if taught_by:
        check_unseen(data, taught_by.seen, allowed=allowed, of="the teacher")


def _choose_dtype(config: TrainConfig) -> TrainConfig:
    """Replace `compute_dtype` auto by what is fastest on the first process's machine."""
    if config.network.compute_dtype != "auto":
        return config
    dtype, reason = from_first(lambda: "\n".join(fastest_dtype())).split("\n")
    logger.info(f"computes in {dtype}: {reason}")
    return config.replace(compute_dtype=dtype)


def _check_data(config: TrainConfig, train: Source, taught_by: FoundTeacher | None = None) -> None:
    """Refuse batches larger than the training split, and what does not fit the classes."""
    steps = steps_per_epoch(len(train), config.training.batch_size)
    num_classes = len(train.class_names)
    counts = [1] * num_classes
    if getattr(train, "labels", None) is not None:  # some data sets' are not known yet
        labels = example_labels(train)
        config = settle_head(config, labels)
        counts = class_counts(labels, num_classes).tolist()
        if taught_by:
            check_teacher(taught_by, config, train.class_names, config.head)
    for phase in plan_phases(config):
        build.build_parts(config, phase, class_counts=counts, steps_per_epoch=steps)
    build.check_metrics(config, num_classes)


def _on_one_device(config: TrainConfig) -> TrainConfig:
    if jax.process_count() > 1:
        raise ValueError(
            "num_seeds, folds, sweep and find_learning_rate are for one process; start one alone, "
            "or give none of them."
        )
    if config.run.mesh not in ("auto", "data:1"):
        raise ValueError(
            f"mesh is {config.run.mesh}, but num_seeds, folds, sweep and find_learning_rate use "
            "one device; leave it out."
        )
    return config.replace(mesh="data:1")


# Settings that say where something lies; what lies there is known by its digest.
_PLACES = ("data_dir", "labels", "init_from", "decisions", "teacher")


def _anchored(config: TrainConfig) -> TrainConfig:
    """Make paths absolute, so that the run finds them from any folder."""
    places = {name: value for name in _PLACES if (value := config.flat()[name])}
    if not Path(places.get("teacher", ".")).expanduser().is_dir():
        del places["teacher"]  # the name of published weights
    local = {name: value for name, value in places.items() if "://" not in value}
    return config.replace(**{k: str(Path(v).expanduser().absolute()) for k, v in local.items()})


def _in_precision_there(folder: Workdir, config: TrainConfig) -> TrainConfig:
    """Go on in the precision of the run that is there, unless another one is asked for."""
    if not folder.is_ours:
        return config
    there = read_json(folder.config).get("compute_dtype", "float32")
    asked = config.network.compute_dtype
    if asked == "auto":
        return config.replace(compute_dtype=there)
    if asked != there and folder.holds_run:
        logger.warning(
            f"the run in {folder.path} computed in {there} so far and goes on in {asked}, as "
            "compute_dtype says: its result is not exactly that of either precision."
        )
    return config


def _as_there(folder: Workdir, config: TrainConfig) -> TrainConfig:
    """Take what was settled when the run in the folder began, where nothing else is said."""
    if not folder.is_ours:
        return config
    there = config_lib.load_config(folder.config).flat()
    given = config.flat()
    names = [n for n in ("head", "best_metric", "split_method") if given[n] is None]
    return config.replace(**{name: there[name] for name in names})


def _given_now(folder: Workdir, config: TrainConfig) -> TrainConfig:
    """Leave out the settings that the run in the folder has as well."""
    if not folder.is_ours:
        return config
    there, plain = config_lib.load_config(folder.config).flat(), TrainConfig().flat()
    same = [name for name, value in config.flat().items() if value == there[name]]
    return config.replace(**{name: plain[name] for name in same})


def _remember(folder: Workdir, config: TrainConfig) -> None:
    """Write down where a resumed run's data and first weights lie now, and its precision."""
    there = read_json(folder.config)
    now = {name: config.flat()[name] for name in (*_PLACES, "compute_dtype")}
    if any(there.get(name) != value for name, value in now.items()):
        write_json(folder.config, there | now)


def _keep_decisions(folder: Workdir, path: str) -> None:
    """Keep the decisions that a run is trained with: their table may grow, or go."""
    write_decisions(folder.applied_decisions, read_decisions(path, tell=False).values())


def origin_of(config: TrainConfig, data: ImageSplits, start: Start | None) -> dict[str, str]:
    """Fingerprint what a run begins with: names, labels and kept pixels, and weights."""
    splits = (data.train, data.validation, data.test)
    pixels = [split.images for split in splits if isinstance(split, DecodedSplit)]
    labels = [split.labels for split in splits]
    named = [list(split.names) for split in splits]
    origin = {"data": fingerprint([*pixels, *labels], named)}
    if config.data.decisions:
        origin["decisions"] = digest_of_decisions(read_decisions(config.data.decisions, tell=False))
    if data.digests and config.data.dataset != DRAWN_PETS:  # a drawing's digest is not of pixels
        each = [b"".join(digests).hex() for digests in data.digests]
        origin["photos"] = fingerprint(labels, named, each)
    return origin if start is None else origin | {"weights": fingerprint(start.variables)}
