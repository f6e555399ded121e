"""Folders of runs that were never trained: answers are drawn, and written as a run writes them."""

import numpy as np
import pytest

from jaxcnn.data.image_splits import DecodedSplit
from jaxcnn.host.files import write_arrays, write_json, write_rows
from jaxcnn.runs import config as config_lib, summary as summary_lib
from jaxcnn.runs.config import make_config
from jaxcnn.runs.folder import Workdir
from jaxcnn.runs.report.answers import as_arrays, shorten_answers
from jaxcnn.runs.report.shown_photos import cache_photos
from jaxcnn.training.evaluation import Evaluation


def _drawn_evaluation(num_classes, count, *, seed=0, sureness=3.0):
    """Answers that are right about three times in four."""
    draws = np.random.default_rng(seed)
    labels = draws.integers(0, num_classes, count).astype(np.int32)
    logits = draws.normal(size=(count, num_classes))
    hit = draws.random(count) < 0.75
    logits[np.arange(count), labels] += np.where(hit, sureness, -1.0)
    table = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    table = table.astype(np.float32)
    metrics = {"loss": 0.5, "accuracy": float((table.argmax(1) == labels).mean())}
    return Evaluation(metrics, labels, table, draws.permutation(count).astype(np.int32))


def _drawn_split(found, class_names, names=None, *, size_px=24):
    draws = np.random.default_rng(1)
    images = draws.integers(0, 256, (found.num_examples, size_px, size_px, 3)).astype(np.uint8)
    labels = np.empty(found.num_examples, np.int32)
    labels[found.index] = found.labels
    names = names or [f"test/{class_names[label]}/{i}.jpg" for i, label in enumerate(labels)]
    return DecodedSplit(images, labels, list(names), tuple(class_names))


def drawn_history(num_epochs):
    return [
        {
            "epoch": epoch,
            "step": 10 * epoch,
            "learning_rate": 1e-3,
            "train_loss": 1 / epoch,
            "train_accuracy": 1 - 0.5 / epoch,
            "validation_loss": 1.1 / epoch,
            "validation_accuracy": 0.99 - 0.5 / epoch,
            "images_per_second": 100.0,
            "data_wait_share": 0.01,
        }
        for epoch in range(1, num_epochs + 1)
    ]


def _bright_corner(images, classes):
    """Stand in for a network's maps: the top left corner, for each photo."""
    del classes
    maps = np.zeros((len(images), 6, 6), np.float32)
    maps[:, 0, 0] = 1
    return maps


@pytest.fixture(scope="session")
def drawn_evaluation():
    return _drawn_evaluation


@pytest.fixture(scope="session")
def drawn_split():
    return _drawn_split


@pytest.fixture(scope="session")
def bright_corner():
    return _bright_corner


@pytest.fixture
def make_run(tmp_path):
    """Make the folder of a run that ended."""

    def make(
        num_classes=2,
        count=60,
        *,
        class_names=None,
        names=None,
        maps=_bright_corner,
        name="run",
        changes=None,
        known_photos=None,
        **more,
    ):
        class_names = class_names or [f"class {i}" for i in range(num_classes)]
        test = _drawn_evaluation(num_classes, count)
        validation = _drawn_evaluation(num_classes, count, seed=5)
        split = _drawn_split(test, class_names, names)
        config = config_lib.resolve(
            make_config(
                image_size_px=20, stored_size_px=24, num_epochs=4, seed=7, **(changes or {})
            )
        )
        folder = Workdir(tmp_path / name)
        folder.path.mkdir()
        if known_photos is not None:  # the scores of the test photos, which are evenly spread
            test = test._replace(scores=np.linspace(0, -1, count).astype(np.float32))
        answers = shorten_answers(
            test,
            validation,
            split.names,
            known_photos=known_photos,
            conformal=config.run.conformal,
        )
        write_json(folder.config, config_lib.to_json(config))
        write_rows(folder.metrics, drawn_history(4))
        write_json(
            folder.summary,
            {
                **summary_lib.result(summary_lib.Tested(validation, test), tuple(class_names)),
                "num_parameters": 123_456,
                "train_seconds": 75.0,
                "images_per_second": 250.0,
                "steps": 40,
                "best_step": 30,
                "stopped_early": False,
                "weights": None,
                "baseline_test_accuracies": {config.network.model: test.accuracy},
                "num_train": 500,
                "num_validation": count,
                "num_test": count,
                "num_skipped_files": 0,
                "num_duplicates_across_splits": 0,
                "versions": {"jaxcnn": "0.1.0"},
                "device": "1 x cpu",
                "finished": "2026-02-03T14:05:06+00:00",
                **more,
            },
        )
        write_arrays(folder.test_answers, as_arrays(answers))
        preprocessing = config.replace(image_size_px=20).preprocessing
        photos = cache_photos(answers, split, preprocessing, maps)
        write_arrays(folder.report_photos, photos._asdict())
        return folder

    return make
