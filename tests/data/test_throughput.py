import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.bad_files import BadFilesError
from jaxcnn.data.throughput import decode_rate, pillow_rate


@pytest.fixture
def photos(tmp_path):
    for i in range(3):
        pixels = np.random.default_rng(i).integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.jpg")
    return sorted(tmp_path.iterdir())


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("rate", [decode_rate, pillow_rate])
def test_rates_count_images(photos, rate, workers):
    assert rate(photos, 16, workers=workers, seconds=0.05, batch_size=4) > 0


def test_a_rate_counts_each_image_once(photos, monkeypatch):
    clock = iter(np.arange(100.0))
    monkeypatch.setattr("jaxcnn.data.throughput.time.perf_counter", lambda: next(clock))
    # Begun at 0; batches are started at 1, 2 and 3, refused at 4; the end is at 5.
    assert decode_rate(photos, 8, decoder="pillow", seconds=4, batch_size=10) == 30 / 5


@pytest.mark.parametrize("change", [{"workers": 0}, {"seconds": 0}, {"batch_size": 0}])
def test_options_out_of_range_are_named(photos, change):
    with pytest.raises(ValueError, match="expected at least one file, worker and image"):
        decode_rate(photos, 8, **change)
    with pytest.raises(ValueError, match="got 0 files"):
        pillow_rate([], 8)


def test_bad_photos_are_an_error(photos):
    photos[0].write_bytes(b"")
    with pytest.raises(BadFilesError):
        decode_rate(photos, 8, seconds=0.05)
    with pytest.raises(OSError, match="identify"):
        pillow_rate(photos, 8, seconds=0.05)
