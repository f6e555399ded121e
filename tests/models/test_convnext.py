import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from network_trials import learn_by_heart, logits_of, random_images, random_variables, shapes_of

from jaxcnn.models import create_model, layers, stage_infos
from jaxcnn.models.convnext import ConvNeXt

TINY = {"num_classes": 3, "stage_sizes": (1, 1, 2, 1), "widths": (4, 8, 12, 16)}


def test_stages():
    infos = stage_infos(ConvNeXt(num_classes=2), (70, 64, 3))
    names = ("stem", "stage_1", "stage_2", "stage_3", "stage_4")
    widths = (96, 96, 192, 384, 768)
    assert infos == tuple(zip(names, (4, 4, 8, 16, 32), widths, strict=True))


@pytest.mark.parametrize("options", [{}, {"layer_scale": 0.0, "response_norm": True}], ids=str)
def test_a_batch_is_learnt_by_heart(options):
    model = ConvNeXt(**TINY | options)
    images, labels = random_images(6, 32, 40, 3), jnp.arange(6) % 3
    losses, _, gradient = learn_by_heart(model, images, labels, learning_rate=0.1, num_steps=80)
    assert losses[0] > 0.5
    assert losses[-1] < 0.1
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert jnp.abs(leaf).max() > 0, path


def test_without_a_head_the_vector_is_the_normalised_mean():
    model, images = ConvNeXt(**TINY), random_images(2, 32, 32, 3)
    variables = random_variables(model, images)
    features = model.clone(features_only=True).apply(variables, images, train=False)
    norm = layers.LayerNorm()
    mean = features["stage_4"].mean(axis=(1, 2))
    expected = norm.apply({"params": variables["params"]["norm"]}, mean)
    found = model.clone(num_classes=0).apply(variables, images, train=False)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_training_drops_later_branches_more_often():
    model = ConvNeXt(**TINY, drop_path_rate=0.8)
    rates = []

    def record(call, args, kwargs, context):
        if isinstance(context.module, layers.DropPath):
            rates.append(context.module.rate)
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        shapes_of(model, random_images(1, 32, 32, 3))
    np.testing.assert_allclose(rates, np.linspace(0, 0.8, 5))


def test_half_precision_is_close():
    model, images = ConvNeXt(**TINY), random_images(2, 32, 32, 3)
    variables = random_variables(model, images)
    exact = logits_of(model, variables, images)
    half = logits_of(model.clone(dtype=jnp.bfloat16), variables, images)
    assert half.dtype == jnp.float32
    assert (half != exact).any()
    np.testing.assert_allclose(half, exact, atol=0.05 * float(jnp.abs(exact).max()))


def test_blocks_start_near_the_identity():
    params = ConvNeXt(**TINY).init(jax.random.key(0), random_images(1, 32, 32, 3), train=False)
    block = params["params"]["stage_1"]["block_1"]
    assert (block["layer_scale"]["factor"] == 1e-6).all()
    assert float(block["expand"]["conv"]["kernel"].std()) == pytest.approx(0.02, rel=0.3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stage_sizes": (1, 1, 1)}, "must be four each"),
        ({"widths": (1, 2, 3, 0)}, "widths must be whole numbers above 0, got 0"),
        ({"layer_scale": -1.0}, r"layer_scale \(=-1.0\) must be at least 0"),
        ({"drop_path_rate": 1.0}, "drop_path_rate"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        create_model("convnext_tiny", 2, **options)


def test_images_too_small():
    with pytest.raises(ValueError, match=r"31x64 images are too small for ConvNeXt: .* 32 px"):
        shapes_of(ConvNeXt(**TINY), jnp.zeros((1, 31, 64, 3)))
