"""The end of a run: test once, then write summary, pictures and page, and tell the result."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn import plots
from jaxcnn.data.splits.duplicates import count_across, count_conflicts
from jaxcnn.host.extras import versions
from jaxcnn.host.files import write_json
from jaxcnn.host.processes import is_first
from jaxcnn.metrics.baselines import histogram_baselines
from jaxcnn.optim import differential_privacy
from jaxcnn.runs import figures, near_duplicates, summary as summary_lib, summary_text
from jaxcnn.runs.known_photos import measure
from jaxcnn.runs.run import Run
from jaxcnn.runs.summary import RunSummary, Tested
from jaxcnn.training.checkpointing import member_names
from jaxcnn.training.history import Progress
from jaxcnn.training.state import count_parameters

logger = logging.getLogger(__name__)


def conclude(run: Run, progress: Progress) -> dict[str, Any]:
    """Test the parameters chosen on validation, once; write summary, pictures and page.

    Args:
      run: after its training.
      progress: as `run.train` gives.

    Returns:
      The summary, as written to `summary.json`.
    """
    steps = [member.best_step for member in progress.members]
    members, tested = run.test_members(steps)
    thresholds = run.choose_thresholds(tested.validation, steps[0])
    known_photos = run.keep_known_photos(members, tested, steps)
    result = summary_lib.result(tested, run.data.class_names, thresholds)
    if len(members) == 1:
        result |= {"best_step": steps[0], "stopped_early": bool(progress.stop_reason)}
        result |= _about_average(run, 0) | _about_privacy(run, progress.step)
    else:
        result |= _about_members(run, progress, members, tested)
    if known_photos is not None:
        result |= measure(known_photos, tested.test, conformal=run.config.run.conformal)
    accuracies = {}
    if thresholds is None:
        accuracies = _baselines(run) | {run.config.network.model: tested.test.accuracy}
    summary = result | _about_run(run, progress) | {"baseline_test_accuracies": accuracies}
    variables = run.best_variables(progress.best_step)  # all processes read together
    if is_first():
        write_json(run.folder.summary, summary)
        figures.draw_results(
            run.folder.pictures,
            run.data.test,
            tested.test,
            progress.history,
            accuracies=accuracies,
            thresholds=thresholds,
        )
        run.write_page(tested, variables, known_photos)
    _tell(run, summary)
    return RunSummary(summary)


def _about_run(run: Run, progress: Progress) -> dict[str, Any]:
    """Write down what was trained, on what, and where."""
    data, seconds = run.data, progress.train_seconds
    num_images = progress.step * run.config.training.batch_size * len(run.seeds)
    return {
        "num_parameters": count_parameters(run.context.shapes["params"]),
        "eval_size_px": run.config.data.seen_size_px,
        "train_seconds": seconds,
        "images_per_second": num_images / seconds if seconds else 0.0,
        "steps": progress.step,
        "weights": run.start.name if run.start else None,
        "teacher": run.config.training.teacher,
        "num_train": len(data.train),
        "num_validation": len(data.validation),
        "num_test": len(data.test),
        "num_skipped_files": len(data.skipped),
        "num_duplicates_across_splits": count_across(data.duplicates),
        "num_label_conflicts": count_conflicts(data.duplicates),
        **near_duplicates.counts(run.near_duplicates),
        **_about_decisions(run),
        **run.seen(),
        "versions": versions(("jaxcnn", "jax", "flax", "optax")),
        "device": run.context.layout.describe(),
        "compute_dtype": run.config.network.compute_dtype,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _about_decisions(run: Run) -> dict[str, Any]:
    """Write down how many photos were changed by decisions, and how many of them test it."""
    decided = run.data.decided
    if decided is None:
        return {}
    return {
        "decisions": Path(run.config.data.decisions or "").name,
        "num_relabelled": sum(decided.relabelled),
        "num_excluded": sum(decided.excluded),
        "num_test_decided": decided.relabelled[-1] + decided.excluded[-1],
    }


def _tell(run: Run, summary: dict[str, Any]) -> None:
    for name, accuracy in summary["baseline_test_accuracies"].items():
        if name != run.config.network.model:
            logger.info(f"  {name:<32} {accuracy:6.1%} of test images right")
    if run.config.data.seen_size_px != run.config.data.image_size_px:
        logger.info(f"images: {run.config.data.image_size()}")
    for line in summary_text.result_lines(summary):
        logger.info(line)
    if not run.config.has_several_labels:
        names, (low, _) = run.data.class_names, summary["test_accuracy_interval"]
        if doubt := summary_text.doubt(run.data.test.labels, names, low):
            logger.warning(doubt)
    networks = "checkpoints/" if len(run.seeds) == 1 else "members/"
    logger.info(f"results in {run.folder.path}: summary.json, pictures/, {networks}")
    logger.info(f"look at it: {run.folder.report}")


def _about_members(
    run: Run, progress: Progress, members: Sequence[Tested], ensemble: Tested
) -> dict[str, Any]:
    """Write down how each of several networks did."""
    rows = []
    for number, name in enumerate(member_names(len(members))):
        best_step = progress.members[number].best_step
        row = {"member": name, "seed": run.seeds[number], "best_step": best_step}
        row |= _about_average(run, number)
        rows.append(row | summary_lib.scores(members[number]))
        write_json(run.folders[number].summary, rows[-1])
    plots.plot_member_curves(
        run.folder.pictures / "member_curves.png",
        [member.history for member in progress.members],
        ensemble_accuracy=ensemble.validation.accuracy,
    )
    return summary_lib.members_result(rows)


def _about_average(run: Run, number: int) -> dict[str, Any]:
    """Write down how many epochs' mean a network is, where a mean was asked for."""
    if not run.config.training.average_checkpoints:
        return {}
    return {"averaged_epochs": run.averaged_epochs[number]}


def _baselines(run: Run) -> dict[str, float]:
    if not run.config.run.baselines:
        return {}
    splits = (run.data.train, run.data.validation, run.data.test)
    pairs = [(s.gather(np.arange(len(s)))[0], s.labels) for s in splits]
    found = histogram_baselines(*pairs, num_classes=len(run.data.class_names))
    return {name: result.test_accuracy for name, result in found.items()}


def _about_privacy(run: Run, num_steps: int) -> dict[str, Any]:
    config = run.config
    if not config.training.dp_clip_norm:
        return {}
    found, line = differential_privacy.report(
        differential_privacy.Privacy(
            config.training.dp_clip_norm, config.training.dp_noise_multiplier or 0.0
        ),
        num_examples=len(run.data.train),
        batch_size=config.training.batch_size,
        num_steps=num_steps,
    )
    logger.info(line)
    return {"privacy": found}
