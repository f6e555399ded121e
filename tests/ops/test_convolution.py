"""Convolution equals `lax`'s, in values and gradients, with oneDNN and without."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from jax import lax

from jaxcnn.ops.convolution import conv2d, conv_general_dilated
from jaxcnn.ops.cpu import onednn
from jaxcnn.ops.lowering import stock_ops

DIMENSIONS = ("NHWC", "HWIO", "NHWC")
ENGINES = ("onednn", "jax")


@pytest.fixture(params=ENGINES)
def engine(request, monkeypatch):
    """Compute with oneDNN's calls, where this machine has them, and without."""
    use(request.param, monkeypatch)
    return request.param


def use(engine, monkeypatch, *, in_bfloat16=False):
    if engine == "onednn" and not onednn.is_available():
        pytest.skip("jaxlib's oneDNN cannot be called on this machine")
    if in_bfloat16 and not onednn.runs_bfloat16():
        pytest.skip("oneDNN has no bfloat16 on this processor")
    monkeypatch.setattr(onednn, "is_usable", lambda dtype=None: engine == "onednn")


def reference(images, kernel, strides, padding, dilation=(1, 1), groups=1):
    return lax.conv_general_dilated(
        images,
        kernel,
        strides,
        padding,
        rhs_dilation=dilation,
        dimension_numbers=DIMENSIONS,
        feature_group_count=groups,
    )


def ours(images, kernel, strides, padding, dilation=(1, 1), groups=1):
    return conv_general_dilated(
        images, kernel, strides, padding, rhs_dilation=dilation, feature_group_count=groups
    )


def draw(*shape, seed=0, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def assert_close(found, expected, tolerance=1e-5):
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    scale = max(1.0, float(jnp.abs(expected).max()))
    np.testing.assert_allclose(found, expected, atol=tolerance * scale, rtol=tolerance)


def with_gradients(function, x, w, *options):
    """The result, and the gradients of images and kernel for a random weight on the result."""

    @jax.jit
    def compute(x, w):
        result, transpose = jax.vjp(lambda x, w: function(x, w, *options), x, w)
        return result, *transpose(draw(*result.shape, seed=2, dtype=result.dtype))

    return compute(x, w)


CASES = [
    # images, kernel, strides, padding, dilation, groups
    ((2, 8, 8, 3), (3, 3, 3, 5), (1, 1), "SAME", (1, 1), 1),
    ((1, 7, 9, 6), (3, 3, 6, 4), (1, 1), "VALID", (1, 1), 1),
    ((3, 6, 5, 1), (5, 5, 1, 2), (1, 1), "SAME", (1, 1), 1),
    ((2, 5, 5, 5), (4, 1, 5, 3), (1, 1), ((2, 1), (0, 3)), (1, 1), 1),
    ((2, 9, 8, 3), (7, 7, 3, 4), (2, 2), ((3, 3), (3, 3)), (1, 1), 1),
    ((2, 9, 8, 4), (3, 3, 4, 6), (2, 2), "SAME", (1, 1), 1),
    ((2, 9, 8, 4), (3, 2, 4, 6), (3, 1), "VALID", (1, 1), 1),
    ((1, 10, 7, 4), (2, 2, 4, 3), (3, 3), "VALID", (1, 1), 1),  # a kernel smaller than its stride
    ((1, 4, 4, 2), (3, 3, 2, 3), (1, 1), ((3, 2), (0, 4)), (1, 1), 1),  # windows of padding alone
    ((1, 5, 4, 2), (3, 3, 2, 3), (2, 2), ((2, 5), (4, 0)), (1, 1), 1),
    ((2, 9, 9, 4), (3, 3, 4, 3), (1, 1), "SAME", (2, 3), 1),
    ((2, 9, 9, 4), (3, 3, 4, 3), (2, 2), "VALID", (2, 1), 1),
    ((2, 6, 5, 3), (1, 1, 3, 7), (1, 1), "VALID", (1, 1), 1),
    ((2, 6, 5, 3), (1, 1, 3, 7), (2, 2), "SAME", (1, 1), 1),
    ((2, 6, 5, 3), (1, 1, 3, 7), (1, 1), ((1, 0), (2, 2)), (1, 1), 1),
    ((2, 8, 8, 6), (3, 3, 1, 6), (1, 1), "SAME", (1, 1), 6),
    ((2, 8, 7, 6), (3, 3, 1, 6), (2, 2), ((1, 1), (1, 1)), (1, 1), 6),
    ((1, 9, 9, 4), (5, 5, 1, 4), (2, 1), "VALID", (1, 1), 4),
    ((1, 10, 6, 4), (3, 3, 1, 4), (3, 2), "VALID", (1, 1), 4),  # pixels that no window sees
    ((1, 5, 5, 4), (3, 3, 1, 4), (1, 1), ((3, 2), (0, 4)), (1, 1), 4),
    ((19, 5, 6, 3), (3, 3, 1, 3), (1, 1), "SAME", (1, 1), 3),  # more images than are added at once
    ((2, 6, 6, 4), (3, 3, 2, 8), (2, 2), "SAME", (1, 1), 2),
    ((2, 6, 6, 4), (3, 3, 1, 8), (1, 1), "SAME", (1, 1), 4),  # two kernels a channel
    ((2, 7, 6, 4), (3, 3, 2, 6), (1, 1), "SAME", (1, 2), 2),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_equal_lax(engine, case):
    images, kernel, *options = case
    x, w = draw(*images), draw(*kernel, seed=1)
    expected = with_gradients(reference, x, w, *options)
    for found, wanted in zip(with_gradients(ours, x, w, *options), expected, strict=True):
        assert_close(found, wanted)


@st.composite
def geometries(draw_from):
    ints = st.integers
    channels, groups = draw_from(st.sampled_from([(3, 1), (6, 1), (6, 2), (6, 6)]))
    features = groups * draw_from(ints(1, 3))
    kernel = draw_from(st.tuples(ints(1, 5), ints(1, 5)))
    strides = draw_from(st.tuples(ints(1, 3), ints(1, 3)))
    pads = st.tuples(ints(0, 3), ints(0, 3))
    padding = draw_from(st.one_of(st.sampled_from(["SAME", "VALID"]), st.tuples(pads, pads)))
    batch, height, width = (draw_from(ints(low, high)) for low, high in ((1, 4), (5, 11), (5, 11)))
    return (
        (batch, height, width, channels),
        (*kernel, channels // groups, features),
        strides,
        padding,
        (1, 1),
        groups,
    )


@pytest.mark.parametrize("which", ENGINES)
@given(case=geometries())
@settings(max_examples=12, deadline=None)
def test_any_geometry_equals_lax(which, case):
    images, kernel, *options = case
    x, w = draw(*images), draw(*kernel, seed=1)
    assume(0 not in jax.eval_shape(lambda x, w: reference(x, w, *options), x, w).shape)
    with pytest.MonkeyPatch.context() as patch:
        use(which, patch)
        found = with_gradients(ours, x, w, *options)
    for one, other in zip(found, with_gradients(reference, x, w, *options), strict=True):
        assert_close(one, other)


def test_a_map_cut_into_rows_has_the_same_gradient(engine, monkeypatch):
    del engine
    x, w = draw(3, 11, 9, 4), draw(3, 3, 1, 4, seed=1)
    options = (2, 1), ((1, 1), (0, 1)), (1, 1), 4
    expected = with_gradients(reference, x, w, *options)
    for rows_bytes in (0, 4000, 2**20):
        monkeypatch.setattr("jaxcnn.ops.cpu.depthwise._ROWS_BYTES", rows_bytes)
        jax.clear_caches()
        assert_close(with_gradients(ours, x, w, *options)[2], expected[2])


def test_a_batch_cut_into_parts_has_the_same_gradient(engine, monkeypatch):
    del engine
    x, w = draw(6, 7, 8, 3), draw(3, 3, 3, 4, seed=1)
    options = (1, 2), "SAME"
    expected = with_gradients(reference, x, w, *options)
    for most_bytes in (1, 3000):
        monkeypatch.setattr("jaxcnn.ops.cpu.row_windows._MOST_BYTES", most_bytes)
        jax.clear_caches()
        assert_close(with_gradients(ours, x, w, *options)[2], expected[2])


VMAPPED = [(3, 3, 3, 5, 1), (3, 3, 1, 3, 3), (1, 1, 3, 5, 1)]  # kernel, groups


@pytest.mark.parametrize("mapped", ["images", "kernels", "both"])
@pytest.mark.parametrize("kernel", VMAPPED, ids=str)
def test_vmap_equals_a_loop(engine, kernel, mapped):
    del engine
    *shape, groups = kernel
    x = draw(4, 2, 6, 5, 3) if mapped != "kernels" else draw(2, 6, 5, 3)
    w = draw(4, *shape, seed=1) if mapped != "images" else draw(*shape, seed=1)

    def of_one(x, w):
        return with_gradients(ours, x, w, (2, 2), "SAME", (1, 1), groups)

    axes = (None if mapped == "kernels" else 0, None if mapped == "images" else 0)
    found = jax.vmap(of_one, axes)(x, w)
    each = [
        of_one(x if axes[0] is None else x[i], w if axes[1] is None else w[i]) for i in range(4)
    ]
    for one, loop in zip(found, zip(*each, strict=True), strict=True):
        assert_close(one, jnp.stack(loop))


def test_gradients_of_each_example_by_vmap(engine):
    del engine
    x, w = draw(5, 6, 6, 4), draw(3, 3, 4, 2, seed=1)

    def gradient(image):
        def loss(w):
            return (ours(image[None], w, (1, 1), "SAME") ** 2).sum()

        return jax.grad(loss)(w)

    of_batch = jax.grad(lambda w: (reference(x, w, (1, 1), "SAME") ** 2).sum())(w)
    assert_close(jax.vmap(gradient)(x).sum(0), of_batch)


def test_remat_and_scan(engine):
    del engine
    x, w = draw(2, 6, 6, 4), draw(3, 3, 4, 4, seed=1)

    def loss(w):
        def body(x, _):
            conv = jax.checkpoint(conv_general_dilated, static_argnums=(2, 3))
            return jnp.tanh(conv(x, w, (1, 1), "SAME")), None

        return lax.scan(body, x, length=2)[0].sum()

    def unrolled(w):
        for_once = jnp.tanh(reference(x, w, (1, 1), "SAME"))
        return jnp.tanh(reference(for_once, w, (1, 1), "SAME")).sum()

    assert_close(jax.grad(loss)(w), jax.grad(unrolled)(w))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bfloat16_equals_lax_in_float32_to_its_rounding(monkeypatch, case):
    use("onednn", monkeypatch, in_bfloat16=True)
    images, kernel, *options = case
    x, w = draw(*images, dtype=jnp.bfloat16), draw(*kernel, seed=1, dtype=jnp.bfloat16)
    found = with_gradients(ours, x, w, *options)
    assert {a.dtype for a in found} == {jnp.dtype(jnp.bfloat16)}
    expected = with_gradients(reference_in_bfloat16s_values, x, w, *options)
    for one, other in zip(found, expected, strict=True):
        assert_close(one.astype(jnp.float32), other.astype(jnp.float32), 1e-2)


def reference_in_bfloat16s_values(x, w, *options):
    """In float32, but for the result, so that the gradients' weights are those of bfloat16."""
    wide = reference(x.astype(jnp.float32), w.astype(jnp.float32), *options)
    return wide.astype(jnp.bfloat16)


@pytest.mark.parametrize("kernel", [*VMAPPED, (3, 3, 1, 6, 3)], ids=str)
def test_the_gradient_of_a_float32_kernel_of_bfloat16_images_is_not_rounded(monkeypatch, kernel):
    use("onednn", monkeypatch, in_bfloat16=True)
    *shape, groups = kernel
    x, w = draw(2, 12, 9, 3, dtype=jnp.bfloat16), draw(*shape, seed=1)
    options = (1, 1), "SAME", (1, 1), groups
    result, _, found = with_gradients(ours, x, w, *options)
    _, _, expected = with_gradients(reference_in_bfloat16s_values, x, w, *options)
    assert result.dtype == jnp.bfloat16
    assert_close(found, expected, 1e-5)  # a mantissa of 8 bits would miss it by 1e-3


@pytest.mark.parametrize("mapped", ["images", "kernels", "both"])
def test_vmap_in_bfloat16_equals_a_loop(monkeypatch, mapped):
    use("onednn", monkeypatch, in_bfloat16=True)
    x = draw(*(3, 2, 6, 5, 3)[mapped == "kernels" :], dtype=jnp.bfloat16)
    w = draw(*(3, 1, 1, 3, 5)[mapped == "images" :], seed=1)
    axes = (None if mapped == "kernels" else 0, None if mapped == "images" else 0)

    def of_one(x, w):
        return ours(x, w, (1, 1), "SAME")

    loop = [
        of_one(x if axes[0] is None else x[i], w if axes[1] is None else w[i]) for i in range(3)
    ]
    assert_close(jax.vmap(of_one, axes)(x, w), jnp.stack(loop), 1e-2)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_without_onednn_is_laxs_own(monkeypatch, dtype):
    use("jax", monkeypatch)
    x, w = draw(2, 6, 6, 4, dtype=dtype), draw(3, 3, 4, 2, seed=1, dtype=dtype)
    found = with_gradients(ours, x, w, (1, 1), "SAME")
    for one, other in zip(found, with_gradients(reference, x, w, (1, 1), "SAME"), strict=True):
        np.testing.assert_array_equal(one, other)
    assert ours(x, w.astype(jnp.float32), (1, 1), "SAME").dtype == dtype


def test_float16_is_laxs_own_beside_onednn(monkeypatch):
    use("onednn", monkeypatch)
    assert "onednn" not in lowered("cpu", jnp.float16)


def test_conv2d_takes_ints_and_pairs():
    x, w = draw(2, 9, 8, 4), draw(3, 3, 2, 6, seed=1)
    found = conv2d(x, w, strides=2, padding="VALID", dilation=(1, 2), groups=2)
    assert_close(found, reference(x, w, (2, 2), "VALID", (1, 2), 2))


def test_conv2d_refuses_what_it_cannot_convolve():
    with pytest.raises(ValueError, match=r"images must be \(B, H, W, C\).*\(8, 8, 3\)"):
        conv2d(draw(8, 8, 3), draw(3, 3, 3, 2))
    with pytest.raises(TypeError, match=r"must take 4 channels a group.*images of 3"):
        conv2d(draw(1, 8, 8, 3), draw(3, 3, 4, 2))


def lowered(platform, dtype=jnp.float32):
    def loss(x, w):
        return ours(x, w, (1, 1), "SAME").sum()

    shapes = jax.ShapeDtypeStruct((2, 8, 8, 6), dtype), jax.ShapeDtypeStruct((3, 3, 6, 5), dtype)
    gradient = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    return gradient.trace(*shapes).lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize("platform", ["cuda", "rocm", "tpu"])
def test_other_platforms_get_xlas_convolution_alone(engine, platform):
    del engine
    text = lowered(platform)
    assert text.count("stablehlo.convolution") == 3
    assert "onednn" not in text
    assert "gather" not in text


def test_the_cpu_gets_its_own_way(engine):
    text = lowered("cpu")
    assert ("@__onednn$convolution" in text) == (engine == "onednn")
    assert "stablehlo.gather" in text
    in_bfloat16 = lowered("cpu", jnp.bfloat16)
    assert ("@__onednn$convolution" in in_bfloat16) == (engine == "onednn")
    assert "stablehlo.gather" in in_bfloat16 or engine == "jax"


def test_no_product_of_bfloat16_is_called_that_the_processor_would_emulate(monkeypatch):
    use("onednn", monkeypatch)
    shapes = [jax.ShapeDtypeStruct(s, jnp.bfloat16) for s in ((2, 8, 8, 6), (1, 1, 6, 5))]
    for has, calls in ((False, 0), (True, 1)):
        monkeypatch.setattr(onednn, "multiplies_bfloat16", lambda has=has: has)
        jax.clear_caches()
        gradient = jax.jit(jax.grad(lambda x, w: ours(x, w, (1, 1), "SAME").sum(), (0, 1)))
        text = gradient.trace(*shapes).lower(lowering_platforms=("cpu",)).as_text()
        assert text.count("@__onednn$matmul(") == calls
    jax.clear_caches()


def test_stock_ops_are_xlas_on_the_cpu_too(engine):
    del engine
    with stock_ops():
        text = lowered("cpu")
    assert text.count("stablehlo.convolution") == 3
    assert "gather" not in text
