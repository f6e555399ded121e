"""What `fit` costs beside the step: its loop against a bare loop over the same compiled step.

    python -m experiments.benchmarks.loop_overhead

Each way runs in a process of its own, in turn (A B A B), on the same images, with the default
callbacks of `fit` and without validation. Medians over the turns, and their ratio.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time

import jax
import numpy as np
import optax

from jaxcnn import losses
from jaxcnn.data.array_split import ArraySplit
from jaxcnn.data.batches import train_batches
from jaxcnn.models import create_model
from jaxcnn.training.callbacks import Callback, View
from jaxcnn.training.fitting import fit
from jaxcnn.training.progress_bar import ProgressBar
from jaxcnn.training.state import init_state
from jaxcnn.training.step import make_train_step

_WAYS = ("bare", "fit")
_ROUNDS = 5
_STEPS, _WARM_UP, _BATCH, _SIZE_PX = 600, 50, 16, 32  # about 5 ms a step on two cores
_KEY = 0


class _Clock(Callback):
    """Notes when the steps after the warm-up began, and when the last one ended."""

    def on_step_end(self, view: View) -> None:
        """Begin after the warm-up."""
        if view.step == _WARM_UP:
            self.began = time.perf_counter()
        if view.step == _STEPS:
            self.ended = time.perf_counter()


def measure(way: str) -> dict[str, float]:
    """Train for some steps and give milliseconds per step and the peak of memory in MiB."""
    model = create_model("six_conv", 2, depth=4, widths=(24, 24, 24, 24), dense_widths=())
    optimizer = optax.adam(1e-3)
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (_STEPS * _BATCH, _SIZE_PX, _SIZE_PX, 3), np.uint8)
    data = images, draws.integers(0, 2, len(images))
    if way == "fit":
        clock = _Clock()
        with open(os.devnull, "w") as nowhere:
            bar = ProgressBar(stream=nowhere)
            fit(model, data, optimizer=optimizer, batch_size=_BATCH, callbacks=[bar, clock])
        seconds = clock.ended - clock.began
    else:
        key = jax.random.key(_KEY)
        loss_fn = losses.make_loss("softmax", num_classes=2)
        step = jax.jit(make_train_step(model, optimizer, loss_fn), donate_argnums=0)
        state = init_state(key, model, optimizer, images.shape[1:])
        split = ArraySplit(*data)
        batches = train_batches(split, batch_size=_BATCH, seed=0, to_device=jax.device_put)
        for _ in range(_WARM_UP):
            state, _ = step(state, next(batches), key)
        jax.block_until_ready(state)
        began = time.perf_counter()
        for _ in range(_STEPS - _WARM_UP):
            state, _ = step(state, next(batches), key)
        jax.block_until_ready(state)
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"milliseconds": 1e3 * seconds / (_STEPS - _WARM_UP), "mebibytes": peak}


def main() -> None:
    """Measure both ways in turn and print medians and ratios."""
    found: dict[str, list[dict[str, float]]] = {way: [] for way in _WAYS}
    for _ in range(_ROUNDS):
        for way in _WAYS:
            command = [sys.executable, "-m", "experiments.benchmarks.loop_overhead", way]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
    for unit in ("milliseconds", "mebibytes"):
        bare, by_fit = (statistics.median(each[unit] for each in found[way]) for way in _WAYS)
        print(f"{unit:<13} bare {bare:8.2f}  fit {by_fit:8.2f}  ratio {by_fit / bare:.3f}")


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1]))) if sys.argv[1:] else main()
