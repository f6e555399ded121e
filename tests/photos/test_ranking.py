"""Searches rank by the sum over a word's classes, by likeness, or both; and page."""

import json
import os

import numpy as np
import pytest

from jaxcnn.cli import photo_listing as listing
from jaxcnn.data.photo_files import PhotoFile
from jaxcnn.photos.dates import parse_since
from jaxcnn.photos.index_format import NetworkRecord, unpack_labels
from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.index_writer import IndexWriter
from jaxcnn.photos.ranking import Found, Query, search
from jaxcnn.photos.reading import ReadPhoto
from jaxcnn.photos.words import UnknownWordError
from jaxcnn.pretrained.labels import label_names, wordnet_ids

NETWORK = NetworkRecord("f", label_names("imagenet1k"), wordnet_ids(), {"weights": "x"})
COUNT = 60
DRAWS = np.random.default_rng(0)
PROBABILITIES = DRAWS.dirichlet(np.full(1000, 0.01), COUNT).astype(np.float32)
VECTORS = np.abs(DRAWS.standard_normal((COUNT, 64))).astype(np.float32)
TAKEN = DRAWS.permutation(COUNT) * 86400
DOGS = range(151, 269)


def path_of(i):
    return f"/photos/{i:03d}.jpg"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    path = tmp_path_factory.mktemp("index") / "i.sqlite"
    with IndexWriter(path) as writer:
        writer.claim(NETWORK)
        for i in range(COUNT):
            file = PhotoFile(path_of(i).encode(), 1, i)
            photo = ReadPhoto(file, bytes([i]), None, int(TAKEN[i]), True, "")
            writer.put(photo, PROBABILITIES[i], VECTORS[i])
        writer.commit()
    return PhotoIndex(path)


def numbers(found):
    return [int(hit.path.stem) for hit in found.hits]


def test_a_word_is_the_sum_over_its_classes(index):
    expected = PROBABILITIES[:, DOGS].sum(1)
    found = search(index, Query(words="dogs", min_probability=0.2, limit=100))
    order = [i for i in np.argsort(-expected) if expected[i] >= 0.2]
    assert numbers(found) == order
    assert found.total == len(order) > 5
    assert found.class_names == NETWORK.class_names[151:269]
    for hit, i in zip(found.hits, order, strict=True):
        # Labels below a thousandth are left out.
        assert hit.score == hit.probability == pytest.approx(expected[i], abs=0.02)
        assert hit.class_id - 151 == PROBABILITIES[i, DOGS].argmax()
        assert hit.labels[0][0] == NETWORK.class_names[PROBABILITIES[i].argmax()]
        assert hit.vanished
        assert hit.similarity is None


def test_words_of_several_names_have_to_hold_all(index):
    both = np.minimum(PROBABILITIES[:, DOGS].sum(1), PROBABILITIES[:, 398:].sum(1))
    found = search(index, Query(words="dog device", min_probability=0.0, limit=100))
    (_, device) = index_words("dog device")
    expected = np.minimum(PROBABILITIES[:, DOGS].sum(1), PROBABILITIES[:, list(device)].sum(1))
    assert numbers(found)[0] == expected.argmax()
    assert found.hits[0].probability == pytest.approx(expected.max(), abs=0.02)
    assert both.max() >= found.hits[0].probability - 0.02


def test_what_an_unwanted_word_finds_is_left_out(index):
    dogs, kept = (
        {hit.photo_id for hit in search(index, Query(words=words, limit=100)).hits}
        for words in ("dog", "-dog")
    )
    assert dogs
    assert kept
    assert not dogs & kept
    found = search(index, Query(words="-dog", limit=100))
    assert (found.class_names, found.unwanted_names) == ((), NETWORK.class_names[151:269])
    assert found.hits[0].probability is None


def index_words(text):
    from jaxcnn.photos.words import word_table

    return word_table(NETWORK.class_names, NETWORK.wordnet_ids).find(text).wanted


def test_likeness_is_the_cosine(index):
    like = np.abs(np.random.default_rng(5).standard_normal(64)).astype(np.float32) * 7
    cosines = VECTORS @ like / np.linalg.norm(VECTORS, axis=1) / np.linalg.norm(like)
    found = search(index, Query(like=like, limit=COUNT))
    assert found.total == COUNT
    for hit, i in zip(found.hits, numbers(found), strict=True):
        assert hit.similarity == hit.score == pytest.approx(cosines[i], abs=2e-3)
    assert sorted(numbers(found)) == list(range(COUNT))
    assert numbers(found)[0] == cosines.argmax()
    own = search(index, Query(like=index.vector(found.hits[3].photo_id), limit=1))
    assert own.hits[0].path == found.hits[3].path
    assert own.hits[0].similarity == pytest.approx(1, abs=1e-5)


def test_words_and_likeness_multiply(index):
    like = VECTORS[3]
    found = search(index, Query(words="dog", like=like, min_probability=0.05, limit=100))
    alone = search(index, Query(words="dog", min_probability=0.05, limit=100))
    assert set(numbers(found)) == set(numbers(alone))
    assert numbers(found) != numbers(alone)
    for hit in found.hits:
        assert hit.score == pytest.approx(hit.probability * hit.similarity)
    scores = [hit.score for hit in found.hits]
    assert scores == sorted(scores, reverse=True)


def test_since_leaves_out_what_is_older(index):
    since = 30 * 86400
    found = search(index, Query(since=since, limit=100))
    assert numbers(found) == [int(i) for i in np.argsort(-TAKEN) if TAKEN[i] >= since]
    assert found.hits[-1].taken == since
    assert search(index, Query(since=parse_since("2024"))).hits == ()


def test_pages_follow_one_another(index):
    whole = numbers(search(index, Query(limit=100)))
    pages = [numbers(search(index, Query(limit=7, offset=7 * k))) for k in range(10)]
    assert [i for page in pages for i in page] == whole
    assert len(whole) == COUNT
    assert pages[9] == []


def test_nothing_that_fits_is_an_empty_answer(index):
    found = search(index, Query(words="tabby", min_probability=1.0))
    assert (found.hits, found.total, found.class_names) == ((), 0, ("tabby",))


@pytest.mark.parametrize(
    "options", [{"min_probability": 1.5}, {"min_probability": -0.1}, {"limit": 0}, {"offset": -1}]
)
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="expected"):
        Query(**options)


def test_unknown_words_and_foreign_vectors_are_refused(index):
    with pytest.raises(UnknownWordError, match="did you mean tabby"):
        search(index, Query(words="tabbi"))
    with pytest.raises(ValueError, match=r"like has shape \(3,\); the index holds .*\(64,\)"):
        search(index, Query(like=np.ones(3, np.float32)))


def test_an_index_without_photos_finds_none(tmp_path):
    with IndexWriter(tmp_path / "i.sqlite") as writer:
        writer.claim(NETWORK)
    empty = PhotoIndex(tmp_path / "i.sqlite")
    for query in (Query(), Query(words="dog"), Query(like=np.ones(4, np.float32))):
        assert search(empty, query).hits == ()


def test_photos_written_between_two_readings_are_left_out(index, monkeypatch):
    columns = index.columns()
    kept = np.setdiff1d(np.arange(COUNT), [0, 20, 21, COUNT - 1])
    ends = np.append(columns.starts[1:], len(columns.class_ids))
    labels = np.concatenate([np.arange(columns.starts[i], ends[i]) for i in kept])
    counts = (ends - columns.starts)[kept]
    fewer = type(columns)(
        columns.photo_ids[kept],
        columns.taken[kept],
        np.cumsum(counts) - counts,
        columns.class_ids[labels],
        columns.probabilities[labels],
    )
    whole = search(index, Query(like=VECTORS[20], limit=COUNT))
    monkeypatch.setattr(index, "columns", lambda: fewer)
    found = search(index, Query(like=VECTORS[20], limit=COUNT))
    assert found.hits == tuple(h for h in whole.hits if int(h.path.stem) in kept)


def test_least_probability_0_still_wants_some(index):
    found = search(index, Query(words="tabby", min_probability=0.0, limit=100))
    assert all(hit.probability > 0 for hit in found.hits)
    assert found.total < COUNT


@pytest.mark.skipif(os.name == "nt", reason="names that are no text: POSIX")
def test_names_that_are_no_text_survive_to_the_table_and_to_json(album):
    photo = album.write("a.png")
    strange = os.path.join(os.fsencode(album.photos.resolve()), b"caf\xe9\n\x1b[31m.png")
    os.rename(photo, strange)
    album.update()
    found = search(album.index, Query(words="cat"))
    (hit,) = found.hits
    assert os.fsencode(hit.path) == strange
    assert not hit.vanished
    table = "\n".join(listing.table_lines(found))
    assert table.endswith(r"caf\xe9\n\x1b[31m.png")
    record = json.loads(json.dumps(listing.as_record(hit)))
    assert os.fsencode(record["path"]) == strange


def test_photos_that_are_gone_are_marked(album):
    album.write("a.png")
    album.write("b.png", seed=1)
    album.update()
    (album.photos / "a.png").unlink()
    found = search(album.index, Query(words="tabby cat"))
    assert {hit.path.name: hit.vanished for hit in found.hits} == {"a.png": True, "b.png": False}
    lines = list(listing.table_lines(found))
    assert [line.endswith("(gone)") for line in lines if "a.png" in line] == [True]
    assert any("no longer there" in line for line in listing.notes(found, Query()))


def test_the_stored_labels_are_all_that_is_probable():
    from jaxcnn.photos.index_format import pack_labels

    for row in PROBABILITIES:
        kept = dict(unpack_labels(pack_labels(row)))
        assert sum(kept.values()) > 0.98


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (Query(words="dog"), "no photo fits; a lower --min_probability finds less certain ones"),
        (Query(words="dog", min_probability=0, since=1), "no photo fits since then"),
        (Query(since=1), "no photo fits since then"),
    ],
    ids=str,
)
def test_advice_for_nothing_found_is_what_would_help(query, said):
    assert list(listing.notes(Found((), 0, ()), query)) == [said]


def test_a_notebook_shows_what_was_found_and_the_index(album):
    album.write("<b>.png")
    album.update()
    index = album.index
    shown = search(index, Query(words="cat", min_probability=0))._repr_html_()
    assert "&lt;b&gt;.png" in shown
    assert "1 of 1 photo<" in shown
    about = index._repr_html_()
    assert "<td>photos</td>" in about
    assert str(album.path) in about


def test_of_several_labels_a_word_is_the_most_probable_of_its_classes(tmp_path):
    network = NetworkRecord("g", NETWORK.class_names, NETWORK.wordnet_ids, {}, several_labels=True)
    probabilities = np.zeros((2, 1000), np.float32)
    probabilities[0, [151, 152, 153]] = 0.4  # three kinds of dogs, each by itself
    probabilities[1, [151, 800]] = 0.7, 0.9
    with IndexWriter(tmp_path / "i.sqlite") as writer:
        writer.claim(network)
        for i in range(2):
            photo = ReadPhoto(PhotoFile(path_of(i).encode(), 1, i), bytes([i]), None, 0, True, "")
            writer.put(photo, probabilities[i], VECTORS[i])
        writer.commit()
    index = PhotoIndex(tmp_path / "i.sqlite")
    assert index.network.several_labels
    found = search(index, Query(words="dogs", min_probability=0.0))
    assert numbers(found) == [1, 0]
    assert [hit.probability for hit in found.hits] == pytest.approx([0.7, 0.4], abs=1e-4)


def test_an_index_of_an_older_version_has_one_label_per_photo():
    held = json.loads(NETWORK.to_json())
    del held["several_labels"]
    assert NetworkRecord.from_json(json.dumps(held)) == NETWORK
