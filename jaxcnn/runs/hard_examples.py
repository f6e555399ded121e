"""Which photos a finished run finds hard, and which labels look wrong.

The network that was trained says how hard each photo is: its loss, its gradient. Whether a label
is wrong is asked of classifiers that have not seen it, see `judging`.
"""

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import losses, plots
from jaxcnn.data.batches import eval_batches
from jaxcnn.data.image_splits import ImageSplit
from jaxcnn.data.source import SPLIT_NAMES
from jaxcnn.data.splits.joined_split import JoinedSplit
from jaxcnn.host.names import unknown_name
from jaxcnn.host.outputs import Output, table
from jaxcnn.host.text import counted, table_line
from jaxcnn.metrics import label_quality, per_example_gradients
from jaxcnn.models import HEAD, split_at_head, stage_names
from jaxcnn.runs import build, evaluate_again
from jaxcnn.runs.features_cache import head_probabilities
from jaxcnn.runs.judging import check_judgeable, find_weights, judge_labels
from jaxcnn.runs.phases import plan_phases
from jaxcnn.runs.run import Run
from jaxcnn.training import features
from jaxcnn.training.compilation import compile_step
from jaxcnn.training.inputs import SplitInput
from jaxcnn.training.preprocessing import network_input
from jaxcnn.types import Batch, PyTree

logger = logging.getLogger(__name__)

SCORES = ("cross_validation", "loss", "error_norm", "gradient_norm")
GRADIENTS = ("auto", "network", "head")

_BATCH = 32
_SHOWN_IN_NOTEBOOK = 20
_COLUMNS = (
    *("rank", "name", "label", "most_probable_class", "probability_of_label", "loss"),
    *("gradient_norm", "score", "suspected_label", "split"),
)
TABLE = table(*_COLUMNS)  # how `write_csv` begins


@dataclasses.dataclass(frozen=True, eq=False)
class HardExamples:
    """What was found of each photo of a run: of training, then of validation, then of the test."""

    names: list[str]
    class_names: tuple[str, ...]
    labels: np.ndarray  # (N,) int32
    probabilities: np.ndarray  # (N, K) float64, of the run's network
    losses: np.ndarray  # (N,) float64, nats, of the run's network
    gradient_norms: np.ndarray  # (N,) float32, of the loss by the parameters that were trained
    unseen: np.ndarray  # (N, K) float64, of classifiers that have not seen the label
    suspected: np.ndarray  # (N,) int32, the class that the photo surely seems to be, or -1
    scores: np.ndarray  # (N,) float64, the more the more suspicious; NaN where there is no image
    noise: per_example_gradients.NoiseScale  # of the training photos
    batch_size: int  # of the run
    splits: list[str] = dataclasses.field(default_factory=list)  # the name of each photo's split

    @property
    def order(self) -> np.ndarray:
        """(N,) positions, the most suspicious first."""
        return label_quality.rank_by(self.scores)

    def _repr_html_(self) -> str:
        """Show the most suspicious photos in a notebook."""
        from jaxcnn.host import html  # only notebooks ask

        most, names = self.order[:_SHOWN_IN_NOTEBOOK].tolist(), self.class_names
        rows = [
            (
                self.names[i],
                names[self.labels[i]],
                names[self.suspected[i]] if self.suspected[i] >= 0 else "",
                float(self.scores[i]),
            )
            for i in most
        ]
        caption = f"The {len(most)} most suspicious of {counted(len(self.names), 'photo')}"
        return html.table(("photo", "label", "looks like", "score"), rows, caption=caption)


def find_hard_examples(
    workdir: Path | str,
    *,
    score: str = "cross_validation",
    gradients: str = "auto",
    weights: str | None = None,
    data_dir: Path | str | None = None,
) -> tuple[HardExamples, ImageSplit]:
    """Judge every photo of a finished run.

    Args:
      workdir: the folder of a run; what features cost most to compute are kept there.
      score: what to rank by: "cross_validation", the loss of a classifier that has not seen the
        label; or of the run's network "loss", "error_norm" or "gradient_norm".
      gradients: of what to take gradients: "network", all parameters that the run trained; "head",
        the last layer alone; "auto", the network unless the run trained the last layer alone.
      weights: published weights whose features judge the labels, by name or as a file; None for
        the run's own network.
      data_dir: where the run's photos lie now; None for where they lay.

    Returns:
      The findings, and the photos themselves.

    Raises:
      ValueError: if the folder holds no run, or a name is unknown.

    Source: Northcutt et al. 2021, arXiv:1911.00068; Paul et al. 2021, arXiv:2107.07075.
    """
    for kind, name, known in (("score", score, SCORES), ("gradients", gradients, GRADIENTS)):
        if name not in known:
            raise unknown_name(kind, name, known)
    start = find_weights(weights)  # before data is read
    run = evaluate_again.load_run(workdir, data_dir=data_dir)
    check_judgeable(run)
    variables, names = run.best_variables(), run.data.class_names
    judged = judge_labels(run, variables, start)
    own = [run.features(number, variables) for number in range(len(SPLIT_NAMES))]
    probabilities = np.concatenate(
        [head_probabilities(run.config, each, variables, len(names)) for each in own]
    )
    norms, noise = _gradients(run, own, variables, gradients)
    split = JoinedSplit(run.data.splits)
    labels = split.labels.astype(np.int32)
    present = np.concatenate([each.present for each in own]) & judged.present
    scores = {
        "cross_validation": label_quality.label_losses(judged.unseen, labels),
        "loss": label_quality.label_losses(probabilities, labels),
        "error_norm": label_quality.error_norms(probabilities, labels),
        "gradient_norm": norms.astype(np.float64),
    }
    found = HardExamples(
        names=list(split.names),
        class_names=names,
        labels=labels,
        probabilities=probabilities,
        losses=scores["loss"],
        gradient_norms=norms,
        unseen=judged.unseen,
        suspected=judged.suspected,
        scores=np.where(present, scores[score], np.nan),
        noise=noise,
        batch_size=run.config.training.batch_size,
        splits=[
            name for name, each in zip(SPLIT_NAMES, own, strict=True) for _ in range(len(each))
        ],
    )
    return found, split


def write_csv(file: Output, found: HardExamples) -> None:
    """Write one row per photo, the most suspicious first.

    Args:
      file: marked as `TABLE`.
      found: as `find_hard_examples` gives.
    """
    file.write(table_line(_COLUMNS))
    for rank, i in enumerate(found.order, start=1):
        label, seems = found.labels[i], found.suspected[i]
        file.write(
            table_line(
                [
                    *(rank, found.names[i], found.class_names[label]),
                    found.class_names[found.probabilities[i].argmax()],
                    f"{found.probabilities[i, label]:.6f}",
                    *(f"{x[i]:.6g}" for x in (found.losses, found.gradient_norms, found.scores)),
                    found.class_names[seems] if seems >= 0 else "",
                    found.splits[i] if found.splits else "",
                ]
            )
        )


def draw_first(path: Path | str, found: HardExamples, split: ImageSplit, count: int) -> Path:
    """Draw the most suspicious photos, each with its label and what it seems to be.

    Args:
      path: where the PNG goes.
      found: as `find_hard_examples` gives.
      split: the photos that were judged.
      count: how many to draw, 1 to 400.

    Returns:
      `path`.
    """
    first = found.order[:count]
    labels = found.labels[first]
    return plots.plot_suspicious_labels(
        path,
        split.gather(first)[0],
        labels,
        found.suspected[first],
        found.unseen[first, labels],
        found.class_names,
        names=[found.names[i] for i in first],
        num_examples=len(found.names),
        max_photos=count,
    )


def _gradients(
    run: Run, own: Sequence[features.FeatureSplit], variables: PyTree, of: str
) -> tuple[np.ndarray, per_example_gradients.NoiseScale]:
    """Take the gradient of each photo's loss: its norm, and the noise scale of training photos."""
    config, num_classes = run.config, len(run.data.class_names)
    freeze = plan_phases(config)[-1].freeze
    model = build.build_model(config, num_classes, freeze=freeze)
    loss_fn = losses.make_loss(config.head, num_classes=num_classes)
    if of == "head" or (of == "auto" and freeze == "backbone"):
        _, classifier = split_at_head(model)
        summary = per_example_gradients.make_gradient_summary(classifier, loss_fn, chunk_size=256)
        head = {"params": {HEAD: variables["params"][HEAD]}}
        compiled = jax.jit(summary)
        each = [compiled(head, s.features[:, 0], s.labels, s.present) for s in own]
    else:
        frozen = stage_names(model, config.preprocessing.image_shape)[: model.frozen_stages]
        whole = per_example_gradients.make_gradient_summary(model, loss_fn, frozen=frozen)

        def step(
            variables: PyTree, batch: Batch
        ) -> tuple[jax.Array, per_example_gradients.GradientSums]:
            images = network_input(batch.image, config.preprocessing)
            return whole(variables, images, batch.label, batch.mask)

        splits = run.data.splits
        compiled_step = compile_step(step, variables, SplitInput(splits[0]).shapes(_BATCH))
        each = [_gradients_of_network(compiled_step, variables, run, split) for split in splits]
    norms = np.concatenate([np.asarray(norms) for norms, _ in each])
    return norms, per_example_gradients.noise_scale(each[0][1])


def _gradients_of_network(
    step: Callable[..., Any], variables: PyTree, run: Run, split: ImageSplit
) -> tuple[np.ndarray, per_example_gradients.GradientSums]:
    norms, sums, started = [], None, time.perf_counter()
    with run.context.bar(len(split), "gradients", unit="image", leave=True) as bar:
        for batch in eval_batches(split, batch_size=_BATCH):
            found, added = step(variables, batch)
            norms.append(np.asarray(found))
            sums = added if sums is None else jax.tree.map(jnp.add, sums, added)
            bar.update(min(_BATCH, len(split) - bar.n))
    assert sums is not None  # a split of a run has examples
    rate = len(split) / (time.perf_counter() - started)
    logger.info(f"gradients of {len(split):,} photos, one by one: {rate:.0f} img/s")
    return np.concatenate(norms)[: len(split)], sums
