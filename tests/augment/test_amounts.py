"""That random amounts reach both ends of the range they promise, and no further."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import augment


def pixels(*values):
    return jnp.array(values, jnp.float32).reshape(1, len(values), -1)


RAMP = jnp.broadcast_to(jnp.arange(9.0)[None, :, None], (9, 9, 1))  # x - 0.5 at each pixel centre


@pytest.mark.parametrize(
    ("name", "options", "image", "read", "low", "high"),
    [
        (
            "random_brightness",
            {"max_delta": 0.2},
            pixels(0.5),
            lambda x: x[0, 0, 0] - 0.5,
            -0.2,
            0.2,
        ),
        (
            "random_contrast",
            {"max_change": 0.3},
            pixels(0.4, 0.6),
            lambda x: (x[0, 1, 0] - x[0, 0, 0]) / 0.2,
            0.7,
            1.3,
        ),
        (
            "random_gamma",
            {"max_change": 0.5},
            pixels(0.5),
            lambda x: np.log(x[0, 0, 0]) / np.log(0.5),
            1 / 1.5,
            1.5,
        ),
        (
            "random_saturation",
            {"max_change": 0.3},
            pixels([1.0, 0.6, 0.6]),
            lambda x: (1 - x[0, 0, 1]) / 0.4,
            0.7,
            1.3,
        ),
        (
            "random_hue",
            {"max_delta": 0.1},
            pixels([1.0, 0.0, 0.0]),
            lambda x: (x[0, 0, 1] - x[0, 0, 2]) / 6,
            -0.1,
            0.1,
        ),
        (
            "random_rotation",
            {"max_radians": 0.3},
            RAMP,
            lambda x: np.arcsin((x[3, 4, 0] - x[5, 4, 0]) / 2),
            -0.3,
            0.3,
        ),
        (
            "random_affine",
            {"max_shear_radians": 0.3, "flip_probability": 0.0},
            RAMP,
            lambda x: np.arctan((x[5, 4, 0] - x[3, 4, 0]) / 2),
            -0.3,
            0.3,
        ),
        (
            "random_translation",
            {"max_fraction": 0.2},
            RAMP,
            lambda x: (4 - x[4, 4, 0]) / 9,
            -0.2,
            0.2,
        ),
    ],
)
def test_amounts_fill_their_range(name, options, image, read, low, high):
    keys = jax.random.split(jax.random.key(0), 200)
    function = getattr(augment, name)
    batched = jax.vmap(lambda key: function(key, image, **options))
    results = jax.jit(batched)(keys)
    amounts = np.array([read(result) for result in np.asarray(results)])
    margin = 0.05 * (high - low)
    assert low - 1e-5 <= amounts.min() < low + margin
    assert high - margin < amounts.max() <= high + 1e-5
