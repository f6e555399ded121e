"""Which training photos a finished run finds hard, and which labels look wrong.

The network that was trained says how hard each photo is: its loss, its gradient. Whether a label
is wrong is asked of a linear classifier on features, fitted five times to four fifths of the
photos, so that each photo is judged by one that has not seen its label. The features are those of
the run's own network, or of published weights where that network knows too little yet.
"""

import dataclasses
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import losses, plots
from jaxcnn.data.batches import eval_batches
from jaxcnn.data.image_splits import ImageSplit
from jaxcnn.host.names import unknown_name
from jaxcnn.host.outputs import Output, table
from jaxcnn.host.text import counted, table_line
from jaxcnn.metrics import label_quality, per_example_gradients
from jaxcnn.models import HEAD, split_at_head, stage_names
from jaxcnn.runs import build, evaluate_again, train_and_evaluate
from jaxcnn.runs.config import TrainConfig, make_config
from jaxcnn.runs.config.settings import TABLE_SETTINGS
from jaxcnn.runs.features_cache import split_features
from jaxcnn.runs.phases import plan_phases
from jaxcnn.runs.run import Run
from jaxcnn.runs.transfer import Start, find_start, transfer_variables
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
    *("gradient_norm", "score", "suspected_label"),
)
TABLE = table(*_COLUMNS)  # how `write_csv` begins


@dataclasses.dataclass(frozen=True, eq=False)
class HardExamples:
    """What was found of each photo of a training split, in the split's order."""

    names: list[str]
    class_names: tuple[str, ...]
    labels: np.ndarray  # (N,) int32
    probabilities: np.ndarray  # (N, K) float64, of the run's network
    losses: np.ndarray  # (N,) float64, nats, of the run's network
    gradient_norms: np.ndarray  # (N,) float32, of the loss by the parameters that were trained
    unseen: np.ndarray  # (N, K) float64, of classifiers that have not seen the label
    suspected: np.ndarray  # (N,) int32, the class that the photo surely seems to be, or -1
    scores: np.ndarray  # (N,) float64, the more the more suspicious; NaN where there is no image
    noise: per_example_gradients.NoiseScale
    batch_size: int  # of the run

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
    """Judge every training photo of a finished run.

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
    start = find_start(_settings_of(weights)) if weights else None  # before data is read
    run = evaluate_again.load_run(workdir, data_dir=data_dir)
    if run.config.run.num_seeds > 1:
        raise ValueError(
            f"{workdir} holds {run.config.run.num_seeds} networks, and photos are judged by "
            "one; train one with num_seeds=1."
        )
    variables = run.best_variables()
    split, num_classes = run.data.train, len(run.data.class_names)
    own = run.train_features(variables)
    judging = own if start is None else _features_of_weights(run, start)
    probabilities = _probabilities(run.config, own, variables, num_classes)
    norms, noise = _gradients(run, own, variables, gradients)
    held_out = len(run.data.validation) + len(run.data.test)
    logger.info(
        f"judging {len(split):,} labels by features, five folds; the "
        f"{counted(held_out, 'photo')} of validation and test are not judged"
    )
    unseen, suspected = _judge(judging, num_classes)
    labels, present = split.labels.astype(np.int32), own.present & judging.present
    scores = {
        "cross_validation": label_quality.label_losses(unseen, labels),
        "loss": label_quality.label_losses(probabilities, labels),
        "error_norm": label_quality.error_norms(probabilities, labels),
        "gradient_norm": norms.astype(np.float64),
    }
    found = HardExamples(
        names=list(split.names),
        class_names=run.data.class_names,
        labels=labels,
        probabilities=probabilities,
        losses=scores["loss"],
        gradient_norms=norms,
        unseen=unseen,
        suspected=suspected,
        scores=np.where(present, scores[score], np.nan),
        noise=noise,
        batch_size=run.config.training.batch_size,
    )
    return found, split


def _judge(split: features.FeatureSplit, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the probabilities of classifiers that have not seen the label, and what they suspect."""
    present, labels = split.present, split.labels[split.present]
    vectors = split.features[present].mean(axis=1)
    unseen = np.full((len(split), num_classes), np.nan)
    suspected = np.full(len(split), -1, np.int32)
    unseen[present] = label_quality.cross_validated_probabilities(
        vectors, labels, num_classes=num_classes
    )
    suspected[present] = label_quality.suspect_labels(unseen[present], labels).suspected
    return unseen, suspected


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


def _settings_of(weights: str | None, config: TrainConfig | None = None) -> TrainConfig:
    """Give the settings to look at a run's photos by published weights."""
    data = (
        *("dataset", "data_dir", "labels", *TABLE_SETTINGS),
        *("max_train_examples", "validation_fraction", "test_fraction"),
    )
    seeds = ("seed", "split_seed")
    limits = ("memory_limit_gib", "image_cache_gib", "max_bad_share", "max_pixels")
    same = (*data, *seeds, *limits, "decoder", "compute_dtype")
    kept = {} if config is None else {name: config.flat()[name] for name in same}
    return make_config(**kept, weights=weights, augment="flip", flip_average=False)


def _features_of_weights(run: Run, start: Start) -> features.FeatureSplit:
    """Compute what published weights see in the training photos, or read what is kept of it."""
    config = train_and_evaluate.check(_settings_of(start.name, run.config), start)
    split = train_and_evaluate.load_data(config).train
    if list(split.names) != list(run.data.train.names):
        raise ValueError("the photos read for the weights are not the run's; were files changed?")
    model = build.build_model(config, len(run.data.class_names))
    shape = config.preprocessing.image_shape
    variables = transfer_variables(start.variables, model, shape, key=jax.random.key(0))
    context = run.context._replace(config=config)
    return split_features(context, model, lambda _, image: image, "judging", split, variables)


def _probabilities(
    config: TrainConfig, split: features.FeatureSplit, variables: PyTree, num_classes: int
) -> np.ndarray:
    """Let the run's last layer classify features, the logits of a photo's views averaged."""
    _, classifier = split_at_head(build.build_model(config, num_classes))
    head = {"params": {HEAD: variables["params"][HEAD]}}
    # The last layer is linear: the mean of the views' logits is the logits of their mean.
    logits = classifier.apply(head, jnp.asarray(split.features.mean(axis=1)), train=False)
    return np.asarray(losses.probabilities(jnp.asarray(logits), classifier.head), np.float64)


def _gradients(
    run: Run, own: features.FeatureSplit, variables: PyTree, of: str
) -> tuple[np.ndarray, per_example_gradients.NoiseScale]:
    """Take the gradient of each photo's loss: its norm, and the noise scale of all."""
    config, num_classes = run.config, len(run.data.class_names)
    freeze = plan_phases(config)[-1].freeze
    model = build.build_model(config, num_classes, freeze=freeze)
    loss_fn = losses.make_loss(config.network.head, num_classes=num_classes)
    if of == "head" or (of == "auto" and freeze == "backbone"):
        _, classifier = split_at_head(model)
        summary = per_example_gradients.make_gradient_summary(classifier, loss_fn, chunk_size=256)
        head = {"params": {HEAD: variables["params"][HEAD]}}
        norms, sums = jax.jit(summary)(head, own.features[:, 0], own.labels, own.present)
        return np.asarray(norms), per_example_gradients.noise_scale(sums)
    frozen = stage_names(model, config.preprocessing.image_shape)[: model.frozen_stages]
    summary = per_example_gradients.make_gradient_summary(model, loss_fn, frozen=frozen)

    def step(
        variables: PyTree, batch: Batch
    ) -> tuple[jax.Array, per_example_gradients.GradientSums]:
        images = network_input(batch.image, config.preprocessing)
        return summary(variables, images, batch.label, batch.mask)

    return _gradients_of_network(step, variables, run)


def _gradients_of_network(
    step: Callable[..., Any], variables: PyTree, run: Run
) -> tuple[np.ndarray, per_example_gradients.NoiseScale]:
    split = run.data.train
    compiled = compile_step(step, variables, SplitInput(split).shapes(_BATCH))
    norms, sums, started = [], None, time.perf_counter()
    with run.context.bar(len(split), "gradients", unit="image", leave=True) as bar:
        for batch in eval_batches(split, batch_size=_BATCH):
            found, added = compiled(variables, batch)
            norms.append(np.asarray(found))
            sums = added if sums is None else jax.tree.map(jnp.add, sums, added)
            bar.update(min(_BATCH, len(split) - bar.n))
    assert sums is not None  # a split of a run has examples
    rate = len(split) / (time.perf_counter() - started)
    logger.info(f"gradients of {len(split):,} photos, one by one: {rate:.0f} img/s")
    return np.concatenate(norms)[: len(split)], per_example_gradients.noise_scale(sums)
