"""Classify a whole split: every example once, whatever the size of the batches."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from jaxcnn.metrics.metric import ACCURACY, GatheredMetric, Metric, add_sums, values
from jaxcnn.training.compilation import CompiledStep, compile_step
from jaxcnn.training.eval_step import EvalStep
from jaxcnn.training.sharding import Layout, fetch
from jaxcnn.types import Batch, PyTree

if TYPE_CHECKING:
    from jaxcnn.training.inputs import Input

Score = Callable[[np.ndarray], np.ndarray]  # (B, D) features -> (B, ...), on the host


class Evaluation(NamedTuple):
    """A network's answers to one split."""

    metrics: dict[str, Any]  # by name, "loss" (nats, mean) among them
    labels: np.ndarray  # (N,) int32, or (N, K) where examples have several
    probabilities: np.ndarray  # (N, K) float32
    index: np.ndarray  # type: ignore[assignment]  # (N,) int32, position in the split
    scores: np.ndarray | None = None  # (N, ...), of features, where asked for

    def _repr_html_(self) -> str:
        """Show the metrics in a notebook."""
        from jaxcnn.host.html import table  # only notebooks ask

        shown = [row for row in self.metrics.items() if isinstance(row[1], int | float)]
        return table(["metric", "value"], [*shown, ("examples", self.num_examples)])

    @property
    def loss(self) -> float:
        """Nats, mean."""
        return self.metrics["loss"]

    @property
    def accuracy(self) -> float:
        """Share of the examples whose most probable class is the label.

        Raises:
          ValueError: if the labels are not class indices; several labels per example have
            "subset_accuracy" among the metrics.
        """
        if "accuracy" in self.metrics:
            return float(self.metrics["accuracy"])
        if self.labels.ndim != 1 or self.probabilities.ndim != 2:
            raise ValueError(
                f"accuracy needs labels (N,) and probabilities (N, K), got {self.labels.shape} and "
                f"{self.probabilities.shape}; several labels per example have subset_accuracy."
            )
        return float((self.probabilities.argmax(axis=1) == self.labels).mean())

    @property
    def num_examples(self) -> int:
        """Examples that counted."""
        return len(self.labels)

    @property
    def correct(self) -> int:
        """Examples whose most probable class is the label."""
        return round(self.accuracy * self.num_examples)


def evaluate(
    eval_step: EvalStep,
    variables: PyTree,
    batches: Iterable[Batch],
    metrics: Mapping[str, Metric | GatheredMetric] = {"accuracy": ACCURACY},
    score: Score | None = None,
) -> Evaluation:
    """Classify every example of a split once.

    Args:
      eval_step: a compiled step of `make_eval_step`, made with the same metrics.
      variables: {"params": ..., "batch_stats": ...}.
      batches: as `jaxcnn.data.eval_batches` gives; padding is left out by its mask. Where several
        processes share each batch, laid out by `Layout.put_batch`; all get all answers.
      metrics: by name.
      score: (B, D) features to (B, ...), on the host, whose values are kept; it needs a step that
        gives features.

    Returns:
      Exact metrics of the split, and each example's probabilities.

    Raises:
      ValueError: if there is no example.

    Example:
      >>> from jaxcnn.data import DecodedSplit, eval_batches
      >>> from jaxcnn.losses import make_loss
      >>> from jaxcnn.models import create_model
      >>> from jaxcnn.training import make_eval_step
      >>> model, images = create_model("lenet5", 2), np.zeros((3, 32, 32, 1), np.uint8)
      >>> split = DecodedSplit(images, np.array([0, 1, 1]), ["a", "b", "c"], ("cat", "dog"))
      >>> variables = model.init(jax.random.key(0), images.astype("float32"), train=False)
      >>> eval_step = jax.jit(make_eval_step(model, make_loss("softmax", num_classes=2)))
      >>> found = evaluate(eval_step, variables, eval_batches(split, batch_size=2))
      >>> found.num_examples, found.probabilities.shape, sorted(found.metrics)
      (3, (3, 2), ['accuracy', 'loss'])
    """
    sums: dict[str, Any] = {}
    parts = []
    waiting: deque[tuple[Any, ...]] = deque()

    def collect() -> None:
        nonlocal sums
        batch, counted, probabilities, *features = waiting.popleft()
        sums = add_sums(sums, jax.device_get(counted))
        answers = fetch((batch.label, probabilities, batch.index))
        if score is not None:
            answers = (*answers, score(*fetch(features)))
        mask = fetch(batch.mask)
        parts.append(tuple(part[mask] for part in answers))

    for batch in batches:
        waiting.append((batch, *eval_step(variables, batch)))
        if len(waiting) > 1:  # one batch in flight while the last one is collected
            collect()
    while waiting:
        collect()
    if not sums or not sums["loss"]["count"]:
        raise ValueError("the split to evaluate holds no example.")
    labels, probabilities, *others = (np.concatenate(part) for part in zip(*parts, strict=True))
    found = values(metrics, sums, (labels, probabilities))
    return Evaluation(found, labels, probabilities, *others)


class Evaluator:
    """Classifies splits with a step that is compiled for each shape of batch once.

    Args:
      step: a pure function of `eval_step`, or a compiled one.
      metrics: by name, as the step was made with.
      layout: of the devices.
      batch_size: examples per step, rounded up to what the devices divide.
    """

    def __init__(
        self,
        step: EvalStep | CompiledStep,
        metrics: Mapping[str, Metric | GatheredMetric],
        layout: Layout,
        batch_size: int,
    ) -> None:
        self._step, self._metrics, self.layout = step, metrics, layout
        self.batch_size = layout.round_up(batch_size)
        self._compiled: dict[Any, CompiledStep] = {}

    def compile(self, data: "Input", variables: PyTree) -> CompiledStep:
        """Compile the step for the batches of some data, unless that was done."""
        if isinstance(self._step, CompiledStep):
            return self._step
        batch = data.shapes(self.batch_size, self.layout.round_up(1))
        key = str(batch)
        if key not in self._compiled:
            self._compiled[key] = compile_evaluation(self._step, self.layout, variables, batch)
        return self._compiled[key]

    def __call__(self, data: "Input", variables: PyTree, score: Score | None = None) -> Evaluation:
        """Classify every example of some data once, see `evaluate`."""
        step = self.compile(data, variables)
        batches = data.eval_batches(self.batch_size, self.layout.put_batch, self.layout.round_up(1))
        return evaluate(step, self.layout.put_state(variables), batches, self._metrics, score)


def compile_evaluation(
    step: Callable[..., Any], layout: Layout, variables: PyTree, batch: Batch, *others: Any
) -> CompiledStep:
    """Compile a step of variables and a batch; what it gives lies on every device.

    Args:
      step: a pure function of variables, a batch and more.
      layout: of the devices.
      variables: or their shapes.
      batch: the shapes of a batch.
      *others: further arguments.

    Returns:
      The compiled step.
    """
    shapes = (layout.state_shapes(variables), layout.batch_shapes(batch))
    with layout.tracing():
        step = layout.gathered(step)
        return compile_step(step, *shapes, *others, out_shardings=layout.replicated)
