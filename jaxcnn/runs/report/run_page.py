"""The page that explains a run: `report.html` in its folder."""

from pathlib import Path
from typing import Any

from jaxcnn.runs import config as config_lib
from jaxcnn.runs.folder import Workdir
from jaxcnn.runs.report import charts, commands, result_rows, words
from jaxcnn.runs.report.answers import calibration_error, filled_bins
from jaxcnn.runs.report.classes import (
    class_rows,
    confusion_rows,
    most_confused,
    mostly_taken_for,
    worst_first,
)
from jaxcnn.runs.report.facts import RunFacts, gather
from jaxcnn.runs.report.gallery import make_gallery
from jaxcnn.runs.report.page import render_page, write_page

_MOST_IN_MATRIX = 30  # classes
_MOST_IN_TABLE = 40  # classes before the table is folded away
_MOST_EPOCHS = 60  # in the table of epochs
_SECTIONS = (
    ("result", "Result"),
    ("training", "Training"),
    ("confusions", "Confusion matrix"),
    ("classes", "Classes"),
    ("photos", "Photos"),
    ("calibration", "Calibration"),
    ("run", "The run"),
    ("commands", "Commands"),
)


def write_report(workdir: Path | str) -> Path:
    """Write `report.html` of a run that ended, from what its folder keeps.

    Args:
      workdir: the run's folder.

    Returns:
      The page's path.

    Raises:
      WorkdirError: if the run is unfinished, or kept no answers.
    """
    return write_page(Workdir(Path(workdir)).report, run_page(gather(workdir)))


def run_page(facts: RunFacts) -> str:
    """Render the page of a run.

    Args:
      facts: as `gather` reads them.

    Returns:
      One HTML file.
    """
    return render_page(
        "report.html.jinja",
        facts=facts,
        config=facts.config,
        summary=facts.summary,
        sections=_SECTIONS,
        warnings=result_rows.warnings(facts),
        run_facts=result_rows.run_facts(facts),
        **_result(facts),
        **_training(facts),
        **_classes(facts),
        **_calibration(facts),
        gallery=make_gallery(facts.answers, facts.photos, facts.class_names),
        settings=_settings(facts),
        commands=_commands(facts),
    )


def _result(facts: RunFacts) -> dict[str, Any]:
    summary, answers = facts.summary, facts.answers
    most = int(max((answers.labels == label).sum() for label in set(answers.labels.tolist())))
    others = {
        name: accuracy
        for name, accuracy in summary["baseline_test_accuracies"].items()
        if name != facts.config.network.model
    }
    named = {k.removesuffix("_histogram").replace("_", " "): v for k, v in others.items()}
    return {
        "accuracy": float(answers.right.mean()),
        "headline": result_rows.headline(facts),
        "chance": most / len(answers.labels),
        "baselines": named,
    }


def _training(facts: RunFacts) -> dict[str, Any]:
    history, config = facts.history, facts.config
    is_mixed = config.training.mixup > 0 or config.training.cutmix > 0
    epochs = [row["epoch"] for row in history]
    best = facts.best_epoch

    def chart(kind: str, share: bool) -> charts.LineChart:
        series = [
            charts.Series("training", [r[f"train_{kind}"] for r in history], "blue", True),
            charts.Series("validation", [r[f"validation_{kind}"] for r in history], "vermillion"),
        ]
        ends = ", ".join(
            f"{s.name} from {_said(s.values[0], share)} to {_said(s.values[-1], share)}"
            for s in series
        )
        return charts.line_chart(
            kind,
            kind.capitalize(),
            epochs,
            series,
            x_label="epoch",
            summary=f"{kind.capitalize()} over {len(epochs)} epochs: {ends}.",
            share=share,
            mark=(best, f"tested: {best}"),
        )

    return {
        "accuracy_chart": chart("accuracy", True),
        "loss_chart": chart("loss", False),
        "epoch_rows": history[:: -(-len(history) // _MOST_EPOCHS)],
        "fit": words.tell_fit(history, best_epoch=best, is_mixed=is_mixed),
    }


def _said(value: float, share: bool) -> str:
    return f"{value:.1%}" if share else f"{value:.3g}"


def _classes(facts: RunFacts) -> dict[str, Any]:
    names = facts.class_names
    rows = class_rows(facts.answers, names)
    is_small = len(names) <= _MOST_IN_MATRIX
    return {
        "class_rows": rows if len(names) <= 2 else worst_first(rows),
        "mostly_taken_for": mostly_taken_for(facts.answers, names),
        "fold_classes": len(names) > _MOST_IN_TABLE,
        "matrix": confusion_rows(facts.answers, names) if is_small else None,
        "confused": most_confused(facts.answers, names, most=5 if is_small else 25),
    }


def _calibration(facts: RunFacts) -> dict[str, Any]:
    answers = facts.answers
    bins, scaled = filled_bins(answers.bins), filled_bins(answers.scaled_bins)
    temperature = float(answers.temperature)
    remark = words.tell_calibration(bins, scaled, temperature)
    summary = "; ".join(
        f"{b.count:,} photos of {b.confidence:.0%} confidence, {b.accuracy:.0%} right" for b in bins
    )
    return {
        "calibration": remark,
        "calibration_error": calibration_error(bins),
        "bins": bins,
        "temperature": temperature,
        "reliability": charts.reliability_chart("reliability", "Confidence", bins, summary),
    }


def _settings(facts: RunFacts) -> list[tuple[str, str]]:
    values = config_lib.to_json(facts.config)
    return [(name, "" if value is None else str(value)) for name, value in values.items()]


def _commands(facts: RunFacts) -> dict[str, str]:
    config, workdir = facts.config, facts.workdir
    found = config.replace(sweep=None, sweep_epochs=None, find_learning_rate=False)
    return {
        "reproduce": commands.reproduce_command(found),
        "resume": commands.resume_command(config, workdir),
        "predict": commands.predict_command(workdir),
        "evaluate": commands.evaluate_command(workdir),
        "look_inside": commands.command_on("look-inside", workdir),
        "hard_examples": commands.command_on("hard-examples", workdir),
        "report": commands.command_on("report", workdir),
        "python": f"Classifier.load({workdir!r})",
    }
