import numpy as np
import pytest

from jaxcnn import pictures, plots
from jaxcnn.evaluation import Evaluation

HISTORY = [
    {
        "epoch": 1,
        "train_loss": 0.5,
        "train_accuracy": 0.8,
        "validation_loss": 0.6,
        "validation_accuracy": 0.7,
        "learning_rate": 0.1,
    }
]


@pytest.mark.parametrize("num_wrong", [0, 3])
def test_mistakes_are_chosen_from_the_whole_split(tiny_split, tmp_path, monkeypatch, num_wrong):
    probabilities = np.eye(2, dtype=np.float32)[tiny_split.labels]
    probabilities[:num_wrong] = probabilities[:num_wrong, ::-1]
    count = len(tiny_split)
    index = np.arange(count, dtype=np.int32)
    found = Evaluation(
        0.1,
        1 - num_wrong / count,
        count - num_wrong,
        count,
        tiny_split.labels,
        probabilities,
        index,
    )
    given = {}
    draw = plots.plot_most_confidently_wrong

    def watched(path, images, labels, *rest, **options):
        given.update(images=images, labels=labels, names=options["names"])
        return draw(path, images, labels, *rest, **options)

    monkeypatch.setattr(plots, "plot_most_confidently_wrong", watched)
    accuracies = {"color_histogram": 0.5, "six_conv": 0.9}
    pictures.draw_results(tmp_path, tiny_split, found, HISTORY, accuracies=accuracies)
    assert len(given["images"]) == len(given["labels"]) == count
    np.testing.assert_array_equal(given["images"][5], tiny_split.images[5])
    assert given["names"][7] == tiny_split.names[7]
    assert len(list(tmp_path.glob("*.png"))) == 5
