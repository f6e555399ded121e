"""An index of more photos than are read at once, and rows that are not like the others."""

import os

import numpy as np
import pytest

from jaxcnn.data.photo_files import PhotoFile
from jaxcnn.photos.index_format import NetworkRecord
from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.index_writer import IndexWriter
from jaxcnn.photos.ranking import Query, search
from jaxcnn.photos.reading import ReadPhoto
from jaxcnn.photos.server.answers import answer_tiles
from jaxcnn.photos.server.library import PhotoLibrary
from jaxcnn.photos.server.query import PageQuery

COUNT = 5000  # vectors are read 4,096 at a time, pages ranked 1,200 photos at a time
NETWORK = NetworkRecord("f", ("cat", "dog"), (), {"weights": "x"})


def write(path, probabilities, vectors):
    with IndexWriter(path) as writer:
        writer.claim(NETWORK)
        for i, (shares, vector) in enumerate(zip(probabilities, vectors, strict=True)):
            file = PhotoFile(f"/photos/{i:05d}.jpg".encode(), 1, i)
            photo = ReadPhoto(file, i.to_bytes(16, "big"), None, COUNT - i, True, "")
            writer.put(photo, np.float32(shares), np.float32(vector))
        writer.commit()
    return PhotoIndex(path)


def numbers(found):
    return [int(hit.path.stem) for hit in found.hits]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    angles = np.linspace(0, np.pi, COUNT)  # ever less like the first
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1)
    shares = np.tile(np.float32([0.25, 0.75]), (COUNT, 1))
    return write(tmp_path_factory.mktemp("many") / "i.sqlite", shares, vectors)


def test_every_vector_is_read_once(many):
    ids = np.concatenate([ids for ids, _ in many.vectors()])
    assert ids.tolist() == many.columns().photo_ids.tolist()
    assert len(ids) == COUNT


def test_photos_are_read_in_the_order_of_their_ids_asked_for(many):
    ids = many.columns().photo_ids[::-2].tolist()
    assert [photo.photo_id for photo in many.photos(ids)] == ids


def test_likeness_reaches_the_last(many):
    found = search(many, Query(like=np.float32([1, 0]), limit=COUNT))
    cosines = [hit.similarity for hit in found.hits]
    assert found.total == len(set(numbers(found))) == COUNT
    assert cosines == sorted(cosines, reverse=True)
    assert cosines[-1] == pytest.approx(-1, abs=1e-3)
    assert found.hits[-1].score == found.hits[-1].similarity


def test_pages_of_the_server_go_on_where_the_last_ended(many):
    library = PhotoLibrary(many, None, None)
    for page in (1, 20, 21, 41, 84):
        tiles = answer_tiles(library, PageQuery(page=page))
        shown = [int(tile["name"][:5]) for tile in tiles["photos"]]
        first = 60 * (page - 1)
        assert shown == list(range(first, min(first + 60, COUNT)))
        assert (tiles["start"], tiles["total"]) == (first + 1, COUNT)


def test_what_is_the_opposite_is_not_the_likest(tmp_path):
    """Two negative cosines must not make a good score, nor a small one outrank a positive one."""
    vectors = [[-1, 0], [1, 1], [-1, -1], [1, 0]]
    shares = [[0.9, 0.1], [0.5, 0.5], [0.1, 0.9], [0.2, 0.8]]
    index = write(tmp_path / "i.sqlite", shares, vectors)
    like = np.float32([1, 0])
    found = search(index, Query(like=like))
    assert numbers(found) == [3, 1, 2, 0]
    assert [hit.similarity for hit in found.hits] == pytest.approx([1, 0.7, -0.7, -1], abs=0.01)
    found = search(index, Query(like=like, words="cat", min_probability=0))
    assert numbers(found)[:2] == [1, 3]
    scores = [hit.score for hit in found.hits]
    assert scores == pytest.approx([0.354, 0.2, 0, 0], abs=0.01)
    assert found.hits[-1].similarity < 0


def test_photos_without_a_vector_are_found_by_words_alone(tmp_path):
    vectors = [[1, 0], [1, 1], [0, 1]]
    index = write(tmp_path / "i.sqlite", [[0.9, 0.1]] * 3, vectors)
    with IndexWriter(tmp_path / "i.sqlite") as writer:
        writer._write("DELETE FROM vectors WHERE id = 2")
        writer.commit()
    found = search(index, Query(like=np.float32([1, 0])))
    assert (numbers(found), found.total) == ([0, 2], 2)
    assert search(index, Query(words="cat")).total == 3
    assert search(index, Query(words="cat", like=np.float32([1, 0]))).total == 2
    assert index.vector(2) is None


def fill(folder, album, names, seed=0):
    for i, name in enumerate(names):
        album.write(f"../{folder}/{name}.png", seed=seed + i)
    return album.photos.parent / folder


def test_a_folder_whose_name_begins_another_s_does_not_take_it_along(album):
    photos = fill("photos", album, "abcd")
    others = fill("photos2", album, "efgh", seed=10)
    extra = fill("photos-old", album, "ij", seed=20)
    assert album.update(photos, others, extra).added == 10
    for name in "efg":
        (others / f"{name}.png").unlink()
    report = album.update(photos)
    assert (report.unchanged, report.removed, report.missing) == (4, 0, 0)
    with IndexWriter(album.path) as writer:
        below = {os.path.basename(row.path) for row in writer.rows_below(os.fsencode(photos))}
    assert below == {b"a.png", b"b.png", b"c.png", b"d.png"}


@pytest.mark.parametrize(("gone", "removed"), [(2, 2), (3, 0)])
def test_half_of_a_folder_may_go_and_more_may_be_a_drive(album, gone, removed):
    photos = fill("photos", album, "abcd")
    album.update()
    for name in "abcd"[:gone]:
        (photos / f"{name}.png").unlink()
    report = album.update()
    assert (report.removed, report.missing) == (removed, gone - removed)
    assert album.index.count() == 4 - removed


def test_what_may_be_behind_a_closed_door_is_not_gone(album, monkeypatch):
    photos = fill("photos", album, "abcd")
    album.update()
    shut = os.fsencode((photos / "a.png").resolve())
    (photos / "a.png").unlink()
    real = os.lstat

    def lstat(path, *rest, **options):
        if path == shut:
            raise PermissionError(13, "Permission denied", path)
        return real(path, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "lstat", lstat)
        assert album.update().removed == 0
        assert album.index.count() == 4
    assert album.update().removed == 1
