"""Classification losses, one value per example, and the probabilities behind them.

A classifier ends in one of three heads: "softmax", K logits for K classes of which one applies;
"sigmoid", one logit for two classes, the log-odds of class 1; or "multi_label", K logits for K
classes of which any number may apply, each the log-odds of its own class. Losses are in nats and
float32 whatever the logits' dtype, and nothing is averaged before `mean_loss`, so padding never
leaks into a mean.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcnn.host.names import unknown_name
from jaxcnn.types import Array

LossFn = Callable[[Array, Array], jax.Array]
HEADS = ("softmax", "sigmoid", "multi_label")
LOSSES = ("cross_entropy", "binary_cross_entropy")


def _check_logits(logits: Array, width: int | None = None) -> None:
    """Raise unless logits are (B, width) floats; any width of at least 2 where it is None."""
    columns = "K >= 2" if width is None else width
    if logits.ndim != 2 or (logits.shape[1] < 2 if width is None else logits.shape[1] != width):
        raise ValueError(f"logits must have shape (B, {columns}), got {logits.shape}.")
    if not jnp.issubdtype(logits.dtype, jnp.floating):
        raise ValueError(f"logits must be floating point, got {logits.dtype}.")


def _check_label(label: Array, batch_size: int, num_classes: int) -> None:
    """Raise unless label is (B,) integers or (B, K) floats for these logits."""
    hard, soft = (batch_size,), (batch_size, num_classes)
    if label.shape == soft and not jnp.issubdtype(label.dtype, jnp.floating):
        raise ValueError(
            f"label: got {label.dtype} of shape {soft}, several labels per example; give the "
            'network head="multi_label", or class indices for one label each (shares as floats).'
        )
    kind = jnp.integer if label.ndim == 1 else jnp.floating
    if label.shape not in (hard, soft) or not jnp.issubdtype(label.dtype, kind):
        raise ValueError(
            f"label must be integer of shape {hard} or floating point of shape {soft}, "
            f"got {label.dtype} of shape {label.shape}."
        )


def _checked_class_weights(
    class_weights: Sequence[float] | np.ndarray, num_classes: int
) -> np.ndarray:
    weights = np.asarray(class_weights, np.float32)
    if weights.shape != (num_classes,):
        raise ValueError(f"class_weights must have shape ({num_classes},), got {weights.shape}.")
    if not (np.isfinite(weights).all() and (weights >= 0).all() and (weights > 0).any()):
        raise ValueError(f"class_weights must be finite, >= 0, not all 0, got {weights.tolist()}.")
    return weights


def make_loss(
    head: str,
    *,
    num_classes: int,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | np.ndarray | None = None,
    loss: str = "cross_entropy",
    target_threshold: float = 0.0,
) -> LossFn:
    """Make the function that computes each example's cross entropy, for a head.

    With y the one-hot or soft label, smoothing a and class weights w:

        q_k = (1 - a) y_k + a / K        loss = -sum_k w_k q_k log p_k

    where p = softmax(logits), and d loss / d logits_j = p_j sum_k(w_k q_k) - w_j q_j. The weights
    apply inside the sum, hence to each share of a mixed label. For "sigmoid", p_1 = sigmoid(logit)
    is the probability of class 1 and p_0 = 1 - p_1: the softmax loss of the logits (0, logit).

    Binary cross-entropy asks of each of the K classes whether it is in the image. A class that a
    mixed label names by a share above t is in it wholly, and y_k is then 1, else 0:

        loss = -1/K sum_k w_k (q_k log s_k + (1 - q_k) log(1 - s_k))        s_k = sigmoid(logit_k)

    Where several labels may apply, head "multi_label", y_k says whether class k does, and w_k
    weighs the photos that show it alone:

        q_k = (1 - a) y_k + a / 2
        loss = -1/K sum_k (w_k q_k log s_k + (1 - q_k) log(1 - s_k))        s_k = sigmoid(logit_k)

    Args:
      head: "softmax" for K logits, "sigmoid" for one logit on two classes, or "multi_label" for K
        logits of which each has a sigmoid of its own.
      num_classes: K >= 2; exactly 2 for "sigmoid".
      label_smoothing: probability a, moved from the label to the uniform distribution; in [0, 1).
      class_weights: (K,) finite weights >= 0, not all 0, or None for ones.
      loss: "cross_entropy", or "binary_cross_entropy" for the head "softmax".
      target_threshold: t of binary cross-entropy, in [0, 1); smoothing comes after it.

    Returns:
      loss_fn(logits, label) -> (B,) float32 losses in nats. Logits are (B, K), or (B, 1) for
      "sigmoid", floating point; computed with in float32. Labels are (B,) integers, of which one
      outside [0, K) gives NaN; or (B, K) floating-point probabilities whose rows sum to 1. For
      "multi_label" they are (B, K) of 0 and 1, or of shares between. Other shapes and dtypes raise
      ValueError.

    Raises:
      ValueError: if the head is unknown, or an option does not fit it.

    Example:
      >>> loss_fn = make_loss("softmax", num_classes=2, class_weights=[1.0, 3.0])
      >>> [round(float(x), 4) for x in loss_fn(jnp.zeros((2, 2)), jnp.array([0, 1]))]
      [0.6931, 2.0794]

    Source: smoothing after Szegedy et al. 2016, arXiv:1512.00567, section 7; binary cross-entropy
    after Wightman et al. 2021, arXiv:2110.00476, section 3, averaged over classes as in timm; the
    weights of "multi_label" are PyTorch's pos_weight in BCEWithLogitsLoss.
    """
    for name, value, known in (("head", head, HEADS), ("loss", loss, LOSSES)):
        if value not in known:
            raise unknown_name(name, value, known)
    is_binary = loss == "binary_cross_entropy"
    if is_binary and head != "softmax":
        raise ValueError(
            f'loss "binary_cross_entropy" is for head "softmax"; head "{head}" has it already, '
            'with loss "cross_entropy".'
        )
    if not 0.0 <= target_threshold < 1.0:
        raise ValueError(f"target_threshold must lie in [0, 1), got {target_threshold}.")
    if num_classes < 2 or (head == "sigmoid" and num_classes != 2):
        expected = "2" if head == "sigmoid" else "at least 2"
        raise ValueError(f'num_classes must be {expected} for head "{head}", got {num_classes}.')
    if not 0.0 <= label_smoothing < 1.0:
        raise ValueError(f"label_smoothing must lie in [0, 1), got {label_smoothing}.")
    weights = None if class_weights is None else _checked_class_weights(class_weights, num_classes)
    if head == "multi_label":
        return _multi_label_loss(num_classes, label_smoothing, weights)

    def loss_fn(logits: Array, label: Array) -> jax.Array:
        _check_logits(logits, num_classes if head == "softmax" else 1)
        _check_label(label, logits.shape[0], num_classes)
        if label.ndim == 1:
            target = jax.nn.one_hot(label.astype(jnp.int32), num_classes, dtype=jnp.float32)
        else:
            target = jnp.asarray(label, jnp.float32)
            if is_binary:
                present = (target > target_threshold).astype(jnp.float32)
                target = jnp.where(jnp.isnan(target), target, present)
        if label_smoothing:
            target = optax.smooth_labels(target, label_smoothing)
        logits = jnp.asarray(logits, jnp.float32)
        class_weight = 1.0 if weights is None else jnp.asarray(weights)[None, :]
        if weights is not None and not is_binary:
            target = target * class_weight
        if is_binary:
            each = optax.sigmoid_binary_cross_entropy(logits, target)
            losses = jnp.mean(class_weight * each, axis=1)
        elif head == "softmax":
            # The safe form takes 0 log 0 as 0, where logits lie further apart than float32 reaches.
            losses = optax.safe_softmax_cross_entropy(logits, target)
        else:
            # -log(1 - p) and -log p, each accurate where it is near zero.
            nll = jax.nn.softplus(jnp.concatenate([logits, -logits], axis=1))
            losses = jnp.sum(target * nll, axis=1)
        if label.ndim == 2:
            return losses
        # A compiled program cannot raise on a value, and a silent zero would hide a wrong label.
        # The select passes no gradient, so a masked row with such a label harms nothing.
        return jnp.where((label >= 0) & (label < num_classes), losses, jnp.nan)

    return loss_fn


def _multi_label_loss(
    num_classes: int, label_smoothing: float, positive_weights: np.ndarray | None
) -> LossFn:
    """Make the mean over classes of each one's binary cross entropy, see `make_loss`."""
    weights = np.ones(num_classes, np.float32) if positive_weights is None else positive_weights
    weights = weights[None, :]

    def loss_fn(logits: Array, label: Array) -> jax.Array:
        _check_logits(logits, num_classes)
        if label.shape != logits.shape:
            raise ValueError(
                f"label must have shape {logits.shape}, 0 or 1 for each class of head "
                f'"multi_label", got {label.dtype} of shape {label.shape}.'
            )
        target = jnp.asarray(label, jnp.float32)
        # What lies outside [0, 1] is no share; a compiled program can say so by NaN alone.
        target = jnp.where((target >= 0) & (target <= 1), target, jnp.nan)
        target = (1 - label_smoothing) * target + label_smoothing / 2
        logits = jnp.asarray(logits, jnp.float32)
        # -log s and -log(1 - s), each accurate where it is near zero.
        shows, lacks = jax.nn.softplus(-logits), jax.nn.softplus(logits)
        return jnp.mean(weights * target * shows + (1 - target) * lacks, axis=1)

    return loss_fn


def positive_weights_from_counts(
    counts: Sequence[int] | np.ndarray, num_examples: int, *, most: float = 100.0
) -> np.ndarray:
    """Compute how much more the photos that show a class should weigh, for head "multi_label".

    w_c = (n - n_c) / n_c with n_c of the n photos showing class c: in its sigmoid's loss those that
    show it then carry the same total weight as those that do not.

    Args:
      counts: (K,) training photos that show each class; each >= 0.
      num_examples: n, at least every count.
      most: bound of the weights, so that a few photos of a rare class do not rule the gradient;
        the smallest is 1 / most.

    Returns:
      (K,) float32, a NumPy array, in [1 / most, most].

    Raises:
      ValueError: if a count is out of range.

    Example:
      >>> positive_weights_from_counts([25, 50, 1], 100, most=50).tolist()
      [3.0, 1.0, 50.0]

    Source: PyTorch's documentation of BCEWithLogitsLoss, pos_weight; deviation: the bounds.
    """
    counts = np.asarray(counts)
    if counts.ndim != 1 or counts.size == 0 or (counts < 0).any() or (counts > num_examples).any():
        raise ValueError(
            f"counts must be (K,) numbers from 0 to num_examples (={num_examples}), got "
            f"{counts.tolist()}."
        )
    ratio = (num_examples - counts) / np.maximum(counts, 1)
    return np.clip(ratio, 1 / most, most).astype(np.float32)


def class_weights_from_counts(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """Compute a weight for each class from how often it occurs.

    w_c = n / (K n_c) with n the sum of all counts: every class then carries the same total weight,
    and the weights average 1 over the examples.

    Args:
      counts: (K,) examples of each class in the training split; each > 0.

    Returns:
      (K,) float32, a NumPy array.

    Raises:
      ValueError: if a count is below 1.

    Example:
      >>> class_weights_from_counts([30, 10]).tolist()
      [0.6666666865348816, 2.0]

    Source: King & Zeng 2001, "Logistic Regression in Rare Events Data", Political Analysis 9(2);
    the form n / (K n_c) is scikit-learn's class_weight="balanced".
    """
    counts = np.asarray(counts)
    if counts.ndim != 1 or counts.size == 0 or (counts < 0).any():
        raise ValueError(f"counts must be (K,) numbers >= 0, got {counts.tolist()}.")
    if (counts == 0).any():
        empty = np.flatnonzero(counts == 0).tolist()
        raise ValueError(
            f"counts of classes {empty} are 0, but balanced weights divide by each count; "
            "drop the empty classes or use no weights."
        )
    return (counts.sum() / (counts.size * counts)).astype(np.float32)


def mean_loss(losses: Array, mask: Array) -> jax.Array:
    """Average the losses of the examples that count.

    The divisor is the number of examples, not the sum of their class weights.

    Args:
      losses: (B,) float32.
      mask: (B,) bool, False on padding; what stands there, NaN included, reaches neither the mean
        nor its gradient with respect to `losses`.

    Returns:
      () float32; 0 where no example counts.

    Raises:
      ValueError: if the shapes differ or mask is not bool.

    Example:
      >>> float(mean_loss(jnp.array([1.0, 3.0, jnp.nan]), jnp.array([True, True, False])))
      2.0
    """
    if losses.ndim != 1 or mask.shape != losses.shape or mask.dtype != jnp.bool_:
        raise ValueError(
            f"mask must be bool of the shape (B,) of losses, got {mask.dtype} of shape "
            f"{mask.shape} for losses of shape {losses.shape}."
        )
    total = jnp.sum(jnp.where(mask, losses, 0.0))
    return total / jnp.maximum(jnp.sum(mask.astype(jnp.float32)), 1.0)


def probabilities(logits: Array, head: str | None) -> jax.Array:
    """Turn logits into the probability of each class.

    Args:
      logits: (B, K) floating point for "softmax" and "multi_label", (B, 1) for "sigmoid".
      head: a name in `HEADS`; None of a network that does not classify, whose outputs stay as they
        are.

    Returns:
      (B, K) float32, rows summing to 1; (B, 2), that is 1 - p and p, for "sigmoid"; each class's
      own, whatever they sum to, for "multi_label".

    Raises:
      ValueError: if the head is unknown or the shape does not fit it.

    Example:
      >>> probabilities(jnp.array([[0.0]]), "sigmoid").tolist()
      [[0.5, 0.5]]
    """
    found = class_logits(logits, head)
    if head == "multi_label":
        return jax.nn.sigmoid(found)
    return found if head is None else jax.nn.softmax(found, axis=1)


def class_logits(logits: Array, head: str | None) -> jax.Array:
    """Give one logit per class, of which the highest is that of the most probable class.

    Args:
      logits: (B, K) floating point for "softmax" and "multi_label", (B, 1) for "sigmoid".
      head: a name in `HEADS`; None of a network that does not classify, whose outputs stay as they
        are.

    Returns:
      (B, K) float32; (B, 2), that is 0 and the logit, for "sigmoid".

    Raises:
      ValueError: if the head is unknown or the shape does not fit it.

    Example:
      >>> class_logits(jnp.array([[-1.0], [0.5]]), "sigmoid").argmax(axis=1).tolist()
      [0, 1]
    """
    if head is None:
        return jnp.asarray(logits, jnp.float32)
    if head not in HEADS:
        raise unknown_name("head", head, HEADS)
    _check_logits(logits, 1 if head == "sigmoid" else None)
    logits = jnp.asarray(logits, jnp.float32)
    if head != "sigmoid":
        return logits
    return jnp.concatenate([jnp.zeros_like(logits), logits], axis=1)
