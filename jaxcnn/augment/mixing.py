"""Mixed examples: pure `(key, batch) -> batch` functions after which a label is a share of classes.

- Images are (B, H, W, C) floating in [0, 1], labels come as (B,) integers and leave as (B, K)
  float32; mask and index stay.
- Each example is mixed with the one in the row before it in the batch, the first with the last
  (`partners_of`). That is the same however many devices the batch is spread over, since the rows
  are those of the whole batch; only one row crosses from each device to the next, where reversing
  the batch, as is common too, would move them all and mix each pair twice. Batches are shuffled, so
  a neighbour is as good as any.
- Padding has no part in it: an example whose partner is padding stays as it is.
- The share is drawn for each example by its index, as augmentations are, not once for a batch as in
  the papers' programs; which of two kinds of mixing applies is drawn once a step. With whom an
  example is mixed depends on its batch, as it must.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxcnn.augment.checks import check_range
from jaxcnn.augment.erasing import inside_box
from jaxcnn.types import Array, Batch

Mixing = Callable[[jax.Array, Batch], Batch]  # (key, batch) -> batch


def with_shares(batch: Batch, num_classes: int) -> Batch:
    """Turn class indices into shares of classes: all of an example belongs to its class.

    Args:
      batch: label (B,) int, or (B, K) floating, which stays.
      num_classes: K.

    Returns:
      The batch with label (B, K) float32: NaN where a label that counts is outside [0, K), so that
      the loss shows it; zeros where such a label stands on padding.

    Raises:
      ValueError: if labels have another number of classes.

    Example:
      >>> two = Batch(jnp.zeros((2, 1, 1, 1)), jnp.array([1, 0]), jnp.ones(2, bool), jnp.arange(2))
      >>> with_shares(two, 2).label.tolist()
      [[0.0, 1.0], [1.0, 0.0]]
    """
    label = jnp.asarray(batch.label)
    if label.ndim == 1:
        shares = jax.nn.one_hot(label, num_classes, dtype=jnp.float32)
        is_wrong = jnp.asarray(batch.mask) & ((label < 0) | (label >= num_classes))
        return batch._replace(label=jnp.where(is_wrong[:, None], jnp.nan, shares))
    if label.shape[1] != num_classes:
        raise ValueError(f"label has shape {label.shape}; expected (B,) or (B, {num_classes}).")
    return batch._replace(label=label.astype(jnp.float32))


def partners_of(batch: Batch) -> Batch:
    """Give each example its partner: the row before it, the last one to the first.

    Args:
      batch: of any kind of label.

    Returns:
      The partners' batch; where a row or its partner is padding, the row itself.

    Example:
      >>> three = Batch(jnp.zeros((3, 1, 1, 1)), jnp.arange(3), jnp.ones(3, bool), jnp.arange(3))
      >>> partners_of(three).label.tolist()
      [2, 0, 1]
    """
    mask = jnp.asarray(batch.mask)
    both = mask & jnp.roll(mask, 1)

    def partner(part: Array) -> jax.Array:
        own = jnp.asarray(part)
        chosen = both.reshape(-1, *(1,) * (own.ndim - 1))
        return jnp.where(chosen, jnp.roll(own, 1, axis=0), own)

    return Batch(*(partner(part) for part in batch))


def mix(batch: Batch, partners: Batch, weights: jax.Array) -> Batch:
    """Blend images with those of partners, and labels by how much of each is seen.

        image + (1 - w) (partner's image - image)        label + (1 - m) (partner's label - label)

    with m the mean of an example's weights w over its pixels. Written so, an example that is its
    own partner stays as it is, to the bit.

    Args:
      batch: images (B, H, W, C) floating, labels (B, K) floating; see `with_shares`.
      partners: of the same shapes; see `partners_of`.
      weights: (B, H, W), or (B, 1, 1) for the same everywhere, in [0, 1]; 1 changes nothing.

    Returns:
      The batch with mixed images and labels.

    Raises:
      ValueError: if labels are not (B, K), or `weights` not of rank 3.

    Example:
      >>> cat = Batch(jnp.ones((1, 1, 2, 1)), jnp.array([[1.0, 0.0]]), jnp.ones(1, bool), 0)
      >>> dog = Batch(jnp.zeros((1, 1, 2, 1)), jnp.array([[0.0, 1.0]]), jnp.ones(1, bool), 1)
      >>> mix(cat, dog, jnp.array([[[0.75]]])).label.tolist()
      [[0.75, 0.25]]
    """
    if batch.label.ndim != 2 or weights.ndim != 3:
        raise ValueError(
            f"label has shape {batch.label.shape} and weights {weights.shape}; expected (B, K) and "
            "(B, H, W) or (B, 1, 1). Labels that are class indices go through with_shares first."
        )
    other = 1 - weights[..., None].astype(batch.image.dtype)
    other_share = 1 - jnp.mean(weights, axis=(1, 2))[:, None]
    return batch._replace(
        image=batch.image + other * (partners.image - batch.image),
        label=batch.label + other_share * (partners.label - batch.label),
    )


def make_mixing(
    *,
    num_classes: int,
    mixup_alpha: float = 0.0,
    cutmix_alpha: float = 0.0,
    cutmix_probability: float = 0.5,
) -> Mixing:
    """Build the mixing of a training step: mixup, CutMix, or one of the two by chance.

    Both draw for each example a share s from Beta(alpha, alpha); a small alpha leaves most examples
    nearly alone, 1 makes all shares equally likely. Mixup blends the images by it. CutMix pastes a
    box of the partner's image at the same place: its sides are sqrt(1 - s) of the image's and its
    centre is anywhere; what sticks out is lost, and the label goes by the pixels that are left.

    Args:
      num_classes: K.
      mixup_alpha: alpha of mixup, > 0; 0 is no mixup.
      cutmix_alpha: alpha of CutMix, > 0; 0 is no CutMix.
      cutmix_probability: where both are on, the chance that a step takes CutMix, in [0, 1].

    Returns:
      mixing(key, batch) to the mixed batch, labels (B, K) float32. The key is that of the step;
      each example's share is drawn by its index.

    Raises:
      ValueError: if an option is out of bounds, or both are off.

    Example:
      >>> mixing = make_mixing(num_classes=2, mixup_alpha=0.2, cutmix_alpha=1.0)
      >>> two = Batch(jnp.zeros((2, 8, 8, 3)), jnp.array([1, 0]), jnp.ones(2, bool), jnp.arange(2))
      >>> mixing(jax.random.key(0), two).label.shape
      (2, 2)

    Source: Zhang et al. 2018, arXiv:1710.09412, section 2 (mixup); Yun et al. 2019,
    arXiv:1905.04899, section 3.1 and appendix A (CutMix); deviation: a share for each example.
    """
    check_range("cutmix_probability", cutmix_probability, 0, 1)
    if not mixup_alpha and not cutmix_alpha:
        raise ValueError("mixup_alpha and cutmix_alpha are both 0; give one, or mix nothing.")
    for name, alpha in (("mixup_alpha", mixup_alpha), ("cutmix_alpha", cutmix_alpha)):
        if not 0 <= alpha < float("inf"):
            raise ValueError(f"{name} (={alpha}) must be a number above 0.")
    chance = cutmix_probability if mixup_alpha and cutmix_alpha else float(cutmix_alpha > 0)

    def mixing(key: jax.Array, batch: Batch) -> Batch:
        choice_key, mix_key = jax.random.split(key)
        # Both ways in one program, since a draw from Beta takes long to compile.
        is_cutmix = jax.random.bernoulli(choice_key, chance)
        alpha = jnp.where(is_cutmix, cutmix_alpha, mixup_alpha)
        batch = with_shares(batch, num_classes)
        size = (batch.image.shape[1], batch.image.shape[2])

        def draw_weights(index: jax.Array) -> jax.Array:
            share_key, place_key = jax.random.split(jax.random.fold_in(mix_key, index))
            share = jax.random.beta(share_key, alpha, alpha)
            return jnp.where(is_cutmix, _outside_box(place_key, share, size), share)

        return mix(batch, partners_of(batch), jax.vmap(draw_weights)(jnp.asarray(batch.index)))

    return mixing


def _outside_box(key: jax.Array, share: jax.Array, image_size_px: tuple[int, int]) -> jax.Array:
    """Draw where an image stays itself: (H, W) float32, 0 inside the box and 1 outside."""
    size = jnp.array([image_size_px[1], image_size_px[0]], jnp.float32)
    centre = jax.random.uniform(key, (2,)) * size
    half = jnp.sqrt(1 - share) * size / 2
    box = jnp.concatenate([centre - half, centre + half])
    return 1 - inside_box(image_size_px, box).astype(jnp.float32)
