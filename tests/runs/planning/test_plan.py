import math

import jax
import numpy as np
import pytest

from jaxcnn.runs.config import make_config, resolve
from jaxcnn.runs.planning import plan as plan_lib, step_cost
from jaxcnn.runs.planning.accelerators import H100, MACHINES, TPU_V5E, Machine
from jaxcnn.runs.planning.plan import DataSize, find_size, make_plan, state_bytes_per_device
from jaxcnn.runs.planning.step_cost import StepCost, measure_step, state_shapes, tree_bytes

CONFIG = make_config(
    dataset="none",
    model="six_conv",
    depth=1,
    width_multiplier=0.25,
    batch_norm=False,
    dropout_rate=0.0,
    global_pooling="none",
    image_size_px=8,
    stored_size_px=8,
    augment="none",
    num_epochs=2,
    batch_size=32,
    optimizer="sgd",
    momentum=0.0,
    weight_decay=0.0,
)
SIZE = DataSize(num_classes=2, num_examples=320)


def test_flops_are_those_counted_by_hand():
    config = resolve(CONFIG)
    params = state_shapes(config, 2).params
    (conv, dense) = [x for x in jax.tree.leaves(params) if len(x.shape) > 1]
    if len(conv.shape) == 2:
        conv, dense = dense, conv
    height, width, inputs, outputs = conv.shape
    # Padding is not multiplied: of an 8 x 8 image, (3 * 8 - 2)^2 products of pixel and weight.
    assert (height, width) == (3, 3)
    multiplications = (3 * 8 - 2) ** 2 * inputs * outputs + math.prod(dense.shape)
    passes = {"conv": 2, "dense": 3}  # of the first layer no gradient for the image is needed
    by_hand = (
        2
        * 16
        * (
            passes["conv"] * (3 * 8 - 2) ** 2 * inputs * outputs
            + passes["dense"] * math.prod(dense.shape)
        )
    )
    found = measure_step(config, 2, 16)
    assert multiplications > 0
    assert by_hand < found.flops < 1.35 * by_hand  # the rest is activation, loss, update
    assert found.batch_bytes == 16 * (8 * 8 * 3 + 4 + 1 + 4)
    assert found.temporary_bytes > 0


def test_fsdp_divides_the_bytes_of_large_arrays():
    state = {
        "kernel": np.zeros((64, 96), np.float32),
        "bias": np.zeros(96, np.float32),
    }
    whole = tree_bytes(state)
    assert whole == 4 * (64 * 96 + 96)
    assert state_bytes_per_device(state, {"data": 8, "fsdp": 1}) == whole
    assert state_bytes_per_device(state, {"data": 2, "fsdp": 4}) == 4 * (64 * 96 // 4 + 96)


@pytest.fixture
def cheap_steps(monkeypatch):
    """Steps whose cost is given, so that nothing is compiled."""
    calls = []

    def measure(config, num_classes, batch_size):
        calls.append(batch_size)
        return StepCost(batch_size, 1e12 * batch_size, 1e9 * batch_size, 10**9 * batch_size, 0, 0.0)

    monkeypatch.setattr(plan_lib, "measure_step", measure)
    return calls


def test_a_plan_tells_what_fits_and_what_limits(cheap_steps):
    found = make_plan(CONFIG, SIZE, utilization=0.5)
    by_name = {estimate.machine.name: estimate for estimate in found.estimates}
    assert sorted(cheap_steps) == [1, 4]  # once for each share
    assert found.num_steps == 20
    assert found.flops_per_step == pytest.approx(32e12)
    v5e = by_name["v5e-8"]
    assert (v5e.mesh, v5e.batch_size, v5e.fits) == ({"data": 8, "fsdp": 1}, 4, True)
    exchange = 2 * 7 / 8 * found.parameter_bytes / TPU_V5E.link_bandwidth
    assert v5e.step_seconds == pytest.approx(4e12 / (197e12 * 0.5) + exchange)
    assert v5e.limit == "arithmetic"
    assert v5e.hours == pytest.approx(20 * v5e.step_seconds / 3600)
    assert v5e.images_per_second == pytest.approx(32 / v5e.step_seconds)
    assert by_name["v5p-64"].batch_size == 1
    large = make_plan(CONFIG.replace(batch_size=256), SIZE)
    fits = {estimate.machine.name: estimate.fits for estimate in large.estimates}
    assert fits == {"v5e-8": False, "v5p-64": True, "8 x H100": True}


def test_steps_on_smaller_images_count_by_their_area(cheap_steps):
    config = CONFIG.replace(global_pooling="average")
    smaller = config.replace(progressive_resizing="4:0.5")
    whole, found = (make_plan(each, SIZE).estimates[0] for each in (config, smaller))
    assert found.hours == pytest.approx(whole.hours * (0.5 / 4 + 0.5))


def test_float32_takes_longer_where_the_chip_is_slower():
    assert H100.peak_flops("float32") == pytest.approx(H100.peak_flops("bfloat16") / 2, rel=0.01)
    assert TPU_V5E.peak_flops("float32") == TPU_V5E.peak_flops("bfloat16")


def test_fsdp_lowers_memory_and_adds_to_the_exchange(cheap_steps):
    small = Machine("two", TPU_V5E, 2)
    options = {"machines": [small]}
    config = CONFIG.replace(width_multiplier=1.0)
    copied = make_plan(config, SIZE, **options).estimates[0]
    split = make_plan(config.replace(mesh="fsdp:2"), SIZE, **options).estimates[0]
    assert split.mesh == {"data": 1, "fsdp": 2}
    assert split.step_seconds > copied.step_seconds


def test_what_cannot_be_laid_out_says_why(cheap_steps):
    found = make_plan(CONFIG.replace(mesh="fsdp:16"), SIZE)
    problems = {e.machine.name: e.problem for e in found.estimates}
    assert "needs 16 devices" in problems["v5e-8"]
    assert problems["v5p-64"] == ""
    uneven = make_plan(CONFIG.replace(accumulate_steps=16), SIZE)
    assert "16 parts" in uneven.estimates[0].problem


def test_sizes_are_known_given_or_counted_without_reading(tmp_path):
    assert find_size(make_config(dataset="imagenet2012")) == (1000, 1_281_167)
    given = find_size(make_config(dataset="none"), num_classes=3, num_examples=7)
    assert given == (3, 7)
    limited = make_config(dataset="none", max_train_examples=5)
    assert find_size(limited, num_classes=3, num_examples=7) == (3, 5)
    for split, count in (("train", 6), ("validation", 2), ("test", 2)):
        for name in ("a", "b"):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                (folder / f"{i}.jpg").write_bytes(b"no image at all")
    assert find_size(make_config(dataset="folder", data_dir=str(tmp_path))) == (2, 12)
    with pytest.raises(ValueError, match="num_classes"):
        find_size(make_config(dataset="none"), num_classes=0)


def test_utilization_is_checked():
    with pytest.raises(ValueError, match="utilization"):
        make_plan(CONFIG, SIZE, utilization=1.5)


def test_the_machines_are_those_of_the_makers():
    devices = {machine.name: machine.num_devices for machine in MACHINES}
    assert devices == {"v5e-8": 8, "v5p-64": 32, "8 x H100": 8}
    assert step_cost.tree_bytes({"x": np.zeros(3, np.float32)}) == 12
