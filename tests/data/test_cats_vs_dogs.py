import io
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time
import warnings
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core.download.checksums import UrlInfo, compute_url_info

from jaxcnn.data import cats_vs_dogs, tfds_internals
from jaxcnn.data.cats_vs_dogs import CatsVsDogs, recode_jpeg
from jaxcnn.data.tfds_prepare import TfdsError, prepare_tfds
from jaxcnn.data.tfds_source import load_tfds

PER_CLASS = 12
ARCHIVE = "kagglecatsanddogs_5340.zip"


def jpeg(value: int, size: tuple[int, int] = (20, 16), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, value if mode == "L" else (value, value // 2, 99)).save(buffer, "JPEG")
    return buffer.getvalue()


def cmyk_jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("CMYK", (8, 8), (10, 20, 30, 40)).save(buffer, "JPEG")
    return buffer.getvalue()


def write_archive(path: pathlib.Path) -> None:
    """The published layout: a dozen good photos a class, and all that has to be passed over."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme[1].txt", "Asirra")
        for name, base in (("Cat", 10), ("Dog", 130)):
            for i in range(PER_CLASS):
                mode = "L" if i == 3 else "RGB"
                archive.writestr(f"PetImages/{name}/{i}.jpg", jpeg(base + 9 * i, mode=mode))
            archive.writestr(f"PetImages/{name}/Thumbs.db", b"JFIF thumbs")
        archive.writestr("PetImages/Cat/666.jpg", b"")  # as in the published archive
        archive.writestr("PetImages/Dog/9401.jpg", jpeg(7).replace(b"JFIF", b"JUNK"))
        archive.writestr("PetImages/Dog/11702.jpg", jpeg(7, (64, 64))[:-400])  # truncated
        archive.writestr("PetImages/Cat/10404.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF" + b"\0" * 99)


@pytest.fixture
def seeded(tmp_path, monkeypatch):
    """A data_dir with a small archive among its downloads, whose checksum is expected."""
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    write_archive(manual / ARCHIVE)
    (url,) = CatsVsDogs.url_infos
    info = compute_url_info(manual / ARCHIVE)
    monkeypatch.setattr(CatsVsDogs, "url_infos", {url: info})
    return tmp_path


def test_stock_name_reopens_what_was_written_without_tensorflow(seeded):
    (source,) = load_tfds("cats_vs_dogs", data_dir=str(seeded)).values()
    examples = [source[i] for i in range(len(source))]
    assert source.class_names == ("cat", "dog")
    assert sorted(e.name for e in examples) == sorted(
        f"PetImages/{name}/{i}.jpg" for name in ("Cat", "Dog") for i in range(PER_CLASS)
    )
    for example in examples:
        _, name, file = example.name.split("/")
        number = int(file.split(".")[0])
        assert example.label == ("Cat", "Dog").index(name)
        pixels = np.asarray(Image.open(io.BytesIO(example.image)))
        assert pixels.shape == ((16, 20) if number == 3 else (16, 20, 3))
        red = pixels if pixels.ndim == 2 else pixels[..., 0]
        np.testing.assert_allclose(red, (10, 130)[example.label] + 9 * number, atol=4)
    stock = tfds.builder("cats_vs_dogs", data_dir=seeded)
    assert type(stock).__module__.startswith("tensorflow_datasets.")
    assert str(stock.version) == "4.0.1"
    assert stock.info.splits["train"].num_examples == 2 * PER_CLASS
    assert "tensorflow" not in sys.modules


def test_order_on_disk_does_not_follow_the_archive(seeded):
    source = load_tfds("cats_vs_dogs", data_dir=str(seeded))["train"]
    labels = [source[i].label for i in range(len(source))]
    assert labels != sorted(labels)  # tfds shuffles by the hash of the key


def test_counts_what_it_skips(seeded, monkeypatch):
    said = []
    monkeypatch.setattr(cats_vs_dogs.logging, "warning", lambda text, *args: said.append(args))
    prepare_tfds("cats_vs_dogs", str(seeded))
    assert said == [(2, 2)]


def test_published_checksum_is_demanded(tmp_path):
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    write_archive(manual / ARCHIVE)
    with pytest.raises(TfdsError, match=r"not the published file(.|\n)*b7974bd00a84a999"):
        load_tfds("cats_vs_dogs", data_dir=str(tmp_path))
    assert not (tmp_path / "cats_vs_dogs" / "4.0.1").exists()


def test_url_infos_are_the_stock_builders():
    stock = tfds.builder_cls("cats_vs_dogs")
    assert CatsVsDogs.url_infos == stock.url_infos
    assert next(iter(CatsVsDogs.url_infos.values())).size == 824887076
    assert CatsVsDogs.name == stock.name
    assert CatsVsDogs.VERSION == stock.VERSION


def test_oversized_file_is_skipped(seeded, monkeypatch):
    monkeypatch.setattr(cats_vs_dogs, "MAX_FILE_BYTES", 100)
    with pytest.raises(TfdsError):  # nothing is left to write
        prepare_tfds("cats_vs_dogs", str(seeded))
    assert list((seeded / "cats_vs_dogs").iterdir()) == []


def test_wrong_crc_is_skipped(tmp_path):
    write_archive(tmp_path / "a.zip")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        info = archive.getinfo("PetImages/Cat/0.jpg")
    start = info.header_offset + 30 + len(info.filename) + info.compress_size // 2
    data[start : start + 4] = bytes(b ^ 0xFF for b in data[start : start + 4])
    (tmp_path / "a.zip").write_bytes(data)
    builder = CatsVsDogs(data_dir=tmp_path / "data")
    names = [name for name, _ in builder._generate_examples(tmp_path / "a.zip")]
    assert len(names) == 2 * PER_CLASS - 1
    assert "PetImages/Cat/0.jpg" not in names


class TestRecodeJpeg:
    @pytest.mark.parametrize(
        ("data", "mode"), [(jpeg(50), "RGB"), (jpeg(50, mode="L"), "L"), (cmyk_jpeg(), "RGB")]
    )
    def test_keeps_size_and_grey(self, data, mode):
        before, after = (Image.open(io.BytesIO(d)) for d in (data, recode_jpeg(data)))
        assert (after.size, after.mode, after.format) == (before.size, mode, "JPEG")
        assert b"JFIF" in recode_jpeg(data)[:20]

    def test_quality_is_tensorflows(self):
        luminance = Image.open(io.BytesIO(recode_jpeg(jpeg(50)))).quantization[0]
        assert luminance[0] == 2  # 16 at quality 50, scaled by (200 - 2 * 95) %

    @pytest.mark.parametrize(
        "data",
        [b"", b"JFIF", jpeg(1, (99, 99))[:-200], b"\x89PNG\r\n\x1a\n" + b"\0" * 50],
        ids=["empty", "text", "truncated", "png"],
    )
    def test_refuses_what_it_cannot_decode(self, data):
        with pytest.raises(ValueError, match=f"not a readable JPEG of {len(data)} bytes"):
            recode_jpeg(data)

    @pytest.mark.parametrize("limit", [30 * 30, 10 * 10], ids=["warned of", "refused"])
    def test_refuses_a_decompression_bomb(self, monkeypatch, limit):
        data = jpeg(1, (40, 40))
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(ValueError, match="exceeds limit"):
                recode_jpeg(data)


CHILD = """
    import sys, time
    from tensorflow_datasets.core.download.checksums import compute_url_info
    from jaxcnn.data import cats_vs_dogs
    from jaxcnn.data.tfds_source import load_tfds
    root, pause = sys.argv[1], float(sys.argv[2])
    (url,) = cats_vs_dogs.CatsVsDogs.url_infos
    archive = root + "/downloads/manual/kagglecatsanddogs_5340.zip"
    cats_vs_dogs.CatsVsDogs.url_infos = {url: compute_url_info(archive)}
    recode = cats_vs_dogs.recode_jpeg
    def slowly(data):
        print("recoding", flush=True)
        time.sleep(pause)
        return recode(data)
    cats_vs_dogs.recode_jpeg = slowly
    print("loaded", len(load_tfds("cats_vs_dogs", data_dir=root)["train"]), flush=True)
"""


def start_child(root: pathlib.Path, pause: float) -> subprocess.Popen:
    code = textwrap.dedent(CHILD)
    # Bytes of stderr are dropped: tfds draws progress bars there.
    return subprocess.Popen(
        [sys.executable, "-c", code, str(root), str(pause)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(pathlib.Path(cats_vs_dogs.__file__).parents[2])},
    )


def test_killed_halfway_leaves_no_set_and_the_next_run_prepares(seeded):
    child = start_child(seeded, pause=60)
    assert any(line == "recoding\n" for line in child.stdout)  # it is in the middle of writing
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert not (seeded / "cats_vs_dogs" / "4.0.1").exists()
    assert len(load_tfds("cats_vs_dogs", data_dir=str(seeded))["train"]) == 2 * PER_CLASS


def test_two_processes_write_once(seeded):
    children = [start_child(seeded, pause=0.02) for _ in range(2)]
    outputs = [child.communicate(timeout=60)[0].splitlines() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert [lines[-1] for lines in outputs] == [f"loaded {2 * PER_CLASS}"] * 2
    assert sorted(lines.count("recoding") > 0 for lines in outputs) == [False, True]


def test_interrupted_preparation_leaves_no_set(seeded, monkeypatch):
    def interrupt(data):
        raise KeyboardInterrupt

    monkeypatch.setattr(cats_vs_dogs, "recode_jpeg", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare_tfds("cats_vs_dogs", str(seeded))
    assert list((seeded / "cats_vs_dogs").iterdir()) == []


def test_no_network_says_where_to_put_the_archive(tmp_path, monkeypatch):
    monkeypatch.setattr(tfds_internals, "_RETRIES", 0)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port: refused at once
    began = time.monotonic()
    with pytest.raises(TfdsError) as caught:
        load_tfds("cats_vs_dogs", data_dir=str(tmp_path))
    assert time.monotonic() - began < 10
    assert "could not download" in str(caught.value)
    assert f"{tmp_path}/downloads/manual" in str(caught.value)
    assert f"as {ARCHIVE}" in str(caught.value)


def test_seeded_info_is_complete(seeded):
    (info,) = CatsVsDogs.url_infos.values()
    assert isinstance(info, UrlInfo)
    assert info.filename == ARCHIVE
