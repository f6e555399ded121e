import errno
import importlib.util
import io
import pathlib
import struct
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import requests
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core.download.checksums import compute_url_info

from jaxcnn.data import tfds_internals, tfds_prepare
from jaxcnn.data.tfds_prepare import (
    TfdsError,
    find_builder,
    image_set_names,
    preparation_command,
    prepare_tfds,
)
from jaxcnn.data.tfds_source import load_tfds

DEBIAN_FILES = pathlib.Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture(autouse=True)
def no_tensorflow(monkeypatch):
    """The same way through the code whether or not this machine has TensorFlow."""
    monkeypatch.setattr(tfds_prepare, "_has_tensorflow", lambda: False)


def write_tar(path: pathlib.Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def seed(monkeypatch, data_dir: pathlib.Path, set_name: str, archives: dict) -> None:
    """Put archives where tfds looks for files fetched by hand, and expect their checksums."""
    manual = data_dir / "downloads" / "manual"
    builder_class = tfds.builder_cls(set_name)
    infos = {}
    for url, info in builder_class.url_infos.items():
        if info.filename in archives:
            write_tar(manual / info.filename, archives[info.filename])
            infos[url] = compute_url_info(manual / info.filename)
    assert len(infos) == len(archives)
    monkeypatch.setattr(builder_class, "url_infos", infos)


def cifar_records(first: int, count: int) -> bytes:
    return b"".join(
        bytes([i % 10]) + np.full((3, 32, 32), [[[i]], [[2 * i]], [[255 - i]]], np.uint8).tobytes()
        for i in range(first, first + count)
    )


CIFAR = {
    **{
        f"cifar-10-batches-bin/data_batch_{b}.bin": cifar_records(4 * b - 4, 4) for b in range(1, 6)
    },
    "cifar-10-batches-bin/test_batch.bin": cifar_records(100, 3),
    "cifar-10-batches-bin/batches.meta.txt": "\n".join(f"kind {i}" for i in range(10)).encode(),
}


def test_stock_cifar10_is_prepared_without_tensorflow(tmp_path, monkeypatch):
    seed(monkeypatch, tmp_path, "cifar10", {"cifar-10-binary.tar.gz": CIFAR})
    sources = load_tfds("cifar10", data_dir=str(tmp_path))
    assert {split: len(source) for split, source in sources.items()} == {"train": 20, "test": 3}
    for split, offset in (("train", 0), ("test", 100)):
        source = sources[split]
        assert source.class_names == tuple(f"kind {i}" for i in range(10))
        for example in (source[i] for i in range(len(source))):
            i = offset + int(example.name.removeprefix(f"{split}_"))
            pixels = np.asarray(Image.open(io.BytesIO(example.image)))
            np.testing.assert_array_equal(pixels, np.full((32, 32, 3), [i, 2 * i, 255 - i]))
            assert example.label == i % 10
    assert "tensorflow" not in sys.modules


def test_stock_oxford_pets_are_prepared_without_tensorflow(tmp_path, monkeypatch):
    def encoded(mode: str, file_format: str) -> bytes:
        buffer = io.BytesIO()
        Image.new(mode, (9, 6), 90 if mode == "L" else (90, 60, 30, 9)[: len(mode)]).save(
            buffer, file_format
        )
        return buffer.getvalue()

    # Egyptian_Mau_139 is among those that the stock builder encodes again: a PNG named .jpg.
    names = {"Egyptian_Mau_139": 12, "pug_1": 26, "pug_2": 26}
    lines = [f"{name} {label} 1 1" for name, label in names.items()]
    annotations = {
        "annotations/trainval.txt": "\n".join(lines[:2]).encode(),
        "annotations/test.txt": lines[2].encode(),
        **{f"annotations/trimaps/{name}.png": encoded("L", "PNG") for name in names},
    }
    images = {f"images/{name}.jpg": encoded("RGB", "JPEG") for name in names}
    images["images/Egyptian_Mau_139.jpg"] = encoded("RGBA", "PNG")
    archives = {"images.tar.gz": images, "annotations.tar.gz": annotations}
    seed(monkeypatch, tmp_path, "oxford_iiit_pet", archives)
    sources = load_tfds("oxford_iiit_pet", data_dir=str(tmp_path))
    examples = {e.name: e for s in sources.values() for e in (s[i] for i in range(len(s)))}
    assert sorted(examples) == sorted(f"{name}.jpg" for name in names)
    for name, label in names.items():
        example = examples[f"{name}.jpg"]
        photo = Image.open(io.BytesIO(example.image))
        assert (example.label, photo.format, photo.mode) == (label - 1, "JPEG", "RGB")
        np.testing.assert_allclose(np.asarray(photo)[3, 4], (90, 60, 30), atol=3)
    assert sources["train"].class_names[25] == "pug"


def test_prepared_set_is_not_written_again(tmp_path, monkeypatch):
    seed(monkeypatch, tmp_path, "cifar10", {"cifar-10-binary.tar.gz": CIFAR})
    written = pathlib.Path(prepare_tfds("cifar10", str(tmp_path)).data_dir)

    def stamps() -> dict[str, int]:
        return {p.name: p.stat().st_mtime_ns for p in written.iterdir()}

    before = stamps()
    monkeypatch.setattr(tfds_prepare, "_write", lambda _: pytest.fail("wrote again"))
    assert prepare_tfds("cifar10", str(tmp_path)).is_prepared()
    assert stamps() == before


def test_changed_download_is_refused(tmp_path, monkeypatch):
    seed(monkeypatch, tmp_path, "cifar10", {"cifar-10-binary.tar.gz": CIFAR})
    monkeypatch.undo()  # the published checksum counts again
    with pytest.raises(TfdsError, match="'cifar10' is not the published file"):
        prepare_tfds("cifar10", str(tmp_path))
    assert list((tmp_path / "cifar10").iterdir()) == []


def test_damaged_archive(tmp_path, monkeypatch):
    seed(monkeypatch, tmp_path, "cifar10", {"cifar-10-binary.tar.gz": CIFAR})
    (archive,) = (tmp_path / "downloads" / "manual").iterdir()
    archive.write_bytes(b"not a tar file")
    ((url, _),) = tfds.builder_cls("cifar10").url_infos.items()
    monkeypatch.setattr(tfds.builder_cls("cifar10"), "url_infos", {url: compute_url_info(archive)})
    with pytest.raises(TfdsError, match="could not prepare the tfds set 'cifar10'"):
        prepare_tfds("cifar10", str(tmp_path))


def test_builder_that_needs_tensorflow_says_how_to_prepare(tmp_path, monkeypatch):
    seed(monkeypatch, tmp_path, "dmlab", {"dmlab.tar.gz": {"dmlab-train.tfrecord-0": b""}})
    with pytest.raises(TfdsError) as caught:
        load_tfds("dmlab", data_dir=str(tmp_path))
    for said in (
        "'dmlab' cannot do without TensorFlow (tf.",
        "pip install tensorflow",
        preparation_command("dmlab", str(tmp_path)),
    ):
        assert said in str(caught.value)
    assert list((tmp_path / "dmlab").iterdir()) == []


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is installed"
)
def test_installed_tensorflow_is_used(tmp_path, monkeypatch):
    seed(monkeypatch, tmp_path, "cifar10", {"cifar-10-binary.tar.gz": CIFAR})
    monkeypatch.setattr(tfds_prepare, "_has_tensorflow", lambda: True)
    with pytest.raises(TfdsError, match=r"\(No module named 'tensorflow'\)\. Install it"):
        prepare_tfds("cifar10", str(tmp_path))


def test_other_missing_package_is_named(tmp_path, monkeypatch):
    def write(builder):
        try:
            raise ModuleNotFoundError("No module named 'h5py'")
        except ImportError as error:
            raise RuntimeError("while encoding") from error

    monkeypatch.setattr(tfds_prepare, "_write", write)
    with pytest.raises(TfdsError, match=r"needs one more package to be prepared: .*'h5py'"):
        prepare_tfds("patch_camelyon", str(tmp_path))


def test_set_to_be_fetched_by_hand_gives_its_instructions(tmp_path):
    with pytest.raises(TfdsError, match=r"fetched by hand(.|\n)*OneDrive") as caught:
        load_tfds("resisc45", data_dir=str(tmp_path))
    assert f"put into {tmp_path}/downloads/manual" in str(caught.value)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (requests.ConnectionError("no route"), "could not download .*no route(.|\n)*binary.tar.gz"),
        (tfds.download.DownloadError("HTTP code: 404"), "could not download .*404"),
        (OSError(errno.ENOSPC, "No space left on device"), "could not prepare .*No space left"),
    ],
)
def test_failures_are_explained(tmp_path, monkeypatch, error, said):
    def fail(builder):
        raise error

    monkeypatch.setattr(tfds_prepare, "_write", fail)
    with pytest.raises(TfdsError, match=said) as caught:
        prepare_tfds("cifar10", str(tmp_path))
    assert caught.value.__cause__ is error


def test_nothing_is_fetched_where_the_network_is_forbidden(tmp_path, monkeypatch):
    monkeypatch.setattr(tfds_internals, "_RETRIES", 1)
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", lambda *a, **o: pytest.fail("sent"))
    monkeypatch.setenv("JAXCNN_OFFLINE", "1")
    with pytest.raises(TfdsError, match=r"could not download .*JAXCNN_OFFLINE .* forbids"):
        prepare_tfds("cifar10", str(tmp_path))
    seed(monkeypatch, tmp_path, "cifar10", {"cifar-10-binary.tar.gz": CIFAR})
    assert len(load_tfds("cifar10", data_dir=str(tmp_path))["train"]) == 20


def test_long_lists_of_downloads_are_cut(tmp_path, monkeypatch):
    def fail(builder):
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(tfds_prepare, "_write", fail)
    monkeypatch.setattr(tfds_prepare, "_LISTED", 3)
    with pytest.raises(TfdsError, match=r"(\n  http.*){3}\n  and 6 more$"):
        prepare_tfds("imagenet_resized/8x8", str(tmp_path))


@pytest.mark.parametrize("name", ["cats_vs_dogs", "cifar10"])
def test_folder_that_is_no_complete_set(tmp_path, name):
    folder = find_builder(name, data_dir=str(tmp_path)).data_path
    folder.mkdir(parents=True)
    (folder / f"{name}-train.array_record-00000-of-00001").write_bytes(b"")
    with pytest.raises(TfdsError, match=f"{folder} is no complete tfds set.*Delete that folder"):
        load_tfds(name, data_dir=str(tmp_path))


def test_incomplete_folder_of_a_killed_run_does_not_matter(tmp_path, monkeypatch):
    seed(monkeypatch, tmp_path, "cifar10", {"cifar-10-binary.tar.gz": CIFAR})
    left = tmp_path / "cifar10" / "incomplete.ABCDEF_3.0.2"
    left.mkdir(parents=True)
    (left / "cifar10-train.array_record-00000-of-00001").write_bytes(b"half")
    assert len(load_tfds("cifar10", data_dir=str(tmp_path))["train"]) == 20


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cifar_10", "unknown tfds image set 'cifar_10'; known, nearest first: cifar10, "),
        ("emnist/leters", "unknown configuration of emnist 'leters'; .* first: letters, "),
        ("mnist:9.9.9", "no tfds set 'mnist:9.9.9': .* only: 3.0.1"),
        ("a b", "no tfds set 'a b': .* Names are set, set/config"),
        ("mnist/size=3", "no tfds set 'mnist/size=3'.*unexpected keyword"),
    ],
)
def test_names_that_tfds_does_not_know(tmp_path, name, said):
    with pytest.raises(ValueError, match=said) as caught:
        find_builder(name, data_dir=str(tmp_path))
    assert "\n" not in str(caught.value)


def test_image_set_names():
    names = image_set_names()
    assert {"cats_vs_dogs", "oxford_iiit_pet", "mnist", "cifar10", "imagenet2012"} <= set(names)
    assert not {"imdb_reviews", "voc", "common_voice"} & set(names)
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("name", "data_dir"), [("mnist", None), ("emnist/letters:3.1.0", '/tmp/it\'s a "dir" $HOME')]
)
def test_preparation_command_survives_the_shell(name, data_dir):
    code = subprocess.run(
        ["sh", "-c", preparation_command(name, data_dir).replace("python -c", "printf %s")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    called = {}

    class Tfds:
        @staticmethod
        def builder(name, **options):
            called.update(options, name=name)
            return type("Builder", (), {"download_and_prepare": lambda self: None})()

    exec(code.replace("import tensorflow_datasets as tfds; ", ""), {"tfds": Tfds})
    expected = {"name": name, "file_format": "array_record"}
    assert called == expected | ({"data_dir": data_dir} if data_dir else {})


def published_gzip(name: str) -> bytes:
    """Debian strips name and time from the gzip headers; with them the bytes are the published."""
    data = (DEBIAN_FILES / f"{name}.gz").read_bytes()
    seconds = 1504176606 if name.startswith("train") else 1504176627
    head = struct.pack("<2s2BI", data[:2], 8, 8, seconds)  # flag 8: a file name follows
    return head + data[8:10] + name.encode() + b"\0" + data[10:]


@pytest.mark.slow
@pytest.mark.skipif(
    not DEBIAN_FILES.is_dir(), reason="needs Debian's package dataset-fashion-mnist"
)
def test_stock_fashion_mnist_with_the_published_files(tmp_path):
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    for info in tfds.builder_cls("fashion_mnist").url_infos.values():
        data = published_gzip(info.filename.removesuffix(".gz"))
        (manual / info.filename).write_bytes(data)
    sources = load_tfds("fashion_mnist", data_dir=str(tmp_path))
    assert {split: len(source) for split, source in sources.items()} == {
        "train": 60000,
        "test": 10000,
    }
    test = sources["test"]
    assert test.class_names[0] == "T-shirt/top"
    examples = [test[i] for i in range(len(test))]
    np.testing.assert_array_equal(np.bincount([e.label for e in examples]), [1000] * 10)
    images = np.stack([np.asarray(Image.open(io.BytesIO(e.image))) for e in examples])
    assert images.shape == (10000, 28, 28)
    raw = tmp_path / "downloads" / "extracted" / "GZIP.t10k-images-idx3-ubyte.gz"
    original = np.frombuffer(raw.read_bytes(), np.uint8, offset=16).reshape(-1, 28, 28)
    assert sorted(map(bytes, images)) == sorted(map(bytes, original))
    assert "tensorflow" not in sys.modules
