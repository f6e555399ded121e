"""Mixed batches hold what their labels say, padding stays out, and a step learns from them."""

import functools
import os
import subprocess
import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import losses, optim
from jaxcnn.augment import make_augment
from jaxcnn.augment.mixing import make_mixing, mix, partners_of, with_shares
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.training.preprocessing import normalize, to_unit_interval
from jaxcnn.training.state import start_state
from jaxcnn.training.step import make_train_step
from jaxcnn.types import Batch

KEY = jax.random.key(0)
MIXINGS = {
    "mixup": make_mixing(num_classes=3, mixup_alpha=0.5),
    "cutmix": make_mixing(num_classes=3, cutmix_alpha=1.0),
    "either": make_mixing(num_classes=3, mixup_alpha=0.5, cutmix_alpha=1.0),
}


@functools.cache
def compiled(name):
    return jax.jit(MIXINGS[name])


def make_batch(count=8, side=8, num_classes=3):
    """Noise, each image in [i, i + 1) / count, so that a pixel tells whose it is."""
    noise = np.random.default_rng(0).random((count, side, side, 3))
    image = (noise + np.arange(count)[:, None, None, None]) / count
    index = np.arange(count, dtype=np.int32) + 10
    label = (np.arange(count) % num_classes).astype(np.int32)
    return Batch(image.astype(np.float32), label, np.ones(count, bool), index)


def black_and_white(count, side=1):
    """White and black images in turn, white of class 1; each is mixed with the other kind."""
    label = np.arange(count, dtype=np.int32) % 2
    image = np.broadcast_to(label[:, None, None, None], (count, side, side, 1)).astype(np.float32)
    return Batch(image, label, np.ones(count, bool), np.arange(count, dtype=np.int32))


def own_shares(batch, mixed):
    return np.asarray(mixed.label)[np.arange(len(batch.label)), batch.label]


def test_partner_is_the_row_before():
    batch = make_batch()
    partners = partners_of(batch)
    for part, partner in zip(batch, partners, strict=True):
        np.testing.assert_array_equal(partner, np.roll(part, 1, axis=0))


def test_weight_one_is_the_identity_and_zero_the_partner():
    batch = with_shares(make_batch(), 3)
    partners = partners_of(batch)
    for weight, expected, tolerance in ((1.0, batch, 0), (0.0, partners, 1e-6), (0.3, batch, 0)):
        other = batch if weight == 0.3 else partners  # mixed with itself, it stays too
        mixed = mix(batch, other, jnp.full((8, 1, 1), weight))
        np.testing.assert_allclose(mixed.image, expected.image, rtol=0, atol=tolerance)
        np.testing.assert_allclose(mixed.label, expected.label, rtol=0, atol=tolerance)
        np.testing.assert_array_equal(mixed.index, batch.index)


def test_mix_is_the_weighted_sum():
    batch = with_shares(make_batch(), 3)
    partners = partners_of(batch)
    weights = np.random.default_rng(1).random((8, 8, 8)).astype(np.float32)
    mixed = mix(batch, partners, jnp.asarray(weights))
    w = weights[..., None]
    expected = w * batch.image + (1 - w) * np.roll(batch.image, 1, 0)
    np.testing.assert_allclose(mixed.image, expected, atol=1e-6)
    m = weights.mean((1, 2))[:, None]
    expected = m * np.asarray(batch.label) + (1 - m) * np.roll(batch.label, 1, 0)
    np.testing.assert_allclose(mixed.label, expected, atol=1e-6)


@pytest.mark.parametrize("name", MIXINGS)
def test_labels_are_shares_of_an_image_and_its_partner(name):
    batch = make_batch()
    mixed = compiled(name)(KEY, batch)
    assert mixed.label.dtype == jnp.float32
    assert mixed.label.shape == (8, 3)
    np.testing.assert_allclose(mixed.label.sum(1), 1, atol=1e-6)
    other = np.asarray(mixed.label)[np.arange(8), np.roll(batch.label, 1)]
    np.testing.assert_allclose(own_shares(batch, mixed) + other, 1, atol=1e-6)
    np.testing.assert_array_equal(mixed.mask, batch.mask)
    np.testing.assert_array_equal(mixed.index, batch.index)


def test_labels_of_one_class_stay_whole():
    batch = make_batch()._replace(label=np.full(8, 2, np.int32))
    mixed = compiled("either")(KEY, batch)
    np.testing.assert_allclose(mixed.label, np.broadcast_to([0.0, 0, 1], (8, 3)), atol=1e-6)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_shares_of_mixup_are_betas(alpha):
    batch = black_and_white(4000)
    mixed = jax.jit(make_mixing(mixup_alpha=alpha, num_classes=2))(KEY, batch)
    shares = own_shares(batch, mixed).astype(np.float64)
    np.testing.assert_allclose(mixed.image[:, 0, 0, 0], mixed.label[:, 1], atol=1e-6)
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(shares.mean() - 0.5) < 5 * np.sqrt(variance / 4000)
    assert shares.var() == pytest.approx(variance, rel=0.08)
    # Of Beta(a, a), the excess kurtosis is -6 / (2 a + 3).
    kurtosis = ((shares - 0.5) ** 4).mean() / shares.var() ** 2 - 3
    assert kurtosis == pytest.approx(-6 / (2 * alpha + 3), abs=0.25)


def test_label_of_cutmix_is_counted_in_pixels():
    batch = black_and_white(1000, side=12)
    mixed = jax.jit(make_mixing(cutmix_alpha=1.0, num_classes=2))(KEY, batch)
    images = np.asarray(mixed.image)[..., 0]
    assert set(np.unique(images)) == {0.0, 1.0}
    np.testing.assert_allclose(images.mean((1, 2)), mixed.label[:, 1], atol=1e-6)
    pasted = images != batch.label[:, None, None]
    for box in pasted:
        rows, columns = np.flatnonzero(box.any(1)), np.flatnonzero(box.any(0))
        assert box.sum() == len(rows) * len(columns)  # a box, without holes
    # Uniform share s, sides sqrt(1 - s), centre anywhere: what sticks out is lost, and of each side
    # d of the image 1 - d / 4 is left in the mean. E[(d - d^2 / 4)^2] for d^2 uniform:
    expected = 1 / 2 - 1 / 2 * 2 / 5 + 1 / 16 * 1 / 3
    assert pasted.mean() == pytest.approx(expected, abs=0.03)
    assert pasted.any(0).all()  # anywhere
    assert pasted.all((1, 2)).sum() < 50


def test_shares_depend_on_the_index_alone():
    batch = make_batch()
    whole = own_shares(batch, compiled("mixup")(KEY, batch))
    order = np.array([3, 1, 5, 0, 7, 2, 6, 4])
    moved = Batch(*(part[order] for part in batch))
    moved = moved._replace(label=np.arange(8, dtype=np.int32) % 3)  # as before, no two alike touch
    np.testing.assert_allclose(
        own_shares(moved, compiled("mixup")(KEY, moved)), whole[order], atol=1e-6
    )
    assert len(np.unique(whole)) == 8
    again = own_shares(batch, compiled("mixup")(jax.random.key(1), batch))
    assert np.abs(again - whole).min() > 1e-4


@pytest.mark.parametrize("name", MIXINGS)
def test_padding_never_reaches_a_real_row(name):
    batch = make_batch()
    mask = np.array([1, 1, 0, 1, 1, 1, 0, 0], bool)
    image = np.where(mask[:, None, None, None], batch.image, np.nan)
    label = np.where(mask, batch.label, 7).astype(np.int32)
    padded = Batch(image, label, mask, np.where(mask, batch.index, -1).astype(np.int32))
    mixed = compiled(name)(KEY, padded)
    assert np.isfinite(np.asarray(mixed.image)[mask]).all()
    assert np.isfinite(np.asarray(mixed.label)).all()  # a NaN would reach the gradient
    np.testing.assert_allclose(np.asarray(mixed.label)[mask].sum(1), 1, atol=1e-6)
    for row in (0, 3):  # after padding, that is the last row for the first
        np.testing.assert_array_equal(mixed.image[row], batch.image[row])
        np.testing.assert_array_equal(mixed.label[row], np.eye(3)[batch.label[row]])
    # The others do not notice it.
    unpadded = compiled(name)(KEY, batch)
    for row in (1, 4, 5):
        np.testing.assert_array_equal(mixed.image[row], unpadded.image[row])
        np.testing.assert_array_equal(mixed.label[row], unpadded.label[row])


def test_a_wrong_label_is_not_hidden():
    batch = make_batch()._replace(label=np.array([0, 1, 3, -1, 1, 2, 0, 1], np.int32))
    label = np.asarray(with_shares(batch, 3).label)
    np.testing.assert_array_equal(np.isnan(label).all(1), [0, 0, 1, 1, 0, 0, 0, 0])


def test_compiled_and_over_keys_equals_the_plain_call():
    batch, keys = make_batch(), jax.random.split(KEY, 3)
    over_keys = jax.jit(jax.vmap(MIXINGS["either"], in_axes=(0, None)))(keys, batch)
    one_by_one = [compiled("either")(key, batch) for key in keys]
    for i, mixed in enumerate([*one_by_one, MIXINGS["either"](keys[0], batch)]):
        np.testing.assert_allclose(over_keys.image[i % 3], mixed.image, atol=1e-5)
        np.testing.assert_allclose(over_keys.label[i % 3], mixed.label, atol=1e-5)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_one_of_the_two_is_drawn_for_a_whole_step(probability):
    mixing = make_mixing(
        num_classes=2, mixup_alpha=1.0, cutmix_alpha=1.0, cutmix_probability=probability
    )
    batch = black_and_white(4, side=4)
    images = jax.jit(jax.vmap(lambda key: mixing(key, batch).image))(jax.random.split(KEY, 300))
    whole = np.isin(np.asarray(images), [0.0, 1.0]).all((2, 3, 4))  # cutmix: black or white alone
    is_cutmix = whole.all(1)
    assert (is_cutmix | ~whole.any(1)).all()
    assert abs(is_cutmix.mean() - probability) < 0.08


ON_TWO_DEVICES = """
import jax, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxcnn.augment.mixing import make_mixing
from jaxcnn.types import Batch
assert jax.device_count() == 2
draws = np.random.default_rng(0)
mask = np.arange(8) != 5
batch = Batch(draws.random((8, 4, 4, 3), np.float32), np.arange(8, dtype=np.int32) % 3, mask,
              np.arange(8, dtype=np.int32))
spread = NamedSharding(Mesh(np.array(jax.devices()), ("data",)), PartitionSpec("data"))
mixing = jax.jit(make_mixing(num_classes=3, cutmix_alpha=1.0))
alone = mixing(jax.random.key(0), jax.device_put(batch, jax.devices()[0]))
together = mixing(jax.random.key(0), jax.device_put(batch, spread))
assert len(together.image.sharding.device_set) == 2
for one, other in zip(alone, together):
    np.testing.assert_allclose(one, other, atol=1e-6)
"""


@pytest.mark.slow
def test_devices_do_not_change_the_result():
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=2"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", ON_TWO_DEVICES], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "both 0"),
        ({"mixup_alpha": -1.0}, r"mixup_alpha \(=-1.0\) must be a number above 0"),
        ({"cutmix_alpha": float("nan")}, r"cutmix_alpha \(=nan\)"),
        ({"cutmix_alpha": float("inf")}, r"cutmix_alpha \(=inf\)"),
        ({"mixup_alpha": 1.0, "cutmix_probability": 1.5}, r"cutmix_probability \(=1.5\)"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make_mixing(num_classes=2, **options)


def test_arguments_that_do_not_fit_are_named():
    batch = make_batch()
    with pytest.raises(ValueError, match="with_shares"):
        mix(batch, batch, jnp.ones((8, 1, 1)))
    with pytest.raises(ValueError, match=r"\(8, 3\); expected \(B,\) or \(B, 2\)"):
        with_shares(with_shares(batch, 3), 2)


class _Linear(nn.Module):
    """One linear layer on the pixels, and another that sows its logits."""

    num_outputs: int = 2
    head: str = "softmax"
    auxiliary_weight: float = 0.3

    @nn.compact
    def __call__(self, x, *, train):
        x = x.reshape(x.shape[0], -1)
        if train:
            self.sow("auxiliary", "logits", nn.Dense(self.num_outputs, name="auxiliary")(x))
        return nn.Dense(self.num_outputs, name="head")(x)


def linear_step(mixing, optimizer, *, head="softmax"):
    loss = losses.make_loss(head, num_classes=2)
    augment = make_augment("none", image_size_px=12)
    return make_train_step(
        _Linear(1 + (head == "softmax"), head), optimizer, loss, augment, mixing=mixing
    )


def linear_state(optimizer, num_outputs=2):
    model = _Linear(num_outputs)
    return start_state(model.init(KEY, jnp.zeros((1, 12, 12, 3)), train=True), optimizer)


def first_batch(split, count=8):
    index = np.arange(count, dtype=np.int32)
    return Batch(split.images[:count], split.labels[:count], np.ones(count, bool), index)


def test_a_step_learns_mixed_labels_and_reports_own_ones(tiny_split):
    """The head and the auxiliary one, each against its gradient by hand."""
    batch, optimizer = first_batch(tiny_split), optim.make_optimizer("sgd", 0.01, momentum=0.0)
    soft = np.random.default_rng(0).dirichlet([1, 1], 8).astype(np.float32)

    def mixing(key, batch):
        return batch._replace(image=batch.image * 0.5, label=jnp.asarray(soft))

    state = linear_state(optimizer)
    new, counted = jax.jit(linear_step(mixing, optimizer))(state, batch, KEY)
    darker = to_unit_interval(jnp.asarray(batch.image)) * 0.5
    images = np.asarray(normalize(darker, Preprocessing())).reshape(8, -1)
    for name, weight in {"head": 1.0, "auxiliary": 0.3}.items():
        layer = state.params[name]
        logits = images @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"])
        p = np.asarray(jax.nn.softmax(logits))
        change = -0.01 * weight * (p - soft).mean(0)
        np.testing.assert_allclose(new.params[name]["bias"] - layer["bias"], change, atol=1e-6)
        change = -0.01 * weight * images.T @ (p - soft) / 8
        found = new.params[name]["kernel"] - layer["kernel"]
        np.testing.assert_allclose(found, change, atol=2e-6)
        if name == "head":
            own = p[np.arange(8), batch.label]
            assert float(counted["loss"]["sum"]) == pytest.approx(-np.log(own).sum(), rel=1e-4)
            assert int(counted["accuracy"]["correct"]) == (p.argmax(1) == batch.label).sum()


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_mixing_overfits_one_batch_less(tiny_split, head):
    batch = first_batch(tiny_split, 16)
    # Labels that only memory can give: brightness does not tell them.
    batch = batch._replace(label=np.random.default_rng(1).integers(0, 2, 16).astype(np.int32))
    mixing = make_mixing(num_classes=2, mixup_alpha=1.0, cutmix_alpha=1.0)
    optimizer = optim.make_optimizer("adam", 0.003)
    plain, mixed = (jax.jit(linear_step(m, optimizer, head=head)) for m in (None, mixing))
    found = {}
    for name, step in (("hard", plain), ("mixed", mixed)):
        state = linear_state(optimizer, 1 + (head == "softmax"))
        before = float(plain(state, batch, KEY)[1]["loss"]["sum"]) / 16
        for _ in range(150):
            state, _ = step(state, batch, KEY)
        after = plain(state, batch, KEY)[1]
        found[name] = float(after["loss"]["sum"]) / 16
        assert found[name] < 0.75 * before
    assert found["hard"] < 0.05
    assert found["mixed"] > 2 * found["hard"]


def test_draws_change_each_step_and_repeat_on_a_resumed_run(tiny_split):
    optimizer = optim.make_optimizer("sgd", 1e-30)  # parameters stand still: only draws differ
    mixing = make_mixing(num_classes=2, mixup_alpha=1.0)
    step = jax.jit(linear_step(mixing, optimizer))
    batch, state = first_batch(tiny_split), linear_state(optimizer)
    later, first = step(state, batch, KEY)
    _, second = step(later, batch, KEY)
    _, again = step(later, batch, KEY)
    first, second, again = (float(sums["loss"]["sum"]) for sums in (first, second, again))
    assert first != second == again
