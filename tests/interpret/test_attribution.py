import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.interpret import class_scores, integrated_gradients, occlusion, occlusion_maps
from jaxcnn.models import create_model

KEY = jax.random.key(0)
CLASSES = jnp.array([2, 0])


def network(**options):
    model = create_model("six_conv", 3, depth=2, widths=(4, 6), dense_widths=(), **options)
    images = jax.random.normal(KEY, (2, 16, 16, 3))
    variables = jax.jit(lambda: model.init(jax.random.key(1), images, train=False))()
    for block in ("block_1", "block_2"):  # or no unit would have its kink on the way from zero
        for layer in variables["params"][block].values():
            if "bias" in layer:
                layer["bias"] = jax.random.normal(jax.random.key(2), layer["bias"].shape)
    return model, variables, images


@pytest.mark.parametrize("baseline", [None, 0.5])
@pytest.mark.parametrize("options", [{}, {"batch_norm": True}, {"activation": "tanh"}], ids=str)
def test_attributions_sum_to_the_difference_of_the_logits(options, baseline):
    model, variables, images = network(**options)
    start = jnp.full_like(images, baseline or 0.0)
    given = {} if baseline is None else {"baselines": start}
    found = jax.jit(
        lambda v, x: integrated_gradients(model, v, x, CLASSES, num_steps=256, **given)
    )(variables, images)
    expected = class_scores(model, variables, images, CLASSES) - class_scores(
        model, variables, start, CLASSES
    )
    greatest = float(np.abs(expected).max())
    assert greatest > 0.05
    # 256 steps of a network of kinks: within one per cent of the greater difference.
    np.testing.assert_allclose(found.values.sum((1, 2, 3)), expected, atol=0.01 * greatest)
    np.testing.assert_allclose(found.gap, expected - found.values.sum((1, 2, 3)), atol=1e-5)


def test_the_gap_falls_as_the_steps_grow():
    model, variables, images = network()
    gaps = [
        np.abs(integrated_gradients(model, variables, images, CLASSES, num_steps=n).gap).max()
        for n in (2, 32)
    ]
    assert gaps[1] < gaps[0] / 4


def test_few_steps_are_enough_where_the_logit_changes_beside_the_baseline():
    model, variables, images = network(activation="tanh")
    images = 50 * images  # so tanh is at its end after a fiftieth of the way
    found = integrated_gradients(model, variables, images, CLASSES, num_steps=64)
    changes = np.abs(found.score - found.baseline_score)
    assert changes.min() > 0.1
    assert (np.abs(found.gap) < 0.05 * changes).all()


def test_a_pixel_that_equals_its_baseline_brings_nothing():
    model, variables, images = network()
    baselines = jnp.ones_like(images).at[:, 3:9, 4:7].set(images[:, 3:9, 4:7])
    found = integrated_gradients(
        model, variables, images, CLASSES, baselines=baselines, num_steps=4
    )
    assert not found.values[:, 3:9, 4:7].any()
    assert found.values.any()


def test_of_a_linear_score_each_pixel_brings_weight_times_value():
    """Average pooling without activation is linear, so that one step is exact."""
    model, variables, images = network(activation="linear", pooling="avg")
    found = integrated_gradients(model, variables, images, CLASSES, num_steps=1)
    np.testing.assert_allclose(found.gap, 0, atol=1e-5)


def bright_score():
    """A network whose class 1 scores the mean brightness of the image."""
    model = create_model(
        "six_conv",
        2,
        depth=1,
        widths=(2,),
        dense_widths=(),
        global_pooling="average",
        pooling="avg",
    )
    images = jnp.zeros((1, 16, 16, 3))
    variables = jax.tree.map(jnp.zeros_like, model.init(KEY, images, train=False))
    kernel = variables["params"]["block_1"]["conv"]["kernel"]
    variables["params"]["block_1"]["conv"]["kernel"] = kernel.at[1, 1].set(1 / 3)
    head = variables["params"]["head"]["linear"]["kernel"]
    variables["params"]["head"]["linear"]["kernel"] = head.at[:, 1].set(0.5)
    return model, variables


@pytest.mark.parametrize(("top", "left"), [(0, 0), (5, 7), (12, 12)])
def test_covering_the_square_that_speaks_for_the_class_costs_most(top, left):
    model, variables = bright_score()
    image = np.zeros((16, 16, 3), np.float32)
    image[top : top + 4, left : left + 4] = 1
    found = occlusion_maps(model, variables, jnp.asarray(image)[None], jnp.array([1]), patch_px=2)
    inside = image[..., 0] == 1
    # Each px of the square brings 1 / 256; a patch of four that covers it costs 4 / 256.
    assert found[0][inside].max() == pytest.approx(4 / 256, rel=1e-4)
    row, column = np.unravel_index(int(found[0].argmax()), (16, 16))
    assert inside[row, column]
    far = np.ones((16, 16), bool)
    far[max(0, top - 2) : top + 6, max(0, left - 2) : left + 6] = False
    np.testing.assert_allclose(found[0][far], 0, atol=1e-6)


def test_occlusion_is_of_each_image_its_own_class():
    model, variables, images = network()
    both = occlusion_maps(model, variables, images, CLASSES, patch_px=8)
    for number in range(2):
        alone = occlusion_maps(
            model,
            variables,
            images[number : number + 1],
            CLASSES[number : number + 1],
            patch_px=8,
        )
        np.testing.assert_allclose(both[number], alone[0], atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda *n: occlusion_maps(*n, CLASSES, patch_px=17), "patch_px"),
        (lambda *n: occlusion_maps(*n, CLASSES, patch_px=4, stride_px=5), "stride_px"),
        (lambda *n: integrated_gradients(*n, CLASSES, num_steps=0), "num_steps"),
        (lambda *n: integrated_gradients(*n, CLASSES, baselines=jnp.zeros((16, 16))), "baselines"),
    ],
)
def test_mistakes_are_told(call, message):
    with pytest.raises(ValueError, match=message):
        call(*network())


@pytest.mark.parametrize(
    ("side", "patch", "stride"), [(20, 5, 4), (20, 5, 5), (7, 7, 2), (9, 2, 2)]
)
def test_patches_reach_the_far_edge_and_leave_no_gap(side, patch, stride):
    starts = occlusion._starts(side, patch, stride)
    assert (starts[0], starts[-1]) == (0, side - patch)
    assert (np.diff(starts) <= stride).all()
