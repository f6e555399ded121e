"""Augmentations to compare between the CPU and an accelerator: each public function of the room."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.accelerator.cases import Case
from jaxcnn import augment
from jaxcnn.augment.policy import OPERATIONS
from jaxcnn.types import Batch, PyTree

_COUNT, _SIZE_PX = 16, 24
# A rounding can tip a pixel into the next of 256 levels, or over the threshold.
_LEVELS = 0.02
_TOLERANCE = 1e-4
_BOX = (3.2, 4.1, 15.7, 17.3)

# Of (image); amounts as the random ones and RandAugment draw them.
DETERMINISTIC: dict[str, Callable[[jax.Array], jax.Array]] = {
    "adjust_brightness": lambda image: augment.adjust_brightness(image, 0.13),
    "adjust_contrast": lambda image: augment.adjust_contrast(image, 1.3),
    "adjust_gamma": lambda image: augment.adjust_gamma(image, 1.4),
    "adjust_hue": lambda image: augment.adjust_hue(image, 0.1),
    "adjust_saturation": lambda image: augment.adjust_saturation(image, 1.4),
    "affine_warp": lambda image: augment.affine_warp(
        image, augment.affine_matrix(_BOX, 12, angle_radians=0.3, shear_radians=0.1), 12
    ),
    "autocontrast": augment.autocontrast,
    "center_crop": lambda image: augment.center_crop(image, 13),
    "crop": lambda image: augment.crop(image, 3, 5, 13),
    "elastic_warp": lambda image: augment.elastic_warp(
        image, 2 * jnp.sin(jnp.arange(2.0 * _SIZE_PX**2)).reshape(_SIZE_PX, _SIZE_PX, 2)
    ),
    "enhance_brightness": lambda image: augment.enhance_brightness(image, 1.3),
    "enhance_color": lambda image: augment.enhance_color(image, 0.6),
    "enhance_contrast": lambda image: augment.enhance_contrast(image, 1.3),
    "enhance_sharpness": lambda image: augment.enhance_sharpness(image, 1.7),
    "equalize": augment.equalize,
    "erase": lambda image: augment.erase(image, (3, 4, 9, 12), jnp.full_like(image, 0.25)),
    "flip": augment.flip,
    "gaussian_blur": lambda image: augment.gaussian_blur(image, 1.3, radius_px=4),
    "perspective_warp": lambda image: augment.perspective_warp(
        image, jnp.array([[2.0, 3.0], [22.0, 1.0], [20.0, 21.0], [1.0, 23.0]])
    ),
    "posterize": lambda image: augment.posterize(image, 4),
    "solarize": lambda image: augment.solarize(image, 0.5),
    "to_grayscale": augment.to_grayscale,
    "vertical_flip": augment.vertical_flip,
}
# Of (key, image), with options strong enough that a draw changes the image.
RANDOM: dict[str, dict[str, Any]] = {
    "aug_mix": {},
    "rand_augment": {},
    "random_affine": {
        **{"output_size_px": 16, "scale": (0.5, 1.0), "aspect": (0.8, 1.25)},
        **{"max_rotation_radians": 0.5, "max_translation": 0.1, "max_shear_radians": 0.1},
    },
    "random_brightness": {"max_delta": 0.3},
    "random_contrast": {"max_change": 0.5},
    "random_crop": {"size_px": 13},
    "random_cutout": {"max_fraction": 0.5},
    "random_elastic": {},
    "random_erasing": {"probability": 1.0},
    "random_flip": {},
    "random_gamma": {"max_change": 0.5},
    "random_gaussian_blur": {},
    "random_grayscale": {"probability": 0.5},
    "random_hue": {"max_delta": 0.3},
    "random_perspective": {},
    "random_resized_crop": {"output_size_px": 16, "scale": (0.3, 0.8)},
    "random_rotation": {"max_radians": 0.5},
    "random_saturation": {"max_change": 0.5},
    "random_translation": {"max_fraction": 0.4},
    "random_vertical_flip": {},
    "trivial_augment": {},
}
# What mixes the examples of a batch, and what is of one of the above or draws nothing.
MIXING = ("make_mixing", "mix", "partners_of", "with_shares")
PARTS = ("affine_matrix", "augment_batch", "list_policies", "make_augment", "parse_policy")
_IN_LEVELS = (
    *("autocontrast", "aug_mix", "equalize", "posterize", "rand_augment", "solarize"),
    "trivial_augment",
)


def cases() -> list[Case]:
    """List the augmentations; images are random, (16, 24, 24, 3) in [0, 1]."""
    images = np.random.default_rng(0).random((_COUNT, _SIZE_PX, _SIZE_PX, 3), np.float32)
    found = [_case(name, _over_images(deed), images) for name, deed in DETERMINISTIC.items()]
    for name, options in RANDOM.items():
        draw = functools.partial(getattr(augment, name), **options)
        found.append(_case(name, _over_keys(draw), images))
    strong = augment.make_augment(",".join(["strong", *_policy()]), image_size_px=16)
    found.append(_case("rand_augment and all of a policy", _over_keys(strong), images))
    return [*found, *_mixing_cases(images)]


def _policy() -> list[str]:
    """Name the operations that the policy "strong" has not, with an amount."""
    named = augment.parse_policy("strong")
    return [
        f"{name}={0.5 * (amount.off + amount.high):.3g}"
        for name, amount in OPERATIONS.items()
        if name not in named
    ]


def _case(name: str, function: Callable[..., PyTree], images: np.ndarray) -> Case:
    in_levels = name.split()[0] in _IN_LEVELS
    tolerance = _LEVELS if in_levels else _TOLERANCE
    return Case(f"augmentation: {name}", function, (images,), tolerance, half_tolerance=None)


def _over_images(deed: Callable[[jax.Array], jax.Array]) -> Callable[..., PyTree]:
    return lambda dtype, images: jax.vmap(deed)(jnp.asarray(images, dtype))


def _over_keys(draw: Callable[..., jax.Array]) -> Callable[..., PyTree]:
    def apply(dtype: Any, images: jax.Array) -> PyTree:
        index = jnp.arange(_COUNT)
        return augment.augment_batch(draw, jax.random.key(3), jnp.asarray(images, dtype), index)

    return apply


def _mixing_cases(images: np.ndarray) -> list[Case]:
    options = {"mixup": {"mixup_alpha": 0.4}, "CutMix": {"cutmix_alpha": 1.0}}

    def mixed(dtype: Any, images: jax.Array, given: dict[str, float]) -> PyTree:
        index = jnp.arange(_COUNT)
        batch = Batch(jnp.asarray(images, dtype), index % 5, index < _COUNT - 1, index)
        batch = augment.make_mixing(num_classes=5, **given)(jax.random.key(4), batch)
        return {"image": batch.image, "label": batch.label}

    return [
        _case(name, functools.partial(mixed, given=given), images)
        for name, given in options.items()
    ]
