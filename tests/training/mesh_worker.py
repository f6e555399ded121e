"""Run small trainings on meshes of eight virtual CPU devices; started by test_meshes.py.

Reads a JSON list of {"workdir": ..., "settings": {...}} and writes a list of what came of each.
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np

from jaxcnn.data.datasets import ImageSplits
from jaxcnn.data.image_splits import DecodedSplit
from jaxcnn.runs import config as config_lib
from jaxcnn.runs.config import make_config
from jaxcnn.runs.folder import open_workdir
from jaxcnn.runs.run import Run

SETTINGS = {
    "dataset": "folder",  # for its presets; the images are made here
    "image_size_px": 12,
    "stored_size_px": 14,
    "num_epochs": 2,
    "batch_size": 16,
    "eval_batch_size": 20,
    "depth": 2,
    "augment": "standard",
    "crop_from": "square",
    "warmup_epochs": 0.0,
}


def split(count, seed):
    draws = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int32) % 2
    images = draws.integers(0, 160, (count, 14, 14, 3)) + 60 * labels[:, None, None, None]
    names = [f"{seed}/{i:03d}" for i in range(count)]
    return DecodedSplit(images.astype(np.uint8), labels, names, ("dark", "bright"))


def train(workdir, settings):
    config = config_lib.resolve(make_config(**{**SETTINGS, **settings}))
    folder = open_workdir(workdir, config_lib.to_json(config), resume=True, free=("mesh",))
    data = ImageSplits(split(66, 0), split(21, 1), split(21, 2), [], [])
    run = Run(config, folder, data)
    progress = run.train()
    variables = run.best_variables(progress.best_step)
    found = run.evaluate(data.test, variables)
    leaves = jax.tree.leaves(variables["params"])
    return {
        "losses": [row["train_loss"] for row in progress.history],
        "validation": [row["validation_loss"] for row in progress.history],
        "probabilities": found.probabilities.tolist(),
        "index": found.index.tolist(),
        "share_a_device": sum(leaf.addressable_shards[0].data.size for leaf in leaves)
        / sum(leaf.size for leaf in leaves),
    }


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", 8)
    jobs = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps([train(**job) for job in jobs]))
