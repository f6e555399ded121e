"""Features are computed once, view by view, and kept whole or not at all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.augment import make_augment
from jaxcnn.data.batches import eval_batches
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.models import SixConv, split_at_head
from jaxcnn.training.checkpoints import fingerprint
from jaxcnn.training.features import (
    FeatureSplit,
    all_views,
    extract,
    load_features,
    make_feature_step,
    pick_view,
    save_features,
)
from jaxcnn.training.preprocessing import network_input
from jaxcnn.types import Batch

KEY = jax.random.key(3)
MODEL = SixConv(num_classes=2, widths=(4, 5), depth=2, dense_widths=(), batch_norm=True)


@pytest.fixture(scope="module")
def variables():
    return MODEL.init(KEY, jnp.ones((1, 10, 10, 3)), train=False)


def step(*, flip_average=False, **options):
    preprocessing = Preprocessing(image_size_px=10, flip_average=flip_average)
    return jax.jit(make_feature_step(MODEL, preprocessing, **options))


def test_the_views_are_the_photo_its_mirror_image_and_augmented_ones(tiny_split, variables):
    augment = make_augment("zoom=0.5", image_size_px=10)
    found, present = extract(
        step(flip_average=True, augment=augment, num_augmented=2),
        variables,
        eval_batches(tiny_split, batch_size=20),
        66,
        key=KEY,
    )
    assert present.all()
    assert found.shape == (66, 4, 2 * 2 * 5)
    backbone, classifier = split_at_head(MODEL)
    images = network_input(tiny_split.images[:, 1:-1, 1:-1], Preprocessing())
    for view, seen in ((0, images), (1, images[:, :, ::-1])):
        expected = backbone.apply(variables, seen, train=False)
        np.testing.assert_allclose(found[:, view], expected, rtol=1e-4, atol=1e-5)
    assert np.abs(found[:, 2] - found[:, 3]).max() > 1e-3
    np.testing.assert_allclose(
        classifier.apply(variables, jnp.asarray(found[:, 0]), train=False),
        MODEL.apply(variables, images, train=False),
        rtol=1e-4,
        atol=1e-5,
    )


def test_features_do_not_depend_on_the_batch(tiny_split, variables):
    augment = make_augment("zoom=0.5", image_size_px=10)
    one, other = (
        extract(
            step(augment=augment, num_augmented=1),
            variables,
            eval_batches(tiny_split, batch_size=size),
            66,
            key=KEY,
        )[0]
        for size in (7, 66)
    )
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_missing_image_shifts_no_other(tiny_split, variables):
    class OneMissing(type(tiny_split)):
        def gather(self, indices):
            images, mask = super().gather(indices)
            return images, mask & (indices != 2)

    split = OneMissing(
        tiny_split.images, tiny_split.labels, tiny_split.names, tiny_split.class_names
    )
    whole, _ = extract(step(), variables, eval_batches(tiny_split, batch_size=7), 66, key=KEY)
    found, present = extract(step(), variables, eval_batches(split, batch_size=7), 66, key=KEY)
    assert np.flatnonzero(~present).tolist() == [2]
    np.testing.assert_array_equal(found[present], whole[present])


def feature_batch(count=6, views=4):
    features = np.arange(count * views, dtype=np.float32).reshape(count, views, 1)
    index = np.arange(count, dtype=np.int32)
    return Batch(features, index * 0, index >= 0, index)


def test_each_example_draws_its_own_view_by_its_index():
    batch = feature_batch(count=200)
    drawn = np.asarray(pick_view(batch, KEY)[0])[:, 0]
    views = drawn - 4 * np.arange(200)
    assert set(views) == {0, 1, 2, 3}
    half = Batch(*(array[100:] for array in batch))
    np.testing.assert_array_equal(np.asarray(pick_view(half, KEY)[0])[:, 0], drawn[100:])
    assert (np.asarray(pick_view(batch, jax.random.key(4))[0])[:, 0] != drawn).any()


def test_evaluation_sees_every_view():
    views = all_views(feature_batch())
    assert [view.shape for view in views] == [(6, 1)] * 4
    np.testing.assert_array_equal(views[2][:, 0], np.arange(6) * 4 + 2)


def test_a_split_of_features_is_batched_like_images():
    split = FeatureSplit(
        np.ones((5, 2, 3), np.float32),
        np.array([True, True, True, False, True]),
        np.arange(5, dtype=np.int32),
        list("abcde"),
        ("x", "y"),
    )
    batches = list(eval_batches(split, batch_size=3))
    assert [batch.image.shape for batch in batches] == [(3, 2, 3)] * 2
    assert batches[1].image.dtype == np.float32
    assert batches[1].mask.tolist() == [False, True, False]


def test_kept_features_are_read_only_where_they_are_whole(tmp_path):
    path = tmp_path / "kept" / "train.npz"
    present = np.array([True, False, True, True])
    features = np.random.RandomState(0).standard_normal((4, 2, 3)).astype(np.float32)
    assert load_features(path, "a") is None
    save_features(path, features, present, "a")
    for found, saved in zip(load_features(path, "a"), (features, present), strict=True):
        np.testing.assert_array_equal(found, saved)
    assert load_features(path, "b") is None
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(bytes(data))
    assert load_features(path, "a") is None
    path.write_bytes(bytes(data[:-8]))
    assert load_features(path, "a") is None


def test_fingerprints_tell_weights_and_settings_apart():
    tree = {"a": np.ones(3, np.float32)}
    assert fingerprint(tree, 1) == fingerprint({"a": np.ones(3, np.float32)}, 1)
    assert fingerprint(tree, 1) != fingerprint(tree, 2)
    assert fingerprint(tree, 1) != fingerprint({"a": np.zeros(3, np.float32)}, 1)
