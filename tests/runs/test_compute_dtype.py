"""A run says in which precision it computes, writes it down, and goes on in it."""

import json
import shutil
import signal

import numpy as np
import optax
import pytest

from jaxcnn.host.signals import Interrupted
from jaxcnn.runs import train_and_evaluate
from jaxcnn.runs.best_checkpoint import load_best
from jaxcnn.runs.build import build_model
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import resolve
from jaxcnn.runs.evaluate_again import evaluate_classifier
from jaxcnn.runs.train_and_evaluate import train_classifier
from jaxcnn.training import loop
from jaxcnn.training.fitting import fit

SEEDS = 2


@pytest.fixture(scope="module")
def config(tiny_config):
    """Of two networks, with averages, accumulation, mixing and smoothing; precision is open."""
    return tiny_config.replace(
        num_epochs=2,
        ema_decay=0.9,
        accumulate_steps=2,
        mixup=0.2,
        label_smoothing=0.1,
        dropout_rate=0.1,
        num_seeds=SEEDS,
    )


@pytest.fixture(scope="module")
def half(config, tmp_path_factory, logged):
    """A run on a machine where bfloat16 is faster, and what it said."""
    folder = tmp_path_factory.mktemp("runs") / "half"
    with pytest.MonkeyPatch.context() as patch, logged() as lines:
        patch.setenv("JAXCNN_AUTO_DTYPE", "bfloat16")
        train_classifier(config, folder)
    return folder, list(lines)


def settings_of(folder):
    return json.loads((folder / "config.json").read_text())


def test_what_was_chosen_is_said_and_written(half):
    folder, lines = half
    assert "computes in bfloat16: JAXCNN_AUTO_DTYPE says so" in lines
    assert settings_of(folder)["compute_dtype"] == "bfloat16"
    assert json.loads((folder / "summary.json").read_text())["compute_dtype"] == "bfloat16"
    assert "bfloat16" in (folder / "report.html").read_text()
    assert load_best(folder / "members" / "00")[0].network.compute_dtype == "bfloat16"


def test_what_was_asked_for_needs_no_words(tiny_config, said):
    asked = tiny_config.replace(compute_dtype="bfloat16")
    assert train_and_evaluate.check(asked).network.compute_dtype == "bfloat16"
    assert not said


@pytest.mark.slow
def test_a_run_goes_on_in_its_own_precision(half, config, tmp_path, said):
    shutil.copytree(half[0], tmp_path / "run")
    train_classifier(config, tmp_path / "run", resume=True)  # auto is float32 here
    assert settings_of(tmp_path / "run")["compute_dtype"] == "bfloat16"
    assert not [line for line in said if "computes in" in line or "goes on in" in line]


@pytest.mark.slow
def test_another_precision_is_taken_where_it_is_asked_for_and_told(half, config, tmp_path, said):
    shutil.copytree(half[0], tmp_path / "run")
    asked = config.replace(compute_dtype="float32")
    train_classifier(asked, tmp_path / "run", resume=True)
    assert settings_of(tmp_path / "run")["compute_dtype"] == "float32"
    (told,) = [line for line in said if "goes on in float32" in line]
    assert "computed in bfloat16 so far" in told


@pytest.mark.slow
def test_a_run_of_an_older_version_is_of_float32(tiny_run, tiny_config, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    shutil.copytree(tiny_run, folder)
    older = settings_of(folder)
    del older["compute_dtype"]
    (folder / "config.json").write_text(json.dumps(older))
    monkeypatch.setenv("JAXCNN_AUTO_DTYPE", "bfloat16")
    train_classifier(tiny_config, folder, resume=True)
    assert settings_of(folder)["compute_dtype"] == "float32"
    found = evaluate_classifier(folder)
    assert found == evaluate_classifier(tiny_run)


@pytest.mark.slow
def test_a_run_in_bfloat16_that_was_stopped_ends_with_the_same_bits(
    half, config, tmp_path, monkeypatch
):
    count, steps = loop.Loop._count, []

    def stopping(self, *args, **options):
        count(self, *args, **options)
        steps.append(1)
        if len(steps) == 4:
            signal.raise_signal(signal.SIGTERM)

    cut = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setenv("JAXCNN_AUTO_DTYPE", "bfloat16")
        patch.setattr(loop.Loop, "_count", stopping)
        with pytest.raises(Interrupted):
            train_classifier(config, cut)
    train_classifier(config, cut, resume=True)  # on a machine that would choose float32
    assert arrays_of(cut) == arrays_of(half[0])


def arrays_of(run):
    """Digests and dtypes of all that the last checkpoint of a run holds."""
    newest = max((run / "checkpoints/last").glob("[0-9]*"), key=lambda path: int(path.name))
    return json.loads((newest / "manifest" / "metadata").read_text())["arrays"]


def test_all_that_is_kept_is_float32(half):
    dtypes = {about["dtype"] for about in arrays_of(half[0]).values()}
    assert "float32" in dtypes
    assert not [name for name in dtypes if "float" in name and name != "float32"]


def test_a_classifier_has_the_precision_that_is_asked_for(half, monkeypatch):
    run = half[0] / "members" / "00"
    asked = {None: "bfloat16", "auto": "float32", "float32": "float32", "bfloat16": "bfloat16"}
    for given, expected in asked.items():
        found = Classifier.load(run, compute_dtype=given)
        assert found.config.network.compute_dtype == found.model.dtype == expected
    assert Classifier.load(run).fingerprint() != found.fingerprint()
    monkeypatch.setenv("JAXCNN_AUTO_DTYPE", "bfloat16")
    assert Classifier.load(run).config.network.compute_dtype == "bfloat16"
    with pytest.raises(ValueError, match="unknown compute_dtype 'bfloat8'"):
        Classifier.load(run, compute_dtype="bfloat8")


def test_answers_in_bfloat16_are_those_of_float32(tiny_split, tiny_config):
    settings = resolve(
        tiny_config.replace(dataset="folder", image_size_px=12, stored_size_px=12, augment="none")
    )
    model = build_model(settings, 2)
    options = {"preprocessing": settings.preprocessing, "batch_size": 22, "num_epochs": 20}
    trained = fit(model, tiny_split, optimizer=optax.sgd(0.05, momentum=0.9), **options).state
    variables = {"params": trained.params, "batch_stats": trained.batch_stats}
    draws = np.random.default_rng(1)
    images = draws.integers(0, 160, (400, 12, 12, 3))
    images[::2] += 60
    answers = [
        Classifier(
            settings.replace(compute_dtype=dtype), ("dark", "bright"), variables
        ).probabilities(images.astype(np.uint8))
        for dtype in ("float32", "bfloat16")
    ]
    labels = [each.argmax(axis=1) for each in answers]
    assert 0.3 < labels[0].mean() < 0.7  # it tells them apart
    assert (labels[0] == labels[1]).mean() >= 0.995
    assert 0 < np.abs(answers[0] - answers[1]).max() < 0.05
