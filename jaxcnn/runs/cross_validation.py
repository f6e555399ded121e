"""Cross-validation: a network for each fold, so that every photo is tested once, by one network.

The network of a fold is tested on that fold, chooses its best epoch on the next one, and is trained
on all others. No network sees a photo before it is tested on it, and no photo is tested twice.

Each network lies in `members/`, as those of `num_seeds` do, so that predictions and exports average
them. What a frozen backbone gives is computed once for all folds.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from jaxcnn.data.datasets import ImageSplits
from jaxcnn.data.source import SPLIT_NAMES, check_classes
from jaxcnn.data.splits.duplicates import (
    DuplicatePair,
    count_across,
    count_conflicts,
    write_duplicates_csv,
)
from jaxcnn.data.splits.groups import grouped
from jaxcnn.data.splits.joined_split import JoinedSplit
from jaxcnn.data.splits.near_duplicates import NearDuplicate
from jaxcnn.data.splits.splitting import fold_numbers
from jaxcnn.host.extras import versions
from jaxcnn.host.files import read_json, read_rows, write_arrays, write_json, write_rows, write_text
from jaxcnn.host.text import counted, table_line
from jaxcnn.runs import build, figures, near_duplicates, summary as summary_lib, summary_text
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.features_cache import SharedFeatures, head_probabilities
from jaxcnn.runs.folder import Workdir
from jaxcnn.runs.phases import plan_phases
from jaxcnn.runs.report.answers import read_arrays
from jaxcnn.runs.report.run_page import cache_and_write
from jaxcnn.runs.run import Run
from jaxcnn.runs.seen_photos import check_unseen
from jaxcnn.runs.summary import RunSummary, Tested
from jaxcnn.runs.transfer import Start
from jaxcnn.training.evaluation import Evaluation
from jaxcnn.training.history import mean_history
from jaxcnn.training.sharding import Layout
from jaxcnn.training.state import count_parameters

logger = logging.getLogger(__name__)

_NO_MAPS = "each photo's answer is of the network of its fold, and the maps are of one network."


class _Answers(NamedTuple):
    """The answers of a fold's network to its two splits; positions are those among all photos."""

    test_index: np.ndarray  # (N,) int32
    test_probabilities: np.ndarray  # (N, K) float32
    validation_index: np.ndarray  # (M,) int32
    validation_probabilities: np.ndarray  # (M, K) float32


def cross_validate(
    config: TrainConfig,
    folder: Workdir,
    data: ImageSplits,
    *,
    start: Start | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Train a network for each fold, and write what all of them come to; resumes where it stopped.

    Args:
      config: complete settings, with `folds`.
      folder: where it writes.
      data: all photos; their splits are joined.
      start: the weights that each network starts from.
      progress: show moving lines, and a line per epoch.

    Returns:
      The summary, as written to `summary.json`.

    Raises:
      ValueError: if there are too few photos, or the weights were trained on some of them.
    """
    num_folds = config.run.folds
    pool = JoinedSplit([data.train, data.validation, data.test], by_name=True)
    digests = None
    if data.digests:
        joined = [each for split in data.digests for each in split]
        digests = [joined[i] for i in pool.order]
    if start:
        everyone = data._replace(test=pool, digests=None if digests is None else [digests] * 3)
        check_unseen(everyone, start.seen, allowed=config.data.allow_seen_test_photos)
    if pool.source is None:
        raise ValueError("folds needs the photos themselves; these splits hold only images.")
    own = config.replace(folds=0)
    first = Run(own, folder.member(0), data, start=start, progress=progress)
    shared = near_duplicates.share_features(first, pool, folder)
    source, near = pool.source, config.data.near_duplicates
    if near == "group":
        source = grouped(source, "", near_duplicates.near_groups(pool, shared))
    fold = fold_numbers(source, num_folds, seed=config.data.split_seed)
    sizes = np.bincount(fold).tolist()
    each = f"{min(sizes):,}" if min(sizes) == max(sizes) else f"{min(sizes):,} to {max(sizes):,}"
    logger.info(f"{num_folds} folds of {each} photos")
    rows = _near_duplicates(folder, pool, shared, fold) if near != "none" else None
    for number in range(num_folds):
        there = folder.member(number)
        if there.summary.is_file():
            continue
        parts = _parts_of_fold(fold, number, num_folds)
        run = Run(own, there, _fold_data(pool, parts, digests), start=start, progress=progress)
        # Compiled once, and computed once.
        run.context = run.context._replace(
            shared_features=shared, evaluator=first.context.evaluator
        )
        logger.info(f"fold {number + 1} of {num_folds}")
        run.note_seen()
        _train_fold(run, parts, number)
    return _conclude(config, folder, data, pool, fold, start, rows)


def _near_duplicates(
    folder: Workdir, pool: JoinedSplit, shared: SharedFeatures | None, fold: np.ndarray
) -> list[NearDuplicate] | None:
    """List the photos that are nearly the same, with their folds in the place of splits."""
    vectors = None
    if shared is not None:
        vectors = near_duplicates.mean_vectors([shared.evaluation(pool)])
    pairs = near_duplicates.find_pairs(pool, vectors)
    if pairs is None:
        return None
    order = [f"fold {number + 1}" for number in range(int(fold.max()) + 1)]
    return near_duplicates.write_pairs(folder, pairs, pool, [order[i] for i in fold], order)


def _parts_of_fold(fold: np.ndarray, number: int, num_folds: int) -> list[np.ndarray]:
    """Give the positions of the photos to train on, to validate and to test a fold's network."""
    validation = (number + 1) % num_folds
    is_train = (fold != number) & (fold != validation)
    return [np.flatnonzero(where) for where in (is_train, fold == validation, fold == number)]


def _fold_data(
    pool: JoinedSplit, parts: Sequence[np.ndarray], digests: Sequence[bytes] | None
) -> ImageSplits:
    splits = [pool.take(part) for part in parts]
    check_classes(splits, tell=False)
    each = None if digests is None else [[digests[i] for i in part] for part in parts]
    return ImageSplits(splits[0], splits[1], splits[2], [], [], each)


def _train_fold(run: Run, parts: Sequence[np.ndarray], number: int) -> None:
    """Train and test a fold's network; its summary is written last, and says that it is done."""
    progress = run.train()
    variables = run.best_variables(progress.best_step)
    validation, test = (_answer(run, name, variables) for name in SPLIT_NAMES[1:])
    tested = Tested(validation, test)
    places = dict(zip(SPLIT_NAMES, parts, strict=True))
    answers = _Answers(
        places["test"][tested.test.index].astype(np.int32),
        tested.test.probabilities,
        places["validation"][tested.validation.index].astype(np.int32),
        tested.validation.probabilities,
    )
    row = {
        "fold": number + 1,
        "best_step": progress.best_step,
        **({"averaged_epochs": run.averaged_epochs[0]} if run.averaged_epochs[0] else {}),
        "num_train": len(parts[0]),
        "num_test": tested.test.num_examples,
        "train_seconds": progress.train_seconds,
        "steps": progress.step,
        **summary_lib.scores(tested),
    }

    write_arrays(run.folder.fold_answers, answers._asdict())
    write_json(run.folder.summary, row)
    logger.info(
        f"fold {number + 1}: test accuracy {tested.test.accuracy:.1%} on "
        f"{counted(tested.test.num_examples, 'photo')}, validation "
        f"{tested.validation.accuracy:.1%}; {summary_text.best_step(row)}"
    )


def _answer(run: Run, name: str, variables: Any) -> Evaluation:
    """Classify a split with a fold's network, by the shared features where there are some."""
    split, context = getattr(run.data, name), run.context
    if context.shared_features is None or not plan_phases(run.config)[-1].on_features:
        return run.evaluate(split, variables)
    found = context.shared_features(name, split, variables)
    there = np.flatnonzero(found.present)
    exact = head_probabilities(run.config, found, variables, len(split.class_names))[there]
    labels = split.labels[there].astype(np.int32)
    return summary_lib.measure(exact, labels, there.astype(np.int32), context.metrics)


def _conclude(
    config: TrainConfig,
    folder: Workdir,
    data: ImageSplits,
    pool: JoinedSplit,
    fold: np.ndarray,
    start: Start | None,
    near: list[NearDuplicate] | None,
) -> dict[str, Any]:
    """Put the answers of all folds together; write tables, summary, pictures and page."""
    members = [folder.member(number) for number in range(config.run.folds)]
    rows = [read_json(each.summary) for each in members]
    tested = _join_answers(config, members, pool)
    history = mean_history(_of_one_length([read_rows(each.metrics) for each in members]))
    pairs = _by_fold(data.duplicates, pool, fold)
    seconds, model = sum(row["train_seconds"] for row in rows), config.network.model
    num_images = sum(row["steps"] for row in rows) * config.training.batch_size
    shapes = build.variable_shapes(config, build.build_model(config, len(pool.class_names)))
    summary = {
        **summary_lib.result(tested, pool.class_names),
        **summary_lib.folds_result(rows),
        "num_parameters": count_parameters(shapes["params"]),
        "eval_size_px": config.data.seen_size_px,
        "train_seconds": seconds,
        "images_per_second": num_images / seconds if seconds else 0.0,
        "steps": sum(row["steps"] for row in rows),
        "weights": start.name if start else None,
        "num_train": round(np.mean([row["num_train"] for row in rows])),
        "num_validation": tested.validation.num_examples,
        "num_test": tested.test.num_examples,
        "num_skipped_files": len(data.skipped),
        "num_duplicates_across_splits": count_across(pairs),
        "num_label_conflicts": count_conflicts(pairs),
        **near_duplicates.counts(near),
        "num_test_seen": 0,
        "seen_unknown": list(start.seen.unknown) if start else [],
        "versions": versions(("jaxcnn", "jax", "flax", "optax")),
        "device": Layout.make(config.run.mesh, batch_size=config.training.batch_size).describe(),
        "compute_dtype": config.network.compute_dtype,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "baseline_test_accuracies": {model: tested.test.accuracy},
    }
    write_rows(folder.metrics, history)
    if pairs:
        write_duplicates_csv(folder.duplicates, pairs)
    _write_answers(folder, pool, fold, tested.test)
    write_json(folder.summary, summary)
    accuracies = summary["baseline_test_accuracies"]
    figures.draw_results(folder.pictures, pool, tested.test, history, accuracies=accuracies)
    cache_and_write(
        folder, config, pool, test=tested.test, validation=tested.validation, maps=_NO_MAPS
    )
    for line in summary_text.fold_lines(summary):
        logger.info(line)
    logger.info(f"results in {folder.path}: summary.json, out_of_fold.csv, pictures/, members/")
    logger.info(f"look at it: {folder.report}")
    return RunSummary(summary)


def _join_answers(config: TrainConfig, members: Sequence[Workdir], pool: JoinedSplit) -> Tested:
    """Put the folds' answers together, in the order of the photos."""
    metrics = build.build_metrics(config)
    each = [_Answers(*read_arrays(m.fold_answers, _Answers._fields)) for m in members]

    def joined(index: Sequence[np.ndarray], probabilities: Sequence[np.ndarray]) -> Evaluation:
        where = np.concatenate(index)
        order = np.argsort(where, kind="stable")
        where, exact = where[order], np.concatenate(probabilities)[order]
        labels = pool.labels[where].astype(np.int32)
        return summary_lib.measure(exact.astype(np.float64), labels, where, metrics)

    return Tested(
        joined([a.validation_index for a in each], [a.validation_probabilities for a in each]),
        joined([a.test_index for a in each], [a.test_probabilities for a in each]),
    )


def _of_one_length(histories: Sequence[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """Cut the histories at the shortest, since early stopping may end one before the others."""
    shortest = min(map(len, histories))
    return [history[:shortest] for history in histories]


def _by_fold(
    pairs: Sequence[DuplicatePair], pool: JoinedSplit, fold: np.ndarray
) -> list[DuplicatePair]:
    """Say of pairs of equal photos in which folds they lie, in the place of their splits."""
    of = {name: f"fold {fold[i] + 1}" for i, name in enumerate(pool.names)}
    return [
        pair._replace(split=of[pair.name], other_split=of[pair.other_name])
        for pair in pairs
        if pair.name in of and pair.other_name in of
    ]


def _write_answers(folder: Workdir, pool: JoinedSplit, fold: np.ndarray, found: Evaluation) -> None:
    """Write the answer to each photo by the network that never saw it: a table, and all arrays."""
    names = np.array([pool.names[i] for i in found.index], dtype=np.str_)
    number, classes = fold[found.index] + 1, pool.class_names
    arrays = {
        "names": names,
        "fold": number.astype(np.int32),
        "labels": found.labels,
        "probabilities": found.probabilities,
        "class_names": np.array(classes, dtype=np.str_),
    }
    write_arrays(folder.out_of_fold, arrays)
    predicted = found.probabilities.argmax(axis=1)
    head = ("name", "fold", "label", "prediction", "probability", "probability_of_label")
    lines = (
        table_line(
            [
                *(str(names[i]), number[i], classes[found.labels[i]], classes[predicted[i]]),
                f"{found.probabilities[i, predicted[i]]:.6f}",
                f"{found.probabilities[i, found.labels[i]]:.6f}",
            ]
        )
        for i in range(len(names))
    )
    write_text(folder.out_of_fold.with_suffix(".csv"), table_line(head) + "".join(lines))
