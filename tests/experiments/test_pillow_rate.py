import numpy as np
import pytest
from PIL import Image

from experiments.benchmarks import pillow_rate as rates
from experiments.benchmarks.pillow_rate import pillow_rate


@pytest.fixture
def photos(tmp_path):
    for i in range(3):
        pixels = np.random.default_rng(i).integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.jpg")
    return sorted(tmp_path.iterdir())


def test_a_rate_counts_images(photos):
    assert pillow_rate(photos, 16, workers=2, seconds=0.05, batch_size=4) > 0


def test_a_rate_counts_each_image_once(photos, monkeypatch):
    clock = iter(np.arange(100.0))
    monkeypatch.setattr(rates.time, "perf_counter", lambda: next(clock))
    # Begun at 0; batches are started at 1, 2 and 3, refused at 4; the end is at 5.
    assert pillow_rate(photos, 8, workers=1, seconds=4, batch_size=10) == 30 / 5


def test_bad_photos_are_an_error(photos):
    photos[0].write_bytes(b"")
    with pytest.raises(OSError, match="identify"):
        pillow_rate(photos, 8, workers=1, seconds=0.05, batch_size=4)
