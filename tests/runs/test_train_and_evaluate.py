"""Settings in, a tested classifier out; the test split is read once, at the end."""

import csv
import json
import os
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.random_crops import RandomCrops
from jaxcnn.host.folders import InUseError, in_sole_use
from jaxcnn.runs.best_checkpoint import load_best
from jaxcnn.runs.build import build_metrics
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import make_config
from jaxcnn.runs.evaluate_again import evaluate_classifier
from jaxcnn.runs.train_and_evaluate import check, load_data, train_classifier
from jaxcnn.training import evaluation, feed


@pytest.fixture
def photo_folder(tmp_path):
    """Forty noisy photos of two brightnesses, with a Unicode class and some bad files."""
    draws = np.random.default_rng(0)
    for label, name in enumerate(("dunkel", "hell ☀")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(40):
            pixels = draws.integers(0, 120, (20, 24, 3)) + 120 * label
            Image.fromarray(pixels.astype(np.uint8)).save(
                tmp_path / "photos" / name / f"{i:02d}.png"
            )
    return tmp_path / "photos"


@pytest.fixture
def folder_config(tiny_config, photo_folder):
    return tiny_config.replace(
        dataset="folder", data_dir=str(photo_folder), num_epochs=6, learning_rate=0.02
    )


def test_a_folder_of_photos_is_learned_and_each_step_traced_once(
    folder_config, tmp_path, monkeypatch
):
    compiled = []
    original = feed.compile_step

    def counted(step, *args, **options):
        compiled.append(step.__name__)
        return original(step, *args, **options)

    for module in (evaluation, feed):
        monkeypatch.setattr(module, "compile_step", counted)
    summary = train_classifier(folder_config, tmp_path / "run")
    assert summary["test_accuracy"] >= 0.9
    assert summary["class_names"] == ["dunkel", "hell ☀"]
    assert summary["num_train"] == 48
    assert summary["num_skipped_files"] == 0
    # A compiled step refuses another shape, so one compilation each is all there is.
    assert sorted(compiled) == ["eval_step", "train_step"]


@pytest.mark.slow
def test_a_run_sees_larger_images_in_evaluation_and_several_views_in_a_batch(tiny_config, tmp_path):
    config = tiny_config.replace(
        **{"eval_size_px": 20, "stored_size_px": 22, "num_epochs": 1, "repeated_augmentation": 2},
        **{"mixup": 0.2, "loss": "binary_cross_entropy", "target_threshold": 0.2},
        eval_views="flip,five_crop,scales",
    )
    summary = train_classifier(config, tmp_path / "run")
    assert summary["eval_size_px"] == 20
    assert summary["steps"] == 3
    classifier = Classifier.load(tmp_path / "run")
    test = load_data(classifier.config).test
    assert classifier.preprocessing.image_shape == (20, 20, 3)
    right = classifier.probabilities(test.images).argmax(1) == test.labels
    assert right.mean() == summary["test_accuracy"]
    assert evaluate_classifier(tmp_path / "run")["test"]["accuracy"] == summary["test_accuracy"]


def test_a_run_may_begin_with_smaller_images(tiny_config, tmp_path, caplog):
    config = tiny_config.replace(progressive_resizing="12:0.5", num_epochs=2)
    with caplog.at_level("INFO"):
        summary = train_classifier(config, tmp_path / "run")
    assert "12 px up to step 3, 6 steps" in caplog.text
    assert summary["steps"] == 6
    with pytest.raises(
        ValueError, match=r"progressive_resizing \(=20\) .*: 20x20 images are too small"
    ):
        check(make_config(progressive_resizing="20:0.5", image_size_px=32, model="lenet5"))


@pytest.mark.slow
def test_a_run_on_crops_of_whole_photos_goes_on_to_the_same_bits(
    folder_config, tmp_path, monkeypatch
):
    config = folder_config.replace(
        **{"crop_from": "photo", "augment": "flip,zoom=0.3,aspect=1.3333", "num_epochs": 2},
    )
    whole = train_classifier(config, tmp_path / "whole")
    original = RandomCrops.draw

    def cut_short(split, index, key):
        if key == (0, 4):  # in the second epoch
            raise RuntimeError("power cut")
        return original(split, index, key)

    with monkeypatch.context() as patch:
        patch.setattr(RandomCrops, "draw", cut_short)
        with pytest.raises(RuntimeError, match="power cut"):
            train_classifier(config, tmp_path / "run")
    assert train_classifier(config, tmp_path / "run", resume=True)["steps"] == whole["steps"]
    first, second = (load_best(tmp_path / name)[1] for name in ("whole", "run"))
    jax.tree.map(np.testing.assert_array_equal, first, second)
    assert evaluate_classifier(tmp_path / "run")["test"]["accuracy"] == whole["test_accuracy"]


def test_a_network_with_weights_for_each_pixel_keeps_its_size(tiny_config):
    with pytest.raises(ValueError, match="lenet5 has weights for each pixel"):
        check(make_config(model="lenet5", eval_size_px=40))


def test_bad_files_and_images_in_two_splits_are_listed_and_do_not_stop_the_run(
    folder_config, photo_folder, tmp_path, said
):
    (photo_folder / "dunkel" / "empty.jpg").write_bytes(b"")
    for i in range(12):
        (photo_folder / "dunkel" / os.fsdecode(b"copy\xe9%d.png" % i)).write_bytes(
            (photo_folder / "dunkel" / "00.png").read_bytes()
        )
    shutil.copy(photo_folder / "dunkel" / "00.png", photo_folder / "hell ☀" / "zz.png")
    # Names that are no UTF-8 are escaped in all that a run writes.
    (photo_folder / "hell ☀").rename(photo_folder / os.fsdecode(b"hell\xe9"))
    photos = photo_folder.rename(tmp_path / os.fsdecode(b"photos\xe9"))
    config = folder_config.replace(num_epochs=1, max_train_examples=0, data_dir=str(photos))
    summary = train_classifier(config, tmp_path / "run")
    assert summary["class_names"] == ["dunkel", r"hell\xe9"]
    assert json.loads((tmp_path / "run" / "config.json").read_text())["data_dir"] == str(photos)
    assert summary["num_skipped_files"] == 1
    assert "dunkel/empty.jpg" in (tmp_path / "run" / "skipped_files.csv").read_text()
    assert any("1 file left out; see " in line for line in said)
    assert summary["num_duplicates_across_splits"] > 0
    assert any("photos in two splits" in line for line in said)
    assert summary["num_label_conflicts"] == 14  # of the class, its copies, and the other class's
    assert any("14 photos in two classes" in line for line in said)
    with (tmp_path / "run" / "duplicates.csv").open(newline="", encoding="utf-8") as file:
        pairs = list(csv.DictReader(file))
    assert len(pairs) == 14 * 13 / 2
    assert any("91 pairs of equal photos, 13 with two labels; see" in line for line in said)
    conflict = [row for row in pairs if row["conflict"] == "1"]
    assert {conflict[0]["label"], conflict[0]["other_label"]} == set(summary["class_names"])


def test_too_many_bad_files_stop_the_run_before_training(folder_config, photo_folder, tmp_path):
    for i in range(20):
        (photo_folder / "dunkel" / f"bad{i}.jpg").write_bytes(b"text")
    with pytest.raises(ValueError, match="max_bad_share"):
        train_classifier(folder_config, tmp_path / "run")


@pytest.mark.slow
def test_images_beyond_the_memory_limit_give_the_same_run(folder_config, tmp_path, said):
    config = folder_config.replace(num_epochs=1)
    kept = train_classifier(config, tmp_path / "kept")
    small = config.replace(memory_limit_gib=1e-6)
    streamed = train_classifier(small, tmp_path / "streamed")
    assert any("decoded as they are needed" in line for line in said)
    assert streamed["test_loss"] == kept["test_loss"]


def test_the_test_split_is_evaluated_once_with_the_best_parameters(
    folder_config, tmp_path, monkeypatch
):
    seen, evaluate = [], evaluation.evaluate

    def watched(eval_step, variables, batches, *others):
        batches = list(batches)
        seen.append(sum(int(batch.mask.sum()) for batch in batches))
        return evaluate(eval_step, variables, batches, *others)

    monkeypatch.setattr(evaluation, "evaluate", watched)
    config = folder_config.replace(test_fraction=0.3)
    summary = train_classifier(config, tmp_path / "run")
    assert summary["num_test"] != summary["num_validation"]
    assert seen.count(summary["num_test"]) == 1
    assert seen[-1] == summary["num_test"]
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    best = next(row for row in rows if row["step"] == summary["best_step"])
    assert summary["validation_accuracy"] == best["validation_accuracy"]
    assert best["validation_accuracy"] == max(row["validation_accuracy"] for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "changes"),
    [
        ("softmax", {"augment": "strong", "class_weights": "balanced"}),
        (
            "sigmoid",
            {"augment": "flip,rand_augment=5,erasing=0.25", "mixup": 0.2, "cutmix": 1.0},
        ),
    ],
)
def test_heads_and_options_reach_the_network(folder_config, tmp_path, head, changes):
    config = folder_config.replace(
        head=head,
        num_epochs=2,
        ema_decay=0.9,
        compute_dtype="bfloat16",
        gradient_clip_norm=1.0,
        **changes,
    )
    summary = train_classifier(config, tmp_path / "run")
    assert 0 <= summary["test_accuracy"] <= 1
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 2
    assert all(np.isfinite(row["train_loss"]) for row in rows)
    assert (tmp_path / "run" / "pictures" / "augmented_samples.png").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "adamm"}, "nearest first: adam"),
        ({"model": "lenet"}, "nearest first: lenet5"),
        ({"image_size_px": 4}, "too small"),
        ({"model": "lenet5", "batch_norm": True}, "batch_norm"),
        ({"class_weights": "1,-2"}, "class_weights"),
        ({"augment": "zoom=7"}, "zoom"),
    ],
)
def test_settings_are_checked_before_data_is_read(tiny_config, changes, message):
    config = tiny_config.replace(depth=6, stored_size_px=None)
    config = config.replace(image_size_px=64, width_multiplier=None)
    if changes.get("model") == "lenet5":
        config = config.replace(depth=None, image_size_px=32, num_channels=1)
    with pytest.raises(ValueError, match=message):
        check(config.replace(**changes))


def test_metrics_that_are_asked_for_reach_rows_summary_and_the_choice(folder_config, tmp_path):
    config = folder_config.replace(
        metrics="macro_f1,recall", best_metric="-calibration_error", early_stopping_epochs=1
    )
    summary = train_classifier(config, tmp_path / "run")
    text = (tmp_path / "run" / "metrics.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    assert len(rows[0]["validation_recall"]) == 2
    assert 0 <= rows[0]["train_macro_f1"] <= 1
    assert summary["test_metrics"].keys() == {"macro_f1", "recall", "calibration_error"}
    errors = [row["validation_calibration_error"] for row in rows]
    best = min(range(len(rows)), key=lambda i: (errors[i], rows[i]["validation_loss"]))
    assert summary["best_step"] == rows[best]["step"]
    if summary["stopped_early"]:
        assert best == len(rows) - 2


@pytest.mark.parametrize(
    ("best", "expected"),
    [
        ("auroc", "auroc"),
        ("-log_loss", "log_loss"),
        ("nonsense", r"unknown metric 'nonsense'"),
        ("loss", r"best_metric must be one of the metrics \(-loss, accuracy\), got 'loss'"),
        ("f1", r"best_metric must be a metric that is one number, but f1 gives one per class"),
    ],
)
def test_the_best_metric_is_measured_without_being_asked_for_twice(tiny_config, best, expected):
    config = tiny_config.replace(best_metric=best)
    if expected.isidentifier():
        assert list(build_metrics(config)) == ["accuracy", expected]
        return
    with pytest.raises(ValueError, match=expected):
        build_metrics(config)


def test_the_seed_of_the_weights_moves_no_photo_to_another_split(folder_config):
    first, again, other = (
        load_data(check(folder_config.replace(**seeds)))
        for seeds in ({}, {"seed": 9}, {"split_seed": 9})
    )
    assert list(first.test.names) == list(again.test.names) != list(other.test.names)


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        ({"batch_size": 4000}, "batch_size .=4000. exceeds"),
        ({"metrics": "top5"}, "top5 needs at least 5 classes, got 2"),
        ({"class_weights": "1,2,3"}, "class_weights must be"),
        ({"data_dir": "{photos}/dunkel"}, "holds no folder"),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_mistake_that_the_data_show_leaves_no_run_behind_and_removes_none(
    folder_config, photo_folder, tmp_path, monkeypatch, mistake, says, overwrite
):
    def decode(*_, **__):
        raise AssertionError("no image needs to be decoded for this")

    monkeypatch.setattr("jaxcnn.runs.train_and_evaluate.load_images", decode)
    mistake = {
        k: str(v).format(photos=photo_folder) if k == "data_dir" else v for k, v in mistake.items()
    }
    before = tmp_path / "run"
    if overwrite:
        (before / "checkpoints" / "last" / "3").mkdir(parents=True)
        (before / "config.json").write_text('{"num_epochs": 3, "data_dir": null}')
    with pytest.raises(ValueError, match=says):
        train_classifier(folder_config.replace(**mistake), before, overwrite=overwrite)
    left = sorted(p.name for p in before.iterdir()) if before.exists() else []
    assert left == (["checkpoints", "config.json"] if overwrite else [])
    assert before.exists() == overwrite


def test_a_folder_in_use_is_refused_before_anything_is_read(tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr("jaxcnn.runs.train_and_evaluate.load_data", pytest.fail)
    for options in ({}, {"resume": True}, {"overwrite": True}):
        with in_sole_use(tmp_path), pytest.raises(InUseError, match="is in use by process"):
            train_classifier(tiny_config, tmp_path, **options)
    assert list(tmp_path.iterdir()) == []
