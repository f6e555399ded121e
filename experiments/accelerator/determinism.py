"""Whether training is a function of its inputs to the bit, also through kills; and its memory."""

import dataclasses
import functools
import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.accelerator import children
from experiments.accelerator.children import Part, Result
from jaxcnn import losses
from jaxcnn.augment import make_augment, make_mixing
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.models import create_model
from jaxcnn.training.checkpoints import CheckpointStore, fingerprint
from jaxcnn.training.compilation import compile_step
from jaxcnn.training.state import init_state
from jaxcnn.training.step import make_train_step
from jaxcnn.types import Batch, TrainState

_CLASSES, _STORED_PX, _SIZE_PX = 10, 36, 32
_NETWORK: tuple[str, dict[str, Any]] = ("resnet18", {"stem": "small"})
_TINY: tuple[str, dict[str, Any]] = (
    "six_conv",
    {"depth": 2, "width_multiplier": 0.25, "batch_norm": True, "dense_widths": ()},
)
_FLAG = "--xla_gpu_deterministic_ops=true"
_DEVICE_ROOM, _HOST_ROOM = 2**20, 64 * 2**20  # bytes that may come beside a steady state
_UNLIKE = "the states differ"
_STEPS_AFTER_SAVING = 0.3  # seconds until the kill


def stage(*, tiny: bool, folder: Path, deadline: float) -> Iterator[Result]:
    """Train, kill, resume and compare, in each precision.

    An accelerator may add up in another order at each run. Where it does, all is tried again with
    XLA's flag for the same order, and that has to hold.

    Args:
      tiny: on small batches, with few steps.
      folder: where checkpoints and compiled programs go.
      deadline: of `time.monotonic`.

    Yields:
      Results.
    """
    for dtype in ("float32",) if tiny else ("float32", "bfloat16"):
        found = list(_attempt(dtype, tiny=tiny, folder=folder / dtype, deadline=deadline))
        if _FLAG in os.environ.get("XLA_FLAGS", "") or not any(map(_differs, found)):
            yield from found
            continue
        for result in found:
            if _differs(result):
                result |= {
                    "passed": None,
                    "note": f"{_UNLIKE} without --xla_gpu_deterministic_ops; see below",
                }
            yield result
        again = _attempt(
            dtype, tiny=tiny, folder=folder / f"{dtype}-same", deadline=deadline, flag=_FLAG
        )
        for result in again:
            yield {**result, "name": f"{result['name']}, {_FLAG}"}


def _attempt(
    dtype: str, *, tiny: bool, folder: Path, deadline: float, flag: str = ""
) -> Iterator[Result]:
    """Run the parts of one precision: uninterrupted; until it is killed; and resumed."""
    spec = {"dtype": dtype, "tiny": tiny, "folder": str(folder / "checkpoints")}
    environment = {
        # As a run has it: the resumed process finds the programs of the first.
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    if flag:
        environment["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()
    digests: dict[str, str] = {}
    for part in ("uninterrupted", "killed", "resumed"):
        child = Part(f"{dtype}, {part}", __name__, {**spec, "part": part}, environment)
        said = children.run([child], deadline=deadline)
        for result in said:
            if "digest" in result:
                digests[part] = result["digest"]
            elif "saved" in result:
                time.sleep(_STEPS_AFTER_SAVING)
                said.close()  # which kills it
            else:
                yield result
    if len(digests) < 2:  # a part died, or its time was up, which is said
        return
    same = len(set(digests.values())) == 1
    yield _result(f"{dtype}, killed and resumed equals uninterrupted", same, note=_unlike(same))


@dataclasses.dataclass(eq=False)
class _Training:
    """A step, its state and its batches: augmented, mixed, averaged, with momentum."""

    dtype: str
    tiny: bool

    def __post_init__(self) -> None:
        name, options = _TINY if self.tiny else _NETWORK
        model = create_model(name, _CLASSES, dtype=jnp.dtype(self.dtype), **options)
        optimizer = optax.sgd(0.05, momentum=0.9)
        preprocessing = Preprocessing(image_size_px=_SIZE_PX)
        self.step = make_train_step(
            model,
            optimizer,
            losses.make_loss("softmax", num_classes=_CLASSES, label_smoothing=0.1),
            make_augment("flip" if self.tiny else "standard", image_size_px=_SIZE_PX),
            preprocessing=preprocessing,
            mixing=None if self.tiny else make_mixing(num_classes=_CLASSES, cutmix_alpha=1.0),
            ema_decay=0.99,
        )
        shape = (_SIZE_PX, _SIZE_PX, 3)
        self.key = jax.random.key(1)
        self.state = init_state(jax.random.key(0), model, optimizer, shape, with_ema=True)
        self.compiled = compile_step(
            self.step, self.state, self.batch(0), self.key, donate_argnums=0
        )

    @functools.cached_property
    def num_steps(self) -> int:
        return 4 if self.tiny else 20

    @functools.lru_cache(maxsize=8)  # noqa: B019 - lives as long as the process
    def batch(self, number: int) -> Batch:
        """Give one of eight batches of random photos, by the number of the step."""
        size = 8 if self.tiny else 256
        draws = np.random.default_rng(number % 8)
        images = draws.integers(0, 256, (size, _STORED_PX, _STORED_PX, 3), np.uint8)
        label = draws.integers(0, _CLASSES, size, np.int32)
        index = np.arange(size, dtype=np.int32) + number % 8 * size
        return Batch(images, label, np.ones(size, bool), index)

    def copy(self) -> TrainState:
        return jax.tree.map(jnp.copy, self.state)

    def run(self, state: TrainState, first: int, last: int, *, awaited: bool = False) -> TrainState:
        for number in range(first, last):
            state, _ = self.compiled(state, self.batch(number % 8), self.key)
            if awaited:
                jax.block_until_ready(state)
        return state


def results(spec: dict[str, Any]) -> Iterator[Result]:
    """Do one part, see `stage`.

    Args:
      spec: "part", "dtype", "tiny" and "folder", of checkpoints.

    Yields:
      Results; "digest" of the last state, or "saved" where a checkpoint is.
    """
    training = _Training(spec["dtype"], spec["tiny"])
    yield from _PARTS[spec["part"]](training, Path(spec["folder"]))


def _uninterrupted(training: _Training, folder: Path) -> Iterator[Result]:
    dtype, steps = training.dtype, training.num_steps
    once, again = (fingerprint(training.run(training.copy(), 0, 1)) for _ in range(2))
    yield _result(f"{dtype}, the same step twice", once == again, note=_unlike(once == again))
    awaited = fingerprint(training.run(training.copy(), 0, steps, awaited=True))
    in_flight = fingerprint(training.run(training.copy(), 0, steps))
    same = awaited == in_flight
    yield _result(f"{dtype}, steps in flight equal awaited ones", same, note=_unlike(same))
    yield {"digest": in_flight}
    yield _donated(training)
    yield _steady(training)


def _killed(training: _Training, folder: Path) -> Iterator[Result]:
    half = training.num_steps // 2
    state = training.run(training.copy(), 0, half)
    CheckpointStore(folder).save(half, state, {})
    yield {"saved": half}
    for number in itertools.count(half):  # until the kill
        state = training.run(state, number, number + 1)


def _resumed(training: _Training, folder: Path) -> Iterator[Result]:
    checkpoint = CheckpointStore(folder, read_only=True).restore(training.state)
    if checkpoint is None:
        raise RuntimeError(f"no checkpoint in {folder}")
    state = training.run(checkpoint.state, checkpoint.step, training.num_steps)
    yield {"digest": fingerprint(state)}


_Do = Callable[[_Training, Path], Iterator[Result]]
_PARTS: dict[str, _Do] = {
    **{"uninterrupted": _uninterrupted, "killed": _killed, "resumed": _resumed},
}


def _donated(training: _Training) -> Result:
    """A step takes over the memory of the state that it is given."""
    state = training.copy()
    leaves = jax.tree.leaves(state)
    jax.block_until_ready(training.run(state, 0, 1))
    kept = sum(not leaf.is_deleted() for leaf in leaves)
    note = f"{kept} of {len(leaves)} arrays of the old state were kept" if kept else ""
    return _result(f"{training.dtype}, donated buffers are freed", not kept, note=note)


def _steady(training: _Training) -> Result:
    """After a fifth of the steps, memory no longer grows."""
    steps = 20 if training.tiny else 500
    state = jax.block_until_ready(training.run(training.copy(), 0, steps // 5))
    before = _memory()
    state = jax.block_until_ready(training.run(state, steps // 5, steps))
    grown = {name: value - before[name] for name, value in _memory().items()}
    room = {"live arrays": 0, "device": _DEVICE_ROOM, "host": _HOST_ROOM}
    over = [name for name, value in grown.items() if value > room[name]]
    return {
        **_result(f"{training.dtype}, memory over {steps} steps", not over),
        "figures": {f"{name} grew by MiB": value / 2**20 for name, value in grown.items()},
        "note": f"grew: {', '.join(over)}" if over else "",
    }


def _memory() -> dict[str, int]:
    """Bytes of live arrays, in use on the device, and resident on the host, where known."""
    found = {"live arrays": sum(array.nbytes for array in jax.live_arrays())}
    statistics = jax.devices()[0].memory_stats() or {}
    if "bytes_in_use" in statistics:
        found["device"] = statistics["bytes_in_use"]
    statm = Path("/proc/self/statm")
    if statm.exists():
        found["host"] = int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return found


def _result(name: str, passed: bool, *, note: str = "") -> Result:
    return {"name": name, "passed": passed, "note": note}


def _unlike(same: bool) -> str:
    return "" if same else _UNLIKE


def _differs(result: Result) -> bool:
    return result["passed"] is False and result["note"] == _UNLIKE
