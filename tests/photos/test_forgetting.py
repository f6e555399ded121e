"""A folder can be taken out of an index, with the photos that are its own."""

import os
import shutil

import pytest

from jaxcnn.photos.updating import check_folders, forget_folder


@pytest.fixture
def two(album):
    """Folders photos (a, in/b, in/deep/c and a bad file) and photos2 (d)."""
    for i, name in enumerate(("a", "in/b", "in/deep/c", "../photos2/d")):
        album.write(f"{name}.png", seed=i)
    (album.photos / "in" / "bad.jpg").write_bytes(b"no photo")
    album.other = album.photos.parent / "photos2"
    album.update(album.photos, album.other)
    return album


def left(album):
    index = album.index
    return {photo.path.stem for photo in index.photos(index.columns().photo_ids)}


def test_a_folder_goes_with_its_photos_and_troubles(two):
    assert forget_folder(two.path, str(two.photos)) == 3
    assert left(two) == {"d"}
    assert two.index.folders() == [two.other.resolve()]
    assert two.index.unreadable() == []
    assert (two.photos / "in" / "b.png").exists()
    assert sum(len(ids) for ids, _ in two.index.vectors()) == 1
    assert check_folders(two.path, []) == [os.fsencode(two.other.resolve())]
    assert two.update(two.other).unchanged == 1


def test_photos_of_a_folder_inside_stay_where_it_was_indexed_too(two):
    two.update(two.photos / "in")
    assert forget_folder(two.path, str(two.photos)) == 1
    assert left(two) == {"b", "c", "d"}
    assert len(two.index.unreadable()) == 1


def test_a_folder_inside_one_that_stays_takes_nothing_along(two):
    two.update(two.photos / "in")
    assert forget_folder(two.path, str(two.photos / "in")) == 0
    assert left(two) == {"a", "b", "c", "d"}
    assert len(two.index.folders()) == 2


def test_a_folder_that_is_there_no_more_can_go(two):
    shutil.rmtree(two.photos)
    report = two.update(two.photos, two.other)
    assert (report.unchanged, report.unreadable) == (1, 0)
    assert list(report.absent.values()) == [3]
    assert forget_folder(two.path, f"{two.photos}/") == 3
    assert left(two) == {"d"}


def test_a_part_of_a_folder_can_go_once_it_is_there_no_more(two):
    with pytest.raises(
        ValueError, match=r"in is not a folder of the index; its folders: .*photos, .*2\."
    ):
        forget_folder(two.path, str(two.photos / "in"))
    shutil.rmtree(two.photos / "in")
    assert forget_folder(two.path, str(two.photos / "in")) == 2
    assert left(two) == {"a", "d"}
    assert len(two.index.folders()) == 2


def test_a_link_to_a_folder_is_the_folder(two):
    link = two.photos.parent / "link"
    link.symlink_to(two.photos)
    assert forget_folder(two.path, str(link)) == 3


def test_a_folder_that_became_a_file_is_there_no_more(two):
    shutil.rmtree(two.other)
    two.other.write_text("a file")
    report = two.update(two.photos, two.other)
    assert list(report.absent.values()) == [1]
    assert report.unreadable == 1  # bad.jpg
    shutil.rmtree(two.photos / "in" / "deep")
    (two.photos / "in" / "deep").write_text("a file")
    assert two.update(two.photos).removed == 1


def test_a_folder_does_not_come_back_with_a_rebuilding_that_was_stopped(two):
    done = []
    options = {"rebuild": True, "fingerprint": "new", "on_photo": lambda: done.append(1)}
    two.update(two.other, two.photos, should_stop=lambda: len(done) >= 2, **options)
    assert forget_folder(two.path, str(two.other)) == 1
    two.update(two.photos, **options)
    assert left(two) == {"a", "b", "c"}
    assert two.index.folders() == [two.photos.resolve()]


def test_an_empty_name_is_not_the_current_folder(two, monkeypatch):
    monkeypatch.chdir(two.photos)
    with pytest.raises(ValueError, match="the name of a folder is empty"):
        forget_folder(two.path, "")
    assert left(two) == {"a", "b", "c", "d"}
