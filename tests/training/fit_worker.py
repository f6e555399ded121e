"""Train a small network on a number of virtual CPU devices; started by test_fit.py.

Arguments: the number of devices and a folder. Trains undisturbed, then once killed in mid-epoch and
resumed, and prints what came of both as JSON.
"""

import json
import sys

import flax.linen as nn
import jax
import numpy as np

from jaxcnn import optim
from jaxcnn.augment import random_flip
from jaxcnn.training.callbacks import Callback
from jaxcnn.training.checkpointing import Checkpoint
from jaxcnn.training.checkpoints import fingerprints
from jaxcnn.training.fitting import fit


class Net(nn.Module):
    @nn.compact
    def __call__(self, images, train):
        # A bias before BatchNorm has no gradient but rounding, which Adam makes as large as others.
        x = nn.Conv(4, (3, 3), strides=2, use_bias=False)(images)
        x = nn.relu(nn.BatchNorm(not train, momentum=0.9)(x)).mean(axis=(1, 2))
        return nn.Dense(2)(nn.Dropout(0.2)(x, deterministic=not train))


class CrashAt(Callback):
    def on_step_end(self, view):
        if view.step == 11:
            raise RuntimeError("power cut")


def train(*callbacks):
    draws = np.random.default_rng(0)
    labels = np.arange(66) % 2
    images = draws.integers(0, 160, (66, 12, 12, 3)) + 60 * labels[:, None, None, None]
    data = (images.astype(np.uint8), labels)
    batches = [(data[0][i : i + 8], labels[i : i + 8]) for i in range(0, 66, 8)]
    optimizer = optim.make_optimizer("adam", 0.01)
    options = {"num_epochs": 2, "batch_size": 8, "augment": random_flip, "callbacks": callbacks}
    return fit(Net(), data, batches, optimizer=optimizer, **options)


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
    whole = train()
    try:
        train(Checkpoint(sys.argv[2], every_steps=5), CrashAt())
    except RuntimeError:
        again = train(Checkpoint(sys.argv[2]))
    same = fingerprints(again.state) == fingerprints(whole.state)
    devices = len(jax.tree.leaves(whole.state)[0].sharding.device_set)
    print(json.dumps({"history": whole.history, "same_bits": same, "devices": devices}))
