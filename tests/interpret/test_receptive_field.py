from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from network_trials import random_variables

from jaxcnn.interpret import receptive_field, receptive_fields, resize_maps
from jaxcnn.interpret.receptive_field import (
    Span,
    UnknownOperationError,
    interpolation_weights,
)
from jaxcnn.models import ConvNeXt, StagedNetwork, create_model, list_models
from jaxcnn.models.staged import Stage

# Sides that are no powers of two, so that paddings and remainders take part.
SIZES = {"lenet5": (37, 33, 1), "six_conv": (70, 67, 3), "alexnet": (83, 75, 3)}
# These see the whole image, but for pixels that fill no patch: here there are none.
SIZES |= {name: (96, 64, 3) for name in list_models() if name.startswith("convnextv2")}
QUICK = ("lenet5", "six_conv", "alexnet")


def averaging_variables(model, images):
    """Weights of means: nothing cancels, no ReLU is dead, and nothing grows to saturate."""

    def leaf(path, shape):
        name = path[-1].key
        if name in ("kernel", "coefficient"):
            return jnp.full(shape.shape, 1 / max(1, np.prod(shape.shape[:-1])))
        return jnp.full(shape.shape, 1.0 if name in ("scale", "var") else 0.0)

    key = jax.random.key(0)
    shapes = jax.eval_shape(lambda x: model.init(key, x, train=False), images)
    return jax.tree_util.tree_map_with_path(leaf, shapes)


def ramps(height, width, channels):
    """Images that fall along H or W, or rise, so that the maxima lie at each edge of windows.

    They fall so steeply that not even a window half in the padding yields to the next one.
    """
    # Small, since each shortcut doubles what comes in and ReLU6 ends at 6.
    rows, columns = 1e-3 * 0.6 ** np.arange(height), 1e-3 * 0.6 ** np.arange(width)
    down = np.broadcast_to(rows[:, None, None], (height, width, channels))
    right = np.broadcast_to(columns[None, :, None], (height, width, channels))
    return np.stack([down, down[::-1], right, right[:, ::-1]]).astype(np.float32)


def seen_by_the_middle(model, shape, names):
    """Whether the middle pixel of each stage has a gradient by each pixel of the image."""
    images = jnp.asarray(np.concatenate([ramps(*shape)] * len(names)))
    # Layer normalisation would make zeros of channels that are all alike.
    fill = random_variables if isinstance(model, ConvNeXt) else averaging_variables
    variables = fill(model, images)

    def middles(images, variables):
        features = model.clone(features_only=True).apply(variables, images, train=False)
        total = jnp.float32(0)
        for number, name in enumerate(names):
            x = features[name][4 * number : 4 * number + 4]
            total += x[:, x.shape[1] // 2, x.shape[2] // 2].sum()
        return total, {name: x.shape[1:3] for name, x in features.items()}

    sizes = {}

    def objective(images, variables):
        total, found = middles(images, variables)
        sizes.update(found)
        return total

    # Variables as constants gave NaN with squeeze and excitation under the flags of `conftest`.
    gradient = np.asarray(jax.jit(jax.grad(objective))(images, variables))
    assert np.isfinite(gradient).all()
    touched = gradient.reshape(len(names), 4, *shape)
    return (touched != 0).any(axis=(1, 4)), sizes


@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in list_models()
    ],
)
def test_the_fields_are_what_gradients_reach(name):
    model, shape = create_model(name, 2), SIZES.get(name, (97, 91, 3))
    fields = receptive_fields(model, shape)
    touched, sizes = seen_by_the_middle(model, shape, [field.stage for field in fields])
    for field, seen in zip(fields, touched, strict=True):
        if field.sees_all:
            assert seen.all(), field.stage
            continue
        for span, axis in ((field.rows, 0), (field.columns, 1)):
            middle = sizes[field.stage][axis] // 2
            reached = np.flatnonzero(seen.any(axis=1 - axis))
            assert span.interval(middle) == (reached[0], reached[-1] + 1), field.stage


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("vgg16", {"stage_5": 212}),  # Araujo et al. 2019, table of published networks
        ("alexnet", {"conv_5": 195}),
        ("lenet5", {"c1": 5, "s2": 6, "c3": 14, "s4": 16, "c5": 32}),
        pytest.param("inception_v3", {"inception_7": 1311}, marks=pytest.mark.slow),
    ],
)
def test_the_sizes_are_the_published_ones(name, sizes):
    fields = receptive_fields(create_model(name, 2), (224, 224, 3))
    found = {field.stage: field.size_px for field in fields}
    assert {stage: found[stage] for stage in sizes} == sizes


def test_a_shuffle_of_channels_leaves_pixels_where_they_are():
    fields = receptive_fields(create_model("shufflenet_v2_x0_5", 2), (224, 224, 3))
    # Per stage a step of 3x3 at half the size, then 3, 7 and 3 at that size; the pooling is before.
    assert [field.size_px for field in fields] == [3, 63, 303, 527, 527]


class Moves(StagedNetwork, kw_only=True):
    """A stage that moves pixels, by a way that receptive fields do not follow."""

    move: Callable[[jax.Array], jax.Array]

    def stages(self):
        return [Stage("moved", 1, lambda x, train: self.move(x))]


@pytest.mark.parametrize(
    ("name", "move"),
    [
        ("reshape", lambda x: x.reshape(1, 4, 16, 3)),
        ("stack", lambda x: jnp.stack([x, x], axis=2).reshape(1, 8, 16, 3)),
        ("transpose", lambda x: x.swapaxes(1, 2)),
    ],
)
def test_an_operation_that_moves_pixels_is_refused(name, move):
    with pytest.raises(UnknownOperationError, match=f"'{name}' on images"):
        receptive_fields(Moves(num_classes=2, move=move), (8, 8, 3))


def test_squeeze_and_excitation_sees_the_whole_image():
    fields = receptive_fields(create_model("mobilenet_v3_small", 2), (64, 64, 3))
    assert [field.sees_all for field in fields] == [False] + [True] * 5
    assert [field.size_px for field in fields[:3]] == [3, 7, 31]


def test_every_field_counts_the_strides_of_the_stages():
    model = create_model("efficientnet_lite0", 2)
    fields = receptive_fields(model, (64, 64, 3))
    assert [field.rows.stride_px for field in fields] == [2, 2, 4, 8, 16, 32, 32]


def test_a_pixel_of_the_map_is_drawn_in_the_middle_of_its_field():
    """A stride of 2 with a padding at the end alone: TensorFlow's "same" on even sides."""
    span = Span(start_px=0, size_px=3, stride_px=2, first_px=0, end_px=8)
    weights = interpolation_weights(span, 4, 8)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
    assert weights[1].tolist() == [1, 0, 0, 0]  # px 1 is the middle of 0, 1 and 2
    assert weights[3].tolist() == [0, 1, 0, 0]
    assert weights[2].tolist() == [0.5, 0.5, 0, 0]


def test_a_resized_map_keeps_its_peak_where_the_field_lies():
    model = create_model("six_conv", 2, depth=3, padding="valid")
    (*_, field) = receptive_fields(model, (48, 48, 3))
    side = 4  # 48 -> 46 23, 21 10, 8 4
    maps = jax.nn.one_hot(jnp.array([[2]]), side).reshape(1, 1, side)
    maps = jnp.broadcast_to(maps, (1, side, side))
    large = resize_maps(maps, (48, 48), field=field)[0, 0]
    first, end = field.columns.interval(2)
    assert abs(int(large.argmax()) + 0.5 - (first + end) / 2) <= 0.5


@pytest.mark.parametrize("error", [AttributeError, KeyError, TypeError])
def test_programs_that_jax_writes_in_another_way_are_not_known(monkeypatch, error):
    def fail(*_):
        raise error("gone")

    monkeypatch.setattr(receptive_field, "_step", fail)
    with pytest.raises(UnknownOperationError, match="in a way that is not known here"):
        receptive_fields(create_model("lenet5", 2), (32, 32, 1))
