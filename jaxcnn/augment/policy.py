"""Augmentations by name: from a line of text to one `(key, image) -> image` function."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcnn.augment import color, randaugment, trivialaugment, warps
from jaxcnn.augment.affine import random_affine
from jaxcnn.augment.augmix import MAX_SEVERITY, aug_mix
from jaxcnn.augment.blur import random_gaussian_blur
from jaxcnn.augment.checks import Size, as_height_width, check_image
from jaxcnn.augment.crop_flip import center_crop, random_crop, random_flip, random_vertical_flip
from jaxcnn.augment.enhance import random_grayscale
from jaxcnn.augment.erasing import random_cutout, random_erasing
from jaxcnn.augment.resampling import affine_warp, composed
from jaxcnn.host.names import unknown_name

Augment = Callable[[jax.Array, jax.Array], jax.Array]  # (key, image) -> image

POLICIES = {
    "none": "",
    "flip": "flip=0.5",
    "standard": "flip=0.5,zoom=0.55,rotation=0.25,brightness=0.2,contrast=0.2",
    "strong": (
        "flip=0.5,zoom=0.55,rotation=0.25,translation=0.1,shear=0.1,"
        "brightness=0.2,contrast=0.2,saturation=0.2,hue=0.05,cutout=0.3"
    ),
}


class Amount(NamedTuple):
    """What the number after an operation's name means, and where it may lie."""

    meaning: str
    low: float
    high: float
    off: float  # the amount that changes nothing
    usual: float | None = None  # to name as an example; None for a small one


OPERATIONS = {
    "flip": Amount("probability", 0, 1, off=0),
    "vertical_flip": Amount("probability", 0, 1, off=0),
    "zoom": Amount("least area of the crop, part of the image's", 0.01, 1, off=1),
    "aspect": Amount("greatest stretch of the crop, width to height or back", 1, 4, off=1),
    "rotation": Amount("greatest turn in radians", 0, math.pi, off=0),
    "translation": Amount("greatest shift, part of the side", 0, 1, off=0),
    "shear": Amount("greatest lean in radians", 0, 1, off=0),
    "perspective": Amount("greatest move of a corner, part of half the side", 0, 1, off=0),
    "elastic": Amount("greatest shift before smoothing, in pixels; 25 or so", 0, 250, off=0),
    "hue": Amount("greatest part of a full turn", 0, 0.5, off=0),
    "saturation": Amount("greatest change of the factor", 0, 1, off=0),
    "gamma": Amount("greatest exponent less one", 0, 1, off=0),
    "contrast": Amount("greatest change of the factor", 0, 1, off=0),
    "brightness": Amount("greatest shift of values in [0, 1]", 0, 1, off=0),
    "rand_augment": Amount(
        "magnitude of two operations, 9 or so", 0, randaugment.MAX_MAGNITUDE, off=0, usual=9
    ),
    "trivial_augment": Amount("probability", 0, 1, off=0, usual=1),
    "aug_mix": Amount(
        "greatest severity of its operations, 3 or so", 0, MAX_SEVERITY, off=0, usual=3
    ),
    "grayscale": Amount("probability", 0, 1, off=0),
    "blur": Amount("probability", 0, 1, off=0),
    "cutout": Amount("greatest side of the square, part of the image's", 0, 1, off=0),
    "erasing": Amount("probability", 0, 1, off=0),
}


def list_policies() -> tuple[str, ...]:
    """List the named policies that `make_augment` knows, from none to strongest.

    Example:
      >>> list_policies()
      ('none', 'flip', 'standard', 'strong')
    """
    return tuple(POLICIES)


def parse_policy(spec: str) -> dict[str, float]:
    """Read a policy: names of policies and operations, separated by commas.

    Args:
      spec: such as "standard", "flip,zoom=0.55,hue=0.05" or "standard,rotation=0.1"; where an
        operation comes twice the later amount holds. The operations are flip, vertical_flip, zoom,
        aspect, rotation, translation, shear, perspective, elastic, hue, saturation, gamma,
        contrast, brightness, rand_augment, trivial_augment, aug_mix, grayscale, blur, cutout and
        erasing.

    Returns:
      The amount of each operation named, in the order above.

    Raises:
      ValueError: if nothing is named, a name is unknown, or an amount is missing, not a number or
        out of its range.

    Example:
      >>> parse_policy("flip, rotation=0.25")
      {'flip': 0.5, 'rotation': 0.25}
    """
    amounts: dict[str, float] = {}
    items = [item for item in spec.split(",") if item.strip()]
    if not items:
        raise ValueError("no augmentation is named; write none for no augmentation.")
    for item in items:
        name, equals, text = (part.strip() for part in item.partition("="))
        if name in POLICIES and not equals:
            amounts |= parse_policy(POLICIES[name]) if POLICIES[name] else {}
        elif name in OPERATIONS:
            amounts[name] = _parse_amount(name, text)
        elif name in POLICIES:
            raise ValueError(f"{name} is a policy and takes no amount (={text}); write {name}.")
        else:
            raise unknown_name("augmentation", name, [*POLICIES, *OPERATIONS])
    return {name: amounts[name] for name in OPERATIONS if name in amounts}


def _parse_amount(name: str, text: str) -> float:
    amount = OPERATIONS[name]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not amount.low <= value <= amount.high:
        small = round(amount.off + (amount.low + amount.high - 2 * amount.off) / 10, 2)
        example = small if amount.usual is None else amount.usual
        said = f"{name} (={text})" if text else f"{name} has no amount; it"
        raise ValueError(
            f"{said} must be a number in [{amount.low:g}, {amount.high:g}] "
            f"({amount.meaning}); write for example {name}={example:g}."
        )
    return value


def make_augment(spec: str, *, image_size_px: Size) -> Augment:
    """Build the augmentation that a policy describes.

    Images are stored at least as large as the network takes them, so that crops have room: 112 px
    for 96, say. Every policy but "none" crops at a random place, as large as the output or, with
    zoom, an area drawn between the amount and 1. The order is vertical flip, hue, saturation; all
    geometry as one resampling, or as a copy where it is only a flip and a crop of whole pixels;
    perspective and elastic, which resample again; gamma, contrast, brightness; clipping to [0, 1];
    RandAugment and TrivialAugment, whose geometry shares the one resampling; AugMix; grayscale;
    blur; cut-out; erasing.

    Args:
      spec: a policy of `jaxcnn.augment.list_policies`, or operations with their amounts, or both;
        see `jaxcnn.augment.parse_policy`.
      image_size_px: side of the square images that the network takes, or their (height, width).

    Returns:
      A function from (key, (H, W, C) floating in [0, 1]) to (height, width, C), of the same dtype,
      in [0, 1]. It raises ValueError for an image smaller than that.

    Raises:
      ValueError: if `spec` cannot be read, or `image_size_px` is below 1.

    Example:
      >>> augment = make_augment("standard", image_size_px=96)
      >>> augment(jax.random.key(0), jnp.zeros((112, 112, 3))).shape
      (96, 96, 3)
    """
    size = as_height_width("image_size_px", image_size_px)
    amounts = parse_policy(spec)
    is_centred = not amounts
    on = {name: value for name, value in amounts.items() if value != OPERATIONS[name].off}

    def augment(key: jax.Array, image: jax.Array) -> jax.Array:
        check_image(image)
        if image.shape[0] < size[0] or image.shape[1] < size[1]:
            raise ValueError(
                f"image_size_px (={image_size_px}) exceeds the stored image "
                f"(={image.shape[0]} x {image.shape[1]}); store larger images or lower it."
            )
        if is_centred:
            return center_crop(image, size)
        keys = dict(zip(_KEYS, jax.random.split(key, len(_KEYS)), strict=True))
        lists = _draw_from_lists(keys, on)
        # Before the resampling, because XLA on CPU fuses the two and would then repeat it for every
        # channel that a pixel's new hue depends on; pixel by pixel, so the order hardly shows.
        image = _apply(("vertical_flip", "hue", "saturation"), keys, image, on)
        image = _change_geometry(keys["geometry"], image, on, size, lists)
        image = _apply(("perspective", "elastic", *_UNCLIPPED), keys, image, on)
        image = jnp.clip(image, 0, 1)
        for operations, strengths, ranges in lists:
            image = randaugment.change_colors(image, operations, strengths, ranges=ranges)
        return _apply(("aug_mix", "grayscale", "blur", "cutout", "erasing"), keys, image, on)

    return augment


_UNCLIPPED = ("gamma", "contrast", "brightness")
_POINTWISE: dict[str, Callable[[jax.Array, jax.Array, float], jax.Array]] = {
    "hue": lambda key, image, amount: color.random_hue(key, image, max_delta=amount),
    "saturation": lambda key, image, amount: color.random_saturation(key, image, max_change=amount),
    "gamma": lambda key, image, amount: color.random_gamma(key, image, max_change=amount),
    "contrast": lambda key, image, amount: color.random_contrast(key, image, max_change=amount),
    "brightness": lambda key, image, amount: color.random_brightness(key, image, max_delta=amount),
    "vertical_flip": lambda key, image, amount: random_vertical_flip(
        key, image, probability=amount
    ),
    "perspective": lambda key, image, amount: warps.random_perspective(
        key, image, max_distortion=amount, probability=1.0
    ),
    "elastic": lambda key, image, amount: warps.random_elastic(key, image, alpha_px=amount),
    "aug_mix": lambda key, image, amount: aug_mix(key, image, severity=amount),
    "grayscale": lambda key, image, amount: random_grayscale(key, image, probability=amount),
    "blur": lambda key, image, amount: random_gaussian_blur(key, image, probability=amount),
    "cutout": lambda key, image, amount: random_cutout(key, image, max_fraction=amount),
    "erasing": lambda key, image, amount: random_erasing(key, image, probability=amount),
}
# In this order for good: an operation's draws depend on its place.
_KEYS = (
    *("hue", "saturation", "gamma", "contrast", "brightness", "cutout", "geometry"),
    *("erasing", "rand_augment", "vertical_flip", "grayscale", "blur", "perspective"),
    *("trivial_augment", "aug_mix", "elastic"),
)
# Operations of `randaugment`, their strengths, and what a strength of 1 stands for.
_Drawn = tuple[jax.Array, jax.Array, randaugment.Ranges]


def _apply(
    names: tuple[str, ...], keys: dict[str, jax.Array], image: jax.Array, on: dict[str, float]
) -> jax.Array:
    for name in names:
        if name in on:
            image = _POINTWISE[name](keys[name], image, on[name])
    return image


def _draw_from_lists(keys: dict[str, jax.Array], on: dict[str, float]) -> list[_Drawn]:
    """Draw the operations of RandAugment and of TrivialAugment, those of the two that are on."""
    lists: list[_Drawn] = []
    if "rand_augment" in on:
        key, magnitude = keys["rand_augment"], on["rand_augment"]
        drawn = randaugment.draw_operations(key, magnitude=magnitude)
        lists.append((*drawn, randaugment.RAND_AUGMENT_RANGES))
    if "trivial_augment" in on:
        key, probability = keys["trivial_augment"], on["trivial_augment"]
        drawn = trivialaugment.draw_operation(key, probability=probability)
        lists.append((*drawn, trivialaugment.TRIVIAL_RANGES))
    return lists


def _change_geometry(
    key: jax.Array,
    image: jax.Array,
    on: dict[str, float],
    size: tuple[int, int],
    lists: list[_Drawn],
) -> jax.Array:
    matrices = [
        randaugment.operations_matrix(operations, strengths, size, ranges=ranges)
        for operations, strengths, ranges in lists
    ]
    matrix = functools.reduce(composed, matrices) if matrices else None
    flip_probability = on.get("flip", 0.0)
    if on.keys().isdisjoint({"zoom", "aspect", "rotation", "translation", "shear"}):
        crop_key, flip_key = jax.random.split(key)
        image = random_crop(crop_key, image, size_px=size)
        image = random_flip(flip_key, image, probability=flip_probability)
        return image if matrix is None else affine_warp(image, matrix, size)
    is_zoomed = not on.keys().isdisjoint({"zoom", "aspect"})
    aspect = on.get("aspect", 1.0)
    return random_affine(
        key,
        image,
        output_size_px=size,
        flip_probability=flip_probability,
        scale=(on.get("zoom", 1.0), 1.0) if is_zoomed else None,
        aspect=(1 / aspect, aspect),
        max_rotation_radians=on.get("rotation", 0.0),
        max_translation=on.get("translation", 0.0),
        max_shear_radians=on.get("shear", 0.0),
        then=matrix,
    )


def augment_batch(
    augment: Augment, key: jax.Array, images: jax.Array, index: jax.Array
) -> jax.Array:
    """Augment every image of a batch with a draw of its own.

    Each example's key is `fold_in(key, index)`: its draw depends on the key, which should hold the
    run's key and the step, and on which example it is, not on the batch it came in.

    Args:
      augment: (key, image) -> image.
      key: PRNG key of this step.
      images: (B, H, W, C) floating in [0, 1].
      index: (B,) int32, each example's position in its split.

    Returns:
      (B, h, w, C).

    Example:
      >>> augment = make_augment("flip", image_size_px=6)
      >>> augment_batch(augment, jax.random.key(0), jnp.zeros((2, 8, 8, 3)), jnp.arange(2)).shape
      (2, 6, 6, 3)
    """
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, index)
    return jax.vmap(augment)(keys, images)
