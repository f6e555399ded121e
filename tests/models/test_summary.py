import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from jaxcnn.models import LayerRow, SixConv, format_summary, summarize
from jaxcnn.ops.lowering import stock_ops


class Shared(nn.Module):
    """One dense layer called twice, and a parameter outside of any layer."""

    @nn.compact
    def __call__(self, images, *, train):
        dense = nn.Dense(4, name="dense")
        x = dense(dense(images.reshape(images.shape[0], -1)))
        return x * self.param("scale", nn.initializers.ones, (1, 4))


class Grouped(nn.Module):
    @nn.compact
    def __call__(self, images, *, train):
        return nn.Conv(6, (3, 3), strides=2, feature_group_count=2, name="conv")(images)


def test_rows_equal_hand_counts():
    model = SixConv(num_classes=3, widths=(4, 8), depth=2, dense_widths=(5,), batch_norm=True)
    summary = summarize(model, (10, 12, 3))
    assert summary.rows == (
        LayerRow("block_1/conv", "Conv", (10, 12, 4), 108, 2 * 120 * 108),
        LayerRow("block_1/bn", "BatchNorm", (10, 12, 4), 8, 0),
        LayerRow("pool_1", "Pool", (5, 6, 4), 0, 0),
        LayerRow("block_2/conv", "Conv", (5, 6, 8), 288, 2 * 30 * 288),
        LayerRow("block_2/bn", "BatchNorm", (5, 6, 8), 16, 0),
        LayerRow("pool_2", "Pool", (2, 3, 8), 0, 0),
        LayerRow("dense_1", "Dense", (5,), 48 * 5 + 5, 2 * 48 * 5),
        LayerRow("head/dropout", "Dropout", (5,), 0, 0),
        LayerRow("head/linear", "Dense", (3,), 5 * 3 + 3, 2 * 5 * 3),
    )
    assert summary.num_params == 108 + 8 + 288 + 16 + 245 + 18
    assert summary.num_state == 2 * 4 + 2 * 8
    assert summary.flops == 2 * (120 * 108 + 30 * 288 + 240 + 15)


def test_totals_equal_the_parameter_tree():
    model = SixConv(num_classes=2, batch_norm=True)
    summary = summarize(model, (64, 64, 1))
    assert summary.num_params == sum(row.num_params for row in summary.rows)


def test_a_shared_layer_counts_its_parameters_once_and_its_flops_twice():
    summary = summarize(Shared(), (2, 2, 1))
    assert [(row.name, row.num_params, row.flops) for row in summary.rows] == [
        ("dense", 20, 32),
        ("dense", 0, 32),
        ("", 4, 0),
    ]
    assert summary.num_params == 24


def test_groups_and_strides_are_counted():
    (row,) = summarize(Grouped(), (8, 8, 4)).rows
    assert row == LayerRow("conv", "Conv", (4, 4, 6), 9 * 2 * 6 + 6, 2 * 16 * 9 * 2 * 6)


def test_flops_agree_with_xla():
    model = SixConv(num_classes=2, widths=(16, 32), depth=2, padding="valid", dense_widths=(32,))
    image_shape = (24, 24, 3)
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)
    with stock_ops():  # XLA does not look into oneDNN's calls
        lowered = jax.jit(lambda v, x: model.apply(v, x, train=False)).lower(variables, images)
    xla = lowered.compile().cost_analysis()["flops"]
    assert summarize(model, image_shape).flops == pytest.approx(xla, rel=0.04)


def test_large_networks_are_summarised_without_computing():
    # Its one dense layer would need 4 TB.
    model = SixConv(num_classes=2, depth=1, widths=(1024,), dense_widths=(4096,))
    assert summarize(model, (1024, 1024, 3)).num_params > 10**12


def test_table_has_aligned_columns_and_totals():
    summary = summarize(SixConv(num_classes=2, widths=(8,), depth=1), (32, 32, 3))
    lines = format_summary(summary).splitlines()
    assert lines[0].split() == ["layer", "kind", "output", "shape", "parameters", "FLOPs"]
    assert lines[2].split() == ["block_1/conv", "Conv", "32", "x", "32", "x", "8", "224", "442,368"]
    assert lines[-1].split() == ["total", f"{summary.num_params:,}", f"{summary.flops:,}"]
    assert {len(line) for line in lines} == {len(lines[1])}
    assert len(lines) == len(summary.rows) + 4


@pytest.mark.parametrize("image_shape", [(32, 32), (32, 0, 3)])
def test_image_shape_must_be_height_width_channels(image_shape):
    with pytest.raises(ValueError, match=r"image_shape .* must be three whole numbers above 0"):
        summarize(SixConv(num_classes=2), image_shape)
