"""Amounts that are drawn for one image go together with no other amount, and photos may be oblong.

Each amount is measured on the image, under the same keys, one operation or option at a time.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import augment
from jaxcnn.augment.affine import random_affine
from jaxcnn.augment.mixing import make_mixing
from jaxcnn.types import Batch

COUNT = 600
# Of independent draws, one correlation in 15,000 is larger.
MOST = 4 / COUNT**0.5
HEIGHT, WIDTH = 24, 40
# Each pixel of the ramp tells its place: x, y, in parts of the image; nothing is black.
Y, X = np.meshgrid(np.linspace(0, 1, HEIGHT), np.linspace(0, 1, WIDTH), indexing="ij")
RAMP = jnp.asarray(np.stack([X, Y, np.full_like(X, 0.9)], -1), jnp.float32)
ORANGE = jnp.broadcast_to(jnp.array([0.7, 0.45, 0.3]), (2, 2, 3)).at[0].multiply(0.5)
KEYS = jax.random.split(jax.random.key(7), COUNT)


def draw(function, image=RAMP):
    return np.asarray(jax.jit(jax.vmap(lambda key: function(key, image)))(KEYS), np.float64)


def middle_of(images):
    """Where the middle of each image comes from, in parts of the ramp: {"x": ..., "y": ...}."""
    x, y = images[..., :2].mean((1, 2)).T
    return {"x": x, "y": y}


def hidden_boxes(images):
    """The box that is painted in each image: its middle and its sides, in parts of the image."""
    hidden = np.abs(images[..., 2] - 0.9) > 0.02
    rows, columns = hidden.any(2), hidden.any(1)
    height, width = rows.mean(1), columns.mean(1)
    return {
        "x": columns @ np.linspace(0, 1, columns.shape[1]) / columns.sum(1),
        "y": rows @ np.linspace(0, 1, rows.shape[1]) / rows.sum(1),
        "area": height * width,
        "ratio": np.log(height / width),
    }


def of_affine(**options):
    options = {"flip_probability": 0.0, "edge": "nearest", **options}
    return draw(functools.partial(random_affine, **options))


def of_policy(item, image=ORANGE):
    return draw(augment.make_augment(item, image_size_px=image.shape[0]), image)


def amounts():
    """All amounts of `random_affine` by the same keys, as its pixels show them."""
    shift = middle_of(of_affine(max_translation=0.3))
    place = middle_of(of_affine(output_size_px=(12, 20)))
    box = of_affine(output_size_px=(8, 8), scale=(0.2, 0.6))
    stretch = of_affine(output_size_px=(8, 8), scale=(0.3, 0.3), aspect=(0.5, 2.0))
    turned = of_affine(max_rotation_radians=0.3)
    leaned = of_affine(max_shear_radians=0.3)
    flipped = of_affine(flip_probability=0.5)

    def span(images):
        return images[:, 0, -1, 0] - images[:, 0, 0, 0]

    return {
        "right": shift["x"],
        "down": shift["y"],
        "x": place["x"],
        "y": place["y"],
        "area": span(box),
        "aspect": np.log(span(stretch)),
        "turn": turned[:, HEIGHT // 2, -1, 1],
        "lean": leaned[:, 0, WIDTH // 2, 0],
        "flip": flipped[:, 0, 0, 0],
    }


def check_apart(found):
    for one, other in itertools.combinations(found, 2):
        assert found[one].std() > 1e-3, one
        assert found[other].std() > 1e-3, other
        correlation = np.corrcoef(found[one], found[other])[0, 1]
        assert abs(correlation) < MOST, (one, other, correlation)


def check_alike(x, y):
    """In parts of an oblong image, what is drawn for the width spreads as that for the height."""
    assert x.std() / y.std() == pytest.approx(1, abs=0.15)
    assert np.median(x) == pytest.approx(np.median(y), abs=0.1)


def test_amounts_of_the_affine_change():
    found = amounts()
    check_apart(found)
    check_alike(found["right"], found["down"])
    check_alike(found["x"], found["y"])


def test_places_and_sides_of_erased_boxes():
    options = {"scale": (0.1, 0.3), "aspect": (0.5, 2.0), "probability": 1.0, "fill": 0.0}
    found = hidden_boxes(draw(functools.partial(augment.random_erasing, **options)))
    check_apart(found)
    check_alike(found["x"], found["y"])


def test_places_of_cut_out_squares_and_of_crops():
    cut = hidden_boxes(draw(functools.partial(augment.random_cutout, max_fraction=0.3, fill=0.0)))
    cropped = middle_of(draw(functools.partial(augment.random_crop, size_px=(12, 20))))
    for found in (cut, cropped):
        check_apart({name: found[name] for name in "xy"})
        check_alike(found["x"], found["y"])


def test_shares_and_places_of_cutmix():
    """White images of class 1 get boxes of black ones."""
    white = np.broadcast_to(np.arange(2)[:, None, None, None], (2, HEIGHT, WIDTH, 3))
    two = Batch(white.astype(np.float32), np.arange(2), np.ones(2, bool), np.arange(2))
    mixing = make_mixing(num_classes=2, cutmix_alpha=4.0)
    images = draw(lambda key, _: mixing(key, two).image[1] * 0.9)
    found = hidden_boxes(images[(images == 0).mean((1, 2, 3)) > 0.02])
    check_alike(found["x"], found["y"])
    check_apart({name: found[name] for name in ("x", "y", "area")})
    inside = (np.abs(found["x"] - 0.5) < 0.1) & (np.abs(found["y"] - 0.5) < 0.1)
    assert np.abs(found["ratio"][inside]).max() < 0.25  # of the image's shape, but for whole pixels


def test_operations_of_one_policy():
    found = {
        "hue": of_policy("hue=0.15")[:, 1, 1, 1],
        "saturation": of_policy("saturation=0.4")[:, 1, 1, 1],
        "gamma": of_policy("gamma=0.4")[:, 1, 1, 1],
        "contrast": of_policy("contrast=0.4")[:, 1, 1, 1],
        "brightness": of_policy("brightness=0.2")[:, 1, 1, 1],
    }
    square = RAMP[:, :HEIGHT]
    cut = hidden_boxes(of_policy("cutout=0.5", square))
    erased = hidden_boxes(of_policy("erasing=1.0", square))
    found |= {f"cutout {name}": cut[name] for name in "xy"}
    found |= {f"erasing {name}": erased[name] for name in "xy"}
    found["turn"] = of_policy("rotation=0.3", square)[:, HEIGHT // 2, -1, 1]
    check_apart(found)
