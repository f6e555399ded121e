"""Random sequences of commands, kills, moves and full folders keep what a user trusts in.

Each end is status 0, 1, 2 or 128 + signal, with at most one line of error. Nothing of the user's is
changed, no epoch and no photo counts twice, and no answer is lost.
"""

import contextlib
import csv
import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxcnn.photos.index_reader import PhotoIndex

ROOT = Path(__file__).parent.parent
NUM_PHOTOS = 36
SMALL = (
    *("--image_size_px=12", "--depth=1", "--width_multiplier=0.125", "--num_epochs=3"),
    *("--batch_size=8", "--checkpoint_every_steps=1", "--nobaselines", "--augment=none"),
)
LONGEST_S = 300

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX"),
]


class User:
    """A user with photos, a run, an index, and notes that are to stay."""

    def __init__(self, folder, draws):
        self.folder, self.draws, self.moves = folder, draws, 0
        self.photos, self.run = folder / "photos", folder / "run"
        self.index, self.answers = folder / "photos.sqlite", folder / "answers.csv"
        self.story = []
        shades = np.random.default_rng(0)
        for number in range(NUM_PHOTOS):
            path = self.photos / ("cat", "dog")[number % 2] / f"{number:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = shades.integers(0, 120, (14, 14, 3)) + 120 * (number % 2)
            Image.fromarray(pixels.astype(np.uint8)).save(path)
        self.run.mkdir()
        for path in (self.photos / "notes.txt", self.run / "notes.txt", folder / "answers.txt"):
            path.write_text("mine")
        self.owned = self.state()

    def state(self):
        """All that is the user's: contents and times, by a name that a move does not change."""
        kept = {f"photos/{path.relative_to(self.photos)}": path for path in self.photos.rglob("*")}
        kept |= {"run": self.run / "notes.txt", "answers": self.folder / "answers.txt"}
        return {
            name: (path.read_bytes(), path.stat().st_mtime_ns)
            for name, path in kept.items()
            if path.is_file()
        }

    def start(self, *words, stop=None):
        """Run a command, or send it a signal after a random time; check how it ends."""
        self.story.append(" ".join(map(str, words)) + (f" <- {stop.name}" if stop else ""))
        process = subprocess.Popen(
            [sys.executable, "-m", "jaxcnn", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        if stop:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self.draws.uniform(0, 14))
            process.send_signal(stop)
        out, err = process.communicate(timeout=LONGEST_S)
        allowed = {0, 1, 2} | ({128 + stop, -stop} if stop else set())
        about = "\n".join([*self.story, f"status {process.returncode}", out, err])
        assert process.returncode in allowed, about
        assert "Traceback" not in out + err, about
        assert (out + err).count("error:") <= 1, about
        assert process.returncode != 2 or "error:" in err, about
        return process.returncode, out, about

    def check(self):
        """Check all that holds at any time."""
        about = "\n".join(self.story)
        assert self.state() == self.owned, about
        metrics = self.run / "metrics.jsonl"
        if metrics.exists():
            rows = [json.loads(line) for line in metrics.read_text().splitlines()]
            steps = [row["step"] for row in rows]
            assert steps == sorted(set(steps)), about
        if self.index.exists():
            with contextlib.closing(sqlite3.connect(self.index)) as opened:
                assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",), about
            with contextlib.suppress(ValueError), contextlib.closing(PhotoIndex(self.index)) as it:
                paths = [photo.path for photo in it.photos(it.columns().photo_ids)]
                assert len(paths) == len(set(paths)) <= NUM_PHOTOS * (1 + self.moves), about

    # What a user does.

    def train(self, *more, stop=None):
        words = ("train", "--dataset=folder", f"--data_dir={self.photos}", *SMALL)
        status, _, about = self.start(*words, f"--workdir={self.run}", *more, stop=stop)
        if status == 0:
            summary = json.loads((self.run / "summary.json").read_text())
            assert 0 <= summary["test_accuracy"] <= 1, about
            rows = (self.run / "metrics.jsonl").read_text().splitlines()
            assert len(rows) == 3, about
        return status

    def resume(self, stop=None):
        return self.train("--resume", stop=stop)

    def overwrite(self, stop=None):
        self.train("--overwrite", stop=stop)

    def predict(self, stop=None):
        for path in self.folder.glob("answers.csv*"):
            path.unlink()
        words = ("predict", f"--workdir={self.run}", self.photos, f"--csv={self.answers}")
        status, out, about = self.start(*words, "--batch_size=4", stop=stop)
        told = {word for word in out.split() if word.endswith(".png")}
        written = []
        for path in self.folder.glob("answers.csv*"):
            with path.open(newline="") as file:
                written += [row["path"] for row in csv.DictReader(file)]
        assert len(written) == len(set(written)), about
        if status == 0:
            assert len(written) == NUM_PHOTOS, about
        assert len(told - set(written)) <= (0 if status == 0 else 4), about

    def label(self, *more, stop=None):
        words = ("photos", "index", self.photos, f"--index={self.index}")
        status, _, about = self.start(*words, f"--workdir={self.run}", *more, stop=stop)
        if status == 0:
            with contextlib.closing(PhotoIndex(self.index)) as index:
                paths = {photo.path for photo in index.photos(index.columns().photo_ids)}
            here = {path.resolve() for path in self.photos.rglob("*.png")}
            assert here <= paths, about

    def rebuild(self, stop=None):
        self.label("--rebuild", stop=stop)

    def search(self, stop=None):
        self.start("photos", "search", "cats", f"--index={self.index}", stop=stop)

    def evaluate(self, stop=None):
        self.start("train", "--mode=evaluate", f"--workdir={self.run}", stop=stop)

    def move(self, stop=None):
        self.moves += 1
        name = self.draws.choice(["photos", "run"])
        target = self.folder / f"{name}{self.moves}"
        self.story.append(f"move {name} to {target.name}")
        setattr(self, name, getattr(self, name).rename(target))


@pytest.mark.parametrize("seed", range(12))
def test_any_sequence_keeps_what_a_user_trusts_in(seed, tmp_path):
    draws = random.Random(seed)
    user = User(tmp_path, draws)
    deeds = [user.train, user.resume, user.resume, user.overwrite, user.predict, user.predict]
    deeds += [user.label, user.label, user.rebuild, user.search, user.evaluate, user.move]
    signals = [signal.SIGKILL, signal.SIGINT, signal.SIGTERM]
    user.train(stop=draws.choice([None, *signals]))
    for _ in range(10):
        draws.choice(deeds)(stop=draws.choice([None, None, *signals]))
        user.check()
        time.sleep(0.1)
    assert user.resume() == 0, "\n".join(user.story)  # whatever came before
    user.check()
