"""The photos that are shown are those that tell most, and their maps lie where they should."""

import jax
import numpy as np
import pytest

from jaxcnn.data.bad_files import SkippedFile
from jaxcnn.host.files import write_arrays
from jaxcnn.runs import build, config as config_lib
from jaxcnn.runs.report.answers import shorten_answers
from jaxcnn.runs.report.shown_photos import (
    MOST_RIGHT,
    _lay_over,
    cache_photos,
    choose_photos,
    make_gallery,
    map_maker,
    read_photos,
)
from jaxcnn.runs.run import make_initial

NAMES = ("cat", "dog", "emu")


@pytest.fixture(scope="module")
def found(drawn_evaluation):
    return drawn_evaluation(3, 200)


@pytest.fixture(scope="module")
def split(found, drawn_split):
    return drawn_split(found, NAMES)


@pytest.fixture(scope="module")
def answers(found, split):
    return shorten_answers(found, found, split.names)


@pytest.fixture
def config(tiny_config):
    return config_lib.resolve(tiny_config.replace(image_size_px=20, stored_size_px=24))


def test_chosen_photos_tell_most(answers):
    wrong, unsure, right, unknown = choose_photos(answers)
    assert len(unknown) == 0  # nothing judges that
    sure = answers.confidence
    assert not answers.right[wrong].any()
    assert sure[wrong].tolist() == np.sort(sure[~answers.right])[::-1][: len(wrong)].tolist()
    margin = answers.probabilities[:, 0] - answers.probabilities[:, 1]
    assert margin[unsure].tolist() == sorted(margin)[: len(unsure)]
    assert answers.right[right].all()
    assert sorted(answers.labels[right].tolist()) == [0, 0, 1, 1, 2, 2]
    for label in range(3):
        own = sure[answers.right & (answers.labels == label)]
        assert sure[right][answers.labels[right] == label].max() == own.max()
    assert len({*wrong, *unsure, *right}) == len(wrong) + len(unsure) + len(right)


def test_all_right_and_all_wrong_are_no_trouble(answers):
    one = answers._replace(labels=answers.classes[:, 0])
    assert not len(choose_photos(one).wrong)
    other = answers._replace(labels=answers.classes[:, 1])
    assert not len(choose_photos(other).right)


def test_photos_are_kept_as_the_network_sees_them(answers, split, config, bright_corner, tmp_path):
    photos = cache_photos(answers, split, config.preprocessing, bright_corner)
    assert photos.images.shape[1:] == (20, 20, 3)
    row = photos.rows[3]
    expected = split.images[answers.index[row]][2:22, 2:22]
    np.testing.assert_array_equal(photos.images[3], expected)
    write_arrays(tmp_path / "p.npz", photos._asdict())
    read = read_photos(tmp_path / "p.npz")
    for there, here in zip(read, photos, strict=True):
        np.testing.assert_array_equal(there, here)
    older = {name: array for name, array in photos._asdict().items() if name != "reasons"}
    write_arrays(tmp_path / "older.npz", older)
    assert read_photos(tmp_path / "older.npz").reasons.tolist() == [""] * len(photos.rows)
    gallery = make_gallery(answers, photos, NAMES)
    shown = gallery.wrong[0]
    assert shown.name == answers.names[photos.rows[0]]
    assert shown.label == NAMES[answers.labels[photos.rows[0]]] != shown.answers[0][0]
    assert shown.map is not None
    assert shown.map.alt.endswith(": mostly at the top left.")


def test_a_network_without_maps_says_why(answers, split, config):
    def refuse(images, classes):
        raise ValueError("it has no feature map.")

    for maps in (refuse, "it has no feature map."):
        photos = cache_photos(answers, split, config.preprocessing, maps)
        assert str(photos.no_maps) == "it has no feature map."
        assert make_gallery(answers, photos, NAMES).wrong[0].map is None


def test_a_photo_that_cannot_be_read_says_why(answers, split, config, bright_corner):
    first, second, *_ = choose_photos(answers).wrong

    class Partly:
        skipped = (SkippedFile(str(answers.names[first]), "its folder is gone."),)

        def gather(self, indices):
            return split.gather(indices)[0], ~np.isin(indices, answers.index[[first, second]])

    photos = cache_photos(answers, Partly(), config.preprocessing, bright_corner)
    gone, unknown, there, *_ = make_gallery(answers, photos, NAMES).wrong
    assert (gone.photo, gone.map, gone.reason) == (None, None, "its folder is gone.")
    assert gone.name == answers.names[first]
    assert (unknown.photo, unknown.reason) == (None, "it can no longer be read.")
    assert there.photo is not None
    assert there.reason == ""


@pytest.mark.parametrize(("num_classes", "count"), [(10, 10), (40, MOST_RIGHT)])
def test_every_class_shows_its_surest_right_photo(drawn_evaluation, num_classes, count):
    found = drawn_evaluation(num_classes, 2000)
    answers = shorten_answers(found, found, [str(i) for i in range(2000)])
    right = choose_photos(answers).right
    assert len({*answers.labels[right]}) == len(right) == count
    for row in right:
        own = answers.right & (answers.labels == answers.labels[row])
        assert answers.confidence[row] == answers.confidence[own].max()


def test_maps_are_of_the_run_and_within_bounds(split, config):
    model = build.build_model(config, 3)
    variables = make_initial(model, config.preprocessing.image_shape)(jax.random.key(0))
    make = map_maker(model, variables, config.preprocessing)
    maps = make(split.images[:4], np.array([0, 1, 2, 0]))
    assert maps.shape == (4, 5, 5)
    assert maps.min() >= 0
    assert maps.max(axis=(1, 2)).tolist() == pytest.approx([1] * 4)
    again = make(split.images[:2], np.array([0, 2]))
    np.testing.assert_allclose(again[0], maps[0], atol=1e-5)
    many = make(split.images[np.arange(50) % 4], np.array([0, 1, 2, 0])[np.arange(50) % 4])
    np.testing.assert_allclose(many, maps[np.arange(50) % 4], atol=1e-5)
    assert np.abs(again[1] - maps[1]).max() > 1e-3


def test_the_map_is_bright_where_it_counts_and_shows_the_photo():
    image = np.full((12, 12, 3), 128, np.uint8)
    activation = np.zeros((3, 3), np.float32)
    activation[2, 2] = 1
    laid = _lay_over(image, activation).astype(int).sum(axis=-1)
    assert laid[-1, -1] > laid[0, 0] + 100
    image[:, :6] = 30
    assert _lay_over(image, activation).astype(int).sum(axis=-1)[0, 0] < laid[0, 0]


def test_photos_that_are_none_of_the_classes_are_shown_where_no_other_kind_shows_them(answers):
    count = len(answers.labels)
    scores, threshold = np.linspace(0, 1, count), np.array(0.5)
    judged = answers._replace(scores=scores, threshold=threshold)
    wrong, unsure, right, unknown = choose_photos(judged)
    assert 0 < len(unknown) <= 6
    assert (scores[unknown] < 0.5).all()
    assert (np.diff(scores[unknown]) > 0).all()
    assert not set(unknown) & {*wrong, *unsure, *right}
    nan = judged._replace(scores=np.full(count, np.nan))
    assert len(nan.unknown) == count
