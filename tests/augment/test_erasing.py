"""Erased boxes have the areas, shapes, places and paint that were asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.augment import erase, random_erasing

SIDE = 64
IMAGE = jnp.full((SIDE, SIDE, 3), 2.0)  # a value that no paint has


def erased_boxes(count=300, height=SIDE, **options):
    """Draw boxes; (count, 4) of top, left, height, width in pixels, and the images."""
    image = jnp.full((height, SIDE, 3), 2.0)
    keys = jax.random.split(jax.random.key(0), count)
    draw = jax.jit(jax.vmap(lambda key: random_erasing(key, image, **options)))
    images = np.asarray(draw(keys))
    boxes = []
    for hidden in (images != 2).any(-1):
        rows, columns = np.flatnonzero(hidden.any(1)), np.flatnonzero(hidden.any(0))
        if not len(rows):
            boxes.append((0, 0, 0, 0))
            continue
        box = (rows[0], columns[0], len(rows), len(columns))
        assert hidden.sum() == box[2] * box[3]  # one whole box
        boxes.append(box)
    return np.array(boxes), images


@pytest.mark.parametrize("height", [SIDE, SIDE // 2])
def test_areas_and_aspects_fill_their_ranges(height):
    options = {"scale": (0.1, 0.4), "aspect": (0.5, 2.0), "probability": 1.0}
    boxes, _ = erased_boxes(height=height, **options)
    area = boxes[:, 2] * boxes[:, 3] / (height * SIDE)
    aspect = (boxes[:, 2] / height) / (boxes[:, 3] / SIDE)
    pixel = 4 / height  # a side is whole pixels: up to one too many or too few
    assert 0.1 * (1 - pixel * 3) < area.min() < 0.13
    assert 0.37 < area.max() < 0.4 * (1 + pixel * 2)
    assert abs(area.mean() - 0.25) < 0.02
    assert 0.5 * (1 - 2 * pixel) < aspect.min() < 0.58
    assert 1.7 < aspect.max() < 2 * (1 + 2 * pixel)
    assert abs(np.log(aspect).mean()) < 0.1
    # Anywhere inside the image.
    assert (boxes[:, :2] <= 1).any(0).all()
    ends = boxes[:, :2] + boxes[:, 2:]
    assert (ends >= np.array([height, SIDE]) - 1).any(0).all()


def test_a_large_area_keeps_its_size_at_a_shape_that_fits():
    boxes, _ = erased_boxes(50, scale=(0.8, 0.8), probability=1.0)
    np.testing.assert_allclose(boxes[:, 2] * boxes[:, 3] / SIDE**2, 0.8, atol=0.03)


def test_happens_as_often_as_asked():
    boxes, images = erased_boxes(probability=0.3)
    assert 0.22 < np.mean(boxes[:, 2] > 0) < 0.38
    assert (images[boxes[:, 2] == 0] == 2).all()


def test_noise_is_even_over_the_levels_and_differs_in_every_value():
    _, images = erased_boxes(100, probability=1.0, scale=(0.4, 0.4))
    noise = images[images != 2]
    levels = np.round(noise * 255)
    np.testing.assert_allclose(noise * 255, levels, atol=1e-4)
    counts = np.bincount(levels.astype(int), minlength=256)
    assert counts.min() > 0.8 * counts.mean()
    assert counts.max() < 1.2 * counts.mean()
    first = images[0][(images[0] != 2).any(-1)]
    assert np.abs(np.corrcoef(first.T) - np.eye(3)).max() < 0.15  # channels apart
    assert abs(np.corrcoef(first[:-1, 0], first[1:, 0])[0, 1]) < 0.15  # pixels apart


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_paint_of_any_number_of_channels(channels):
    image = jnp.full((SIDE, SIDE, channels), 2.0)
    noisy, even = jax.jit(
        lambda key: [
            random_erasing(key, image, probability=1.0, scale=(0.3, 0.4), fill=fill)
            for fill in (None, 0.25)
        ]
    )(jax.random.key(0))
    inside = np.asarray(noisy)[(np.asarray(noisy) != 2).any(-1)]
    assert inside.std(0).min() > 0.2
    assert set(np.unique(even)) == {0.25, 2.0}


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((0.6, 1.0, 2.6, 9.0), slice(1, 7), slice(1, 3)),
        ((3.0, 2.0, 6.0, 5.0), slice(2, 5), slice(3, 6)),
        ((-2.0, 5.0, 2.0, 9.0), slice(5, 7), slice(0, 2)),  # half outside on two sides
        ((4.0, 4.0, 4.0, 4.0), slice(0, 0), slice(0, 0)),
    ],
)
def test_erase_paints_pixels_whose_centre_is_inside(box, rows, columns):
    image = np.ones((7, 9, 1), np.float32)
    expected = image.copy()
    expected[rows, columns] = 0
    np.testing.assert_array_equal(erase(image, box, jnp.zeros((1, 1, 1))), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": (0.0, 0.4)}, r"scale \(=\(0.0, 0.4\)\).*0 < least"),
        ({"scale": (0.1, 1.4)}, "greatest <= 1"),
        ({"aspect": (2.0, 0.5)}, "aspect"),
    ],
)
def test_ranges_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        random_erasing(jax.random.key(0), IMAGE, **options)
