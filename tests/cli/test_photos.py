"""The program: index a folder, search it, and say in one line what is wrong."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from programs import ROOT, command, try_words

from jaxcnn.data.photo_files import PhotoFile, Trouble, digest
from jaxcnn.photos.index_format import NetworkRecord
from jaxcnn.photos.index_writer import IndexWriter
from jaxcnn.photos.reading import ReadPhoto

PHOTOS = ("a.png", "b.png", "in/c.jpg", "in/d.jpg")


def photos(*words, home):
    return try_words("photos", *words, environment={"JAXCNN_DATA": str(home)})


def write_photos(folder):
    draws = np.random.default_rng(0)
    for name in PHOTOS:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draws.integers(0, 256, (30, 20, 3), np.uint8)).save(path)
    (folder / "zero.jpg").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Photos, and an index of made labels where it lies by default."""
    home = tmp_path_factory.mktemp("home")
    folder = write_photos(home / "my pictures")
    draws = np.random.default_rng(1)
    with IndexWriter(home / "photos.sqlite") as writer:
        writer.claim(NetworkRecord("made", ("cat", "dog"), (), {"workdir": "/no/such/run"}))
        writer.add_folder(os.fsencode(folder))
        writer.note_trouble(Trouble(os.fsencode(folder / "zero.jpg"), "the file is empty."))
        for name in PHOTOS:
            data = (folder / name).read_bytes()
            file = PhotoFile(os.fsencode(folder / name), len(data), 0)
            writer.put(
                ReadPhoto(file, digest(data), None, 10**9, False, ""),
                draws.dirichlet((1, 1)).astype(np.float32),
                draws.random(8).astype(np.float32),
            )
        writer.commit()
    return home


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
    like = home / "my pictures" / "in" / "c.jpg"  # of the index: no network is loaded
    done = photos(
        "search", "--like", like, "--json", "cat", "--min_probability=0", "--since=2001", home=home
    )
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)
    assert {Path(record["path"]).name for record in records} == {Path(p).name for p in PHOTOS}
    (own,) = [record for record in records if record["path"] == str(like)]
    assert own["similarity"] == pytest.approx(1, abs=1e-4)
    assert (own["taken"], own["taken_by"]) == ("2001-09-09 01:46", "file")


def test_a_word_behind_a_minus_is_no_flag(home):
    done = photos("search", "carnivores", "-cat", "--json", home=home)
    assert done.returncode == 0, done.stderr
    best = {record["labels"][0]["label"] for record in json.loads(done.stdout)}
    assert best == {"dog"}
    assert photos("search", "carnivores", "-limt=3", home=home).returncode == 2


def test_nothing_found_is_status_1(home):
    done = photos("search", "dog", "--since=2999", "--json", home=home)
    assert (done.returncode, json.loads(done.stdout)) == (1, [])


def test_about(home):
    done = photos("about", home=home)
    assert done.returncode == 0, done.stderr
    assert "4 photos" in done.stdout
    assert "cat, dog" in done.stdout
    assert "zero.jpg: the file is empty" in done.stdout


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["serch"], "unknown command 'serch'; known, nearest first: search"),
        (["index", "/no/such/folder"], "/no/such/folder does not exist"),
        (["index"], "/no/such/run does not exist"),
        (["index"], "index again with --workdir=RUN or --weights=FILE, where it is now"),
        (["search"], "say what to look for"),
        (["search", "dgo"], "did you mean dog"),
        (["search", "dog", "--since=soon"], "is no date"),
        (["search", "dog", "--limit=0"], "limit"),
        (["search", "--like=/no/such.jpg"], "no such file"),
        (["search", "--like=jaxcnn"], "--like (=jaxcnn) cannot be read: a folder, not a photo"),
        (["search", "dog", "--limit=501", "--html=x.html"], "--limit=501 is above 500"),
        (["search", "dog", "--html=README.md"], "did not write it; name another file"),
        (["search", "dog", "--html=tests"], "tests is a folder; name a file"),
        (["about", "--overwrite"], "--overwrite goes with index, or with --html"),
        (["search", "dog", "--json", "--html=x.html"], "--html and --json exclude each other"),
        (["search", "dog", "--rebuild"], "--rebuild is a flag of index, not of search"),
        (["index", ".", "--like=x.jpg"], "--like is a flag of search, not of index"),
        (["serve", "--limit=3"], "--limit is a flag of search, not of serve"),
        (["about", "--port=3"], "--port is a flag of serve, not of about"),
        (["forget"], "name the folders"),
        (["index", ""], "the name of a folder is empty"),
        (["forget", ""], "the name of a folder is empty"),
        (["search", "dog", "--index="], "--index is empty"),
        (["forget", "jaxcnn"], "jaxcnn is not a folder of the index; its folders: "),
        (["search", "dog", "--index=README.md"], "is a text file, not an index of photos"),
        (["index", ".", "--index=README.md"], "or have it replaced with --overwrite"),
        (["index", ".", "--index=README.md", "--rebuild"], "or have it replaced with --overwrite"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_mistakes_end_with_one_line(home, words, named):
    done = photos(*words, home=home)
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert named.lower() in line.lower()
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_folder_is_indexed_by_a_run_and_searched(tiny_run, tmp_path):
    folder = write_photos(tmp_path / "my pictures")
    done = photos("index", folder, "--workdir", tiny_run, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4 new, 1 unreadable" in done.stdout
    assert "zero.jpg: the file is empty" in done.stdout
    assert "photos/s" in done.stdout
    assert {path.name for path in tmp_path.glob("photos.sqlite*")} == {
        "photos.sqlite",
        "photos.sqlite.lock",
    }
    done = photos("index", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4 unchanged, 1 unreadable" in done.stdout
    with Image.open(folder / "a.png") as image:
        image.save(tmp_path / "same pixels.bmp")
    done = photos("search", "--like", tmp_path / "same pixels.bmp", "--json", home=tmp_path)
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)[0]
    assert Path(first["path"]).name == "a.png"
    assert first["similarity"] == pytest.approx(1, abs=1e-3)
    done = photos("search", "--like=README.md", home=tmp_path)
    assert done.returncode == 2
    assert "error: --like (=README.md) cannot be read: not an image" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_what_is_too_large_is_told_with_the_flag_that_takes_it(tiny_run, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("L", (40, 30)).save(tmp_path / "photos" / "a.png")
    index = (f"--index={tmp_path / 'i.db'}", "index", str(tmp_path / "photos"))
    small = photos("--workdir", tiny_run, "--max_pixels=1199", *index, home=tmp_path)
    assert "a.png: too large: 40 x 30 = 1200 pixels, more than --max_pixels (=1199)" in small.stdout
    again = photos("--max_pixels=1200", *index, home=tmp_path)
    assert "1 new" in again.stdout


def test_ctrl_c_ends_it_with_what_is_done(tiny_run, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3000, 4, 4, 3), np.uint8)
    (tmp_path / "many").mkdir()
    for i, each in enumerate(pixels):
        Image.fromarray(each).save(tmp_path / "many" / f"{i}.bmp")
    with subprocess.Popen(
        command("photos", "index", tmp_path / "many", f"--workdir={tiny_run}", "--batch_size=1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"JAXCNN_DATA": str(tmp_path)},
    ) as worker:
        while not (tmp_path / "photos.sqlite").exists() and worker.poll() is None:
            time.sleep(0.01)
        worker.send_signal(signal.SIGINT)
        said, errors = worker.communicate(timeout=600)
    assert "Traceback" not in errors
    assert worker.returncode == 128 + signal.SIGINT, said + errors
    assert "stopped early" in said


def test_a_minus_before_the_command_is_a_flag_and_not_a_word_to_leave_out(home):
    done = photos("-x", home=home)
    assert done.returncode == 2
    assert "unknown flag '--x'" in done.stderr
