import numpy as np
import pytest

from jaxcnn.plots import confusion

CLASSES = ["cat", "dog"]


def make_matrix(num_classes):
    matrix = np.eye(num_classes, dtype=np.int64) * 10
    matrix[1, 0] = 3
    return matrix


def test_confusion_matrix_numbers_each_cell(texts, heading):
    matrix = np.array([[8, 2, 0], [0, 0, 0], [1, 0, 1239]])
    figure = confusion.plot_confusion_matrix.__wrapped__(matrix, ["a", "b", "c"])
    cells = [t.get_text() for t in figure.axes[0].texts]
    assert cells == [
        "8\n80%", "2\n20%", "0\n0%", "0\n\u2013", "0\n\u2013", "0\n\u2013",
        "1\n< 1%", "0\n0%", "1,239\n> 99%",
    ]  # fmt: skip
    assert heading(figure) == "99.8% right; most often a is taken for b (2 times)"
    np.testing.assert_allclose(
        figure.axes[0].images[0].get_array(), [[0.8, 0.2, 0], [0, 0, 0], [1 / 1240, 0, 1239 / 1240]]
    )


@pytest.mark.parametrize(
    ("num_classes", "num_cells", "num_ticks", "listed"),
    [(1, 1, 1, False), (2, 4, 2, False), (20, 400, 20, False), (21, 0, 21, True),
     (40, 0, 40, True), (41, 0, 14, True), (100, 0, 20, True), (101, 0, 0, True),
     (1000, 0, 0, True)],
)  # fmt: skip
def test_confusion_matrix_at_every_size(
    num_classes, num_cells, num_ticks, listed, texts, assert_nothing_clipped
):
    names = [f"a rather long name of the class {i}" for i in range(num_classes)]
    matrix = make_matrix(num_classes) if num_classes > 1 else np.array([[5]])
    figure = confusion.plot_confusion_matrix.__wrapped__(matrix, names)
    axes = figure.axes[0]
    assert len(axes.texts) == num_cells
    assert len(axes.get_xticks()) == len(axes.get_yticks()) == num_ticks
    assert ("Most often confused" in texts(figure)) == listed
    if listed:
        assert "a rather long name of the class 1" in texts(figure)
        assert any(t.startswith("→ ") and t.endswith("3\u00d7 (23%)") for t in texts(figure))
    assert all(t.get_text().endswith("…") for t in axes.get_yticklabels())
    assert_nothing_clipped(figure)


def test_cell_numbers_stay_in_their_cells(texts):
    matrix = np.full((12, 12), 12345, dtype=np.int64)
    figure = confusion.plot_confusion_matrix.__wrapped__(matrix, [str(i) for i in range(12)])
    figure.canvas.draw()
    axes = figure.axes[0]
    cell = axes.get_window_extent().width / 12
    boxes = [t.get_window_extent() for t in axes.texts]
    assert max(box.width for box in boxes) < cell
    assert max(box.height for box in boxes) < cell


@pytest.mark.parametrize(
    ("matrix", "said"),
    [(np.eye(2, dtype=int) * 4, "All 8 photos right"), (np.zeros((2, 2), int), "No photo was")],
)
def test_confusion_matrix_without_mistakes(matrix, said, texts, heading):
    assert said in heading(confusion.plot_confusion_matrix.__wrapped__(matrix, CLASSES))
    many = np.eye(30, dtype=int)
    assert "No class is confused" in texts(
        confusion.plot_confusion_matrix.__wrapped__(many, ["n"] * 30)
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: confusion.plot_confusion_matrix.__wrapped__(np.eye(2), CLASSES),
            "float64 of shape",
        ),
        (
            lambda: confusion.plot_confusion_matrix.__wrapped__(np.eye(3, dtype=int), CLASSES),
            r"\(2, 2\)",
        ),
        (
            lambda: confusion.plot_confusion_matrix.__wrapped__(-np.eye(2, dtype=int), CLASSES),
            "count -1",
        ),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
