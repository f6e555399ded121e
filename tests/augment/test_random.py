"""What holds for every random augmentation alike."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import augment

SIZE = 12
OBLONG = (12, 17)  # height and width

# Each with options strong enough that a draw changes the image.
CASES = {
    "random_affine": {"output_size_px": 8, "scale": (0.5, 1.0), "max_rotation_radians": 0.5},
    "random_brightness": {"max_delta": 0.3},
    "random_contrast": {"max_change": 0.5},
    "random_crop": {"size_px": 7},
    "random_cutout": {"max_fraction": 0.5},
    "random_elastic": {"sigma_px": 1.0},
    "random_erasing": {"probability": 1.0},
    "random_flip": {},
    "random_gamma": {"max_change": 0.5},
    "random_gaussian_blur": {},
    "random_grayscale": {"probability": 0.5},
    "random_hue": {"max_delta": 0.3},
    "random_perspective": {},
    "random_resized_crop": {"output_size_px": 8, "scale": (0.3, 0.8)},
    "random_rotation": {"max_radians": 0.5},
    "random_saturation": {"max_change": 0.5},
    "random_translation": {"max_fraction": 0.4},
    "random_vertical_flip": {},
}
# The same with options that leave nothing to chance.
NEUTRAL = {
    "random_affine": {"flip_probability": 0.0},
    "random_brightness": {"max_delta": 0.0},
    "random_contrast": {"max_change": 0.0},
    "random_crop": {"size_px": OBLONG},
    "random_cutout": {"max_fraction": 0.0},
    "random_elastic": {"alpha_px": 0.0, "sigma_px": 1.0},
    "random_erasing": {"probability": 0.0},
    "random_flip": {"probability": 0.0},
    "random_gamma": {"max_change": 0.0},
    "random_gaussian_blur": {"probability": 0.0},
    "random_grayscale": {"probability": 0.0},
    "random_hue": {"max_delta": 0.0},
    "random_perspective": {"max_distortion": 0.0, "probability": 1.0},
    "random_resized_crop": {"output_size_px": OBLONG, "scale": (1, 1), "aspect": (1, 1)},
    "random_rotation": {"max_radians": 0.0},
    "random_saturation": {"max_change": 0.0},
    "random_translation": {"max_fraction": 0.0},
    "random_vertical_flip": {"probability": 0.0},
}
COLOR_ONLY = {"random_hue", "random_saturation"}
RANDOM_NAMES = sorted(name for name in augment.__all__ if name.startswith("random_"))


def noise(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


def operation(name, options):
    function = getattr(augment, name)
    return lambda key, image: function(key, image, **options)


def test_every_random_operation_is_in_the_tables():
    assert sorted(NEUTRAL) == RANDOM_NAMES
    assert sorted(CASES) == RANDOM_NAMES


@pytest.mark.parametrize("name", CASES)
def test_signature_is_key_image_then_keywords(name):
    first, second, *rest = inspect.signature(getattr(augment, name)).parameters.values()
    assert (first.name, second.name) == ("key", "image")
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in rest)


@pytest.mark.parametrize("name", augment.__all__)
def test_no_optional_argument_is_positional(name):
    spec = inspect.getfullargspec(getattr(augment, name))
    assert not spec.defaults
    assert "rng" not in spec.args + spec.kwonlyargs


@pytest.mark.parametrize("name", CASES)
def test_compiled_over_a_batch_equals_the_plain_loop(name):
    function = operation(name, CASES[name])
    keys = jax.random.split(jax.random.key(1), 6)
    image = jnp.asarray(noise(SIZE, SIZE, 3))
    batch = jax.jit(jax.vmap(function, in_axes=(0, None)))(keys, image)
    assert batch.dtype == jnp.float32
    assert np.isfinite(batch).all()
    assert len(np.unique(np.asarray(batch).reshape(6, -1), axis=0)) > 1
    loop = np.stack([function(key, image) for key in keys[:3]])
    np.testing.assert_allclose(batch[:3], loop, atol=1e-5)
    np.testing.assert_array_equal(function(keys[0], image), loop[0])


@pytest.mark.parametrize("name", RANDOM_NAMES)
def test_neutral_options_change_nothing(name):
    image = noise(*OBLONG, 3)
    result = operation(name, NEUTRAL[name])(jax.random.key(3), image)
    np.testing.assert_allclose(result, image, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CASES)
def test_grey_and_bfloat16_are_kept(name, channels):
    image = jax.ShapeDtypeStruct((SIZE, SIZE, channels), jnp.bfloat16)
    result = jax.eval_shape(operation(name, CASES[name]), jax.random.key(0), image)
    assert result.dtype == jnp.bfloat16
    assert result.shape[-1] == channels


@pytest.mark.parametrize("name", sorted(COLOR_ONLY))
def test_grey_has_no_hue_or_saturation(name):
    image = jnp.asarray(noise(SIZE, SIZE, 1))
    result = operation(name, CASES[name])(jax.random.key(0), image)
    np.testing.assert_array_equal(result, image)


@pytest.mark.parametrize("name", CASES)
def test_refuses_bytes_and_batches(name):
    function = operation(name, CASES[name])
    key = jax.random.key(0)
    with pytest.raises(ValueError, match=r"dtype uint8.*/ 255"):
        jax.eval_shape(function, key, jax.ShapeDtypeStruct((SIZE, SIZE, 3), jnp.uint8))
    with pytest.raises(ValueError, match=r"\(2, 12, 12, 3\).*jax\.vmap"):
        jax.eval_shape(function, key, jax.ShapeDtypeStruct((2, SIZE, SIZE, 3), jnp.float32))


@pytest.mark.parametrize("name", sorted(COLOR_ONLY))
def test_hue_and_saturation_refuse_other_channels(name):
    with pytest.raises(ValueError, match=r"4 channels; expected 1 .* or 3"):
        operation(name, CASES[name])(jax.random.key(0), jnp.zeros((4, 4, 4)))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("random_flip", {"probability": 1.5}),
        ("random_flip", {"probability": float("nan")}),
        ("random_brightness", {"max_delta": -0.1}),
        ("random_contrast", {"max_change": 1.1}),
        ("random_gamma", {"max_change": 2.0}),
        ("random_hue", {"max_delta": 0.6}),
        ("random_saturation", {"max_change": -1.0}),
        ("random_cutout", {"max_fraction": 1.2}),
        ("random_affine", {"probability": -0.5}),
        ("random_affine", {"max_rotation_radians": 4.0}),
        ("random_affine", {"max_shear_radians": 1.5}),
        ("random_affine", {"max_translation": 2.0}),
        ("random_erasing", {"probability": 1.5}),
        ("random_elastic", {"alpha_px": -1.0}),
        ("random_gaussian_blur", {"probability": 1.5}),
        ("random_grayscale", {"probability": -0.5}),
        ("random_perspective", {"max_distortion": 1.5}),
        ("random_perspective", {"probability": 1.5}),
        ("random_vertical_flip", {"probability": 1.5}),
    ],
)
def test_options_out_of_range_are_named_with_their_value(name, options):
    ((option, value),) = options.items()
    with pytest.raises(ValueError, match=rf"{option} \(={value}\) is outside \["):
        operation(name, options)(jax.random.key(0), jnp.zeros((4, 4, 3)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": (0.0, 1.0)}, r"scale \(=\(0.0, 1.0\)\).*0 < least"),
        ({"scale": (0.9, 0.5)}, "least <= greatest"),
        ({"scale": (0.5, 1.5)}, "greatest <= 1"),
        ({"scale": (0.5, 1.0), "aspect": (0.0, 1.0)}, "aspect"),
        ({"aspect": (0.5, 2.0)}, "aspect .* needs scale"),
        ({"output_size_px": 5}, r"output_size_px \(=\(5, 5\)\) exceeds the image \(=\(4, 4\)\)"),
        ({"output_size_px": 0}, "at least 1 px"),
        ({"edge": "mirror"}, "unknown edge 'mirror'.*reflect"),
    ],
)
def test_affine_says_which_option_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        augment.random_affine(jax.random.key(0), jnp.zeros((4, 4, 3)), **options)


def test_random_flip_flips_half():
    keys = jax.random.split(jax.random.key(0), 400)
    image = jnp.asarray(noise(1, 2, 1))
    images = jax.jit(jax.vmap(lambda key: augment.random_flip(key, image)))(keys)
    assert 0.4 < np.mean(images[:, 0, 0, 0] != image[0, 0]) < 0.6


def test_random_crop_reaches_every_corner():
    image = jnp.arange(16.0).reshape(4, 4, 1)
    keys = jax.random.split(jax.random.key(0), 200)
    crops = jax.jit(jax.vmap(lambda key: augment.random_crop(key, image, size_px=3)))(keys)
    assert set(np.asarray(crops[:, 0, 0, 0])) == {0.0, 1.0, 4.0, 5.0}


def test_random_cutout_paints_what_it_says():
    keys = jax.random.split(jax.random.key(0), 300)
    image = jnp.ones((20, 20, 1))
    options = {"max_fraction": 0.5, "probability": 0.5, "fill": 0.0}
    draw = jax.jit(jax.vmap(lambda key: augment.random_cutout(key, image, **options)))
    painted = 400 - np.asarray(draw(keys)).sum((1, 2, 3))
    assert 0.4 < np.mean(painted > 0) < 0.6
    assert 80 < painted.max() <= 100


def test_random_affine_without_its_chance_is_the_centre_crop():
    image = jnp.asarray(noise(12, 12, 3))
    options = {"output_size_px": 8, "probability": 0.0, "max_rotation_radians": 1.0}
    options |= {"flip_probability": 1.0}
    result = augment.random_affine(jax.random.key(0), image, **options)
    np.testing.assert_allclose(result, augment.center_crop(image, 8), atol=1e-6)


@pytest.mark.parametrize("size", [(6, 18), (20, 5)])
def test_a_box_has_the_shape_of_the_output(size):
    y, x = np.meshgrid(np.arange(40.0), np.arange(50.0), indexing="ij")
    ramp = jnp.asarray(np.stack([x, y], -1), jnp.float32)
    options = {"output_size_px": size, "scale": (0.1, 0.3), "flip_probability": 0.0}
    for seed in range(3):
        found = augment.random_affine(jax.random.key(seed), ramp, **options)
        right, down = found[2, 3, 0] - found[2, 2, 0], found[3, 2, 1] - found[2, 2, 1]
        np.testing.assert_allclose(right, down, rtol=1e-3)


def test_random_affine_keeps_to_its_area_and_inside():
    # On a ramp each output pixel tells where it came from.
    x, y = np.meshgrid(np.arange(40) + 0.5, np.arange(40) + 0.5)
    ramp = jnp.asarray(np.stack([x, y], -1), jnp.float32)
    keys = jax.random.split(jax.random.key(0), 300)
    crop = jax.jit(
        jax.vmap(
            lambda key: augment.random_affine(
                key,
                ramp,
                output_size_px=8,
                flip_probability=0.0,
                scale=(0.3, 0.6),
                aspect=(0.8, 1.25),
            )
        )
    )
    places = np.asarray(crop(keys))
    sides = (places[:, -1, -1] - places[:, 0, 0]) * 8 / 7
    areas = sides.prod(-1) / 1600
    assert 0.295 < areas.min() < 0.33
    assert 0.57 < areas.max() < 0.605
    aspects = sides[:, 0] / sides[:, 1]
    assert 0.79 < aspects.min() < 0.85
    assert 1.18 < aspects.max() < 1.26
    assert places.min() >= 0.5
    assert places.max() <= 39.5
    assert places[:, 0, 0].min() < 2.5
    assert places[:, -1, -1].max() > 37.5
