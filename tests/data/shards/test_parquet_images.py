import json
import logging
import os
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from photo_forms import png, write_parquet

from jaxcnn.data.image_splits import decode_split
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.shards import parquet_images
from jaxcnn.data.shards.parquet_images import load_parquet_images
from jaxcnn.data.tables.table_columns import TableColumns
from jaxcnn.data.tables.table_file import TableError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXCNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "unpacked"


def write(path, labels, *, paths=True, images=None, **options):
    shown = [(png(i), f"{path.stem}_{i}.png" if paths else None) for i in range(len(labels))]
    write_parquet(path, labels, images or shown, **options)


def test_a_set_as_people_download_it(tmp_path):
    names = ["dog", "cat"]
    write(tmp_path / "data/train-00000-of-00002.parquet", [0, 1, 0], names=names)
    write(tmp_path / "data/train-00001-of-00002.parquet", [1, 1], names=names)
    write(tmp_path / "data/test-00000-of-00001.parquet", [1, 0], names=names)
    (tmp_path / "README.md").write_text("about it")
    sources = load_parquet_images(tmp_path)
    assert set(sources) == {"train", "test"}
    train = sources["train"]
    assert train.class_names == ("dog", "cat")
    assert train.labels.tolist() == [0, 1, 0, 1, 1]
    assert train.names[0] == "train-00000-of-00002_0.png"
    assert [train[i].image for i in range(5)] == [png(i) for i in (0, 1, 2, 0, 1)]
    assert decode_split(train, Decoding(4), progress=False).images[2, 0, 0].tolist() == [2, 2, 2]
    assert sources["test"][1] == (png(1), 0, "test-00000-of-00001_1.png")


@pytest.mark.parametrize("paths", [True, False])
def test_names_are_paths_or_rows_and_stay(tmp_path, paths):
    write(tmp_path / "a.parquet", ["x", "y", "x"], paths=paths)
    again = [load_parquet_images(tmp_path / "a.parquet")["all"].names for _ in range(2)]
    expected = [f"a_{i}.png" for i in range(3)] if paths else [f"a.parquet:{i}" for i in (1, 2, 3)]
    assert list(again[0]) == list(again[1]) == expected


def test_paths_that_are_not_unique_are_no_names(tmp_path):
    images = [(png(i), name) for i, name in enumerate(["1.png", "1.png", "2.png"])]
    write(tmp_path / "a.parquet", ["x", "y", "x"], images=images)
    names = load_parquet_images(tmp_path)["all"].names
    assert names == ("a.parquet:1", "a.parquet:2", "2.png")


def test_images_as_bytes_alone_and_labels_as_texts(tmp_path):
    table = pa.table({"img": [png(0), png(1)], "category": ["Cat", "dog "], "id": [1, 2]})
    pq.write_table(table, tmp_path / "all.parquet")
    source = load_parquet_images(tmp_path)["all"]
    assert source.class_names == ("Cat", "dog")
    assert source[1].image == png(1)


def test_rows_without_an_image_or_a_label_are_left_out(tmp_path):
    images = [(png(0), "0"), (None, "1"), None, (png(3), "3"), (png(4), "4")]
    write(tmp_path / "a.parquet", [0, 1, 1, -1, 1], names=["a", "b"], images=images)
    source = load_parquet_images(tmp_path)["all"]
    assert source.names == ("0", "4")
    assert [source[i].image for i in range(2)] == [png(0), png(4)]
    assert {each.name: each.reason for each in source.left_out} == {
        "1": "its row holds no image",
        "a.parquet:3": "its row holds no image",
        "3": "its row has no label",
    }


def test_several_labels_splits_and_groups_of_columns(tmp_path):
    more = {"part": ["train", "train", "test", None], "site": ["a", "b", "b", "a"]}
    write(tmp_path / "a.parquet", [[0, 1], [], [1], [0]], names=["x", "y"], **more)
    columns = TableColumns(label="label", split="part", group="site")
    sources = load_parquet_images(tmp_path, columns)
    assert sources["train"].labels.tolist() == [[1, 1], [0, 0]]
    assert sources["test"].labels.tolist() == [[0, 1]]
    assert sources["train"].groups == ("a", "b")
    assert sources["test"][0].image == png(2)
    assert [each.reason for each in sources["train"].left_out] == ["its row has no split"]


def test_one_of_several_columns(tmp_path):
    about = {
        n: {"names": [f"{n}{i}" for i in range(3)], "_type": "ClassLabel"}
        for n in ("fine", "coarse")
    }
    table = pa.table(
        {"image": [png(0), png(1)], "mask": [png(2), png(3)], "fine": [2, 0], "coarse": [1, 0]}
    )
    about = json.dumps({"info": {"features": about}})
    pq.write_table(table.replace_schema_metadata({"huggingface": about}), tmp_path / "a.parquet")
    with pytest.raises(TableError, match="name it by label_column"):
        load_parquet_images(tmp_path)
    source = load_parquet_images(tmp_path, TableColumns(label="fine"))["all"]
    assert source.class_names == ("fine0", "fine2")
    assert source[0].image == png(0)
    other = load_parquet_images(tmp_path, TableColumns(image="Mask", label="coarse"))["all"]
    assert other[0].image == png(2)
    with pytest.raises(
        TableError, match="no column of images called 'photo'; give one of image, mask"
    ):
        load_parquet_images(tmp_path, TableColumns(image="photo", label="fine"))


def test_columns_of_images_without_a_usual_name(tmp_path):
    table = pa.table({"left": [png(0)], "right": [png(1)], "label": ["a"]})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(TableError, match="several columns of images; give one of left, right"):
        load_parquet_images(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "bytes"])
def test_damaged_files_are_named(tmp_path, damage):
    path = tmp_path / "train.parquet"
    write(path, ["a", "b"] * 50, row_group_size=50)
    data = bytearray(path.read_bytes())
    if damage == "bytes":
        data[4:2000] = bytes(1996)
    path.write_bytes(data[: len(data) // 2] if damage == "cut" else data)
    with pytest.raises(TableError, match=r"train\.parquet' is (no Parquet file|damaged)"):
        load_parquet_images(tmp_path)


def test_files_of_different_sets_are_refused(tmp_path):
    write(tmp_path / "train-0.parquet", ["a", "b"])
    write(tmp_path / "train-1.parquet", ["a", "b"], id=[1, 2])
    with pytest.raises(TableError, match=r"train-1\.parquet' has other columns than"):
        load_parquet_images(tmp_path)
    with pytest.raises(TableError, match="holds no Parquet file"):
        load_parquet_images(tmp_path / "cache")


def test_images_are_unpacked_once(tmp_path, cache, caplog):
    caplog.set_level(logging.INFO, "jaxcnn")
    write(tmp_path / "train.parquet", ["a", "b"])
    before = load_parquet_images(tmp_path)["train"]
    assert "2 images unpacked into" in caplog.text
    caplog.clear()
    after = load_parquet_images(tmp_path)["train"]
    assert "unpacked" not in caplog.text
    assert before.fingerprint(np.arange(2)) == after.fingerprint(np.arange(2))
    (path,) = cache.glob("*.bin")
    assert path.read_bytes() == png(0) + png(1)


@pytest.mark.parametrize("damage", ["no record", "half a record", "short", "gone"])
def test_what_is_damaged_in_the_cache_is_written_again(tmp_path, cache, damage):
    write(tmp_path / "train.parquet", ["a", "b"])
    load_parquet_images(tmp_path)
    (record,), (images,) = cache.glob("*.json"), cache.glob("*.bin")
    if damage == "no record":
        record.unlink()
    elif damage == "half a record":
        record.write_text(record.read_text()[:20])
    elif damage == "short":
        images.write_bytes(images.read_bytes()[:-1])
    else:
        images.unlink()
    assert load_parquet_images(tmp_path)["train"][1].image == png(1)


def test_another_file_of_the_name_is_another_set(tmp_path):
    path = tmp_path / "train.parquet"
    write(path, ["a", "b"])
    before = load_parquet_images(tmp_path)["train"].fingerprint(np.arange(2))
    write(path, ["b", "a"], images=[(png(7), "7"), (png(8), "8")])
    os.utime(path, ns=(1, 1))
    after = load_parquet_images(tmp_path)["train"]
    assert after[0].image == png(7)
    assert after.fingerprint(np.arange(2)) != before


def test_a_stop_in_the_middle_leaves_nothing_that_is_taken_for_whole(tmp_path, cache, monkeypatch):
    write(tmp_path / "train.parquet", ["a", "b", "a"])
    monkeypatch.setattr(parquet_images, "_append", stop_at(2))
    with pytest.raises(KeyboardInterrupt):
        load_parquet_images(tmp_path)
    assert not [path for path in cache.iterdir() if path.suffix in (".bin", ".json")]
    monkeypatch.undo()
    monkeypatch.setenv("JAXCNN_CACHE", str(cache.parent))
    assert load_parquet_images(tmp_path)["train"][2].image == png(2)


def stop_at(count, error=KeyboardInterrupt):
    seen = []

    def append(out, data):
        seen.append(data)
        if len(seen) == count:
            raise error
        return out.write(data)

    return append


def test_a_full_disk_says_how_much_is_needed_and_where(tmp_path, monkeypatch):
    write(tmp_path / "train.parquet", ["a", "b", "a"])
    monkeypatch.setattr(parquet_images, "_append", stop_at(2, OSError(28, os.strerror(28))))
    with pytest.raises(
        TableError, match=r"no space left on device\); make room, or set JAXCNN_CACHE"
    ):
        load_parquet_images(tmp_path)


def test_many_threads_read_at_once(tmp_path):
    write(tmp_path / "train.parquet", ["a", "b"] * 20)
    source = load_parquet_images(tmp_path)["train"]
    wrong = []

    def read():
        wrong.extend(i for i in range(40) if source[i].image != png(i))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
