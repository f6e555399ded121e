"""Random changes to training images: pure `(key, image) -> image` functions.

One contract for the whole package:

- `image` is (H, W, C), floating, in [0, 1]; C is 1 or 3 where colour matters. Anything else raises
  ValueError. For batches use `jax.vmap` over images and keys; see `augment_batch`.
- Every `random_x(key, image, ...)` draws an amount and hands it to a deterministic function
  (`flip`, `affine_warp`, `adjust_brightness`, ...). Options are keyword-only.
- The dtype of `image` is kept. Geometry keeps [0, 1], because interpolation never overshoots;
  `adjust_brightness` and `adjust_contrast` may leave it and do not clip. What `make_augment`
  returns clips once, after these. `enhance_x` clips, as Pillow does.
- Points and box corners are (x, y) in pixels from the top left corner of the image, so the first
  pixel covers [0, 1] and has its centre at 0.5, as in Pillow; sizes are (height, width).
- Nothing loops over data or depends on values for its shape: all compiles under `jit` and `vmap`.
- What `make_mixing` returns mixes the examples of a batch instead: `(key, batch) -> batch`.

`policy` makes one function of a line of text such as "standard,erasing=0.25", from the others:

    affine        crop, zoom, flip, rotate, translate and shear at random, in one resampling
    resampling    the resampling by a matrix or at any points
    warps         perspective and elastic warps
    crop_flip     crops and flips that copy pixels
    blur          Gaussian blur
    color         brightness, contrast, gamma, saturation, hue, as in tf.image
    enhance       color, contrast, brightness, sharpness, as in Pillow's ImageEnhance; grayscale
    tone          autocontrast, equalize, solarize, posterize, as in Pillow's ImageOps
    randaugment   two operations of `enhance`, `tone` and geometry, drawn from fourteen
    trivialaugment  one of the fourteen, with a random strength
    augmix        mixtures of chains of those operations
    erasing       cut-out and random erasing
    mixing        mixup and CutMix
    checks        of arguments

Imports `jaxcnn.host` and `jaxcnn.types`.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.augment.affine import (
        random_affine as random_affine,
        random_resized_crop as random_resized_crop,
        random_rotation as random_rotation,
        random_translation as random_translation,
    )
    from jaxcnn.augment.augmix import aug_mix as aug_mix
    from jaxcnn.augment.blur import (
        gaussian_blur as gaussian_blur,
        random_gaussian_blur as random_gaussian_blur,
    )
    from jaxcnn.augment.color import (
        adjust_brightness as adjust_brightness,
        adjust_contrast as adjust_contrast,
        adjust_gamma as adjust_gamma,
        adjust_hue as adjust_hue,
        adjust_saturation as adjust_saturation,
        random_brightness as random_brightness,
        random_contrast as random_contrast,
        random_gamma as random_gamma,
        random_hue as random_hue,
        random_saturation as random_saturation,
    )
    from jaxcnn.augment.crop_flip import (
        center_crop as center_crop,
        crop as crop,
        flip as flip,
        random_crop as random_crop,
        random_flip as random_flip,
        random_vertical_flip as random_vertical_flip,
        vertical_flip as vertical_flip,
    )
    from jaxcnn.augment.enhance import (
        enhance_brightness as enhance_brightness,
        enhance_color as enhance_color,
        enhance_contrast as enhance_contrast,
        enhance_sharpness as enhance_sharpness,
        random_grayscale as random_grayscale,
        to_grayscale as to_grayscale,
    )
    from jaxcnn.augment.erasing import (
        erase as erase,
        random_cutout as random_cutout,
        random_erasing as random_erasing,
    )
    from jaxcnn.augment.mixing import (
        make_mixing as make_mixing,
        mix as mix,
        partners_of as partners_of,
        with_shares as with_shares,
    )
    from jaxcnn.augment.policy import (
        augment_batch as augment_batch,
        list_policies as list_policies,
        make_augment as make_augment,
        parse_policy as parse_policy,
    )
    from jaxcnn.augment.randaugment import rand_augment as rand_augment
    from jaxcnn.augment.resampling import affine_matrix as affine_matrix, affine_warp as affine_warp
    from jaxcnn.augment.tone import (
        autocontrast as autocontrast,
        equalize as equalize,
        posterize as posterize,
        solarize as solarize,
    )
    from jaxcnn.augment.trivialaugment import trivial_augment as trivial_augment
    from jaxcnn.augment.warps import (
        elastic_warp as elastic_warp,
        perspective_warp as perspective_warp,
        random_elastic as random_elastic,
        random_perspective as random_perspective,
    )
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
