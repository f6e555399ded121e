import ast
import concurrent.futures
import contextlib
import hashlib
import pathlib

import numpy as np
import pytest

import jaxcnn.data.drawn_pets as drawn_pets
from jaxcnn.data.drawn_pets import DrawnPetsSource, draw_pet, drawn_pets_splits
from jaxcnn.data.drawn_pets.anatomy import draw_anatomy
from jaxcnn.data.drawn_pets.canvas import SCENE, Canvas, Frame
from jaxcnn.data.drawn_pets.coat import smooth_noise
from jaxcnn.data.drawn_pets.drawing import draw_label, render
from jaxcnn.data.drawn_pets.processes import Drawers
from jaxcnn.data.drawn_pets.random_draws import Draws
from jaxcnn.data.drawn_pets.shapes import arc, capsule, curve, ellipse, polygon, union, within
from jaxcnn.data.drawn_pets.splits import FIRST_INDEX

# SHA-256 of the bytes; a change here changes everybody's data set.
FINGERPRINTS = {
    (0, 0, 32): (0, "5c611a0060c4269084f8da7a4d2b2155f36fc806d824a09d767b3ba483fec531"),
    (0, 0, 96): (0, "c853fa3886362d6bf9da4445f0cf06e675af587d23f1d67ca90d3a9eb0d9f119"),
    (0, 1, 32): (1, "6205bacf8a7b5fadea825bd8a8149c572814ba7f243195b7424140c649bb1580"),
    (0, 1, 96): (1, "5425aaf29bb2e90a7704ea8695ef4cb10db5763a515a9bcb68afafc20a88d5e0"),
    (5, (2 << 40) + 7, 64): (0, "5aabf058f4c4dbc17eb6ff3027684380b626b96d13a3e4b952731793b7c8c667"),
    (5, 1 << 40, 17): (0, "bd21bc7707987ed3735b81e2ec493cdcf32c8b778f73fd5fa0d4c9783f63d29b"),
}
# Exactly rounded, or integer, or no arithmetic at all: the same bits on every CPU.
EXACT_NUMPY = {
    *("abs", "floor", "maximum", "minimum", "sqrt", "where"),
    *("arange", "array", "ascontiguousarray", "frombuffer", "zeros", "ndarray", "random"),
    *("float32", "int32", "uint8", "uint64", "PCG64", "SeedSequence"),
}


@pytest.mark.parametrize(("seed", "index", "size_px"), FINGERPRINTS)
def test_every_machine_draws_the_same_bytes(seed, index, size_px):
    image, label = draw_pet(seed, index, size_px)
    found = label, hashlib.sha256(image.tobytes()).hexdigest()
    assert found == FINGERPRINTS[seed, index, size_px]


def test_pixels_are_worked_out_by_exactly_rounded_operations_only():
    used, scalar = set(), set()
    for path in pathlib.Path(drawn_pets.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow | ast.MatMult):
                assert isinstance(node.left, ast.Constant), path  # 2.0**-24 is fine
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("sum", "mean", "dot", "prod"), path
                if isinstance(node.value, ast.Name) and node.value.id == "np":
                    used.add(node.attr)
                if isinstance(node.value, ast.Name) and node.value.id == "math":
                    scalar.add(node.attr)
    assert "sqrt" in used
    assert used <= EXACT_NUMPY
    assert scalar == {"sin", "cos", "sqrt"}


@pytest.mark.parametrize("size_px", [16, 17, 40, 131])
def test_an_image_has_the_size_asked_for(size_px):
    image, label = draw_pet(0, 5, size_px)
    assert image.shape == (size_px, size_px, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert label in (0, 1)


@pytest.mark.parametrize("index", range(6))
def test_two_sizes_show_the_same_scene(index):
    small = draw_pet(0, index, 48)[0].astype(np.float32)
    large = draw_pet(0, index, 96)[0].astype(np.float32)
    halved = large.reshape(48, 2, 48, 2, 3).mean((1, 3))
    other = draw_pet(0, index + 100, 48)[0].astype(np.float32)
    assert np.abs(halved - small).mean() < 7
    assert np.abs(other - small).mean() > 20


def test_half_are_cats_and_the_order_is_no_pattern():
    labels = [draw_label(3, i) for i in range(400)]
    assert [a + b for a, b in zip(labels[::2], labels[1::2], strict=True)] == [1] * 200
    assert 70 < sum(labels[::2]) < 130
    assert labels != [draw_label(4, i) for i in range(400)]


def test_images_differ_by_index_and_by_seed():
    images = {draw_pet(seed, i, 16)[0].tobytes() for seed in (0, 1) for i in range(30)}
    assert len(images) == 60


def test_the_label_changes_the_animal_and_not_its_surroundings():
    unchanged = []
    for index in range(30):
        cat, dog = (render(0, index, 32, label) for label in (0, 1))
        unchanged.append((cat == dog).all(-1).mean())
    assert max(unchanged) < 1.0
    assert np.mean(unchanged) > 0.5


def test_colours_do_not_tell_the_class():
    cats, dogs = (
        np.stack([render(0, i, 16, label) for i in range(150)]).astype(np.float32)
        for label in (0, 1)
    )
    # The same scenes with either animal: what is left is a difference of shape.
    assert np.abs((cats - dogs).mean((0, 1, 2))).max() < 2.0
    assert np.abs(cats.std((1, 2)).mean(0) - dogs.std((1, 2)).mean(0)).max() < 2.5


@pytest.mark.parametrize("index", range(40))
def test_cats_and_dogs_differ_in_the_muzzle_at_least(index):
    cat, dog = (draw_anatomy(Draws(0, index, 0), label) for label in (0, 1))
    assert dog.muzzle_length > 3 * cat.muzzle_length
    assert dog.nose_width > cat.nose_width
    assert cat.whisker_length > dog.whisker_length == 0
    assert cat.ear_kind == "upright"


def test_some_dogs_have_ears_like_a_cat_and_most_do_not():
    kinds = [draw_anatomy(Draws(0, i, 0), 1).ear_kind for i in range(200)]
    counts = {kind: kinds.count(kind) for kind in ("hanging", "folded", "upright")}
    assert counts["hanging"] > 70
    assert min(counts["folded"], counts["upright"]) > 30


def test_splits_have_names_labels_and_sizes():
    splits = drawn_pets_splits(size_px=16, num_train=6, num_validation=4, num_test=2)
    assert [len(source) for source in splits] == [6, 4, 2]
    for split, source in zip(("train", "validation", "test"), splits, strict=True):
        examples = list(source)
        assert source.class_names == ("cat", "dog")
        assert [e.name for e in examples] == [f"{split}/{i:06d}" for i in range(len(source))]
        assert [e.name for e in examples] == list(source.names)
        assert [e.label for e in examples] == source.labels.tolist()
        assert source.labels.dtype == np.int32
        assert 2 * source.labels.sum() == len(source)


def test_default_splits_are_those_of_the_measured_data_set():
    splits = drawn_pets_splits(size_px=64)
    assert [len(source) for source in splits] == [4000, 1000, 1000]


def test_no_two_splits_share_an_image():
    splits = drawn_pets_splits(size_px=16, num_train=20, num_validation=20, num_test=20)
    images = {example.image.tobytes() for source in splits for example in source}
    assert len(images) == 60


def test_a_larger_split_extends_a_smaller_one():
    few, many = (DrawnPetsSource("test", n, size_px=16) for n in (2, 5))
    for i in range(2):
        np.testing.assert_array_equal(few[i].image, many[i].image)
    np.testing.assert_array_equal(few[1].image, draw_pet(0, FIRST_INDEX["test"] + 1, 16)[0])


def test_processes_draw_what_this_one_draws():
    source = DrawnPetsSource("test", 300, size_px=16, seed=7)
    with source.opened(2) as drawn, concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert drawn is not source
        assert len(drawn) == 300
        for i, example in enumerate(pool.map(drawn.__getitem__, range(20))):
            np.testing.assert_array_equal(example.image, source[i].image)
            assert example[1:] == source[i][1:]
        with pytest.raises(IndexError):
            drawn[300]
    with source.opened(1) as same:
        assert same is source


def test_threads_draw_by_themselves_where_processes_end_or_cannot_start(monkeypatch):
    expected = draw_pet(0, 3, 16)[0]
    with contextlib.closing(Drawers(1, 0, 16)) as drawers:
        np.testing.assert_array_equal(drawers.draw(3), expected)
        [process] = drawers.processes
        process.kill()
        process.wait()
        for _ in range(2):
            np.testing.assert_array_equal(drawers.draw(3), expected)
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with contextlib.closing(Drawers(1, 0, 16)) as drawers:
        assert not drawers.processes
        np.testing.assert_array_equal(drawers.draw(3), expected)


def test_processes_end_with_the_one_that_asked():
    drawers = Drawers(1, 0, 16)
    [process] = drawers.processes
    process.stdin.close()  # as the system does where the parent was killed
    assert process.wait(timeout=60) == 0
    process.stdout.close()


def test_threads_read_what_one_reader_reads():
    source = DrawnPetsSource("train", 24, size_px=24, seed=7)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        threaded = list(pool.map(source.__getitem__, range(24)))
    for example, expected in zip(threaded, source, strict=True):
        np.testing.assert_array_equal(example.image, expected.image)
        assert example[1:] == expected[1:]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draw_pet(0, 0, 15), r"size_px \(=15\)"),
        (lambda: draw_pet(-1, 0, 16), r"seed \(=-1\)"),
        (lambda: draw_pet(0, -2, 16), r"index \(=-2\)"),
        (lambda: drawn_pets_splits(size_px=8), r"size_px \(=8\)"),
        (lambda: drawn_pets_splits(size_px=16, num_test=-1), r"num_examples \(=-1\)"),
        (lambda: drawn_pets_splits(size_px=16, seed=-3), r"seed \(=-3\)"),
        (lambda: DrawnPetsSource("tset", 1, size_px=16), "unknown split 'tset'.*first: test"),
    ],
)
def test_errors_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_reading_past_the_end_is_an_index_error():
    with pytest.raises(IndexError):
        DrawnPetsSource("train", 2, size_px=16)[2]


DISTANCES = [
    (ellipse((0.0, 0.0), (2.0, 2.0)), (3.0, 4.0), 3.0),
    (ellipse((0.0, 0.0), (2.0, 1.0)), (2.0, 0.0), 0.0),
    (ellipse((1.0, 0.0), (1.0, 2.0), np.pi / 2), (3.0, 0.0), 0.0),
    (capsule((0.0, 0.0), (4.0, 0.0), 1.0), (2.0, 3.0), 2.0),
    (capsule((0.0, 0.0), (4.0, 0.0), 1.0), (7.0, 4.0), 4.0),
    (capsule((0.0, 0.0), (4.0, 0.0), 1.0, 2.0), (4.0, 3.0), 1.0),
    (polygon([(0, 0), (2, 0), (2, 2), (0, 2)]), (1.0, 1.5), -0.5),
    (polygon([(0, 2), (2, 2), (2, 0), (0, 0)]), (1.0, 1.5), -0.5),  # the other way round
    (polygon([(0, 0), (2, 0), (2, 2), (0, 2)], 0.5), (5.0, 6.0), 4.5),
    (arc((0.0, 0.0), 1.0, 0.2), (0.0, 1.0), -0.1),
    (arc((0.0, 0.0), 1.0, 0.2), (0.0, -1.0), 1.0),
    (curve((0.0, 0.0), (1.0, 0.0), (2.0, 0.0), 0.5, 0.5), (1.0, 2.0), 1.5),
    (union(ellipse((0, 0), (1, 1)), ellipse((4, 0), (1, 1))), (3.5, 0.0), -0.5),
    (union(ellipse((0, 0), (1, 1)), ellipse((4, 0), (1, 1)), blend=2.0), (2.0, 0.0), 0.5),
    (within(ellipse((0, 0), (2, 2)), ellipse((3, 0), (2, 2))), (0.0, 0.0), 1.0),
]


@pytest.mark.parametrize(("shape", "point", "expected"), DISTANCES)
def test_signed_distances(shape, point, expected):
    x, y = (np.full((1, 1), value, np.float32) for value in point)
    distance = shape.distance(x, y)
    assert distance.dtype == np.float32
    np.testing.assert_allclose(distance, expected, atol=2e-5)


@pytest.mark.parametrize("shape", [case[0] for case in DISTANCES])
def test_a_shape_lies_in_its_box(shape):
    x, y = np.meshgrid(*[np.linspace(-4, 10, 281, dtype=np.float32)] * 2)
    left, top, right, bottom = shape.box
    inside = shape.distance(x, y) < -1e-4
    assert inside.any()
    assert x[inside].min() >= left
    assert x[inside].max() <= right
    assert y[inside].min() >= top
    assert y[inside].max() <= bottom


@pytest.mark.parametrize("mirror", [-1.0, 1.0])
def test_coordinates_undo_the_frame(mirror):
    canvas = Canvas(20)
    frame = Frame((0.3, 0.6), 0.2, 0.7, mirror).child((0.5, -1.0), 0.4)
    x, y = canvas.all_coordinates(frame)
    found = frame.to_scene((float(x[4, 9]), float(y[4, 9])))
    np.testing.assert_allclose(found, (9.5 / 20, 4.5 / 20), atol=1e-6)


@pytest.mark.parametrize("mirror", [-1.0, 1.0])
def test_a_child_frame_is_given_in_its_parent(mirror):
    parent = Frame((0.3, 0.6), 0.2, 0.7, mirror)
    child = parent.child((0.5, -1.0), 0.4)
    sin, cos = np.sin(0.4), np.cos(0.4)
    in_parent = (0.5 + cos * 2.0 - sin * 3.0, -1.0 + sin * 2.0 + cos * 3.0)
    np.testing.assert_allclose(child.to_scene((2.0, 3.0)), parent.to_scene(in_parent), atol=1e-8)


@pytest.mark.parametrize("size_px", [32, 64])
def test_paint_covers_the_area_of_the_shape(size_px):
    canvas = Canvas(size_px)
    canvas.paint(SCENE, ellipse((0.5, 0.5), (0.3, 0.3)), (1.0, 0.5, 0.0))
    area = np.pi * 0.3**2
    np.testing.assert_allclose(canvas.planes.mean((1, 2)), [area, area / 2, 0.0], rtol=0.01)


def test_a_turned_shape_is_painted_whole():
    canvas = Canvas(64)
    frame = Frame((0.5, 0.5), 0.1, 0.8)
    canvas.paint(frame, polygon([(-3, -1), (3, -1), (3, 1), (-3, 1)]), (1.0, 1.0, 1.0))
    np.testing.assert_allclose(canvas.planes.mean(), 0.12, rtol=0.01)


def test_an_outline_lies_round_the_fill():
    canvas = Canvas(64)
    disc = ellipse((0.5, 0.5), (0.2, 0.2))
    canvas.paint(SCENE, disc, (1.0, 0.0, 0.0), ink=(0.0, 0.0, 1.0), line=0.1)
    assert canvas.planes[:, 32, 32].tolist() == [1.0, 0.0, 0.0]
    assert canvas.planes[:, 32, 48].tolist() == [0.0, 0.0, 1.0]
    assert canvas.planes[:, 32, 54].tolist() == [0.0, 0.0, 0.0]


def test_a_shape_off_the_canvas_changes_nothing():
    canvas = Canvas(16)
    canvas.paint(SCENE, ellipse((3.0, 3.0), (0.5, 0.5)), (1.0, 1.0, 1.0))
    assert not canvas.planes.any()


def test_draws_are_even_and_streams_differ():
    draws = Draws(0, 0, 0)
    units = np.array([draws.uniform() for _ in range(4000)])
    assert 0.0 <= units.min() < 0.01 < 0.99 < units.max() < 1.0
    assert abs(units.mean() - 0.5) < 0.03
    assert {draws.integer(3) for _ in range(100)} == {0, 1, 2}
    assert {draws.sign() for _ in range(50)} == {-1.0, 1.0}
    assert abs(sum(draws.chance(0.2) for _ in range(2000)) / 2000 - 0.2) < 0.05
    starts = {Draws(s, i, k).uniform() for s in range(3) for i in range(3) for k in range(3)}
    assert len(starts) == 27


def test_grain_and_lattice_stay_in_range():
    draws = Draws(1, 2, 3)
    grain, lattice = draws.grain(64), draws.lattice(64, 32)
    assert grain.shape == (3, 64, 64)
    assert lattice.shape == (64, 32)
    assert -1.0 <= grain.min() < -0.99 < 0.99 < grain.max() < 1.0
    assert 0.0 <= lattice.min() < 0.01 < 0.99 < lattice.max() < 1.0
    assert abs(np.corrcoef(grain[0].ravel(), grain[1].ravel())[0, 1]) < 0.1


def test_smooth_noise_passes_through_its_table():
    table = Draws(0, 0, 0).lattice(4, 8)
    x, y = np.meshgrid(np.arange(8, dtype=np.float32), np.arange(4, dtype=np.float32))
    np.testing.assert_array_equal(smooth_noise(table, x, y), table)
    np.testing.assert_array_equal(smooth_noise(table, x + 8, y + 4), table)
    halfway = smooth_noise(table, x[:, :7] + np.float32(0.5), y[:, :7])
    np.testing.assert_allclose(halfway, (table[:, :7] + table[:, 1:]) / 2, rtol=1e-6)


@pytest.mark.slow
def test_histograms_do_not_tell_cats_from_dogs():
    from jaxcnn.metrics.baselines import histogram_baselines

    splits = drawn_pets_splits(size_px=64)
    arrays = [(np.stack([e.image for e in source]), source.labels) for source in splits]
    results = histogram_baselines(*arrays, num_classes=2)
    assert results["color_histogram"].test_accuracy <= 0.60
    assert results["edge_orientation_histogram"].test_accuracy <= 0.80


def test_a_fingerprint_tells_pictures_apart():
    def told(split="train", count=4, indices=(0, 1), **options):
        source = DrawnPetsSource(split, count, **({"size_px": 16} | options))
        return source.fingerprint(np.array(indices))

    assert told() == told(count=9)
    others = [told(split="test"), told(size_px=20), told(seed=1), told(indices=(1, 0))]
    assert len({told(), *others}) == 5
