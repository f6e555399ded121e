"""A labeller without a network: classes by colour, so that tests take milliseconds.

Run as a program it indexes a folder with that labeller, for tests that kill it:

    python stub_labeller.py INDEX FOLDER
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from jaxcnn.data.decode import decode_and_resize
from jaxcnn.photos.index_format import NetworkRecord

COLOURS = {"tabby": (200, 40, 40), "golden retriever": (40, 200, 40), "school bus": (40, 40, 200)}
WORDNET_IDS = ("n02123045", "n02099601", "n04146614")


class StubLabeller:
    """Labels a photo by its mean colour; its vector is 16 pixels of it."""

    def __init__(self, fingerprint="stub", batch_size=4):
        self.network = NetworkRecord(fingerprint, tuple(COLOURS), WORDNET_IDS, {"weights": "stub"})
        self.batch_size = batch_size
        self.num_labelled = 0

    def preprocess(self, data):
        return decode_and_resize(data, 4, decoder="pillow")

    def label(self, images):
        assert 0 < len(images) <= self.batch_size
        self.num_labelled += len(images)
        floats = images.astype(np.float32)
        means = floats.mean((1, 2))
        distances = np.stack([np.abs(means - colour).sum(1) for colour in COLOURS.values()], 1)
        shares = np.exp(-distances / 60)
        vectors = floats.reshape(len(images), -1) - 127
        return (shares / shares.sum(1, keepdims=True)).astype(np.float32), vectors


def write_photo(path, kind, seed=0, **options):
    """Write a photo of a kind; the seed makes it differ from others of the kind."""
    draws = np.random.default_rng(seed)
    pixels = np.clip(COLOURS[kind] + draws.normal(0, 12, (12, 16, 3)), 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


class SlowStub(StubLabeller):
    """Takes its time, so that a kill finds it at work."""

    def label(self, images):
        time.sleep(0.01)
        return super().label(images)


if __name__ == "__main__":
    from jaxcnn.photos.updating import update_index

    def load(source):
        print("begun", flush=True)
        return SlowStub()

    report = update_index(Path(sys.argv[1]), [os.fsencode(sys.argv[2])], load)
    print(report.added, report.unchanged, flush=True)
