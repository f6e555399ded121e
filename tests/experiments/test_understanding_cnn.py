"""The page of lessons: each claim holds in its numbers, and the page is whole and alone."""

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from programs import run_program, try_words

from experiments import lessons
from experiments.lessons import comparison, filters, looking_inside, operations, overfitting
from experiments.lessons.course import Course, Sizes, balanced
from experiments.lessons.page import Lesson, Shown, code_of, make_page, words as filled_words
from experiments.lessons.training import Follow

TINY = Sizes(
    image_px=16,
    large_px=32,
    num_train=48,
    num_validation=24,
    num_test=32,
    num_epochs=1,
    num_few=16,
    few_epochs=2,
    num_repetitions=20,
    transfer_counts=(16, 32),
    transfer_steps=2,
)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return Course(tmp_path_factory.mktemp("kept"), weights="none", sizes=TINY)


def test_one_dimension_finds_the_change_at_its_place():
    response = filters.find_change(jnp.asarray(filters.SIGNAL))
    np.testing.assert_array_equal(response, filters.SIGNAL[:-1] - filters.SIGNAL[1:])
    (place,) = np.flatnonzero(response)
    assert filters.SIGNAL[place : place + 2].tolist() == [1, 0]


def test_two_dimensions_find_vertical_and_horizontal_edges():
    square = np.zeros((8, 8), np.float32)
    square[2:6, 2:6] = 1
    vertical, horizontal = np.moveaxis(filters.find_edges(jnp.asarray(square)), -1, 0)
    np.testing.assert_array_equal(vertical, horizontal.T)
    # These two rows of the answer lie inside the square's own rows.
    np.testing.assert_array_equal(vertical[2:4], [[4, 4, 0, 0, -4, -4]] * 2)


def test_padding_keeps_or_trims():
    same, valid = filters.pad_both_ways(jnp.ones((5, 5)))
    assert same.shape == (5, 5)
    assert valid.shape == (3, 3)
    assert (valid == 9).all()
    assert [same[0, 0], same[0, 2], same[2, 2]] == [4, 6, 9]
    assert filters._size_after(32, 5) == 22


@pytest.mark.parametrize("side", [16, 64])
def test_sharing_counts_by_hand(side):
    shared, dense = filters.count_weights(side)
    assert shared == 3 * 3 * 3 * 32 + 32
    inputs, outputs = side * side * 3, side * side * 32
    assert dense == inputs * outputs + outputs


def test_slices_of_a_filter_add_up_to_the_whole():
    draws = np.random.default_rng(0)
    image, kernel = (draws.normal(size=s).astype(np.float32) for s in ((6, 5, 3), (3, 3, 3)))
    slices, whole = filters.by_channel(jnp.asarray(image), jnp.asarray(kernel))
    np.testing.assert_allclose(np.sum(slices, axis=2), whole, atol=1e-5)
    alone = filters.by_channel(jnp.asarray(image * [1, 0, 0]).astype(jnp.float32), kernel)[1]
    np.testing.assert_allclose(slices[:, :, 0], alone, atol=1e-5)


@pytest.mark.parametrize(("window", "stride"), operations.POOLINGS)
def test_pooling_keeps_the_largest_of_each_window(window, stride):
    image = np.random.default_rng(0).random((6, 6), np.float32)
    pooled = operations.pool(jnp.asarray(image), window, stride)
    assert len(pooled) == (6 - window) // stride + 1
    for (i, j), value in np.ndenumerate(pooled):
        top, left = i * stride, j * stride
        assert value == image[top : top + window, left : left + window].max()


def test_the_sigmoids_slope_is_a_quarter_at_most():
    x = jnp.linspace(-6, 6, 241)
    slopes = operations.activate(x, "sigmoid")[1]
    assert slopes.max() == 0.25
    assert x[slopes.argmax()] == pytest.approx(0, abs=1e-6)
    values, slopes = operations.activate(x, "relu")
    assert set(slopes.tolist()) == {0, 1}
    np.testing.assert_array_equal(values, np.maximum(x, 0))


def test_views_differ_and_a_flip_is_a_mirror_image(course):
    photo, keys = course.large_photos.images[1], jax.random.split(jax.random.key(0), 6)
    assert len({operations._view(photo, "standard", key).tobytes() for key in keys}) == len(keys)
    flipped = operations._view(photo, operations.CHANGES[0], keys[0])
    np.testing.assert_allclose(flipped, photo[:, ::-1] / np.float32(255), atol=1e-6)


def test_dropout_draws_again_at_each_step_and_keeps_the_mean():
    key, ones = jax.random.key(0), jnp.ones(10_000)
    masks = [np.asarray(operations.drop(ones, 0.5, key, step)) for step in range(3)]
    assert len({mask.tobytes() for mask in masks}) == 3
    assert set(np.unique(masks)) == {0, 2}
    assert np.mean(masks) == pytest.approx(1, abs=0.02)


def lucky_networks(num_networks, num_photos, accuracy, seed=0):
    """Networks that are equally good, and right on photos by chance."""
    return np.random.default_rng(seed).random((num_networks, num_photos)) < accuracy


def test_choosing_on_the_test_photos_flatters_and_the_more_the_more_are_tried():
    right = lucky_networks(40, 1000, 0.7)
    how = {"tried": (1, 5, 40), "num_tested": 50, "repetitions": 400}
    flattered, honest = overfitting.simulate(right, **how, seed=1)
    one, five, all_of_them = flattered.mean(axis=1)
    assert abs(one) < 0.01
    assert 0.03 < five < all_of_them
    # The expected maximum of 40 draws lies 2.16 standard deviations above their mean.
    assert all_of_them == pytest.approx(2.16 * np.sqrt(0.7 * 0.3 / 50), rel=0.15)
    assert np.abs(honest.mean(axis=1)).max() < 0.012


def test_what_is_chosen_is_reported_on_both():
    right = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], bool)
    tested, fresh = np.array([2, 3]), np.array([0, 1])
    assert overfitting.choose_and_report(right, tested, fresh) == (1, 0)


def test_a_new_last_layer_tells_what_features_tell():
    draws = np.random.default_rng(0)
    labels = np.arange(40) % 2
    known = draws.normal(size=(40, 5)).astype(np.float32)
    known[:, 2] += 6 * labels
    predicted = comparison.new_last_layer(known[:20], labels[:20], known[20:])
    assert (predicted == labels[20:]).mean() > 0.9


def test_a_balanced_choice_extends_a_smaller_one():
    labels = np.repeat([0, 1, 2], 10)
    more, fewer = (balanced(labels, count, seed=3) for count in (15, 6))
    np.testing.assert_array_equal(more[:6], fewer)
    np.testing.assert_array_equal(np.bincount(labels[more]), [5, 5, 5])


def test_the_code_that_is_shown_is_the_source():
    shown = code_of(operations.pool)
    assert shown.startswith(
        "from jaxcnn.ops.pooling import max_pool\n\ndef pool(image, window, str"
    )
    source = Path(operations.__file__).read_text(encoding="utf-8")
    body = shown.split("\n", 3)[3]
    assert body in source
    assert '"""' not in shown
    scope: dict = {}
    exec(compile(shown, "shown", "exec"), scope)
    assert scope["pool"](jnp.arange(4.0).reshape(2, 2), 2, 2).tolist() == [[3]]


class Page(HTMLParser):
    """What a page holds: the attributes of each of its elements."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def all(self, tag):
        return [attrs for found, attrs in self.found if found == tag]


QUICK = ("convolution", "edges", "padding", "sharing", "pooling", "activations", "dropout")


def quick_lessons():
    return [lesson for lesson in lessons.LESSONS if lesson.name in QUICK]


def check_page(path, names):
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    addresses = [
        attrs[key] for _, attrs in page.found for key in ("src", "href", "srcset") if key in attrs
    ]
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not page.all("script")
    assert not re.search(r"url\(\s*['\"]?http|@import", text)
    pictures = page.all("img")
    assert len(pictures) == len(page.all("source")) == len(names)
    assert all(len(picture["alt"]) > 40 for picture in pictures)
    anchors = {attrs["id"] for attrs in page.all("section")}
    assert anchors == {f"lesson-{name}" for name in names}
    assert {attrs["href"] for attrs in page.all("a")} >= {f"#{anchor}" for anchor in anchors}
    assert len(page.all("pre")) == len(names)


def test_the_page_is_alone_and_has_every_figure(course, tmp_path):
    check_page(make_page(tmp_path, course, quick_lessons()), QUICK)


def test_the_same_course_gives_the_same_page(course, tmp_path):
    two = quick_lessons()[:2]
    first = make_page(tmp_path, course, two).read_bytes()
    other = Course(tmp_path / "elsewhere", weights="none", sizes=TINY)
    assert make_page(tmp_path, other, two).read_bytes() == first


def counting_lesson(calls):
    def teach(course):
        del course
        calls.append(1)
        figure = Figure(figsize=(1, 1))
        return Shown("<b>text</b>", "alt", {"a": "1"}, figure, (operations.pool,))

    return Lesson("counted", "Counted", teach)


def test_what_was_made_is_kept_and_only_makes_it_again(tmp_path, capsys):
    calls = []
    lesson = counting_lesson(calls)
    course = Course(tmp_path / "kept", weights="none", sizes=TINY)
    make_page(tmp_path, course, [lesson])
    page = make_page(tmp_path, course, [lesson]).read_text(encoding="utf-8")
    assert len(calls) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("[ 1/1] counted      Counted: ")
    assert second == "[ 1/1] counted      Counted: made before"
    assert "&lt;b&gt;text" in page
    make_page(tmp_path, course, [lesson], only=["counted"])
    assert len(calls) == 2
    make_page(tmp_path, course, [lesson], only=["another"])
    assert len(calls) == 2
    (tmp_path / "kept" / "counted.json").write_text('{"about": ')  # as a kill might leave it
    make_page(tmp_path, course, [lesson], only=["another"])
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 of 1 figures are not there yet")
    make_page(tmp_path, course, [lesson])
    other = Course(tmp_path / "kept", weights="none", sizes=dataclasses.replace(TINY, num_train=50))
    make_page(tmp_path, other, [lesson])
    assert len(calls) == 4


def test_arrays_are_computed_once_for_the_same_course(tmp_path):
    calls = []

    def make():
        calls.append(1)
        return {"x": np.arange(3)}

    for seed, expected in ((0, 1), (0, 1), (1, 2)):
        course = Course(tmp_path, seed=seed, sizes=TINY)
        np.testing.assert_array_equal(course.cached("numbers", make)["x"], [0, 1, 2])
        assert len(calls) == expected
    (tmp_path / "numbers.npz").write_bytes(b"half a file")
    course.cached("numbers", make)
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("moved", "scratch"),
    [
        ([0.9, 0.92, 0.94, 0.95], [0.5, 0.6, 0.7, 0.8]),  # widest apart at the first
        ([0.7, 0.9, 0.92, 0.95], [0.6, 0.6, 0.85, 0.9]),
        ([0.6, 0.7, 0.8, 0.95], [0.55, 0.58, 0.6, 0.65]),  # at the last
        ([0.8, 0.82, 0.83, 0.84], [0.5, 0.7, 0.85, 0.95]),  # overtaken
    ],
)
def test_the_curves_names_are_in_the_figure_and_clear_of_the_curves(moved, scratch):
    found = {
        "counts": np.array([50, 200, 800, 3200]),
        "transfer": np.array(moved),
        "scratch": np.array(scratch),
    }
    figure = comparison.draw_transfer(found, 400, 0.5)
    figure.canvas.draw()
    (axes,) = figure.axes
    names = {text.get_text(): text.get_window_extent() for text in axes.texts}
    assert names.keys() == {"transfer", "from scratch", "guessing"}
    for name, box in names.items():
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, name
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, name
        if name == "guessing":
            continue
        for values in (moved, scratch):
            ends = axes.transData.transform(np.column_stack([found["counts"], values]))
            along = np.linspace(ends[0, 0], ends[-1, 0], 500)
            heights = np.interp(along, *ends.T)
            assert not any(box.contains(*at) for at in zip(along, heights, strict=True)), name


@pytest.mark.parametrize(
    ("enough", "last", "said", "unsaid"),
    [
        ("", (0.9, 0.7), "does not get as far even with 800.", "needs"),
        ("800", (0.9, 0.85), "needs 800 photos to get as far.", "ahead"),
        ("200", (0.9, 0.95), "with 800 of its own it is ahead, 95% to 90%.", "even with"),
    ],
)
def test_the_words_say_which_way_won(enough, last, said, unsaid):
    rows = [
        {"count": "50", "transfer": 0.8, "scratch": 0.5},
        {"count": "800", "transfer": last[0], "scratch": last[1]},
    ]
    facts = {"learned": "x", "is_published": True, "num_test": "400"}
    text, alt, numbers = filled_words("transfer", rows=rows, enough=enough, **facts)
    assert said in text.replace("\xa0", "").replace(" %", "%")
    assert unsaid not in text
    assert alt.count("photos: transfer") == 2
    assert numbers["50 photos"] == "80.0%, scratch 50.0%"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "--out is missing"),
        (["--out=OUT", "photo.jpg"], "unexpected words"),
        (["--out=OUT", "--only=poling"], "nearest first: pooling"),
        (["--out=OUT", "--data_dir=/no/such/folder"], "does not exist"),
        (["--out=OUT", "--weights=nothing_like_it"], "nothing_like_it"),
        (["--out=OUT", "--seed=-1"], "seed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_end_with_one_line_and_status_2(words, named, tmp_path):
    done = try_words(
        "understanding_cnn", *(word.replace("OUT", str(tmp_path / "out")) for word in words)
    )
    assert done.returncode == 2, done.stderr
    assert named in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "index.html").exists()


def test_a_class_is_shown_without_its_docstrings():
    code = code_of(Follow)
    assert "class Follow(Callback):" in code
    assert "    def on_" in code
    assert '"""' not in code


def smallest_text_px(figure):
    """The size in CSS pixels of a figure's smallest text where the page is 390 wide."""
    figure.canvas.draw()
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    scale = (390 - 2 * 20) / (figure.get_figwidth() * 72)  # the page's padding is 20 on each side
    return min(text.get_fontsize() for text in texts) * scale


@pytest.mark.parametrize("name", ["convolution", "edges", "padding", "sharing", "dropout"])
def test_a_figures_text_can_be_read_on_a_phone(course, name):
    (lesson,) = (each for each in lessons.LESSONS if each.name == name)
    assert smallest_text_px(lesson.teach(course).figure) >= 9


@pytest.mark.slow
def test_every_figures_text_can_be_read_on_a_phone(course):
    sizes = {each.name: smallest_text_px(each.teach(course).figure) for each in lessons.LESSONS}
    assert {name: size for name, size in sizes.items() if size < 9} == {}


@pytest.mark.slow
def test_all_lessons_at_tiny_sizes(course, tmp_path):
    path = make_page(tmp_path, course, lessons.LESSONS)
    check_page(path, [lesson.name for lesson in lessons.LESSONS])
    network = looking_inside.trained_network(course)
    photos = jnp.asarray(course.photos.test.images[:3])
    logits, shares = looking_inside.answer(network.model, network.variables, photos)
    powers = np.exp(logits)
    np.testing.assert_allclose(shares, powers / powers.sum(axis=1, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(np.sum(shares, axis=1), 1, atol=1e-6)
    maps = looking_inside.maps_of(network.model, network.variables, photos[0])
    assert [x.shape[1] for _, x in sorted(maps.items())] == [8, 4, 2, 1]


@pytest.mark.slow
def test_photos_of_ones_own(tmp_path):
    draws = np.random.default_rng(0)
    for name in ("cat", "dog", "parrot"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(30):
            pixels = draws.integers(0, 256, (40, 50, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    done = run_program(
        "understanding_cnn",
        f"--out={tmp_path / 'out'}",
        f"--data_dir={tmp_path / 'photos'}",
        "--only=edges,augmentation",
    )
    assert done.returncode == 0, done.stderr
    check_page(tmp_path / "out" / "index.html", ["edges", "augmentation"])
    part = json.loads((tmp_path / "out" / "cached" / "edges.json").read_text(encoding="utf-8"))
    assert any(name in part["picture"]["alt"] for name in ("cat", "dog", "parrot"))


@pytest.mark.slow
def test_the_whole_run_keeps_its_promises(tmp_path):
    course = Course(tmp_path / "kept", weights="none")
    path = make_page(tmp_path, course, lessons.LESSONS)
    check_page(path, [lesson.name for lesson in lessons.LESSONS])
    curves = overfitting.curves(course)
    gaps = {name: found.train[-1] - found.validation[-1] for name, found in curves.items()}
    tested = {name: found.test[found.validation.argmax()] for name, found in curves.items()}
    assert curves["no cure"].train[-1] > 0.97
    assert curves["no cure"].validation[-1] < 0.85
    for cure in ("augmentation", "five times the photos"):
        assert gaps[cure] < gaps["no cure"] - 0.05
    assert tested["five times the photos"] > tested["no cure"]
    numbers = overfitting.peeking(course).numbers
    *_, most = (text for name, text in numbers.items() if name.startswith("best of"))
    assert float(most.split()[0]) > 2  # points
