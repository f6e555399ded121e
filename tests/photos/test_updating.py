"""From the words of a user to an index: which folders, which network, made again or continued."""

import dataclasses
import os

import pytest

from jaxcnn.photos.index_format import PhotoIndexError
from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.updating import check_folders, update_index


@pytest.fixture
def filled(album):
    for i in range(6):
        album.write(f"{i}.png", list(album.colours)[i % 3], seed=i)
    return album


def update(album, *folders, stub=None, **options):
    stub = stub or album.labeller
    sources = []

    def load(source):
        sources.append(dict(source))
        return stub

    report = update_index(album.path, check_folders(album.path, folders), load, **options)
    return report, sources[0]


def stub_of(album, fingerprint):
    return type(album.labeller)(fingerprint)


def test_folders_are_remembered(filled, tmp_path):
    with pytest.raises(ValueError, match="name the folders"):
        check_folders(filled.path, [])
    report, source = update(filled, str(filled.photos))
    assert (report.added, source) == (6, {})
    report, source = update(filled)
    assert (report.unchanged, source) == (6, {"weights": "stub"})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", "does not exist"),
        ("f", "is not a folder"),
        ("n" * 300, "cannot be reached: file name"),
    ],
)
def test_what_is_no_folder_is_refused(album, tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f").write_text("x")
    with pytest.raises(ValueError, match=f"{name} {message}"):
        check_folders(album.path, [name])


def test_a_folder_that_was_indexed_may_be_away(filled):
    update(filled, str(filled.photos))
    filled.photos.rename(filled.photos.with_name("away"))
    report, _ = update(filled, str(filled.photos))
    assert list(report.absent.values()) == [6]


def test_a_folder_is_one_by_any_name(album, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "link").symlink_to(album.photos)
    names = [str(album.photos), "photos", "~/photos", "link", "photos/../photos/"]
    assert check_folders(album.path, names) == [os.fsencode(album.photos.resolve())]


def test_photos_are_counted_ahead(filled):
    totals, done = [], []
    update(filled, str(filled.photos), on_total=totals.append, on_photo=lambda: done.append(1))
    assert totals in ([6], [])  # none where the photos were done with before
    assert len(done) == 6


def test_a_rebuilding_takes_the_place_of_the_old_index_at_its_end(filled):
    update(filled, str(filled.photos))
    other = stub_of(filled, "another")
    done = []
    report, source = update(
        filled,
        stub=other,
        rebuild=True,
        on_photo=lambda: done.append(1),
        should_stop=lambda: len(done) >= 2,
    )
    assert report.interrupted
    assert source == {"weights": "stub"}
    assert PhotoIndex(filled.path).network.fingerprint == "stub"
    assert PhotoIndex(filled.path).count() == 6
    report, _ = update(filled, stub=other, rebuild=True)
    assert report.added + report.unchanged == 6
    assert report.unchanged > 0
    assert PhotoIndex(filled.path).network.fingerprint == "another"
    assert PhotoIndex(filled.path).count() == 6
    names = {path.name for path in filled.path.parent.iterdir()}
    assert names == {"photos", "photos.sqlite", "photos.sqlite.lock"}


def test_a_rebuilding_with_yet_another_network_begins_again(filled):
    update(filled, str(filled.photos))
    done = []
    update(
        filled,
        stub=stub_of(filled, "second"),
        rebuild=True,
        on_photo=lambda: done.append(1),
        should_stop=lambda: len(done) >= 2,
    )
    report, _ = update(filled, stub=stub_of(filled, "third"), rebuild=True)
    assert report.added == 6
    assert PhotoIndex(filled.path).network.fingerprint == "third"


def test_an_index_by_another_network_says_what_to_do(filled):
    update(filled, str(filled.photos))
    with pytest.raises(PhotoIndexError, match=r"not by what that is now.*rebuild=True"):
        update(filled, stub=stub_of(filled, "retrained"))


def moved(album, place, fingerprint="stub"):
    """The album's network, or another one, loaded from a place."""
    stub = stub_of(album, fingerprint)
    stub.network = dataclasses.replace(stub.network, source={"weights": place, "model": "net"})
    return stub


def test_a_network_that_is_given_where_it_lies_now_is_noted_there(filled):
    update(filled, str(filled.photos))
    report, _ = update(filled, stub=moved(filled, "/new/place.pth"))
    assert (report.unchanged, filled.labeller.num_labelled) == (6, 6)
    report, source = update(filled, stub=moved(filled, "/new/place.pth"))
    assert source == {"weights": "/new/place.pth", "model": "net"}
    assert PhotoIndex(filled.path).network.name == "/new/place.pth"


def test_another_network_does_not_take_the_place_of_the_first(filled):
    update(filled, str(filled.photos))
    with pytest.raises(PhotoIndexError, match=r"labels by stub, not by /new/place\.pth"):
        update(filled, stub=moved(filled, "/new/place.pth", "another"))
    assert PhotoIndex(filled.path).network.source == {"weights": "stub"}


def test_photos_that_went_to_another_folder_are_moved_and_none_is_missing(filled):
    other = filled.photos.with_name("z_later_folder")
    other.mkdir()
    (filled.photos / "keep.png").write_bytes((filled.photos / "0.png").read_bytes() + b"other")
    update(filled, str(filled.photos), str(other))
    before = filled.index.columns().photo_ids
    for i in range(6):
        (filled.photos / f"{i}.png").rename(other / f"{i}.png")
    report, _ = update(filled)
    assert (report.moved, report.missing, report.removed, report.added) == (6, 0, 0, 0)
    assert sorted(filled.index.columns().photo_ids) == sorted(before)


@pytest.mark.parametrize("state", ["dangling", "damaged"])
def test_a_link_to_an_index_stays_one(filled, tmp_path, state):
    disk = tmp_path / "disk"
    disk.mkdir()
    filled.path.symlink_to(disk / "real.sqlite")
    if state == "damaged":
        update(filled, str(filled.photos))
        (disk / "real.sqlite").write_bytes((disk / "real.sqlite").read_bytes()[:20_000])
    options = {"rebuild": state == "damaged"}
    folders = check_folders(filled.path, [str(filled.photos)], **options)
    update_index(filled.path, folders, lambda source: filled.labeller, **options)
    assert filled.path.is_symlink()
    assert PhotoIndex(disk / "real.sqlite").count() == 6
    assert sorted(path.name for path in disk.iterdir()) == ["real.sqlite", "real.sqlite.lock"]
    assert not list(tmp_path.glob("*.lock"))  # who comes by the link and who does not, wait alike
