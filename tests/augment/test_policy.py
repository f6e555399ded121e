import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.augment import (
    augment_batch,
    center_crop,
    list_policies,
    make_augment,
    random_brightness,
    random_crop,
    random_flip,
)
from jaxcnn.augment.policy import OPERATIONS, POLICIES, parse_policy

STORED, SIZE = 14, 12
IMAGES = np.random.default_rng(0).random((4, STORED, STORED, 3), np.float32)
MUCH = (
    "flip,zoom=0.55,aspect=1.3,rotation=0.25,translation=0.1,shear=0.1,"
    "hue=0.05,saturation=0.2,gamma=0.2,contrast=0.2,brightness=0.2,rand_augment=9,cutout=0.3,"
    "erasing=0.5"
)
EVERYTHING = (
    f"{MUCH},vertical_flip=0.5,perspective=0.2,elastic=20,trivial_augment=0.5,aug_mix=3,"
    "grayscale=0.2,blur=0.5"
)


@functools.cache
def compiled(spec, size):
    augment = make_augment(spec, image_size_px=size)
    return jax.jit(lambda key, images, index: augment_batch(augment, key, images, index))


def run(spec, images=IMAGES, *, seed=0, index=None, size=SIZE):
    index = jnp.arange(len(images)) if index is None else jnp.asarray(index)
    return np.asarray(compiled(spec, size)(jax.random.key(seed), jnp.asarray(images), index))


@pytest.mark.parametrize(
    ("spec", "channels"),
    [
        *((name, 3) for name in list_policies()),
        (MUCH, 1),
        pytest.param(EVERYTHING, 1, marks=pytest.mark.slow),
    ],
)
def test_policies_return_images_in_range(spec, channels):
    result = run(spec, IMAGES[..., :channels])
    assert result.shape == (4, SIZE, SIZE, channels)
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 1


def test_everything_names_every_operation():
    assert set(parse_policy(EVERYTHING)) == set(OPERATIONS)


@pytest.mark.parametrize("spec", [name for name in list_policies() if name != "none"])
def test_draws_differ_between_examples_and_keys_and_repeat(spec):
    same_image = np.repeat(IMAGES[:1], 4, axis=0)
    result = run(spec, same_image)
    assert len(np.unique(result.reshape(4, -1), axis=0)) > 1
    np.testing.assert_array_equal(run(spec, same_image), result)
    assert not np.array_equal(run(spec, same_image, seed=1), result)


@pytest.mark.parametrize("spec", ["flip", "strong"])
def test_a_draw_depends_on_the_index_alone(spec):
    whole = run(spec, index=[5, 9, 2, 7])
    np.testing.assert_allclose(run(spec, IMAGES[2:3], index=[2])[0], whole[2], atol=1e-5)
    order = [3, 1, 0, 2]
    moved = run(spec, IMAGES[order], index=np.array([5, 9, 2, 7])[order])
    np.testing.assert_allclose(moved, whole[order], atol=1e-5)


def test_padding_index_is_a_valid_draw():
    assert np.isfinite(run("standard", index=[0, 1, -1, -1])).all()


def test_none_is_the_centre_crop():
    np.testing.assert_array_equal(run("none"), center_crop(IMAGES, SIZE))


def test_flip_at_stored_size_only_flips():
    images = np.repeat(IMAGES, 4, axis=0)
    result = run("flip", images, size=STORED)
    flipped = (result != images).any((1, 2, 3))
    assert 0 < flipped.sum() < len(images)
    np.testing.assert_array_equal(result[flipped], images[flipped][:, :, ::-1])


def test_neutral_amounts_change_nothing():
    spec = ",".join(f"{name}={operation.off}" for name, operation in OPERATIONS.items())
    np.testing.assert_array_equal(run(spec, size=STORED), IMAGES)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_each_operation_alone_changes_the_image(name):
    amounts = {"zoom": 0.5, "aspect": 2.0, "rand_augment": 9.0, "aug_mix": 9.0, "elastic": 50.0}
    is_chance = OPERATIONS[name].meaning == "probability"
    amount = amounts.get(name, 1.0 if is_chance else 0.3)
    same_image = np.repeat(IMAGES[:1], 4, axis=0)
    assert np.abs(run(f"{name}={amount}", same_image, size=STORED) - same_image).max() > 0.01


def test_a_new_operation_leaves_the_draws_of_the_others():
    """What a seed gave before erasing and RandAugment were added, it still gives."""
    keys = jax.random.split(jax.random.key(0), 7)
    crop_key, flip_key = jax.random.split(keys[6])
    image = random_flip(flip_key, random_crop(crop_key, jnp.asarray(IMAGES[0]), size_px=SIZE))
    expected = random_brightness(keys[4], image, max_delta=0.2)
    result = make_augment("flip,brightness=0.2", image_size_px=SIZE)(jax.random.key(0), IMAGES[0])
    np.testing.assert_allclose(result, jnp.clip(expected, 0, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("flip", {"flip": 0.5}),
        (" brightness = 0.1 , flip = 1 ", {"flip": 1.0, "brightness": 0.1}),
        ("none", {}),
        ("standard", parse_policy(POLICIES["standard"])),
        ("flip,rotation=0.3,rotation=0.1", {"flip": 0.5, "rotation": 0.1}),
        ("standard,rotation=0", parse_policy(POLICIES["standard"]) | {"rotation": 0.0}),
    ],
)
def test_parse(spec, expected):
    assert parse_policy(spec) == expected


def test_policies_are_the_recipe():
    assert list_policies() == ("none", "flip", "standard", "strong")
    standard = {"flip": 0.5, "zoom": 0.55, "rotation": 0.25, "contrast": 0.2, "brightness": 0.2}
    assert parse_policy("standard") == standard
    assert parse_policy("strong").items() > standard.items()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("standrad", "unknown augmentation 'standrad'; known, nearest first: standard"),
        ("flip,rotaton=0.2", "unknown augmentation 'rotaton'.*: rotation"),
        ("", "no augmentation is named; write none"),
        (" , ", "no augmentation is named; write none"),
        ("trivial_augment", "trivial_augment has no amount; it must .* example trivial_augment=1."),
        ("trivial_augment=2", r"trivial_augment \(=2\) must .* for example trivial_augment=1."),
        ("standard=0.5", r"standard is a policy and takes no amount \(=0.5\)"),
        ("zoom", r"zoom has no amount; it must be a number in \[0.01, 1\]"),
        ("zoom=0", r"zoom \(=0\) must be a number in \[0.01, 1\] .* write for example zoom="),
        ("hue=0.7", r"hue \(=0.7\) must be a number in \[0, 0.5\]"),
        ("rotation=20", r"rotation \(=20\) .*in \[0, 3.14159\] .*radians"),
        ("brightness=-0.1", r"brightness \(=-0.1\)"),
        ("rand_augment=12", r"rand_augment \(=12\) must be a number in \[0, 10\] \(magnitude"),
        ("brightness=nan", r"brightness \(=nan\)"),
        ("contrast=lots", r"contrast \(=lots\) must be a number"),
        ("flip=", "flip has no amount; it must be a number"),
    ],
)
def test_bad_policies(spec, message):
    with pytest.raises(ValueError, match=message):
        make_augment(spec, image_size_px=SIZE)


def test_the_example_in_an_error_is_valid():
    for name in OPERATIONS:
        with pytest.raises(ValueError, match="write for example") as caught:
            parse_policy(f"{name}=-1")
        example = str(caught.value).rpartition(" ")[2].rstrip(".")
        assert parse_policy(example)[name] != OPERATIONS[name].off


@pytest.mark.parametrize("spec", ["none", "flip", "standard"])
def test_images_smaller_than_the_crop_are_an_error(spec):
    augment = make_augment(spec, image_size_px=SIZE)
    with pytest.raises(ValueError, match=r"image_size_px \(=12\) exceeds the stored image"):
        augment(jax.random.key(0), jnp.zeros((14, 11, 3)))


def test_image_size_must_be_positive():
    with pytest.raises(ValueError, match=r"image_size_px \(=0\)"):
        make_augment("none", image_size_px=0)


@pytest.mark.parametrize("spec", [*list_policies(), EVERYTHING, "flip,rand_augment=9"])
def test_no_loop_over_data_and_one_resampling(spec):
    augment = make_augment(spec, image_size_px=SIZE)
    program = str(jax.make_jaxpr(augment)(jax.random.key(0), IMAGES[0]))
    assert "scan[" not in program
    assert "while[" not in program
    # Four for each resampling, and two for each chance to equalize.
    again = sum(name in spec for name in ("perspective", "elastic", "aug_mix"))
    equalize = 2 * ("rand_augment" in spec) + ("trivial_augment" in spec) + 3 * ("aug_mix" in spec)
    assert program.count(" gather[") <= 4 * (1 + again) + 2 * equalize


@pytest.mark.parametrize("spec", ["none", "flip", "standard", "trivial_augment=1"])
def test_a_size_may_be_height_and_width(spec):
    augment = make_augment(spec, image_size_px=(9, 13))
    assert augment(jax.random.key(0), jnp.asarray(IMAGES[0])).shape == (9, 13, 3)
    with pytest.raises(ValueError, match=r"image_size_px \(=\(9, 15\)\) exceeds"):
        make_augment(spec, image_size_px=(9, 15))(jax.random.key(0), jnp.asarray(IMAGES[0]))
