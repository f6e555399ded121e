"""An index follows its folders: new, changed, moved, copied, gone, unreadable."""

import contextlib
import dataclasses
import os
import shutil
import sqlite3
import sys
import threading
import time

import numpy as np
import pytest

from jaxcnn.photos import reading
from jaxcnn.photos.index_format import PhotoIndexError
from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.index_writer import IndexWriter
from jaxcnn.photos.indexing import in_order_ahead


def counts(report):
    """The counts that are not zero."""
    held = dataclasses.asdict(report)
    return {k: v for k, v in held.items() if isinstance(v, int) and v}


def fill(album, count=10):
    for i in range(count):
        kind = list(album.colours)[i % 3]
        album.write(f"{i % 2}/{i:02d}.png", kind, seed=i)


def test_photos_are_labelled_once(album):
    fill(album)
    assert counts(album.update()) == {"added": 10}
    assert album.labeller.num_labelled == 10
    index = album.index
    assert index.count() == 10
    assert index.folders() == [album.photos.resolve()]
    before = album.ids()
    assert counts(album.update()) == {"unchanged": 10}
    assert album.labeller.num_labelled == 10
    assert album.ids() == before
    for photo in index.photos(list(before.values())):
        kind = list(album.colours)[int(photo.path.stem) % 3]
        assert index.network.class_names[photo.labels[0][0]] == kind
        assert sum(p for _, p in photo.labels) == pytest.approx(1, abs=1e-3)
        vector = index.vector(photo.photo_id)
        pixels = album.labeller.preprocess(photo.path.read_bytes())
        expected = album.labeller.label(pixels[None])[1][0]
        cosine = vector @ expected / np.linalg.norm(expected)
        assert cosine == pytest.approx(1, abs=1e-3)


def test_new_and_changed_photos_are_labelled_and_keep_their_ids(album):
    fill(album)
    album.update()
    before = album.ids()
    album.write("0/00.png", "school bus", seed=99)
    album.write("new/one.png", "tabby", seed=98)
    assert counts(album.update()) == {"added": 1, "changed": 1, "unchanged": 9}
    assert album.labeller.num_labelled == 12
    after = album.ids()
    assert {name: after[name] for name in before} == before
    (changed,) = album.index.photos([after["0/00.png"]])
    assert changed.labels[0][0] == 2


def test_a_touched_photo_is_not_labelled_again(album):
    fill(album)
    album.update()
    os.utime(album.photos / "0/00.png", ns=(0, 5))
    assert counts(album.update()) == {"unchanged": 10}
    assert album.labeller.num_labelled == 10
    assert counts(album.update()) == {"unchanged": 10}
    with contextlib.closing(sqlite3.connect(album.path)) as connection:
        found = connection.execute("SELECT mtime_ns FROM photos WHERE mtime_ns = 5").fetchall()
    assert found == [(5,)]


def test_a_moved_photo_keeps_its_row(album):
    fill(album)
    album.update()
    before = album.ids()
    (album.photos / "elsewhere").mkdir()
    shutil.move(album.photos / "0/02.png", album.photos / "elsewhere/renamed.png")
    assert counts(album.update()) == {"moved": 1, "unchanged": 9}
    assert album.labeller.num_labelled == 10
    after = album.ids()
    assert after["elsewhere/renamed.png"] == before["0/02.png"]
    assert "0/02.png" not in after
    assert len(after) == 10


def test_a_folder_that_moved_to_another_indexed_one_keeps_its_rows(album, tmp_path):
    fill(album)
    album.update()
    ids = set(album.ids().values())
    other = tmp_path / "other"
    other.mkdir()
    shutil.move(album.photos / "1", other / "1")
    assert counts(album.update(other)) == {"moved": 5}
    assert album.labeller.num_labelled == 10
    index = album.index
    assert set(index.columns().photo_ids.tolist()) == ids
    assert counts(album.update(album.photos, other)) == {"unchanged": 10}


def test_a_copy_has_the_labels_of_the_first_and_a_row_of_its_own(album):
    fill(album)
    album.update()
    shutil.copy(album.photos / "0/00.png", album.photos / "copy.png")
    assert counts(album.update()) == {"added": 1, "copied": 1, "unchanged": 10}
    assert album.labeller.num_labelled == 10
    ids = album.ids()
    first, copy = album.index.photos([ids["0/00.png"], ids["copy.png"]])
    assert first.labels == copy.labels
    np.testing.assert_array_equal(*map(album.index.vector, (first.photo_id, copy.photo_id)))


def test_photos_that_change_places_are_told_apart(album):
    fill(album)
    album.update()
    one, other = album.photos / "0/00.png", album.photos / "1/01.png"
    kinds = {one: 1, other: 0}
    one.rename(album.photos / "third.png")
    other.rename(one)
    (album.photos / "third.png").rename(other)
    os.utime(one, ns=(1, 1))
    os.utime(other, ns=(2, 2))
    album.update()
    photos = {photo.path: photo for photo in album.index.photos(list(album.ids().values()))}
    assert len(photos) == 10
    for path, kind in kinds.items():
        assert photos[path.resolve()].labels[0][0] == kind


def test_gone_photos_are_forgotten(album):
    fill(album)
    album.update()
    (album.photos / "0/04.png").unlink()
    (album.photos / "0/06.png").unlink()
    assert counts(album.update()) == {"unchanged": 8, "removed": 2}
    assert album.index.count() == 8
    assert sum(len(ids) for ids, _ in album.index.vectors()) == 8


def test_a_drive_that_is_not_there_takes_nothing_along(album):
    fill(album)
    album.update()
    away = album.photos.with_name("away")
    album.photos.rename(away)
    report = album.update()
    assert counts(report) == {}
    assert report.absent == {os.fsencode(album.photos.resolve()): 10}
    assert album.index.count() == 10
    assert album.index.unreadable() == []
    album.photos.mkdir()  # an empty mount point
    assert counts(album.update()) == {"missing": 10}
    album.photos.rmdir()
    away.rename(album.photos)
    assert counts(album.update()) == {"unchanged": 10}
    assert album.labeller.num_labelled == 10


def test_a_drive_within_a_folder_takes_nothing_along(album):
    fill(album)
    album.write("stick/in/a.png", seed=50)
    album.update()
    shutil.rmtree(album.photos / "stick" / "in")
    assert counts(album.update()) == {"unchanged": 10, "missing": 1}
    assert counts(album.update(forget_missing=True)) == {"unchanged": 10, "removed": 1}


def test_missing_photos_are_forgotten_when_that_is_asked_for(album):
    fill(album)
    album.update()
    shutil.rmtree(album.photos)
    album.photos.mkdir()
    assert counts(album.update(forget_missing=True)) == {"removed": 10}
    assert album.index.count() == 0
    assert len(album.index.columns().photo_ids) == 0


def test_files_that_are_no_photos_are_listed_and_stop_nothing(album):
    fill(album)
    (album.photos / "0/01-bad.jpg").write_bytes(b"no photo")
    (album.photos / "0/empty.jpg").write_bytes(b"")
    report = album.update()
    assert counts(report) == {"added": 10, "unreadable": 2}
    assert [trouble.reason for trouble in report.troubles][1] == "the file is empty (0 bytes)."
    assert len(album.index.unreadable()) == 2
    again = album.update()
    assert counts(again) == {"unchanged": 10, "unreadable": 2}
    assert {t[:2] for t in again.troubles} == {t[:2] for t in report.troubles}
    album.write("0/empty.jpg", seed=70)
    (album.photos / "0/01-bad.jpg").unlink()
    assert counts(album.update()) == {"added": 1, "unchanged": 10}
    assert album.index.unreadable() == []


def test_a_photo_that_became_unreadable_loses_its_labels(album):
    fill(album)
    album.update()
    (album.photos / "0/00.png").write_bytes(b"no photo any more")
    assert counts(album.update()) == {"unchanged": 9, "unreadable": 1}
    assert album.index.count() == 9


@pytest.mark.skipif(os.name == "nt", reason="links are POSIX")
def test_a_photo_that_cannot_be_reached_now_keeps_its_labels(album, tmp_path):
    fill(album)
    target = tmp_path / "drive.png"
    shutil.copy(album.write("5/x.png", seed=60), target)
    (album.photos / "5/x.png").unlink()
    (album.photos / "5/x.png").symlink_to(target)
    album.update()
    target.rename(tmp_path / "unmounted")
    assert counts(album.update()) == {"unchanged": 10, "unreadable": 1}
    assert album.index.count() == 11


def test_a_photo_that_cannot_be_read_now_keeps_its_labels(album, monkeypatch):
    fill(album)
    album.update()
    os.utime(album.photos / "0/00.png", ns=(0, 5))

    def fail(path):
        raise OSError(5, "Input/output error", path)

    with monkeypatch.context() as patch:
        patch.setattr(reading, "read_file", fail)
        assert counts(album.update()) == {"unchanged": 9, "unreadable": 1}
    assert album.index.count() == 10
    assert counts(album.update()) == {"unchanged": 10}
    assert album.index.unreadable() == []


def test_a_stop_keeps_what_is_done(album):
    fill(album, 20)
    done = []
    report = album.update(on_photo=lambda: done.append(1), should_stop=lambda: len(done) >= 5)
    assert report.interrupted
    assert 5 <= album.index.count() == album.labeller.num_labelled < 20
    assert not album.update().interrupted
    assert album.index.count() == album.labeller.num_labelled == 20


def test_labels_of_two_networks_are_not_mixed(album):
    fill(album)
    album.update()
    with pytest.raises(PhotoIndexError, match=r"labels by stub.*rebuild=True"):
        album.update(fingerprint="another")
    assert counts(album.update()) == {"unchanged": 10}


def test_one_writes_at_a_time_and_many_read(album):
    fill(album)
    album.update()
    with (
        IndexWriter(album.path) as writer,
        pytest.raises(PhotoIndexError, match="another process is writing"),
        IndexWriter(album.path),
    ):
        pass
    with IndexWriter(album.path) as writer:
        writer.forget(os.fsencode((album.photos / "0/00.png").resolve()))
        assert album.index.count() == 10
        writer.commit()
        assert album.index.count() == 9


def test_what_is_not_committed_is_taken_back(album):
    fill(album)
    album.update()
    with IndexWriter(album.path) as writer:
        writer.forget(os.fsencode((album.photos / "0/00.png").resolve()))
    assert album.index.count() == 10


def test_one_file_is_left(album):
    fill(album)
    album.update()
    left = sorted(path.name for path in album.path.parent.iterdir() if path.is_file())
    assert left == ["photos.sqlite", "photos.sqlite.lock"]


@pytest.mark.parametrize("content", [b"no data base", b"", b"SQLite format 3\0" + b"x" * 200])
def test_a_file_that_is_no_index_is_left_alone(tmp_path, content):
    path = tmp_path / "letters.txt"
    path.write_bytes(content)
    with pytest.raises(PhotoIndexError):
        PhotoIndex(path)
    if content:
        with pytest.raises(PhotoIndexError), IndexWriter(path):
            pass
        assert path.read_bytes() == content


def test_another_programs_data_base_is_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE photos (id)")
    connection.close()
    for open_it in (PhotoIndex, lambda p: IndexWriter(p).__enter__()):
        with pytest.raises(PhotoIndexError, match="a SQLite database of another program"):
            open_it(path)


def test_an_index_of_another_version_is_refused(album):
    album.update()
    with sqlite3.connect(album.path) as connection:
        connection.execute("UPDATE about SET value = '99' WHERE key = 'version'")
    connection.close()
    with pytest.raises(PhotoIndexError, match="version 99"):
        _ = album.index


def test_there_is_no_index_yet(tmp_path):
    with pytest.raises(PhotoIndexError, match="there is no index"):
        PhotoIndex(tmp_path / "none")


def test_an_index_that_is_used_no_more_closes_its_file(album):
    fill(album)
    album.update()
    index = album.index
    connection = index._connection
    assert connection.execute("SELECT count(*) FROM photos").fetchone() == (10,)
    del index
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_an_open_index_follows_what_is_written_and_replaced(album, tmp_path):
    fill(album)
    album.update()
    index = album.index
    assert len(index.columns().photo_ids) == 10
    kept = index.columns()
    assert index.columns() is kept
    album.write("new.png", seed=80)
    album.update()
    assert len(index.columns().photo_ids) == index.count() == 11
    (tmp_path / "second").mkdir()
    other = type(album)(tmp_path / "second")
    other.write("only.png")
    other.update(fingerprint="another")
    os.replace(other.path, album.path)
    assert index.count() == 1
    assert index.network.fingerprint == "another"
    assert len(index.columns().photo_ids) == 1


def test_results_come_in_order_and_no_more_are_made_than_asked_for():
    begun, lock = [], threading.Lock()

    def work(item):
        with lock:
            begun.append(item)
        time.sleep(0.001 * (5 - item % 5))
        return -item

    results = in_order_ahead(work, range(100), num_workers=4, num_ahead=6)
    assert [next(results) for _ in range(3)] == [0, -1, -2]
    results.close()
    assert 3 <= len(begun) <= 9
    assert list(in_order_ahead(work, range(20), num_workers=3, num_ahead=2)) == [
        -i for i in range(20)
    ]
    assert list(in_order_ahead(work, [], num_workers=3, num_ahead=2)) == []


@pytest.mark.skipif(sys.platform != "linux", reason="few file systems keep such times")
def test_photos_of_wrong_clocks_are_labelled_once(album):
    for seed, seconds in enumerate((0, -(10**9), 4 * 10**9, 2 * 10**11)):
        photo = album.write(f"{seed}.png", seed=seed)
        with contextlib.suppress(OSError):
            os.utime(photo, (seconds, seconds))
    assert counts(album.update()) == {"added": 4}
    assert counts(album.update()) == {"unchanged": 4}
