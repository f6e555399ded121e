from functools import partial

import jax
import jax.numpy as jnp
import pytest
from network_trials import learn_by_heart, random_images

from jaxcnn.models import create_model, inception_v3, stage_infos
from jaxcnn.models.inception_v3 import InceptionV3, stage_modules
from jaxcnn.pretrained.mapping import source_shapes
from jaxcnn.pretrained.names import names_of


def shapes_of(model, images):
    return jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)


def zeros(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


@pytest.mark.parametrize(
    ("options", "shape", "num_parameters"),
    [
        ({"num_classes": 1000}, (299, 299, 3), 23_834_568),
        ({"num_classes": 2, "head": "sigmoid"}, (75, 75, 1), 23_834_568 - 999 * 2049 - 2 * 9 * 32),
    ],
)
def test_number_of_parameters(options, shape, num_parameters):
    variables = shapes_of(InceptionV3(**options), zeros(1, *shape))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == num_parameters


def test_stages():
    infos = stage_infos(create_model("inception_v3", 10), (299, 299, 3))
    assert infos == (
        ("stem_1", 2, 64),
        ("stem_2", 4, 192),
        ("inception_5", 8, 288),
        ("inception_6", 16, 768),
        ("inception_7", 32, 2048),
    )


@pytest.mark.parametrize(
    ("shape", "sides"),
    [
        ((299, 299, 3), [(147, 147), (71, 71), (35, 35), (17, 17), (8, 8)]),
        ((75, 110, 3), [(35, 52), (15, 23), (7, 11), (3, 5), (1, 2)]),
    ],
)
def test_maps_of_half_precision(shape, sides):
    model = InceptionV3(num_classes=2, features_only=True, dtype=jnp.bfloat16)
    images = zeros(1, *shape)
    variables = shapes_of(model, images)
    features = jax.eval_shape(partial(model.apply, train=False), variables, images)
    assert [features[stage.name].shape[1:3] for stage in stage_infos(model, shape)] == sides
    assert {x.dtype for x in features.values()} == {jnp.dtype(jnp.bfloat16)}
    assert {x.dtype for x in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}


def test_training_gives_float32_logits_and_new_averages():
    model = InceptionV3(num_classes=3, dtype=jnp.bfloat16)
    images = zeros(2, 75, 75, 3)
    variables = shapes_of(model, images)
    rngs = {"dropout": jax.random.key(0)}
    apply = partial(model.apply, train=True, mutable=["batch_stats"], rngs=rngs)
    logits, updated = jax.eval_shape(apply, variables, images)
    assert (logits.shape, logits.dtype) == ((2, 3), jnp.float32)
    assert jax.tree.structure(updated["batch_stats"]) == jax.tree.structure(
        variables["batch_stats"]
    )


@pytest.mark.parametrize(("count_include_pad", "corner"), [(True, 4 / 9), (False, 1.0)])
def test_average_pooling_at_the_edge(count_include_pad, corner):
    for stage in ("inception_5", "inception_6", "inception_7"):
        _, branches = stage_modules(count_include_pad)[stage][-1]
        pooled = branches[-1][0](jnp.ones((1, 4, 4, 1)))
        assert float(pooled[0, 0, 0, 0]) == pytest.approx(corner)
        assert float(pooled[0, 1, 1, 0]) == pytest.approx(1.0)


def test_images_too_small():
    with pytest.raises(ValueError, match=r"80x74 images are too small for InceptionV3.* 75 px"):
        shapes_of(InceptionV3(num_classes=2), zeros(1, 80, 74, 3))


def test_keras_numbers_convolutions_through_the_network():
    shapes = shapes_of(InceptionV3(num_classes=5), zeros(1, 75, 75, 3))
    names = names_of("inception_v3")
    now, before = (source_shapes(shapes, names[origin]) for origin in ("keras", "keras_from_1"))
    assert now["conv2d/kernel"] == before["conv2d_1/kernel"] == (3, 3, 3, 32)
    assert now["conv2d_93/kernel"] == before["conv2d_94/kernel"] == (1, 1, 2048, 192)
    assert "conv2d_94/kernel" not in now
    assert "conv2d/kernel" not in before
    assert not any(name.endswith("gamma") for name in now)


@pytest.mark.slow
def test_one_batch_is_learnt(monkeypatch):
    """Descend in steps so short that a change in rounding does not change where they lead.

    With steps of 0.02 and momentum, weights larger by a millionth give other losses from the second
    step on, and other flags of XLA a loss of 2.1 in place of 0.001 after ten.
    """
    modules = stage_modules()
    few = {stage: modules[stage][:2] for stage in modules}  # one of each kind at least
    monkeypatch.setattr(inception_v3, "stage_modules", lambda count_include_pad: few)
    model = InceptionV3(num_classes=2, dropout_rate=0.0)
    images, labels = random_images(4, 75, 75, 3), jnp.array([0, 1, 1, 0])
    losses, _, gradient = learn_by_heart(model, images, labels, learning_rate=0.005, num_steps=10)
    assert losses[-1] < 0.1 < losses[0]
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert jnp.abs(leaf).max() > 0, path
