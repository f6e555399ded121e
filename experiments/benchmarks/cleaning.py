"""Flip labels of a folder of photos, find them on the page of `jaxcnn clean`, and train again.

python -m experiments.benchmarks.cleaning --data_dir=photos --out=trial
    links the photos of photos/{train,validation,test}/CLASS into trial/photos, 60 of them under
    another class; trains on them; has a browser work through the page as a person would who knows
    every photo's class, until ten labels in a row are right; trains again with what was decided.
    Accuracy is of the test photos with their true labels. Needs the extras pretrained and test,
    and Chromium.

Prints one row of JSON.
"""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from jaxcnn.cli import command_line
from jaxcnn.data.decisions.decision_table import read_decisions
from jaxcnn.data.folder import load_folder

_DATA_DIR = flags.DEFINE_string("data_dir", None, "photos with train/, validation/ and test/.")
_OUT = flags.DEFINE_string("out", None, "folder for links and runs.")
_COUNT = flags.DEFINE_integer("count", 60, "labels to flip.")
_SEED = flags.DEFINE_integer("seed", 0, "decides which.")
_PATIENCE = flags.DEFINE_integer("patience", 10, "right labels in a row after which one stops.")
_CHROMIUM = flags.DEFINE_string("chromium", "/usr/bin/chromium", "the browser.")


def link_flipped(data_dir: Path, out: Path, *, count: int, seed: int) -> dict[str, str]:
    """Link photos into another folder, some of them under a class that is not theirs.

    Args:
      data_dir: with splits, each with a folder per class.
      out: the folder to make.
      count: photos of all splits that get another class, drawn at random.
      seed: decides which, and which class.

    Returns:
      The true class of each photo, by its name in `out`.
    """
    sources, truth = load_folder(data_dir), {}
    photos = [(split, i) for split, source in sources.items() for i in range(len(source))]
    draws = np.random.default_rng(seed)
    flipped = set(draws.choice(len(photos), count, replace=False).tolist())
    for number, (split, i) in enumerate(photos):
        source = sources[split]
        label, shift = int(source.labels[i]), 0
        if number in flipped:
            shift = int(draws.integers(1, len(source.class_names)))
        shown = source.class_names[(label + shift) % len(source.class_names)]
        name = f"{split}/{shown}/{Path(source.files[i]).name}"
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        if not (out / name).is_symlink():  # of a trial that was stopped
            (out / name).symlink_to((data_dir / source.files[i]).resolve())
        truth[name] = source.class_names[label]
    return truth


def work_through(address: str, truth: dict[str, str], *, patience: int) -> int:
    """Look at suspected labels, worst first, and mend those that are wrong.

    Args:
      address: of the page.
      truth: the true class of each photo, by its name.
      patience: right labels in a row after which to stop.

    Returns:
      Photos that were looked at.
    """
    from playwright import sync_api

    with sync_api.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=_CHROMIUM.value, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{address}?kind=label")
        looked_at = in_a_row = 0
        while in_a_row < patience and page.locator(".said > .name").count():
            name = page.inner_text(".said > .name").rpartition(", in ")[0]
            is_right = page.inner_text("h2 b") == truth[name]
            in_a_row = in_a_row + 1 if is_right else 0
            looked_at += 1
            # The key of a class is written on its button.
            key = (
                "k"
                if is_right
                else page.inner_text(f"#decide button:has-text('{truth[name]}') kbd")
            )
            page.keyboard.press(key)
            sync_api.expect(page.locator("#status")).to_contain_text(f"{looked_at:,} of ")
        browser.close()
    return looked_at


def run_command(*words: str) -> float:
    """Run a command of jaxcnn to its end; returns the seconds that it took."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "jaxcnn", *words], check=True, stdout=sys.stderr)
    return time.perf_counter() - started


def clean(run: Path, truth: dict[str, str], *, patience: int) -> dict[str, Any]:
    """Serve the page of a run, and work through it."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "jaxcnn", "clean", f"--workdir={run}", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        told = next(line for line in lines if "until Ctrl-C" in line)
        ready = time.perf_counter()
        address = re.search(r"http://\S+", told)
        assert address is not None
        looked_at = work_through(address[0], truth, patience=patience)
        process.terminate()
    return {
        "judge_seconds": ready - started,
        "page_seconds": time.perf_counter() - ready,
        "looked_at": looked_at,
    }


def true_accuracy(run: Path, truth: dict[str, str]) -> float:
    """Give the share of a run's test photos whose true class it answered."""
    class_names = json.loads((run / "summary.json").read_text())["class_names"]
    with np.load(run / "test_answers.npz", allow_pickle=False) as kept:
        answers = zip(kept["names"].tolist(), kept["classes"][:, 0].tolist(), strict=True)
        return float(np.mean([class_names[k] == truth[name] for name, k in answers]))


def main() -> None:
    """Do the whole trial, and print its row."""
    data_dir, out = Path(_DATA_DIR.value or ""), Path(_OUT.value or "")
    photos = out / "photos"
    truth = link_flipped(data_dir, photos, count=_COUNT.value, seed=_SEED.value)
    wrong = {name for name, label in truth.items() if name.split("/")[1] != label}
    first, second = out / "before", out / "after"
    train = ("train", f"--data_dir={photos}", "--pretrained", "--resume")
    row: dict[str, Any] = {"seed": _SEED.value, "flipped": len(wrong)}
    row["first_seconds"] = run_command(*train, f"--workdir={first}")
    row |= clean(first, truth, patience=_PATIENCE.value)
    decisions = first / "decisions.csv"
    rows = read_decisions(decisions)
    mended = {name for name, each in rows.items() if each.new_label}
    assert all(rows[name].new_label == truth[name] for name in mended)
    row["found"] = len(mended & wrong)
    row["flipped_test"] = sum(name.startswith("test/") for name in wrong)
    row["found_test"] = sum(name.startswith("test/") for name in mended)
    row["second_seconds"] = run_command(*train, f"--decisions={decisions}", f"--workdir={second}")
    for name, run in (("before", first), ("after", second)):
        row[name] = json.loads((run / "summary.json").read_text())["test_accuracy"]
        row[f"{name}_true"] = true_accuracy(run, truth)
    print(json.dumps(row))


if __name__ == "__main__":
    with command_line.running(__doc__, common=("data_dir", "out", "count", "seed", "patience")):
        main()
