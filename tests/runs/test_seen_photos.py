"""What is tested is compared with what the weights saw, and the result says so."""

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.datasets import ImageSplits
from jaxcnn.runs.evaluate_again import evaluate_classifier
from jaxcnn.runs.folder import note_seen_photos
from jaxcnn.runs.seen_photos import SeenPhotos, check_unseen, count_seen, load_seen
from jaxcnn.runs.summary_text import about_test
from jaxcnn.runs.train_and_evaluate import check, load_data, train_classifier


@pytest.fixture
def data(tiny_split):
    """Three splits, each photo's digest a letter: a test photo, f, is in training too."""
    letters = [[bytes([letter]) * 16 for letter in word] for word in (b"abcf", b"de", b"fg")]
    return ImageSplits(tiny_split, tiny_split, tiny_split, [], [], letters)


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04"])
def test_a_damaged_list_of_seen_photos_is_named(tmp_path, content):
    (tmp_path / "seen_photos.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"seen_photos\.npz is damaged; bring it back from a copy"):
        load_seen(tmp_path, "run")


def test_a_run_notes_its_own_photos_and_its_ancestors(data, tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    note_seen_photos(folders, data.digests[0], before=[b"g" * 16], unknown=["published"])
    found = load_seen(folders[1], "run")
    assert found.digests == {bytes([letter]) * 16 for letter in b"abcfg"}
    assert found.unknown == ("published",)
    assert count_seen(data, folders[0], "run") == {
        **{"num_validation_seen": 0, "num_test_seen": 2},
        "seen_unknown": ["published"],
    }


def test_weights_without_a_note_and_photos_that_were_not_compared_are_unknown(data, tmp_path):
    assert count_seen(data, tmp_path, "older")["seen_unknown"] == ["older"]
    note_seen_photos([tmp_path], [], before=[], unknown=["run"])
    assert load_seen(tmp_path, "run").unknown == ("run",)
    found = count_seen(data._replace(digests=None), tmp_path, "run")
    assert (found["num_test_seen"], found["seen_unknown"]) == (None, [])


def test_a_test_on_photos_that_an_ancestor_saw_is_refused_unless_it_is_wanted(data):
    before = SeenPhotos(frozenset([b"g" * 16]), split="split_seed=3")
    with pytest.raises(
        ValueError,
        match=r"1 of 66 test photos, e\.g\. image/001, .*split_seed=3.*allow_seen_test_photos=True",
    ):
        check_unseen(data, before)
    check_unseen(data, before, allowed=True)
    check_unseen(data._replace(digests=None), before)


def test_the_claim_is_as_much_as_is_known():
    known = {"num_test": 60, "seen_unknown": []}
    assert about_test(known | {"num_test_seen": 0}) == "never trained on"
    assert "of which 15 were seen" in about_test(known | {"num_test_seen": 15})
    for unknown in ({"seen_unknown": ["W"], "num_test_seen": 0}, {"weights": "W"}):
        assert "what W saw is unknown" in about_test({"num_test": 60, **unknown})


@pytest.fixture
def noise(tmp_path):
    """Forty photos of noise in each of two classes, as by the toss of a coin."""
    draws = np.random.default_rng(0)
    for name in ("heads", "tails"):
        (tmp_path / "noise" / name).mkdir(parents=True)
        for i in range(40):
            pixels = draws.integers(0, 256, (16, 16, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "noise" / name / f"{i}.png")
    return tmp_path / "noise"


@pytest.mark.slow
def test_noise_tests_at_chance_whatever_the_seed_and_else_says_how_much_was_seen(
    noise, tiny_config, tmp_path, said
):
    config = tiny_config.replace(
        **{"dataset": "folder", "data_dir": str(noise), "augment": "none", "dropout_rate": 0.0},
        **{"num_epochs": 1, "label_smoothing": 0.0},
    )
    first, second = tmp_path / "first", tmp_path / "second"
    train_classifier(config.replace(num_epochs=60, learning_rate=3e-3), first)
    start = config.replace(init_from=str(first), seed=9, depth=None, width_multiplier=None)
    again = train_classifier(start, second)
    low, high = again["test_accuracy_interval"]
    assert low <= 0.5 <= high
    assert (again["num_test_seen"], again["seen_unknown"]) == (0, [])
    moved = start.replace(split_seed=9)
    with pytest.raises(ValueError, match=r"test photos, e\.g"):
        train_classifier(moved, tmp_path / "moved")
    assert not (tmp_path / "moved" / "checkpoints").exists()
    count = len(load_data(check(config)).train)
    allowed = train_classifier(moved.replace(allow_seen_test_photos=True), tmp_path / "moved2")
    assert 0 < allowed["num_test_seen"] <= allowed["num_test"] < count
    assert f"of which {allowed['num_test_seen']} were seen in training" in "\n".join(said)
    page = (tmp_path / "moved2" / "report.html").read_text()
    assert f"of which {allowed['num_test_seen']} were seen in training" in page
    tested = evaluate_classifier(tmp_path / "moved2")
    assert tested["num_test_seen"] == allowed["num_test_seen"]
