"""Ways to train, compared on small pieces: layers, epochs and members."""

import functools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.accelerator.children import Result
from jaxcnn import losses
from jaxcnn.models import create_model
from jaxcnn.models.layers import ConvBlock
from jaxcnn.models.layers.batch_norm import batch_norm
from jaxcnn.ops.lowering import stock_ops
from jaxcnn.training.compilation import compile_step
from jaxcnn.training.epoch_scan import ScannedSteps
from jaxcnn.training.members import MembersStep
from jaxcnn.training.state import init_state
from jaxcnn.training.step import TrainStep, make_train_step
from jaxcnn.types import Batch, PyTree, TrainState

_CLASSES, _SIZE_PX = 10, 32
_MEMBERS = (1, 4, 16)
# Side in px, channels, and options of the layer; batches of 64.
_LAYERS: dict[str, tuple[int, int, dict[str, Any]]] = {
    "convolution 3x3, batch norm, ReLU": (56, 64, {"width": 64}),
    "pointwise, batch norm, ReLU": (28, 512, {"width": 128, "kernel_size": 1}),
    "depthwise 3x3, batch norm, ReLU6": (
        56,
        144,
        {"width": 144, "groups": 144, "activation": "relu6"},
    ),
    "convolution 7x7 / 2, batch norm, ReLU": (
        224,
        3,
        {"width": 64, "kernel_size": 7, "strides": 2},
    ),
}


def results(spec: dict[str, Any]) -> Iterator[Result]:
    """Compare.

    Args:
      spec: "tiny", for small arrays and few calls.

    Yields:
      Results; none is judged.
    """
    tiny = spec["tiny"]
    for dtype in ("bfloat16",) if tiny else ("bfloat16", "float32"):
        for name in list(_LAYERS)[:1] if tiny else _LAYERS:
            yield _compare_layers(name, dtype, tiny=tiny)
        yield _compare_batch_norm(dtype, tiny=tiny)
    yield _compare_epochs(tiny=tiny)
    for count in _MEMBERS[:2] if tiny else _MEMBERS:
        yield _compare_members(count, tiny=tiny)


def _compare_layers(name: str, dtype: str, *, tiny: bool) -> Result:
    side_px, channels, options = _LAYERS[name]
    shape = (2, 8, 8, channels) if tiny else (64, side_px, side_px, channels)
    block = ConvBlock(use_batch_norm=True, dtype=jnp.dtype(dtype), **options)
    return _own_against_stock(f"{name} {dtype}", block, shape, dtype, tiny=tiny)


class _Normalised(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        return batch_norm(x, train=train, name="bn", activation="relu")


def _compare_batch_norm(dtype: str, *, tiny: bool) -> Result:
    shape = (2, 8, 8, 16) if tiny else (64, 56, 56, 256)
    return _own_against_stock(f"batch norm, ReLU {dtype}", _Normalised(), shape, dtype, tiny=tiny)


def _own_against_stock(
    name: str, layer: nn.Module, shape: tuple[int, ...], dtype: str, *, tiny: bool
) -> Result:
    """Time a layer's forward and backward pass, its own way and as stock Flax has it, in turn."""
    images = jnp.asarray(np.random.default_rng(0).standard_normal(shape), dtype)
    variables = layer.init(jax.random.key(0), images, train=False)

    def gradients(variables: PyTree, images: jax.Array) -> PyTree:
        def total(params: PyTree, images: jax.Array) -> jax.Array:
            given = {**variables, "params": params}
            out, _ = layer.apply(given, images, train=True, mutable=["batch_stats"])
            return jnp.square(out.astype(jnp.float32)).sum()

        return jax.grad(total, argnums=(0, 1))(variables["params"], images)

    own = compile_step(gradients, variables, images)
    with stock_ops():
        stock = compile_step(lambda *args: gradients(*args), variables, images)
    seconds = in_turn(
        {"jaxcnn": lambda: own(variables, images), "Flax": lambda: stock(variables, images)},
        tiny=tiny,
    )
    figures = {f"{who}, ms": 1e3 * value for who, value in seconds.items()}
    figures["x Flax"] = seconds["Flax"] / seconds["jaxcnn"]
    slower = figures["x Flax"] < 0.97
    note = "slower than stock Flax" if slower else ""
    return _result("layers, forward and backward", name, figures, note)


def _training(dtype: str, *, tiny: bool) -> tuple[TrainStep, Callable[[int], TrainState]]:
    """Make the training step of a small network, and the function from a seed to its state."""
    options: dict[str, Any] = {"batch_norm": True, "dense_widths": (), "global_pooling": "average"}
    options |= {"depth": 2, "width_multiplier": 0.25} if tiny else {"depth": 5}
    model = create_model("six_conv", _CLASSES, dtype=jnp.dtype(dtype), **options)
    optimizer = optax.sgd(0.01, momentum=0.9)
    step = make_train_step(model, optimizer, losses.make_loss("softmax", num_classes=_CLASSES))
    shape = (_SIZE_PX, _SIZE_PX, 3)
    return step, lambda seed: init_state(jax.random.key(seed), model, optimizer, shape)


def _photos(count: int) -> Batch:
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (count, _SIZE_PX, _SIZE_PX, 3), np.uint8)
    label = draws.integers(0, _CLASSES, count, np.int32)
    return Batch(images, label, np.ones(count, bool), np.arange(count, dtype=np.int32))


def _compare_epochs(*, tiny: bool) -> Result:
    """Train for an epoch, sent batch by batch and as one scan over photos on the device."""
    batch_size, steps = (4, 3) if tiny else (256, 100)
    train_step, start = _training("bfloat16", tiny=tiny)
    photos, key = _photos(batch_size * steps), jax.random.key(0)
    batches = [
        Batch(*(part[i : i + batch_size] for part in photos))
        for i in range(0, batch_size * steps, batch_size)
    ]
    compiled = compile_step(train_step, start(0), batches[0], key, donate_argnums=0)
    scanned = ScannedSteps(
        train_step,
        start(0),
        jax.device_put(photos),
        key,
        batch_size=batch_size,
        chunk_steps=steps,
    )
    states = {"one by one": start(0), "scanned": start(0)}

    def one_by_one() -> Any:
        state = states["one by one"]
        for batch in batches:
            state, _ = compiled(state, batch, key)
        states["one by one"] = state
        return state

    def whole() -> Any:
        states["scanned"], sums = scanned(states["scanned"], batches, key)
        return sums

    seconds = in_turn({"one by one": one_by_one, "scanned": whole}, tiny=tiny)
    figures = {f"{who}, ms a step": 1e3 * value / steps for who, value in seconds.items()}
    figures["gain"] = seconds["one by one"] / seconds["scanned"]
    name = f"{steps} steps of six_conv {_SIZE_PX} px, batch {batch_size}"
    return _result("epochs", name, figures)


def _compare_members(count: int, *, tiny: bool) -> Result:
    """Train members side by side in one program, and one after the other."""
    batch_size = 4 if tiny else 64
    train_step, start = _training("bfloat16", tiny=tiny)
    batch = jax.device_put(_photos(batch_size))
    keys = [jax.random.key(i) for i in range(count)]
    members = [start(i) for i in range(count)]
    ways: dict[str, Callable[[], Any]] = {}
    for mode in ("vmap", "in_turn"):
        step = MembersStep(
            train_step,
            members[0],
            batch,
            keys[0],
            num_members=count,
            mode=mode,
            shared_batch=True,
        )
        ways[mode] = functools.partial(_advance, step, [step.pack(members)], batch, step.pack(keys))
    seconds = in_turn(ways, tiny=tiny)
    figures = {f"{mode}, ms a step": 1e3 * value for mode, value in seconds.items()}
    figures["gain"] = seconds["in_turn"] / seconds["vmap"]
    return _result("members", f"K = {count}, batch {batch_size} each", figures)


def _advance(step: MembersStep, states: list[Any], batch: Batch, keys: Any) -> Any:
    states[0], sums = step(states[0], batch, keys)
    return states[0], sums


def in_turn(ways: dict[str, Callable[[], Any]], *, tiny: bool) -> dict[str, float]:
    """Time functions in turn, so that what disturbs one disturbs all.

    Args:
      ways: functions by name; what each returns is waited for.
      tiny: call each once.

    Returns:
      Seconds of a call: the median of five rounds, each of as many calls as take 50 ms.
    """
    calls = {}
    for name, way in ways.items():
        _seconds(way, 1)
        calls[name] = 1 if tiny else max(1, min(100, int(0.05 / _seconds(way, 3))))
    rounds: Sequence[dict[str, float]] = [
        {name: _seconds(way, calls[name]) for name, way in ways.items()}
        for _ in range(1 if tiny else 5)
    ]
    return {name: statistics.median(found[name] for found in rounds) for name in ways}


def _seconds(way: Callable[[], Any], calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        done = way()
    jax.block_until_ready(done)
    return (time.perf_counter() - started) / calls


def _result(group: str, name: str, figures: dict[str, float], note: str = "") -> Result:
    return {"group": group, "name": name, "passed": None, "figures": figures, "note": note}
