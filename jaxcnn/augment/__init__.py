"""Random changes to training images: pure `(key, image) -> image` functions.

One contract for the whole package:

- `image` is (H, W, C), floating, in [0, 1]; C is 1 or 3 where colour matters. For
  batches use `jax.vmap` over images and keys; see `augment_batch`.
- Every `random_x(key, image, ...)` draws an amount and hands it to a deterministic function
  (`flip`, `rotate`, `adjust_brightness`, ...). Options are keyword-only.
- The dtype of `image` is kept. Geometry keeps [0, 1], because interpolation never overshoots;
  `adjust_brightness` and `adjust_contrast` may leave it and do not clip. What `make_augment`
  returns clips once, after these. `enhance_x` clips, as Pillow does.
- Points and box corners are (x, y) in pixels from the top left corner of the image, so the first
  pixel covers [0, 1] and has its centre at 0.5, as in Pillow; sizes are (height, width).
- Nothing loops over data or depends on values for its shape: all compiles under `jit` and `vmap`.
- `mixup` and `cutmix` mix the examples of a batch instead: `(key, batch) -> batch`, see `mixing`.

Imports `host` and `types`.
"""

from jaxcnn.augment.affine import random_affine, random_resized_crop, resized_crop
from jaxcnn.augment.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    random_brightness,
    random_contrast,
    random_gamma,
    random_hue,
    random_saturation,
)
from jaxcnn.augment.crop import center_crop, crop, random_crop
from jaxcnn.augment.cutout import cutout, random_cutout
from jaxcnn.augment.enhance import (
    enhance_brightness,
    enhance_color,
    enhance_contrast,
    enhance_sharpness,
)
from jaxcnn.augment.erasing import erase, random_erasing
from jaxcnn.augment.geometry import (
    flip,
    random_flip,
    random_rotation,
    random_shear,
    random_translation,
    rotate,
    shear,
    translate,
)
from jaxcnn.augment.mixing import cutmix, make_mixing, mix, mixup, partners_of, with_shares
from jaxcnn.augment.policy import augment_batch, list_policies, make_augment, parse_policy
from jaxcnn.augment.rand_augment import apply_operations, rand_augment
from jaxcnn.augment.tone import autocontrast, equalize, posterize, solarize
from jaxcnn.augment.warp import affine_matrix, affine_warp

__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "affine_matrix",
    "affine_warp",
    "apply_operations",
    "augment_batch",
    "autocontrast",
    "center_crop",
    "crop",
    "cutmix",
    "cutout",
    "enhance_brightness",
    "enhance_color",
    "enhance_contrast",
    "enhance_sharpness",
    "equalize",
    "erase",
    "flip",
    "list_policies",
    "make_augment",
    "make_mixing",
    "mix",
    "mixup",
    "parse_policy",
    "partners_of",
    "posterize",
    "rand_augment",
    "random_affine",
    "random_brightness",
    "random_contrast",
    "random_crop",
    "random_cutout",
    "random_erasing",
    "random_flip",
    "random_gamma",
    "random_hue",
    "random_resized_crop",
    "random_rotation",
    "random_saturation",
    "random_shear",
    "random_translation",
    "resized_crop",
    "rotate",
    "shear",
    "solarize",
    "translate",
    "with_shares",
]
