import re
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.bad_files import BadFilesError
from jaxcnn.data.datasets import load_images, load_splits
from jaxcnn.data.drawn_pets import drawn_pets_splits
from jaxcnn.data.image_cache import ImageCache
from jaxcnn.data.preprocessing import Decoding


@pytest.fixture
def photos(tmp_path):
    draws = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(30):
            pixels = draws.integers(0, 256, (9, 9, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i:02d}.png")
    return tmp_path


def names(source):
    return {source[i].name for i in range(len(source))}


def test_drawn_pets_come_at_the_size_asked_for():
    splits = load_splits("drawn_pets", size_px=20, max_train_examples=12)
    assert len(splits.train) == 12
    assert splits.test[3].image.shape == (20, 20, 3)


def test_a_folder_gets_three_splits_that_share_nothing(photos):
    splits = load_splits("folder", data_dir=photos, size_px=8)
    parts = [names(source) for source in splits]
    assert sum(map(len, parts)) == 60
    assert len(set.union(*parts)) == 60


def test_fewer_training_examples_are_part_of_more(photos):
    few, more, whole = (
        load_splits("folder", data_dir=photos, size_px=8, max_train_examples=n)
        for n in (5, 15, 10_000)
    )
    assert len(few.train) == 5
    assert names(few.train) < names(more.train) < names(whole.train)
    assert names(few.test) == names(whole.test)


def test_each_class_gets_its_share_of_few_training_examples(tmp_path):
    draws = np.random.default_rng(0)
    for number, count in enumerate([60, 6, *[20] * 10]):
        (tmp_path / f"{number}").mkdir()
        for i in range(count):
            pixels = draws.integers(0, 256, (2, 2, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{number}" / f"{i:02d}.png")

    def load(count):
        return load_splits("folder", data_dir=tmp_path, size_px=8, max_train_examples=count).train

    assert sorted(load(12).labels) == list(range(12))
    whole, half = (np.bincount(load(count).labels) for count in (0, 110))
    np.testing.assert_allclose(half, whole / 2, atol=3)
    assert set(load(12).names) < set(load(13).names) < set(load(110).names)
    with pytest.raises(ValueError, match=r"max_train_examples \(=11\) is less than .*classes, 12"):
        load(11)


def test_bad_files_are_counted_over_all_splits_and_classes(photos):
    splits = load_splits("folder", data_dir=photos, size_px=8)
    bad = [splits.test.names[0], splits.train.names[0], splits.train.names[1]]
    for name in bad:
        (photos / name).write_bytes(b"")
    # Of the test alone one is more than a twentieth; of all, three are just that.
    for limit in (2**31, 0):
        options = {"memory_limit_bytes": limit, "progress": False}
        found = load_images(splits, Decoding(8), **options)
        assert [(each.split, each.name) for each in found.skipped] == [
            ("test", bad[0]),
            *(("train", name) for name in bad[1:]),
        ]
        assert all(each.label == each.name[0] for each in found.skipped)
        with pytest.raises(BadFilesError, match=rf"3 of 60 images .* {bad[0]} \(test\)"):
            load_images(splits, Decoding(8), max_bad_share=0.04, **options)


def test_bad_files_found_while_streaming_are_counted_over_all_splits(photos):
    splits = load_splits("folder", data_dir=photos, size_px=8)
    for split in splits:
        (photos / split.names[0]).write_bytes(b"")
    options = {"memory_limit_bytes": 0, "check_beforehand": False, "progress": False}
    found = load_images(splits, Decoding(8), max_bad_share=0.04, **options)
    for split in found[:2]:
        assert not split.gather(np.array([0]))[1].any()
    assert [len(split.skipped) for split in found[:3]] == [1, 1, 0]
    with pytest.raises(BadFilesError, match="3 of 60"):
        found.test.gather(np.array([0]))


def test_a_class_that_unreadable_files_leave_empty_is_named(photos, said):
    splits = load_splits("folder", data_dir=photos, size_px=8)
    options = {"max_bad_share": 1, "progress": False}
    for name, label in zip(splits.test.names, splits.test.labels, strict=True):
        if label == 1:
            (photos / name).write_bytes(b"")
    load_images(splits, Decoding(8), **options)
    assert "the test split has no photo once unreadable files are left out of b" in said[-1]
    for name in splits.train.names:
        if name.startswith("b/"):
            (photos / name).write_bytes(b"")
    with pytest.raises(ValueError, match=r"no photo to train on once unreadable .* for b"):
        load_images(splits, Decoding(8), **options)


def test_few_unreadable_files_are_named_rather_than_an_empty_split(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"text")
    with pytest.raises(BadFilesError, match=r"4 of 4 images are bad, .*: a/1.png: not an image"):
        load_splits("folder", data_dir=tmp_path, size_px=8)


def test_files_that_are_no_photos_are_told(photos, said):
    (photos / "a" / "notes.txt").write_text("")
    load_splits("folder", data_dir=photos, size_px=8)
    assert said == ["1 file left out, e.g. a/notes.txt: not a photo by its file extension"]


def test_a_folder_needs_its_path():
    with pytest.raises(ValueError, match="data_dir"):
        load_splits("folder", size_px=8)


def test_images_are_the_same_in_memory_and_streamed(photos, said):
    splits = load_splits("folder", data_dir=photos, size_px=8)
    kept = load_images(splits, Decoding(8))
    assert re.fullmatch(r"60 images decoded in \d+\.\d s by \d+ threads?, JPEGs by .+", said.pop())
    streamed = load_images(splits, Decoding(8), memory_limit_bytes=100, num_workers=3)
    assert re.search(r"they are decoded as they are needed by 3 threads, JPEGs by .+\.", said[0])
    assert streamed.train.num_threads == 3
    everything = np.arange(len(kept.train))
    np.testing.assert_array_equal(
        kept.train.gather(everything)[0], streamed.train.gather(everything)[0]
    )
    assert kept.class_names == streamed.class_names == ("a", "b")


def test_skipped_files_of_all_splits_are_listed(photos):
    (photos / "a" / "zz.png").write_bytes(b"")
    splits = load_splits("folder", data_dir=photos, size_px=8)
    for limit in (2**31, 100):
        found = load_images(splits, Decoding(8), memory_limit_bytes=limit, max_bad_share=0.5)
        assert [file.name for file in found.skipped] == ["a/zz.png"]
        assert sum(map(len, (found.train, found.validation, found.test))) == 60


def test_a_second_run_reads_what_the_first_decoded(photos, tmp_path_factory, monkeypatch, said):
    cache = ImageCache(tmp_path_factory.mktemp("cache"), least_images=0)
    (photos / "a" / "zz.png").write_bytes(b"")
    options = {"cache": cache, "max_bad_share": 0.5}
    first = load_images(load_splits("folder", data_dir=photos, size_px=8), Decoding(8), **options)

    def refuse(*arguments, **options):
        raise AssertionError("a second run must not decode")

    monkeypatch.setattr("jaxcnn.data.image_splits.decode_and_resize", refuse)
    splits = load_splits("folder", data_dir=photos, size_px=8)
    second = load_images(splits, Decoding(8), **options)
    assert re.fullmatch(r"60 images, decoded by an earlier run, read from .+ in .+ s", said[-1])
    assert second.skipped == first.skipped
    for one, other in zip(first[:3], second[:3], strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        assert (list(one.names), one.labels.tolist()) == (list(other.names), other.labels.tolist())


def test_drawings_are_no_jpegs(said):
    splits = drawn_pets_splits(size_px=16, num_train=4, num_validation=2, num_test=2)
    load_images(splits, Decoding(16))
    assert "JPEG" not in said[-1]


def test_a_fraction_of_a_split_that_is_given_is_said_to_have_no_effect(photos, said):
    for name in ("train", "test"):
        for label in "ab":
            shutil.copytree(photos / label, photos / "given" / name / label)
    load_splits("folder", data_dir=photos / "given", size_px=8, test_fraction=0.2)
    assert [line for line in said if "fraction" in line] == [
        "test_fraction has no effect: the data set has a test split."
    ]
