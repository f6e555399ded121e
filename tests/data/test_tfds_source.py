import concurrent.futures
import contextlib
import io
import os
import pathlib
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxcnn.data import tfds_source
from jaxcnn.data.tfds_prepare import TfdsError
from jaxcnn.data.tfds_source import FeatureKeys, find_feature_keys, load_tfds

F = tfds.features
IMAGE, LABEL = F.Image(shape=(None, None, 3)), F.ClassLabel(names=["ant", "bee", "cow"])
SPLITS = {"train": 30, "validation": 6, "test": 5}


def pixels(i: int) -> np.ndarray:
    return np.full((6 + i % 3, 8, 3), 7 * i % 256, np.uint8)


def png(i: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(i)).save(buffer, "PNG")
    return buffer.getvalue()


def write_set(folder, name, features, examples, *, splits=SPLITS, supervised=("image", "label")):
    """Write a set with tfds itself; its code is then unknown to tfds, as with a user's own set."""

    def info(self):
        return tfds.core.DatasetInfo(
            builder=self, features=F.FeaturesDict(features), supervised_keys=supervised
        )

    members = {
        "name": name,
        "VERSION": tfds.core.Version("1.0.0"),
        "_info": info,
        "_split_generators": lambda self, _: {
            split: self._generate_examples(split, n) for split, n in splits.items()
        },
        "_generate_examples": lambda self, split, n: ((i, examples(split, i)) for i in range(n)),
    }
    with tfds.core.registered.skip_registration():
        builder = type("Written", (tfds.core.GeneratorBasedBuilder,), members)
    with contextlib.redirect_stderr(io.StringIO()):
        builder(data_dir=folder).download_and_prepare(
            file_format="array_record",
            download_config=tfds.download.DownloadConfig(num_shards=2 if name == "pngs" else None),
        )


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Prepared sets, one for each way in which tfds sets differ."""
    folder = tmp_path_factory.mktemp("tfds")
    write_set(
        folder,
        "pngs",
        {
            "image": IMAGE,
            "label": LABEL,
            "file_name": F.Text(),
            "mask": F.Image(shape=(None, None, 1)),
        },
        lambda split, i: {
            "image": png(i),
            "label": i % 3,
            "file_name": f"{split}\\{i:03d}.png",
            "mask": b"never decoded",
        },
    )
    write_set(
        folder,
        "arrays",
        {"image": F.Tensor(shape=(8, 8, 3), dtype=np.uint8), "label": LABEL},
        lambda _, i: {"image": np.full((8, 8, 3), i, np.uint8), "label": i % 3},
    )
    write_set(
        folder,
        "contest",
        {"photo": IMAGE, "species": LABEL, "id": np.int64},
        lambda split, i: {
            "photo": png(i),
            "species": -1 if split == "test" else i % 3,
            "id": 1000 + i,
        },
        supervised=None,
    )
    return folder


@pytest.fixture
def own_copy(data_dir, tmp_path):
    shutil.copytree(data_dir / "pngs", tmp_path / "pngs")
    return tmp_path


def load(name: str, folder: os.PathLike[str]):
    return load_tfds(name, data_dir=os.fspath(folder))


def test_reads_encoded_images_labels_and_file_names(data_dir):
    sources = load("pngs", data_dir)
    assert {split: len(source) for split, source in sources.items()} == SPLITS
    for split, source in sources.items():
        assert source.class_names == ("ant", "bee", "cow")
        seen = set()
        for example in (source[i] for i in range(len(source))):
            number = int(example.name.removeprefix(f"{split}/").removesuffix(".png"))
            assert example.image == png(number)
            assert (type(example.label), example.label) == (int, number % 3)
            seen.add(number)
        assert seen == set(range(SPLITS[split]))


def test_a_fingerprint_tells_of_the_files_the_split_and_the_positions(own_copy):
    def told(split, *indices):
        return load("pngs", own_copy)[split].fingerprint(np.array(indices))

    first = told("train", 0, 1)
    assert told("train", 0, 1) == first
    assert len({first, told("train", 1, 0), told("test", 0, 1)}) == 3
    record = next(path for path in (own_copy / "pngs").rglob("*array_record*"))
    os.utime(record, ns=(0, 0))
    assert told("train", 0, 1) != first


def test_reads_arrays_and_names_them_by_position(data_dir):
    source = load("arrays", data_dir)["validation"]
    for i in range(len(source)):
        image, label, name = source[i]
        assert (image.shape, image.dtype, name) == ((8, 8, 3), np.uint8, f"validation/{i}")
        assert label == image[0, 0, 0] % 3


def test_leaves_out_unlabelled_splits_and_takes_numbers_for_names(data_dir):
    sources = load("contest", data_dir)
    assert sorted(sources) == ["train", "validation"]
    source = sources["train"]
    assert {source[i].name for i in range(30)} == {str(1000 + i) for i in range(30)}


@pytest.mark.parametrize("name", ["pngs:1.0.0", "pngs:1.*.*"])
def test_takes_a_version(data_dir, name):
    assert len(load(name, data_dir)["train"]) == 30


def test_default_folder_is_tfdss_own(data_dir):
    code = "from jaxcnn.data.tfds_source import load_tfds; print(len(load_tfds('pngs')['test']))"
    assert run_python(code, TFDS_DATA_DIR=os.fspath(data_dir)) == "5"


def test_tensorflow_and_jax_stay_out(data_dir):
    code = f"""
import sys
from jaxcnn.data.tfds_source import load_tfds
assert "tensorflow_datasets" not in sys.modules, "slow import"
source = load_tfds("pngs", data_dir={os.fspath(data_dir)!r})["train"]
source[0]
print([m for m in ("tensorflow", "jax", "flax") if m in sys.modules])
"""
    assert run_python(code) == "[]"


def run_python(code: str, **env: str) -> str:
    root = pathlib.Path(tfds_source.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.fspath(root), **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_threads_read_what_one_thread_reads(data_dir):
    alone = load("pngs", data_dir)["train"]
    expected = [alone[i] for i in range(30)]
    shared = load("pngs", data_dir)["train"]  # its files are still to be opened
    order = np.random.default_rng(0).integers(0, 30, 600).tolist()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(shared.__getitem__, order)) == [expected[i] for i in order]


def test_survives_pickling(data_dir):
    source = load("pngs", data_dir)["train"]
    assert pickle.loads(pickle.dumps(source))[7] == source[7]


@pytest.mark.parametrize("i", [-1, 30])
def test_index_out_of_range(data_dir, i):
    with pytest.raises(IndexError, match=f"example {i} of split 'train', which has 30"):
        load("pngs", data_dir)["train"][i]


def test_label_outside_the_classes(data_dir, tmp_path):
    write_set(
        tmp_path,
        "half",
        {"image": IMAGE, "label": LABEL},
        lambda _, i: {"image": png(i), "label": i % 2 - 1},
        splits={"train": 40},
    )
    folder = tmp_path / "half" / "1.0.0"
    records = tfds.builder_from_directory(folder).as_data_source("train")
    source = tfds_source.TfdsSource(
        records, ("ant", "bee", "cow"), FeatureKeys("image", "label", None), "train", str(folder)
    )
    unlabelled = next(i for i in range(40) if records[i]["label"] < 0)
    with pytest.raises(TfdsError, match=f"example {unlabelled} .* has label -1"):
        source[unlabelled]


def test_no_labelled_split(tmp_path):
    write_set(
        tmp_path,
        "blind",
        {"image": IMAGE, "label": LABEL},
        lambda _, i: {"image": png(i), "label": -1},
        splits={"test": 2},
    )
    with pytest.raises(TfdsError, match=r"no split with labels, only \['test'\]"):
        load("blind", tmp_path)


FLOAT_IMAGE = F.Image(shape=(None, None, 1), dtype=np.float32)
NOT_CLASSIFICATION = {
    "text": ({"text": F.Text(), "label": LABEL}, ("text", "label")),
    "boxes": ({"image": IMAGE, "objects": F.Sequence({"label": LABEL})}, None),
    "two images": ({"left": IMAGE, "right": IMAGE, "label": LABEL}, None),
    "two labels": ({"image": IMAGE, "coarse": LABEL, "fine": LABEL}, None),
    "segmentation": ({"image": F.LabeledImage(labels=3), "label": LABEL}, ("image", "label")),
    "float image": ({"image": FLOAT_IMAGE, "label": LABEL}, ("image", "label")),
    "regression": ({"image": IMAGE, "age": np.float32}, ("image", "age")),
}


def info_of(features, supervised) -> tfds.core.DatasetInfo:
    identity = tfds.core.dataset_info.DatasetIdentity(
        name="a_set", version=tfds.core.Version("1.0.0"), data_dir="", module_name=""
    )
    return tfds.core.DatasetInfo(
        builder=identity, features=F.FeaturesDict(features), supervised_keys=supervised
    )


@pytest.mark.parametrize("case", NOT_CLASSIFICATION)
def test_refuses_what_is_no_image_classification(case):
    features, supervised = NOT_CLASSIFICATION[case]
    with pytest.raises(TfdsError, match=r"'a_set' is no image classification .* got ") as error:
        find_feature_keys(info_of(features, supervised))
    assert all(key in str(error.value) for key in features)


@pytest.mark.parametrize(
    ("features", "supervised", "expected"),
    [
        ({"x": IMAGE, "y": LABEL}, None, ("x", "y", None)),
        ({"x": IMAGE, "y": LABEL, "z": LABEL}, ("x", "z"), ("x", "z", None)),
        ({"image": IMAGE, "depth": IMAGE, "label": LABEL}, None, ("image", "label", None)),
        ({"image": IMAGE, "label": LABEL, "coarse": LABEL}, None, ("image", "label", None)),
        ({"image": IMAGE, "label": LABEL, "id": F.Text()}, None, ("image", "label", "id")),
        (
            {"image": IMAGE, "label": LABEL, "id": F.Text(), "image/filename": F.Text()},
            ("image", "label"),
            ("image", "label", "image/filename"),
        ),
    ],
)
def test_finds_feature_keys(features, supervised, expected):
    assert find_feature_keys(info_of(features, supervised)) == expected


@pytest.mark.parametrize("name", ["voc", "imdb_reviews"])
def test_other_kinds_are_refused_before_any_download(tmp_path, name):
    with pytest.raises(TfdsError, match="no image classification set"):
        load(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "nearest"), [("catsvsdogs", "cats_vs_dogs"), ("cifar_10", "cifar10"), ("x:y", "")]
)
def test_unknown_name_lists_the_nearest(tmp_path, name, nearest):
    with pytest.raises(ValueError, match=f"unknown tfds image set '{name}'") as error:
        load(name, tmp_path)
    listed = str(error.value).split("nearest first: ")[1].rstrip(".").split(", ")
    assert listed[0].startswith(nearest)
    assert len(listed) == 10


class TestDamage:
    def test_missing_shard(self, own_copy):
        shard = next((own_copy / "pngs/1.0.0").glob("pngs-train*-00001-of-00002"))
        shard.unlink()
        with pytest.raises(TfdsError, match=f"{shard.name} is missing.*delete that folder"):
            load("pngs", own_copy)

    @pytest.mark.parametrize("keep", [0.0, 0.6], ids=["empty", "truncated"])
    def test_cut_shard(self, own_copy, keep):
        shard = next((own_copy / "pngs/1.0.0").glob("pngs-train*-00000-of-00002"))
        data = shard.read_bytes()
        shard.write_bytes(data[: int(keep * len(data))])
        with pytest.raises(TfdsError, match=r"damaged \(example 0 of 'train'"):
            load("pngs", own_copy)

    @pytest.mark.parametrize(
        ("file", "said"),
        [
            ("dataset_info.json", "damaged dataset_info"),
            ("features.json", "unknown tfds image set"),
        ],
    )
    def test_missing_json(self, own_copy, file, said):
        (own_copy / "pngs/1.0.0" / file).unlink()
        with pytest.raises(ValueError, match=said):
            load("pngs", own_copy)

    def test_garbled_json(self, own_copy):
        (own_copy / "pngs/1.0.0/dataset_info.json").write_text('{"name": "pngs", ')
        with pytest.raises(TfdsError, match=r"damaged dataset_info\.json"):
            load("pngs", own_copy)

    def test_stored_as_tfrecord(self, own_copy):
        folder = own_copy / "pngs" / "1.0.0"
        path = folder / "dataset_info.json"
        path.write_text(path.read_text().replace('"array_record"', '"tfrecord"'))
        with pytest.raises(TfdsError) as error:
            load("pngs", own_copy)
        for said in (
            f"stored in {folder} as tfrecord",
            f"mv {folder} {folder}.tfrecord",
            "pip install tensorflow",
            f'tfds.builder("pngs", data_dir="{own_copy}", file_format="array_record")'
            ".download_and_prepare()",
        ):
            assert said in str(error.value)
