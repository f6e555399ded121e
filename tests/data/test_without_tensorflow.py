import io
import os
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxcnn.data.without_tensorflow import (
    GFILE,
    STAND_IN,
    NeedsTensorFlowError,
    decode_image,
    encode_jpeg,
    encode_png,
    without_tensorflow,
)


def ramp(channels: int, dtype: type = np.uint8) -> np.ndarray:
    return np.arange(5 * 7 * channels, dtype=dtype).reshape(5, 7, channels)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_is_lossless(channels):
    data = encode_png(ramp(channels)).numpy()
    assert type(data) is bytes
    np.testing.assert_array_equal(decode_image(data).numpy(), ramp(channels))


def test_png_of_16_bits_is_lossless():
    image = (1000 * ramp(1, np.uint16)).astype(np.uint16)
    stored = Image.open(io.BytesIO(encode_png(image)))
    np.testing.assert_array_equal(np.asarray(stored), image[..., 0])


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_near(channels):
    blocks = 20 * ramp(channels)[:2, :2]  # as large as the JPEG's own, so that no edge rings
    image = np.repeat(np.repeat(blocks, 16, axis=0), 16, axis=1)
    decoded = decode_image(encode_jpeg(image))
    assert (decoded.shape, decoded.dtype) == (image.shape, np.uint8)
    inner = np.s_[2:14, 2:14]  # chroma is interpolated across the blocks' borders
    np.testing.assert_allclose(decoded[inner].astype(int), image[inner].astype(int), atol=3)


@pytest.mark.parametrize(
    ("encode", "image"),
    [
        (encode_jpeg, ramp(2)),
        (encode_jpeg, ramp(4)),
        (encode_png, ramp(5)),
        (encode_png, ramp(3, np.uint16)),
        (encode_png, ramp(3, np.float32)),
        (encode_png, ramp(3)[..., 0]),
    ],
)
def test_refuses_images_that_pillow_cannot_write(encode, image):
    with pytest.raises(NeedsTensorFlowError, match=f"{image.dtype}"):
        encode(image)


@pytest.mark.parametrize(("channels", "expected"), [(0, 4), (1, 1), (3, 3), (4, 4)])
def test_decodes_to_the_channels_asked_for(channels, expected):
    assert decode_image(encode_png(ramp(4)), channels=channels).shape == (5, 7, expected)


def test_decodes_palettes_as_rgb():
    buffer = io.BytesIO()
    Image.fromarray(ramp(3)).quantize(8).save(buffer, "PNG")
    assert decode_image(buffer.getvalue()).shape == (5, 7, 3)


def test_leaves_animations_to_tensorflow():
    buffer = io.BytesIO()
    frames = [Image.new("L", (4, 4), 200 * i) for i in range(2)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(NeedsTensorFlowError, match="GIF"):
        decode_image(buffer.getvalue())


def test_files(tmp_path):
    (tmp_path / "folder").mkdir()
    for name in ("b.txt", "a.txt", "folder/c.txt"):
        with GFILE.GFile(tmp_path / name, "w") as file:
            file.write("Straße\n")
    assert (tmp_path / "a.txt").read_bytes() == "Straße\n".encode()
    with GFILE.GFile(tmp_path / "a.txt") as file:
        assert list(file) == ["Straße\n"]
    with GFILE.GFile(tmp_path / "a.txt", "rb") as file:
        assert file.read(4) == b"Stra"
    patterns = [f"{tmp_path}/*.txt", f"{tmp_path}/folder/*"]
    found = [os.path.relpath(path, tmp_path) for path in GFILE.glob(patterns)]
    assert found == ["a.txt", "b.txt", "folder/c.txt"]
    assert GFILE.glob(tmp_path / "?.txt") == GFILE.glob(patterns[0])
    assert sorted(GFILE.listdir(tmp_path)) == ["a.txt", "b.txt", "folder"]
    GFILE.makedirs(tmp_path / "x" / "y")
    GFILE.makedirs(tmp_path / "x" / "y")
    assert GFILE.isdir(tmp_path / "x" / "y")


@pytest.mark.parametrize("act", [GFILE.copy, GFILE.rename])
def test_overwrites_only_if_told(tmp_path, act):
    (tmp_path / "new").write_text("new")
    (tmp_path / "old").write_text("old")
    with pytest.raises(FileExistsError):
        act(tmp_path / "new", tmp_path / "old")
    act(tmp_path / "new", tmp_path / "old", overwrite=True)
    assert (tmp_path / "old").read_text() == "new"
    assert (tmp_path / "new").exists() == (act is GFILE.copy)


@pytest.mark.parametrize("ask", ["Graph", "data", "io.parse_single_example", "io.gfile.stat"])
def test_anything_else_needs_tensorflow(ask):
    place = STAND_IN
    *path, last = ask.split(".")
    for name in path:
        place = getattr(place, name)
    with pytest.raises(NeedsTensorFlowError, match=f"tf.{ask} needs TensorFlow"):
        getattr(place, last)


def test_text_is_bytes_and_back():
    compat = STAND_IN.compat
    assert compat.as_text(b"\xc3\x9f") == compat.as_text("ß") == "ß"
    assert compat.as_bytes("ß") == compat.as_bytes(b"\xc3\x9f") == b"\xc3\x9f"


def test_tfds_encodes_arrays_only_within():
    feature = tfds.features.Image(shape=(5, 7, 3))
    with without_tensorflow():
        encoded = feature.encode_example(ramp(3))
    np.testing.assert_array_equal(feature.decode_example_np(encoded), ramp(3))
    assert "tensorflow" not in sys.modules


def test_restores_the_modules_after_an_error():
    from tensorflow_datasets.core.features import image_feature
    from tensorflow_datasets.core.utils import lazy_imports_utils

    def interrupt():
        assert image_feature.tf is STAND_IN
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), without_tensorflow():
        interrupt()
    assert image_feature.tf is lazy_imports_utils.tensorflow


def test_raises_and_restores_the_limit_of_open_files():
    resource = pytest.importorskip("resource")
    soft, hard = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft == hard:
        pytest.skip(f"the limit of open files cannot be raised here: {before}")
    with without_tensorflow():
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > soft
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def test_split_larger_than_memory_goes_through_files(tmp_path, monkeypatch):
    from tensorflow_datasets.core import shuffle

    monkeypatch.setattr(shuffle, "MAX_MEM_BUFFER_SIZE", 100)
    shuffler = shuffle.Shuffler(dirpath=tmp_path, hash_salt="salt")
    with without_tensorflow():
        for i in range(50):
            shuffler.add(i, b"%03d" % i)
        assert any(tmp_path.iterdir())
        values = [bytes(value) for _, value in shuffler]
    assert sorted(values) == [b"%03d" % i for i in range(50)]
    assert values != sorted(values)
