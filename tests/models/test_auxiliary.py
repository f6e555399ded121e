"""The Inception networks' auxiliary heads: there for training, and only for who asks for them."""

import importlib.util
import re
from functools import cache, partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.models import create_model, layers
from jaxcnn.models.googlenet import GoogLeNetAuxiliary
from jaxcnn.models.inception_v3 import InceptionV3Auxiliary
from jaxcnn.pretrained.mapping import fill, source_shapes
from jaxcnn.pretrained.names import names_of

_spec = importlib.util.spec_from_file_location(
    "seeded_weights", Path(__file__).with_name("seeded_weights.py")
)
seeded = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(seeded)

IMAGE_PX = {"googlenet": 32, "inception_v3": 299}
PLACES = {
    "googlenet": [("inception_4", "auxiliary_a"), ("inception_4", "auxiliary_d")],
    "inception_v3": [("inception_6", "auxiliary_e")],
}


@cache
def shapes_of(model, name):
    images = jax.ShapeDtypeStruct((1, IMAGE_PX[name], IMAGE_PX[name], 3), jnp.float32)
    init = partial(model.init, train=False)
    return jax.eval_shape(init, jax.random.key(0), images)


def sown(model, name, *, train=True, mutable=("batch_stats", "auxiliary")):
    """Return the shapes of what the network sows for 5 images, by place."""
    images = jax.ShapeDtypeStruct((5, IMAGE_PX[name], IMAGE_PX[name], 3), jnp.float32)
    rngs = {"dropout": jax.random.key(0)}
    apply = partial(model.apply, train=train, mutable=list(mutable), rngs=rngs)
    _, updated = jax.eval_shape(apply, shapes_of(model, name), images)
    leaves = jax.tree.leaves_with_path(updated.get("auxiliary", {}))
    return {tuple(key.key for key in path[:2]): (x.shape, x.dtype) for path, x in leaves}


@pytest.mark.parametrize(
    ("name", "options", "num_parameters"),
    [
        ("googlenet", {}, 6_624_904),
        ("googlenet", {"auxiliary_heads": True}, 13_004_888),
        ("inception_v3", {}, 23_834_568),
        ("inception_v3", {"auxiliary_heads": True}, 27_161_264),
        # No classes, no heads.
        ("googlenet", {"auxiliary_heads": True, "num_classes": 0}, 6_624_904 - 1_025_000),
        ("inception_v3", {"auxiliary_heads": True, "num_classes": 0}, 23_834_568 - 2_049_000),
    ],
)
def test_parameters_exist_from_the_start(name, options, num_parameters):
    variables = shapes_of(create_model(name, **{"num_classes": 1000} | options), name)
    assert set(variables) == {"params", "batch_stats"}
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == num_parameters


@pytest.mark.parametrize(
    ("name", "head", "num_logits"),
    [("googlenet", "softmax", 2), ("googlenet", "sigmoid", 1), ("inception_v3", "softmax", 2)],
)
def test_logits_are_sown_in_training_for_who_asks(name, head, num_logits):
    model = create_model(name, 2, auxiliary_heads=True, head=head)
    assert sown(model, name) == dict.fromkeys(PLACES[name], ((5, num_logits), jnp.float32))


@pytest.mark.parametrize(
    ("name", "options", "call"),
    [
        ("googlenet", {}, {"train": False}),
        ("googlenet", {}, {"mutable": ["batch_stats"]}),
        ("googlenet", {"auxiliary_heads": False}, {}),
        ("googlenet", {"frozen_stages": 4}, {}),
        ("inception_v3", {}, {"train": False}),
    ],
    ids=["evaluation", "not asked for", "no heads", "frozen", "evaluation, v3"],
)
def test_nothing_is_sown_otherwise(name, options, call):
    model = create_model(name, 3, **{"auxiliary_heads": True} | options)
    assert sown(model, name, **call) == {}


# Of torchvision 0.28's, by references/make_auxiliary.py.
@pytest.mark.parametrize(
    ("name", "make_head", "map_shape", "names_sha256", "logits"),
    [
        (
            "googlenet",
            GoogLeNetAuxiliary,
            (9, 14, 512),
            "cee096b0c4ee989a307b0a256854d8fc8831e93c0295849c3518c38941f20f79",
            [
                [0.439094, 0.369269, 0.698951, -0.778587],
                [-0.012712, -0.218436, -0.056905, -0.072054],
            ],
        ),
        (
            "inception_v3",
            InceptionV3Auxiliary,
            (17, 21, 768),
            "7137cedafdebcded04c7acc581c69a6a4d0e29cc5564d3918a86647a8ac6f3d0",
            [
                [-0.385543, 0.298188, 0.167571, -0.793499],
                [-0.256906, 0.239542, -0.336322, -0.610408],
            ],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_a_head_computes_what_torchvisions_does(name, make_head, map_shape, names_sha256, logits):
    names = names_of(name)["torchvision"]
    stage, place = PLACES[name][0]
    whole = shapes_of(create_model(name, 4, auxiliary_heads=True), name)
    assert seeded.names_digest(source_shapes(whole, names)) == names_sha256
    own = {kind: {stage: {place: tree[stage][place]}} for kind, tree in whole.items()}
    arrays = {
        array: seeded.seeded_array(array, shape, layout="torch")
        for array, shape in source_shapes(own, names).items()
    }
    filled = {kind: tree[stage][place] for kind, tree in fill(own, names, arrays).items()}
    head = make_head(
        make_head=lambda name, **dropout: layers.Head(num_classes=4, name=name),
        bn=layers.BatchNorm(epsilon=1e-3, frozen=True),
    )
    apply = jax.jit(partial(head.apply, train=True, mutable=["auxiliary"]))
    _, updated = apply(filled, seeded.seeded_images((2, *map_shape)))
    np.testing.assert_allclose(updated["auxiliary"]["logits"][0], logits, atol=2e-5)


@pytest.mark.parametrize("name", IMAGE_PX)
def test_arrays_of_heads_may_be_left_over(name):
    names = names_of(name)["torchvision"]
    without, with_heads = (
        source_shapes(shapes_of(create_model(name, 4, auxiliary_heads=heads), name), names)
        for heads in (False, True)
    )
    left_over = set(with_heads) - set(without)
    assert len(left_over) == {"googlenet": 2 * 9, "inception_v3": 12}[name]
    assert all(re.search(names.optional, array) for array in left_over)
    assert not any(re.search(names.optional, array) for array in without)


def test_dropout_of_a_head():
    """Of the 1024 hidden units about three in ten stay, scaled; the bias alone gives 0."""
    head = GoogLeNetAuxiliary(make_head=partial(layers.Head, num_classes=2))
    hidden = {"kernel": jnp.zeros((2048, 1024)), "bias": jnp.ones(1024)}
    last = {"kernel": jnp.full((1024, 2), 0.3 / 1024), "bias": jnp.zeros(2)}
    conv = {"conv": {"kernel": jnp.zeros((1, 1, 3, 128))}}
    norm = {"bn": {"scale": jnp.ones(128), "bias": jnp.zeros(128)}}
    variables = {
        "params": {"conv_1": conv | norm, "fc_1": {"linear": hidden}, "head": {"linear": last}},
        "batch_stats": {"conv_1": {"bn": {"mean": jnp.zeros(128), "var": jnp.ones(128)}}},
    }
    apply = partial(head.apply, train=True, mutable=["auxiliary", "batch_stats"])
    rngs = {"dropout": jax.random.key(0)}
    _, updated = jax.jit(apply)(variables, jnp.ones((9, 4, 4, 3)), rngs=rngs)
    kept = updated["auxiliary"]["logits"][0][:, 0] * 1024
    # Each logit is a count of kept units times (1 / 0.3) * 0.3 / 1024.
    np.testing.assert_allclose(kept, kept.round(), atol=1e-2)
    np.testing.assert_allclose(kept / 1024, 0.3, atol=0.06)
    assert len(set(kept.round().tolist())) > 1


def test_inception_v3s_head_needs_the_published_size():
    model = create_model("inception_v3", 2, auxiliary_heads=True)
    images = jax.ShapeDtypeStruct((1, 298, 320, 3), jnp.float32)
    with pytest.raises(ValueError, match=r"16x18, but needs 17x17; use images of at least 299 px"):
        jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    # In evaluation it is not computed.
    apply = partial(model.apply, train=False)
    jax.eval_shape(apply, shapes_of(model, "inception_v3"), images)


@pytest.mark.parametrize("name", IMAGE_PX)
def test_weight_out_of_range(name):
    with pytest.raises(ValueError, match=r"auxiliary_weight \(=-0.1\) must be at least 0"):
        create_model(name, 2, auxiliary_weight=-0.1)
