"""The programs for large sets and for CIFAR-10, as their users start them."""

import json

import numpy as np
import pytest
from PIL import Image
from programs import run_program, try_words

from experiments.cifar10 import seconds_to

SMALL = [
    *("--model=lenet5", "--image_size_px=32", "--stored_size_px=37", "--batch_size=8"),
    *("--eval_batch_size=8", "--num_epochs=2", "--warmup_epochs=0.5"),
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Forty-eight photos of two classes, one of which is cut off."""
    folder, draws = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for split, count in (("train", 16), ("validation", 4), ("test", 4)):
        for label, name in enumerate(("dark", "bright")):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = draws.integers(0, 120, (50 + i, 60, 3)) + 120 * label
                path = folder / split / name / f"{i}.jpg"
                Image.fromarray(pixels.astype(np.uint8)).save(path)
    cut = folder / "train" / "dark" / "3.jpg"
    cut.write_bytes(cut.read_bytes()[:200])
    return folder


@pytest.mark.slow
def test_a_streamed_run_by_a_recipe_from_end_to_end(photos, tmp_path):
    done = run_program(
        "imagenet",
        *SMALL,
        *("--dataset=folder", f"--data_dir={photos}", f"--workdir={tmp_path}/run"),
        *("--memory_limit_gib=1e-6", "--max_bad_share=0.1"),
    )
    assert done.returncode == 0, done.stderr
    assert "decoded as they are needed" in done.stdout
    assert "could not be read" not in done.stdout  # nothing was read beforehand
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    expected = {
        "model": "lenet5",  # a flag's
        "num_epochs": 2,
        "optimizer": "sgd",  # the recipe's
        "schedule": "step",
        "check_files": False,
        "compute_dtype": "float32",  # on a CPU
        "learning_rate": 0.1 * 8 / 256,
    }
    assert {name: config[name] for name in expected} == expected
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["num_train"], summary["num_skipped_files"]) == (32, 0)
    assert summary["steps"] == 8


def test_a_plan_reads_no_image_and_leaves_no_folder(tmp_path):
    unreadable = tmp_path / "photos"
    for split in ("train", "validation", "test"):
        for name in ("dark", "bright"):
            folder = unreadable / split / name
            folder.mkdir(parents=True)
            for i in range(80):
                (folder / f"{i}.jpg").write_bytes(b"no image at all")
    done = try_words(
        "imagenet",
        *SMALL,
        *("--plan", "--batch_size=32", "--dataset=folder", f"--data_dir={unreadable}"),
        *("--mesh=data:8", f"--workdir={tmp_path}/run"),
    )
    assert done.returncode == 0, done.stderr
    assert "160 examples: 10 steps of 32" in done.stdout
    for machine in ("v5e-8", "v5p-64", "8 x H100"):
        (row,) = [line for line in done.stdout.splitlines() if line.startswith(machine)]
        assert "yes" in row.split()
    assert not (tmp_path / "run").exists()


MISTAKES = [
    (["--recipe=resnet50_clasic"], "nearest first: resnet50_classic"),
    (["--recipe=resnet50_classic", "--batch_size=0"], "batch_size"),
    (["--plan", "--plan_utilization=2", "--plan_classes=2", "--plan_examples=9"], "utilization"),
    (["--plan", "--plan_classes=0"], "num_classes"),
    (["--model=resnet5"], "nearest first: resnet50"),
    (["--mode=trian"], "nearest first: train"),
]


@pytest.mark.parametrize(("words", "named"), MISTAKES, ids=lambda value: " ".join(value)[:40])
def test_mistakes_end_with_one_line_and_status_2(words, named):
    done = try_words("imagenet", *words)
    assert done.returncode == 2, done.stderr
    assert named in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_recipes_are_listed():
    done = try_words("imagenet", "--list_recipes")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()][:1] == ["resnet50_classic"]


def test_cifar10_tells_when_the_goal_was_reached():
    rows = [
        {"epoch": e, "step": 10 * e, "images_per_second": 100.0, "validation_accuracy": 0.1 * e}
        for e in (1, 2, 3)
    ]
    assert seconds_to(rows, 0.2, batch_size=20) == (4.0, 2)
    assert seconds_to(rows, 0.94, batch_size=20) is None
