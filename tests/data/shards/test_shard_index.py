import pytest

from jaxcnn.data.bad_files import SkippedFile
from jaxcnn.data.shards import shard_index
from jaxcnn.data.shards.packed import Place
from jaxcnn.data.shards.shard_index import Listed, cached_list

LIST = Listed(
    [Place(0, 512, 3, "a/é \ud800.jpg", None, "g"), Place(1, 7, 2, "b.jpg", None)],
    ["cat", ["dog", 1]],
    [SkippedFile("c", "why", "label", "train")],
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXCNN_CACHE", str(tmp_path))
    monkeypatch.setattr(shard_index, "LEAST_CACHED", 2)
    return tmp_path / "shards"


def refused():
    raise AssertionError("listed again")


def test_a_list_is_made_once():
    assert cached_list("x", lambda: LIST) == LIST
    assert cached_list("x", refused) == LIST
    assert cached_list("y", lambda: LIST._replace(labels=[1, 2])).labels == [1, 2]


def test_short_lists_are_not_cached(monkeypatch, folder):
    monkeypatch.setattr(shard_index, "LEAST_CACHED", 3)
    assert cached_list("x", lambda: LIST) == LIST
    assert not folder.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"places": [[1]], "labels": [1], "left_out": []}',
        '{"places": [], "labels": [1], "left_out": []}',
    ],
)
def test_a_damaged_list_is_made_again(folder, text):
    cached_list("x", lambda: LIST)
    (path,) = folder.iterdir()
    path.write_text(text)
    assert cached_list("x", lambda: LIST) == LIST
    assert cached_list("x", refused) == LIST


def test_a_cache_that_cannot_be_written_is_nothing(folder):
    folder.write_text("a file in the way")
    assert cached_list("x", lambda: LIST) == LIST
