"""What a frozen backbone gives for each photo, computed once: an epoch then takes seconds.

A photo has several views: as it is, its mirror image where the augmentation flips, and as many
augmented ones as asked for. Training draws one view of each example per step; evaluation averages
the logits of all.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import losses
from jaxcnn.augment import augment_batch
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.host.files import DamagedFileError, open_arrays, replacing
from jaxcnn.models import StagedNetwork, logits_and_vectors
from jaxcnn.training.eval_step import mean_answer
from jaxcnn.training.preprocessing import normalize, to_unit_interval, views
from jaxcnn.training.sharding import fetch
from jaxcnn.training.step import Augment
from jaxcnn.types import Batch, PyTree

# (variables, batch, key) -> (B, V, D) float32
FeatureStep = Callable[[PyTree, Batch, jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureSplit:
    """A split whose images are replaced by what a backbone gave for them."""

    features: np.ndarray  # (N, V, D) float32: example, view, channel
    present: np.ndarray  # (N,) bool, False where the image could not be read
    labels: np.ndarray  # (N,) int32
    names: Sequence[str]
    class_names: tuple[str, ...]
    num_threads: int = 1

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(V, D)."""
        return self.features.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        """Of the features: float32."""
        return self.features.dtype

    def __len__(self) -> int:
        return len(self.features)

    def gather(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the features at (B,) indices, and (B,) bool, False if missing."""
        return self.features[indices], self.present[indices]


def make_feature_step(
    model: StagedNetwork,
    preprocessing: Preprocessing = Preprocessing(),
    *,
    augment: Augment | None = None,
    num_augmented: int = 0,
) -> FeatureStep:
    """Build the computation of one batch's features as a pure function.

    Args:
      model: a network with a head, which is left out.
      preprocessing: how images become what the network takes; its views are the first features.
      augment: (key, image) to image; needed for augmented views.
      num_augmented: augmented views of each photo, beside those.

    Returns:
      feature_step(variables, batch, key) to (B, V, D) float32, V views in all.
    """
    backbone = model.clone(num_classes=0)

    def feature_step(variables: PyTree, batch: Batch, key: jax.Array) -> jax.Array:
        inputs = views(batch.image, preprocessing)
        for number in range(num_augmented):
            assert augment is not None
            view_key = jax.random.fold_in(key, number)
            stored = to_unit_interval(jnp.asarray(batch.image))
            view = augment_batch(augment, view_key, stored, jnp.asarray(batch.index))
            inputs.append(normalize(view, preprocessing))
        vectors = [jnp.asarray(backbone.apply(variables, x, train=False)) for x in inputs]
        return jnp.stack(vectors, axis=1)

    return feature_step


def make_answer_step(
    model: StagedNetwork, preprocessing: Preprocessing = Preprocessing()
) -> Callable[[PyTree, jax.Array], tuple[jax.Array, jax.Array]]:
    """Build the computation of a batch's probabilities and features, in one pass.

    Args:
      model: a network with a head.
      preprocessing: how images become what the network takes; logits and features of its views are
        averaged.

    Returns:
      answer_step(variables, images) to (B, K) probabilities, as `eval_step.make_predict` gives, and
      (B, D) features, what the head saw.
    """
    apply = functools.partial(logits_and_vectors, model)

    def answer_step(variables: PyTree, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        logits, vectors = mean_answer(apply, variables, views(images, preprocessing))
        return losses.probabilities(logits, model.head), vectors

    return answer_step


def extract(
    feature_step: FeatureStep,
    variables: PyTree,
    batches: Iterable[Batch],
    num_examples: int,
    *,
    key: jax.Array,
    on_batch: Callable[[int], object] = lambda count: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Run a backbone over a split once.

    Args:
      feature_step: as `make_feature_step` makes, compiled.
      variables: of the network.
      batches: of the split, each example once, in order.
      num_examples: of the split, N.
      key: decides the augmented views.
      on_batch: called with the number of examples after each batch.

    Returns:
      (N, V, D) float32, and (N,) bool, False where an image was missing.
    """
    parts, masks = [], []
    for batch in batches:
        parts.append(fetch(feature_step(variables, batch, key)))
        masks.append(fetch(batch.mask))
        on_batch(min(len(batch.mask), num_examples - len(batch.mask) * (len(parts) - 1)))
    return np.concatenate(parts)[:num_examples], np.concatenate(masks)[:num_examples]


def pick_view(batch: Batch, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Draw one view of each example, as `step.make_train_step` wants it prepared.

    Args:
      batch: of a FeatureSplit: images (B, V, D).
      key: the step's key; each example's draw is folded by its index.

    Returns:
      (B, D) float32, and the labels.
    """
    features = jnp.asarray(batch.image)
    keys = jax.vmap(lambda index: jax.random.fold_in(key, index))(jnp.asarray(batch.index))
    views = jax.vmap(lambda k: jax.random.randint(k, (), 0, features.shape[1]))(keys)
    chosen = jnp.take_along_axis(features, views[:, None, None], axis=1)[:, 0]
    return chosen, jnp.asarray(batch.label)


def all_views(batch: Batch) -> list[jax.Array]:
    """Give all views, (B, D) each, for `eval_step.make_eval_step_of_views`."""
    features = jnp.asarray(batch.image)
    return [features[:, view] for view in range(features.shape[1])]


def save_features(path: Path, features: np.ndarray, present: np.ndarray, about: str) -> None:
    """Cache features on disk, whole or not at all.

    Args:
      path: the file, `.npz`.
      features: (N, V, D) float32.
      present: (N,) bool.
      about: what the features were computed from; `load_features` compares it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        np.savez(part, features=features, present=present, about=np.array(about))


def load_features(path: Path, about: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Read what `save_features` wrote.

    Args:
      path: the file.
      about: what the features are expected to be computed from.

    Returns:
      Features and presence; None where there are none, of something else, or not whole.
    """
    try:
        # The checksums of the file's format tell whether it is whole.
        with open_arrays(path) as kept:
            if str(kept["about"]) == about:
                return kept["features"], kept["present"]
    except (OSError, DamagedFileError):
        pass
    return None
