"""The model card of an export, in Markdown: what it is, how well it does, and what it is not for.

Source: Mitchell et al. 2019, "Model Cards for Model Reporting", arXiv:1810.03993, section 4 (its
headings, as far as a run knows them).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxcnn.export import facts
from jaxcnn.export.markdown import render
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.summary import class_rows

_MOST_CLASSES = 100  # with more, the table holds those found least often
_FEWEST = 30
_TRAINING = (
    "optimizer",
    "learning_rate",
    "weight_decay",
    "num_epochs",
    "batch_size",
    "augment",
    "mixup",
    "cutmix",
    "label_smoothing",
    "dropout_rate",
    "ema_decay",
    "freeze",
    "seed",
)


def write_card(
    classifier: Classifier,
    run: facts.RunFacts,
    about: Mapping[str, Any],
    *,
    title: str,
    trained_here: bool,
) -> str:
    """Write the card.

    Args:
      classifier: what is exported.
      run: what its run says of itself.
      about: what the export says of itself, see `export_classifier`.
      title: a name for people.
      trained_here: whether a run trained it; False for published weights as they are.

    Returns:
      Markdown. Names of classes and files are text in it, whatever they hold.
    """
    config, summary = classifier.config, run.summary
    rows = class_rows(summary) if summary else []
    by_recall = sorted(rows, key=lambda row: (row.recall is None, row.recall or 0.0))
    values, is_trained = config.flat(), bool(summary or run.epochs)
    training = {name: values[name] for name in _TRAINING} if is_trained else {}
    return render(
        "model_card.md.jinja",
        title=title,
        about=about,
        config=config,
        classes=classifier.class_names,
        summary=summary,
        trained_here=trained_here,
        run=run,
        rows=rows if len(rows) <= _MOST_CLASSES else by_recall[:_FEWEST],
        num_rows=len(rows),
        by_recall=by_recall,
        seldom_tested=[row.name for row in rows if row.labels is not None and row.labels < 50],
        weights=facts.weights_row(classifier),
        weights_name=_base_name(config.network.weights),
        data_name=_data_name(config),
        training={name: x for name, x in training.items() if x not in (None, 0.0, "none")},
    )


def _base_name(path: str | None) -> str | None:
    # Where someone keeps their files is nobody else's business.
    return Path(path).name if path else None


def _data_name(config: TrainConfig) -> str:
    if config.data.dataset == "drawn_pets":
        return "drawn_pets, cats and dogs drawn by jaxcnn"
    if config.data.dataset == "folder":
        name = _base_name(config.data.data_dir)
        return f"a folder of photos, {name}" if name else "a folder of photos"
    return f"{config.data.dataset} of tensorflow-datasets"
