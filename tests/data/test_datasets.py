import re

import numpy as np
import pytest
from PIL import Image

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


def test_files_that_are_no_photos_are_told(photos, said):
    (photos / "a" / "notes.txt").write_text("")
    load_splits("folder", data_dir=photos, size_px=8)
    assert said == ["1 file left out, e.g. a/notes.txt: no photo by its ending"]


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
