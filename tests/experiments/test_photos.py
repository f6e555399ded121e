"""The program: index a folder, search it, and say in one line what is wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxcnn.trainer import train_classifier

ROOT = Path(__file__).parent.parent.parent
PHOTOS = ("a.png", "b.png", "in/c.jpg", "in/d.jpg")


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_config):
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    train_classifier(tiny_config, workdir, say=lambda text: None)
    return workdir


def photos(*words, home, **options):
    return subprocess.run(
        [sys.executable, "-m", "experiments.photos", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        env=os.environ | {"JAXCNN_DATA": str(home)},
        **options,
    )


@pytest.fixture(scope="module")
def home(run, tmp_path_factory):
    """A folder of photos, indexed by the run; the index lies where it does by default."""
    home = tmp_path_factory.mktemp("home")
    draws = np.random.default_rng(0)
    for name in PHOTOS:
        path = home / "my pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draws.integers(0, 256, (30, 20, 3), np.uint8)).save(path)
    (home / "my pictures" / "zero.jpg").write_bytes(b"")
    done = photos("index", home / "my pictures", "--workdir", run, home=home)
    assert done.returncode == 0, done.stderr
    assert "4 new, 1 unreadable" in done.stdout
    assert "zero.jpg: the file is empty" in done.stdout
    assert "photos/s" in done.stdout
    return home


def test_the_index_lies_where_the_user_keeps_data(home):
    assert (home / "photos.sqlite").is_file()
    assert not (home / "photos.sqlite-wal").exists()


def test_an_index_is_brought_up_to_date_by_its_own_network(home):
    done = photos("index", home=home)
    assert done.returncode == 0, done.stderr
    assert "4 unchanged, 1 unreadable" in done.stdout


def test_a_search_is_a_table(home):
    done = photos("search", "carnivores", "--limit", 3, home=home)
    assert done.returncode == 0, done.stderr
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["prob.", "shows", "taken", "photo"]
    assert len(rows) == 3
    assert all(str(home / "my pictures") in row for row in rows)
    assert "looked for cat, dog" in done.stderr
    assert "3 of 4 photos" in done.stderr


def test_a_search_by_words_and_likeness_is_json(home):
    like = home / "my pictures" / "in" / "c.jpg"
    done = photos(
        "search", "--like", like, "--json", "cat", "--min_probability=0", "--since=1d", home=home
    )
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)
    assert {Path(record["path"]).name for record in records} == {Path(p).name for p in PHOTOS}
    (own,) = [record for record in records if record["path"] == str(like)]
    assert own["similarity"] == pytest.approx(1, abs=1e-4)
    assert own["taken_by"] == "file"


def test_a_photo_that_is_not_in_the_index_is_seen_by_its_network(home, tmp_path):
    with Image.open(home / "my pictures" / "a.png") as image:
        image.save(tmp_path / "same pixels.bmp")
    done = photos("search", "--like", tmp_path / "same pixels.bmp", "--json", home=home)
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)[0]
    assert Path(first["path"]).name == "a.png"
    assert first["similarity"] == pytest.approx(1, abs=1e-3)


def test_nothing_found_is_status_1(home):
    done = photos("search", "dog", "--since=2999", home=home)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "no photo fits" in done.stderr
    done = photos("search", "dog", "--since=2999", "--json", home=home)
    assert (done.returncode, json.loads(done.stdout)) == (1, [])


def test_about(home):
    done = photos("about", home=home)
    assert done.returncode == 0, done.stderr
    assert "4 photos" in done.stdout
    assert "cat, dog" in done.stdout
    assert "zero.jpg: the file is empty (0 bytes)" in done.stdout


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "say what to do: index, search"),
        (["serch"], "unknown command 'serch'; known, nearest first: search"),
        (["index", "/no/such/folder"], "/no/such/folder does not exist"),
        (["index", ".", "--workdir=a", "--weights=b"], "exclude each other"),
        (["search"], "say what to look for"),
        (["search", "dgo"], "did you mean dog"),
        (["search", "dog", "--since=soon"], "is no date"),
        (["search", "dog", "--limit=0"], "limit"),
        (["search", "dog", "--min_probability=2"], "min_probability"),
        (["search", "--like=/no/such.jpg"], "no such file"),
        (["search", "--like=README.md"], "not an image"),
        (["search", "--like=LICENSE", "--min_probability=0.5"], "about words"),
        (["search", "dog", "--index=/no/such.sqlite"], "there is no index /no/such.sqlite"),
        (["search", "dog", "--index=README.md"], "is no index of photos"),
        (["about", "it"], "unexpected words"),
    ],
)
def test_mistakes_end_with_one_line(home, words, named):
    done = photos(*words, home=home)
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert named.lower() in line.lower()
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_another_network_is_refused(home, run, tmp_path_factory, tiny_config):
    other = tmp_path_factory.mktemp("runs") / "other"
    train_classifier(
        tiny_config.__class__(**(vars(tiny_config) | {"seed": 7, "num_epochs": 1})),
        other,
        say=lambda text: None,
    )
    done = photos("index", f"--workdir={other}", home=home)
    assert done.returncode == 2
    assert "--rebuild" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_ctrl_c_ends_it_with_what_is_done(run, tmp_path):
    draws = np.random.default_rng(0)
    (tmp_path / "many").mkdir()
    for i in range(1500):
        pixels = draws.integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "many" / f"{i}.bmp")
    command = ["index", tmp_path / "many", f"--workdir={run}", "--batch_size=2"]
    with subprocess.Popen(
        [sys.executable, "-m", "experiments.photos", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"JAXCNN_DATA": str(tmp_path)},
    ) as worker:
        for _ in range(3000):
            if (tmp_path / "photos.sqlite").exists() or worker.poll() is not None:
                break
            time.sleep(0.01)
        time.sleep(0.2)
        worker.send_signal(signal.SIGINT)
        said, errors = worker.communicate(timeout=300)
    assert "Traceback" not in errors
    assert worker.returncode == 128 + signal.SIGINT, said + errors
    assert "stopped early" in said
    done = photos("index", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1,500" in done.stdout or "unchanged" in done.stdout
