import jax
import numpy as np
import pytest

from jaxcnn import plots
from jaxcnn.augment import make_augment
from jaxcnn.augment.mixing import make_mixing
from jaxcnn.runs import figures
from jaxcnn.training.evaluation import Evaluation

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
    metrics = {"loss": 0.1, "accuracy": 1 - num_wrong / count}
    index = np.arange(count, dtype=np.int32)
    found = Evaluation(metrics, tiny_split.labels, probabilities, index)
    given = {}
    draw = plots.plot_most_confidently_wrong

    def watched(path, images, labels, *rest, **options):
        given.update(images=images, labels=labels, names=options["names"])
        return draw(path, images, labels, *rest, **options)

    monkeypatch.setattr(plots, "plot_most_confidently_wrong", watched)
    accuracies = {"color_histogram": 0.5, "six_conv": 0.9}
    figures.draw_results(tmp_path, tiny_split, found, HISTORY, accuracies=accuracies)
    assert len(given["images"]) == len(given["labels"]) == count
    np.testing.assert_array_equal(given["images"][5], tiny_split.images[5])
    assert given["names"][7] == tiny_split.names[7]
    assert len(list(tmp_path.glob("*.png"))) == 5


@pytest.mark.parametrize("is_mixed", [False, True])
def test_samples_are_what_a_step_sees(tiny_split, tmp_path, monkeypatch, is_mixed):
    given = {}
    draw = plots.plot_augmented_samples

    def watched(path, originals, augmented, **options):
        given.update(options, originals=originals, augmented=augmented)
        return draw(path, originals, augmented, **options)

    monkeypatch.setattr(plots, "plot_augmented_samples", watched)
    mixing = make_mixing(num_classes=2, mixup_alpha=1.0) if is_mixed else None
    augment = make_augment("none", image_size_px=12)
    figures.draw_samples(tmp_path, tiny_split, augment, key=jax.random.key(0), mixing=mixing)
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "training_photos.png",
        "augmented_samples.png",
    }
    originals = given["originals"][:, None] / 255
    own = np.ones((6, 6))
    if is_mixed:
        assert len(np.unique(given["shares"])) > 30
        np.testing.assert_allclose(given["shares"].sum(-1), 1, atol=1e-6)
        own = given["shares"][np.arange(6)[:, None], np.arange(6)[None], given["labels"][:, None]]
        assert (given["labels"] != np.roll(given["labels"], 1)).all()  # so shares tell of both
    else:
        assert given["shares"] is None
    own = own[..., None, None, None]
    expected = own * originals + (1 - own) * np.roll(originals, 1, axis=0)
    np.testing.assert_allclose(given["augmented"], expected, atol=1e-5)
