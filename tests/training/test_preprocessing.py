"""Crop, scale and normalisation are those of one value, wherever a network looks at photos."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import losses
from jaxcnn.data.preprocessing import Decoding, Preprocessing
from jaxcnn.models import create_model, head_of
from jaxcnn.training.eval_step import make_eval_step, make_predict
from jaxcnn.training.features import make_answer_step
from jaxcnn.training.preprocessing import network_input, seen_part, views
from jaxcnn.training.state import evaluation_variables, init_state
from jaxcnn.training.step import make_train_step
from jaxcnn.types import Batch

KEY = jax.random.key(0)
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 3), np.uint8)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
PREPROCESSING = Preprocessing(image_size_px=8, mean=MEAN, std=STD, flip_average=True)
EXPECTED = (IMAGES[:, 2:10, 2:10] / 255 - np.array(MEAN)) / np.array(STD)


def test_the_middle_is_normalised_channel_by_channel():
    np.testing.assert_allclose(network_input(IMAGES, PREPROCESSING), EXPECTED, atol=1e-5)
    np.testing.assert_allclose(network_input(IMAGES[0], PREPROCESSING), EXPECTED[0], atol=1e-5)
    np.testing.assert_array_equal(seen_part(IMAGES, PREPROCESSING), IMAGES[:, 2:10, 2:10])


def test_without_a_size_images_are_taken_as_they_come():
    assert network_input(IMAGES, Preprocessing()).shape == IMAGES.shape
    decoding = Decoding(30, num_channels=1)
    assert Preprocessing(decoding=decoding).image_shape == (30, 30, 1)
    assert Preprocessing(decoding=decoding, image_size_px=24).image_shape == (24, 24, 1)


def test_a_mirror_image_is_a_view_if_asked_for():
    plain, mirrored = views(IMAGES, PREPROCESSING)
    np.testing.assert_array_equal(mirrored, plain[:, :, ::-1])
    assert len(views(IMAGES, Preprocessing())) == 1


def test_floats_are_refused():
    with pytest.raises(TypeError, match="float32"):
        network_input(IMAGES.astype(np.float32), PREPROCESSING)


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_training_evaluation_prediction_and_features_see_the_same(head):
    options = {"depth": 1, "widths": (4,), "dense_widths": (), "dropout_rate": 0.0}
    model = create_model("six_conv", 2, head=head, **options)
    state = init_state(KEY, model, optax.sgd(0.1), (8, 8, 3))
    variables = evaluation_variables(state)
    logits = [model.apply(variables, x, train=False) for x in (EXPECTED, EXPECTED[:, :, ::-1])]
    expected = losses.probabilities(sum(logits) / 2, head)
    loss_fn = losses.make_loss(head, num_classes=2)
    index = np.arange(4, dtype=np.int32)
    batch = Batch(IMAGES, index % 2, index >= 0, index)
    answers = {
        "evaluation": make_eval_step(model, loss_fn, PREPROCESSING)(variables, batch)[1],
        "prediction": make_predict(model, PREPROCESSING)(variables, IMAGES),
        "features": make_answer_step(model, PREPROCESSING)(variables, IMAGES)[0],
    }
    for name, found in answers.items():
        np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=name)
    step = make_train_step(model, optax.sgd(0.1), loss_fn, preprocessing=PREPROCESSING)
    _, counted = step(state, batch, KEY)
    reported = float(loss_fn(jnp.asarray(logits[0]), batch.label).sum())
    assert float(counted["loss"]["sum"]) == pytest.approx(reported, rel=1e-5)


def test_logits_of_other_modules_are_for_softmax():
    assert head_of(nn.Dense(2)) == "softmax"
    assert head_of(create_model("six_conv", 2, head="sigmoid")) == "sigmoid"


def seen_by(images, **options):
    preprocessing = Preprocessing(image_size_px=8, mean=(0.0,), std=(1.0,), **options)
    return [np.asarray(view) for view in views(images, preprocessing)]


def test_five_crops_are_the_middle_and_the_corners():
    images = np.random.default_rng(0).integers(0, 256, (2, 10, 10, 3)).astype(np.uint8)
    found = seen_by(images, views=("five_crop",))
    starts = [(1, 1), (0, 0), (0, 2), (2, 0), (2, 2)]
    expected = [images[:, y : y + 8, x : x + 8] / np.float32(255) for y, x in starts]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_corners_and_scales_of_an_oblong():
    images = np.random.default_rng(0).integers(0, 256, (1, 20, 32, 3)).astype(np.uint8)
    wanted = Preprocessing(image_size_px=(14, 21), mean=(0.0,), std=(1.0,))
    corners = views(images, dataclasses.replace(wanted, views=("five_crop",)))[1:]
    starts = [(0, 0), (0, 11), (6, 0), (6, 11)]
    cut = [images[:, y : y + 14, x : x + 21] / np.float32(255) for y, x in starts]
    np.testing.assert_allclose(corners, cut, rtol=1e-6)
    closer, farther = views(images, dataclasses.replace(wanted, views=("scales",)))[1:]
    for found, (height, width) in ((closer, (12, 18)), (farther, (16, 24))):  # 7/8 and 8/7
        y, x = (20 - height) // 2, (32 - width) // 2
        part = images[:, y : y + height, x : x + width] / np.float32(255)
        expected = jax.image.resize(part, (1, 14, 21, 3), "linear")
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_other_scales_show_less_and_more_of_the_middle():
    ramp = np.broadcast_to(np.arange(0, 240, 24)[:, None], (10, 10))
    images = np.repeat(ramp[None, :, :, None], 3, axis=3).astype(np.uint8)
    middle, closer, farther = (each[0, :, 0, 0] for each in seen_by(images, views=("scales",)))
    assert middle.shape == closer.shape == farther.shape == (8,)
    assert np.ptp(closer) < np.ptp(middle) < np.ptp(farther)
    whole = seen_by(images[:, 1:9, 1:9], views=("scales",))  # there is no more to show
    assert len(whole) == 2


def test_a_mirror_image_follows_each_view():
    images = np.random.default_rng(0).integers(0, 256, (1, 10, 10, 3)).astype(np.uint8)
    found = seen_by(images, views=("five_crop", "scales"), flip_average=True)
    assert len(found) == 14
    np.testing.assert_array_equal(found[1::2], [view[:, :, ::-1] for view in found[::2]])


def test_corners_need_room():
    images = np.zeros((1, 8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="larger than the 8x8 px that the network sees"):
        seen_by(images, views=("five_crop",))


def test_a_fingerprint_without_further_views_is_that_of_before():
    assert "views" not in repr(Preprocessing())
    assert repr(Preprocessing(views=("scales",))) != repr(Preprocessing())
