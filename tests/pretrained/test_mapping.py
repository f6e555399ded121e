"""Every array of a file finds its place, every place its array, and the axes lie as ours do."""

import numpy as np
import pytest

from jaxcnn.pretrained.mapping import MappingError, Names, count_channels, fill, source_shapes


def array(*shape, seed=0):
    return np.random.RandomState(seed + sum(shape)).standard_normal(shape).astype(np.float32)


SHAPES = {
    "params": {
        "stem": {
            "conv": {"kernel": np.zeros((3, 5, 3, 4))},
            "bn": {"scale": np.zeros(4), "bias": np.zeros(4)},
        },
        "mid": {"conv": {"kernel": np.zeros((3, 3, 1, 4)), "bias": np.zeros(4)}},
        "fc": {"kernel": np.zeros((2 * 2 * 4, 6)), "bias": np.zeros(6)},
        "head": {"linear": {"kernel": np.zeros((6, 10)), "bias": np.zeros(10)}},
    },
    "batch_stats": {"stem": {"bn": {"mean": np.zeros(4), "var": np.zeros(4)}}},
}


def dotted(path):
    return ".".join(path)


def slashed(path):
    return "/".join(path)


TORCH = Names(dotted, "torch", flattened={("fc",): (4, 2, 2)}, optional=r"^aux")
KERAS = Names(slashed, "keras")


def torch_arrays():
    return {name: array(*shape) for name, shape in source_shapes(SHAPES, TORCH).items()}


def test_torchs_axes():
    arrays = torch_arrays()
    assert arrays["stem.conv.weight"].shape == (4, 3, 3, 5)
    assert arrays["mid.conv.weight"].shape == (4, 1, 3, 3)
    assert arrays["head.linear.weight"].shape == (10, 6)
    filled = fill(SHAPES, TORCH, arrays)
    params = filled["params"]
    np.testing.assert_array_equal(
        params["stem"]["conv"]["kernel"][1, 2, 0, 3], arrays["stem.conv.weight"][3, 0, 1, 2]
    )
    np.testing.assert_array_equal(
        params["head"]["linear"]["kernel"], arrays["head.linear.weight"].T
    )
    np.testing.assert_array_equal(params["stem"]["bn"]["scale"], arrays["stem.bn.weight"])
    np.testing.assert_array_equal(params["stem"]["bn"]["bias"], arrays["stem.bn.bias"])
    np.testing.assert_array_equal(
        filled["batch_stats"]["stem"]["bn"]["var"], arrays["stem.bn.running_var"]
    )
    assert params["mid"]["conv"]["bias"].dtype == np.float32


def test_a_dense_layer_over_a_map_flattened_channels_first():
    arrays = torch_arrays()
    feature_map = array(1, 2, 2, 4)  # ours, channels last
    theirs = feature_map.transpose(0, 3, 1, 2).reshape(1, -1) @ arrays["fc.weight"].T
    kernel = fill(SHAPES, TORCH, arrays)["params"]["fc"]["kernel"]
    np.testing.assert_allclose(feature_map.reshape(1, -1) @ kernel, theirs, rtol=1e-5)
    as_convolution = arrays | {"fc.weight": arrays["fc.weight"].reshape(6, 4, 2, 2)}
    np.testing.assert_array_equal(
        fill(SHAPES, TORCH, as_convolution)["params"]["fc"]["kernel"], kernel
    )


def test_kerass_axes_and_words():
    arrays = {name: array(*shape) for name, shape in source_shapes(SHAPES, KERAS).items()}
    assert set(arrays) == {
        *("stem/conv/kernel", "stem/bn/gamma", "stem/bn/beta"),
        *("stem/bn/moving_mean", "stem/bn/moving_variance"),
        *("mid/conv/depthwise_kernel", "mid/conv/bias", "fc/kernel", "fc/bias"),
        *("head/linear/kernel", "head/linear/bias"),
    }
    depthwise = arrays["mid/conv/depthwise_kernel"]
    assert depthwise.shape == (3, 3, 4, 1)
    params = fill(SHAPES, KERAS, arrays)["params"]
    np.testing.assert_array_equal(params["mid"]["conv"]["kernel"][:, :, 0], depthwise[..., 0])
    np.testing.assert_array_equal(params["stem"]["conv"]["kernel"], arrays["stem/conv/kernel"])


def test_batch_norm_folded_into_the_convolution_becomes_the_identity():
    def without_bn(path):
        return slashed(path[:1]) if path[-1] in ("conv", "bn") else slashed(path)

    names = Names(without_bn, "folded", options={"bn_epsilon": 1e-3})
    arrays = {name: array(*shape) for name, shape in source_shapes(SHAPES, names).items()}
    assert {"stem/kernel", "stem/bias"} <= set(arrays)
    filled = fill(SHAPES, names, arrays)
    bn, averages = filled["params"]["stem"]["bn"], filled["batch_stats"]["stem"]["bn"]
    x = array(5, 4)
    normalised = (x - averages["mean"]) / np.sqrt(averages["var"] + np.float32(1e-3))
    np.testing.assert_allclose(
        normalised * bn["scale"] + bn["bias"], x + arrays["stem/bias"], atol=1e-6
    )


def test_a_layout_without_scale():
    names = KERAS._replace(without_scale=True)
    arrays = {name: array(*shape) for name, shape in source_shapes(SHAPES, names).items()}
    assert "stem/bn/gamma" not in arrays
    np.testing.assert_array_equal(fill(SHAPES, names, arrays)["params"]["stem"]["bn"]["scale"], 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stem.bn.weight": None}, "1 missing: stem.bn.weight"),
        ({"extra.weight": array(3)}, "1 left over: extra.weight"),
        ({"fc.bias": array(7)}, r"1 of another shape: fc.bias: expected \(6,\), found \(7,\)"),
        ({"stem.conv.weight": array(4, 3, 5, 3)}, "of another shape: stem.conv.weight"),
        ({"fc.bias": np.zeros(6, np.int8)}, "1 not floating: fc.bias: int8"),
    ],
)
def test_what_does_not_fit_is_listed(change, message):
    arrays = {k: v for k, v in (torch_arrays() | change).items() if v is not None}
    with pytest.raises(MappingError, match=message):
        fill(SHAPES, TORCH, arrays)


def test_what_rightly_has_no_place_is_passed_over():
    arrays = torch_arrays() | {
        "stem.bn.num_batches_tracked": np.zeros((), np.int64),
        "aux1.fc.weight": array(2, 2),
    }
    assert fill(SHAPES, TORCH, arrays)["params"]["fc"]["bias"].shape == (6,)


def test_half_precision_is_widened():
    arrays = {name: value.astype(np.float16) for name, value in torch_arrays().items()}
    filled = fill(SHAPES, TORCH, arrays)
    assert filled["params"]["fc"]["kernel"].dtype == np.float32


@pytest.mark.parametrize("names", [TORCH, KERAS])
@pytest.mark.parametrize("count", [1, 4])
def test_a_first_kernel_keeps_its_channels(names, count):
    shapes = {"params": {"stem": {"conv": {"kernel": np.zeros((3, 5, 3, 4))}}}, "batch_stats": {}}
    kernel = array(3, 5, count, 4)
    ((name, _),) = source_shapes(shapes, names).items()
    stored = kernel.transpose(3, 2, 0, 1) if names.layout == "torch" else kernel
    assert count_channels(shapes, names, {name: stored}) == count
    filled = fill(shapes, names, {name: stored}, num_channels=count)
    np.testing.assert_array_equal(filled["params"]["stem"]["conv"]["kernel"], kernel)
    with pytest.raises(MappingError, match="of another shape"):
        fill(shapes, names, {name: stored})
