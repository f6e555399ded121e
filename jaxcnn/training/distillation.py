"""Knowledge distillation: a network learns from the answers of a trained one.

The teacher sees the view of a photo that the student is given, augmented and mixed, at its own size
and normalised its own way. Its answers are computed in the training step, without a gradient, or
before, see `answered_views`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcnn import losses
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.host.names import unknown_name
from jaxcnn.losses import LossFn
from jaxcnn.models import head_of
from jaxcnn.training.preprocessing import normalize
from jaxcnn.types import Array, Batch, PyTree

KINDS = ("soft", "hard")
DEFAULT_LABEL_SHARES = {"soft": 0.1, "hard": 0.5}
DEFAULT_TEMPERATURE = 3.0


class AnsweredViews(NamedTuple):
    """What a teacher has answered to V views of each of N examples, as `answer_views` makes.

    View v of example i is what the augmentation makes of it by the index v N + i and the seed.
    """

    seed: int
    logits: np.ndarray  # (N, V, K) float32

    def draw(self, batch: Batch, key: jax.Array) -> Batch:
        """Draw a view of each example: (B,) int32 v N + i becomes its index."""
        num_examples, num_views, _ = self.logits.shape
        index = jnp.asarray(batch.index)
        keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, index)
        view = jax.vmap(lambda key: jax.random.randint(key, (), 0, num_views))(keys)
        return batch._replace(index=view * num_examples + index % num_examples)

    def of(self, index: jax.Array) -> jax.Array:
        """Give the logits, (B, K), of views by their index, (B,)."""
        num_examples = len(self.logits)
        return jnp.asarray(self.logits)[index % num_examples, index // num_examples]


class Teacher(NamedTuple):
    """What a student learns from, beside the labels.

    Attributes:
      answer: maps views, (B, H, W, C) float32 as the student's augmentation leaves them ([0, 1]
        where images are uint8), to one logit per class of the student, (B, K) float32.
      kind: "soft", to learn the teacher's probabilities; "hard", to learn its most probable class.
      temperature: by which both networks' logits are divided, > 0; of "soft" alone.
      label_share: weight of the loss with the example's own label, in [0, 1]; the teacher has the
        rest. None for 0.1 ("soft") or 0.5 ("hard").
      answered: views that it has answered to, from which training draws; None for new views in
        each step.
    """

    answer: Callable[[jax.Array], jax.Array]
    kind: str = "soft"
    temperature: float = DEFAULT_TEMPERATURE
    label_share: float | None = None
    answered: AnsweredViews | None = None

    @property
    def share(self) -> float:
        """The weight of the loss with the example's own label."""
        return DEFAULT_LABEL_SHARES[self.kind] if self.label_share is None else self.label_share


def make_teacher(
    model: Any,
    variables: PyTree | Sequence[PyTree],
    *,
    preprocessing: Preprocessing,
    order: Sequence[int] | None = None,
    kind: str = "soft",
    temperature: float = DEFAULT_TEMPERATURE,
    label_share: float | None = None,
) -> Teacher:
    """Make a teacher of a trained network.

    Args:
      model: a network of `jaxcnn.models`, or any Flax module called as `model(inputs, train=...)`.
      variables: its {"params": ..., "batch_stats": ...}; a list of these for several networks,
        whose probabilities are averaged.
      preprocessing: the side of its images and how it wants them normalised.
      order: for each class of the student, its number among the teacher's; None for the same order.
      kind: see `Teacher`.
      temperature: see `Teacher`.
      label_share: see `Teacher`.

    Returns:
      What `fit` takes as `teacher`.

    Raises:
      ValueError: if an option is unknown or out of its range.

    Example:
      >>> from jaxcnn.models import create_model
      >>> model = create_model("six_conv", 2, depth=1)
      >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)), train=False)
      >>> seen = Preprocessing(image_size_px=8)
      >>> make_teacher(model, variables, preprocessing=seen).answer(jnp.zeros((4, 6, 6, 3))).shape
      (4, 2)
    """
    if kind not in KINDS:
        raise unknown_name("kind", kind, KINDS)
    if not 0 < temperature < np.inf:
        raise ValueError(f"temperature must be finite and above 0, got {temperature}.")
    if label_share is not None and not 0 <= label_share <= 1:
        raise ValueError(f"label_share must lie in [0, 1], got {label_share}.")
    # As NumPy arrays they are constants of the step, on whichever devices it runs.
    members = variables if isinstance(variables, Sequence) else [variables]
    members = jax.device_get(list(members))
    head, columns = head_of(model), None if order is None else np.asarray(order)

    def answer(views: jax.Array) -> jax.Array:
        inputs = normalize(_resized(views, preprocessing), preprocessing)
        found = [model.apply(each, inputs, train=False) for each in members]
        logits = _mean_logits([losses.class_logits(each, head) for each in found], head)
        return jax.lax.stop_gradient(logits if columns is None else logits[:, columns])

    return Teacher(answer, kind, temperature, label_share)


def _resized(views: jax.Array, preprocessing: Preprocessing) -> jax.Array:
    if preprocessing.image_size_px is None or views.shape[1:3] == preprocessing.image_shape[:2]:
        return views
    height, width = preprocessing.image_shape[:2]
    return jax.image.resize(views, (len(views), height, width, views.shape[3]), "linear")


def _mean_logits(members: list[jax.Array], head: str | None) -> jax.Array:
    """Give the logits of the mean probabilities."""
    if len(members) == 1:
        return members[0]
    tiny = jnp.finfo(jnp.float32).tiny
    mean = jnp.mean(jnp.stack([losses.probabilities(each, _kind_of(head)) for each in members]), 0)
    if head == "multi_label":
        return jnp.log(jnp.maximum(mean, tiny)) - jnp.log(jnp.maximum(1 - mean, tiny))
    return jnp.log(jnp.maximum(mean, tiny))


def _kind_of(head: str | None) -> str:
    """Name what logits of one per class are for."""
    return "multi_label" if head == "multi_label" else "softmax"


def check_teacher(
    teacher: Teacher,
    *,
    prepares_images: bool,
    private: object,
    mixing: object = None,
    num_examples: int | None = None,
) -> None:
    """Raise where a teacher cannot see what the student learns from, or would tell too much."""
    if not isinstance(teacher, Teacher):
        raise TypeError(f"teacher must be what make_teacher gives, got {teacher!r}.")
    if not prepares_images:
        raise ValueError(
            "teacher sees the images that fit prepares, so it cannot be given with prepare or "
            "views; let your own prepare give its answers, and your loss take them."
        )
    if private is not None:
        raise ValueError(
            "private bounds what the labels tell, and a teacher's answers are not bounded; give "
            "one of them."
        )
    if teacher.answered is None:
        return
    if mixing is not None:
        raise ValueError(
            "a teacher that has answered before training knows no mixed views; leave mixing out, "
            "or give a teacher without answer_views."
        )
    if len(teacher.answered.logits) != num_examples:
        raise ValueError(
            f"teacher has answered for {len(teacher.answered.logits):,} examples, and train has "
            f"{'batches of unknown number' if num_examples is None else f'{num_examples:,}'}; call "
            "answer_views with the same data."
        )


def make_distillation_loss(
    loss_fn: LossFn, teacher: Teacher, head: str | None = "softmax"
) -> Callable[[Array, tuple[Array, Array]], jax.Array]:
    """Make the loss of a student: part with the label, part with the teacher's answer.

    With s and t the logits of student and teacher, T the temperature and a the label's share,

        soft: a loss_fn(s, label) + (1 - a) T^2 KL(softmax(t / T) || softmax(s / T))
        hard: a loss_fn(s, label) + (1 - a) cross entropy(s, argmax t)

    and for several labels per example the mean over classes of each one's binary form. T^2 keeps
    the gradient's size, which falls with 1 / T^2. "hard" calls for a class that applies from
    probability 0.5 on where an example may have several.

    Args:
      loss_fn: (logits, label) to one loss per example, as `jaxcnn.losses.make_loss` makes.
      teacher: its kind, temperature and label's share.
      head: of the student, a name in `jaxcnn.losses.HEADS`.

    Returns:
      (logits, (label, teacher's logits)) to one loss per example, (B,) float32.

    Example:
      >>> loss_fn = losses.make_loss("softmax", num_classes=2)
      >>> teacher = Teacher(lambda views: views, temperature=1.0, label_share=0.0)
      >>> logits = jnp.array([[0.0, 1.0]])
      >>> student_loss = make_distillation_loss(loss_fn, teacher)
      >>> float(student_loss(logits, (jnp.array([0]), logits)).round(6)[0])
      0.0

    Source: Hinton, Vinyals & Dean 2015, arXiv:1503.02531, section 2 and 2.1; hard: Touvron et al.
    2021, arXiv:2012.12877, equation 3; that student and teacher see one view: Beyer et al. 2022,
    arXiv:2106.05237.
    """
    share, temperature = teacher.share, teacher.temperature
    several = head == "multi_label"

    def with_answer(logits: jax.Array, answers: jax.Array) -> jax.Array:
        if teacher.kind == "hard":
            if several:
                target = (answers > 0).astype(jnp.float32)
                return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, target), axis=1)
            best = jnp.argmax(answers, axis=1)
            return optax.softmax_cross_entropy_with_integer_labels(logits, best)
        ours, theirs = logits / temperature, answers / temperature
        if several:
            return temperature**2 * jnp.mean(_binary_divergence(theirs, ours), axis=1)
        target = jax.nn.log_softmax(theirs, axis=1)
        divergence = optax.losses.kl_divergence_with_log_targets
        return temperature**2 * divergence(jax.nn.log_softmax(ours, axis=1), target)

    def student_loss(logits: Array, both: tuple[Array, Array]) -> jax.Array:
        label, answers = both[0], jnp.asarray(both[1])
        found = losses.class_logits(logits, head)
        if found.shape != answers.shape:
            raise ValueError(
                f"the teacher answers with {answers.shape[1]} classes, the student with "
                f"{found.shape[1]}; both must have the same."
            )
        return share * loss_fn(logits, label) + (1 - share) * with_answer(found, answers)

    return student_loss


def _binary_divergence(target: jax.Array, logits: jax.Array) -> jax.Array:
    """KL divergence of Bernoulli distributions, given their log-odds."""
    p = jax.nn.sigmoid(target)
    shows = jax.nn.log_sigmoid(target) - jax.nn.log_sigmoid(logits)
    lacks = jax.nn.log_sigmoid(-target) - jax.nn.log_sigmoid(-logits)
    return p * shows + (1 - p) * lacks
