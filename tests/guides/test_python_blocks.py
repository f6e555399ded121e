"""The blocks of Python in the guides, run as their readers have them, from top to bottom.

Each test makes what its page takes for granted, at the size of a test.
"""

import contextlib
import csv
import functools
import http.client
import json
import logging
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from guide_blocks import blocks_to_run, write_photos

from jaxcnn import create_model
from jaxcnn.data import datasets
from jaxcnn.export import export_classifier
from jaxcnn.runs import Classifier, train_classifier


@pytest.fixture(autouse=True)
def as_a_user_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def run_page(page, *, replaced=("", ""), **names):
    """Run all blocks of a page as one program; returns its names."""
    names["__name__"] = "guide"
    for block in blocks_to_run("python", page):
        exec(compile(block.text.replace(*replaced), f"{page}:{block.line}", "exec"), names)
    return names


def test_no_page_is_forgotten():
    tested = set(re.findall(r'run_page\(\s*"(.+?)"', Path(__file__).read_text()))
    apart = {"jaxcnn/export/private_servers.md", "jaxcnn/ops/README.md"}  # in their own processes
    assert tested | apart == {block.page for block in blocks_to_run("python")}


def test_preparing_a_process():
    (block,) = blocks_to_run("python", "jaxcnn/ops/README.md")
    done = subprocess.run([sys.executable, "-c", block.text], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_optimizers():
    assert run_page("jaxcnn/optim/optimizers.md")["updates"]["head"]["kernel"].shape == (8, 2)


def test_readme(tiny_run, tmp_path, caplog, monkeypatch):
    # As it stands, but on fewer drawings.
    few = functools.partial(datasets.load_splits, max_train_examples=640)
    monkeypatch.setattr(datasets, "load_splits", few)
    shutil.copytree(tiny_run, tmp_path / "runs/mine")
    write_photos(tmp_path, ["new_photo.jpg"])
    first = run_page("README.md")
    assert first["result"].best.row["validation_accuracy"] > 0.5
    with caplog.at_level(logging.INFO, logger="jaxcnn"):
        again = run_page("README.md")
    assert "resuming at step 60" in caplog.text
    assert again["result"].history == first["result"].history


@pytest.mark.slow
def test_fit():
    pytest.importorskip("haiku")
    pytest.importorskip("equinox")
    names = run_page("jaxcnn/training/README.md")
    assert names["result"].history[-1]["validation_confidence"] > 0.5
    assert names["logged"]
    assert [row["step"] for row in names["both"].history] == [6, 12]
    assert int(names["state"].step) == 1


@pytest.mark.slow
def test_several_labels(tmp_path, tiny_config):
    write_photos(tmp_path / "photos", [f"{i}.jpg" for i in range(60)])
    write_photos(tmp_path, ["photo.jpg"])
    rows = [f"{i}.jpg,{('cat;dog', 'dog', 'cat')[i % 3]}" for i in range(60)]
    (tmp_path / "tags.csv").write_text("\n".join(["file,labels", *rows]))
    table = {"dataset": "folder", "labels": "tags.csv", "data_dir": "photos"}
    settings = {"label_column": "labels", "label_separator": ";", "num_epochs": 1, "batch_size": 8}
    train_classifier(tiny_config.replace(**table, **settings), "runs/tags", progress=False)
    names = run_page("jaxcnn/data/several_labels.md")
    assert set(names["answer"].labels) <= {"cat", "dog"}
    assert names["result"].best.row["validation_mean_average_precision"] > 0.9
    assert names["sets"].shape == (64, 3)


@pytest.mark.slow
def test_published_weights():
    photos = np.zeros((1, 256, 256, 3), np.uint8)
    names = run_page("jaxcnn/pretrained/README.md", photos=photos)
    assert names["logits"].shape == (1, 1000)
    assert names["features"]


def test_explanations():
    model = create_model("six_conv", 2, width_multiplier=0.1, depth=3, dense_widths=())
    images = jax.random.uniform(jax.random.key(0), (2, 32, 32, 3))
    names = run_page(
        "jaxcnn/interpret/README.md",
        # The fields of that size need a network that takes it.
        replaced=("(224, 224, 3)", "(32, 32, 3)"),
        model=model,
        variables=model.init(jax.random.key(1), images, train=False),
        images=images,
        classes=np.array([0, 1]),
    )
    assert names["maps"].shape[0] == 2
    assert names["found"].values.shape == images.shape


def test_answers_of_a_run(tiny_run, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/mine").symlink_to(tiny_run)
    answers = run_page("jaxcnn/runs/README.md")["answers"]
    best = answers["probabilities"]
    assert len(best) == len(answers["names"]) == len(answers["labels"]) == len(answers["classes"])
    assert (np.diff(best) <= 0).all()


def test_distillation():
    model = create_model("six_conv", 2, depth=1, width_multiplier=0.125)
    images = np.random.default_rng(0).integers(0, 256, (64, 24, 24, 3)).astype(np.uint8)
    variables = model.init(jax.random.key(0), images[:1] / np.float32(255), train=False)
    labels = np.arange(64, dtype=np.int32) % 2
    given = {"model": model, "variables": variables, "images": images, "labels": labels}
    names = run_page("jaxcnn/training/distillation.md", **given)
    assert int(names["result"].state.step) == 2


def test_an_exported_program(tiny_run, tmp_path, monkeypatch):
    export_classifier(Classifier.load(tiny_run, compute_dtype="float32"), tmp_path / "export")
    monkeypatch.chdir(tmp_path / "export")
    shutil.copytree(tiny_run, "runs/mine")
    size = json.loads(Path("export.json").read_text())["input"]["shape"][1:]
    names = run_page("jaxcnn/export/README.md", images=np.zeros((3, *size), np.uint8))
    np.testing.assert_allclose(names["probabilities"].sum(axis=1), np.ones(3), rtol=1e-5)


def test_photo_page(tmp_path):
    write_photos(tmp_path / "Pictures", ["a.jpg", "b.jpg"])
    names = run_page("jaxcnn/photos/README.md")
    page = names["app"].test_client().get("/", headers={"Host": "127.0.0.1:8500"})
    assert "2 photos" in page.text
    names["index"].close()


def test_tables(tmp_path):
    files = [f"{kind}{i}.jpg" for i in range(40) for kind in ("dark", "bright")]
    write_photos(tmp_path / "pictures", files)
    rows = [("file", "label"), *((name, re.match("[a-z]+", name)[0]) for name in files)]
    with open("labels.csv", "w", newline="", encoding="utf-8-sig") as table:
        csv.writer(table).writerows(rows)
    names = run_page("jaxcnn/data/tables.md", replaced=("num_epochs=10", "num_epochs=1"))
    assert list(names["photos"]["all"].names) == files
    assert names["splits"].train.class_names == ("bright", "dark")
    assert int(names["result"].state.step) == len(names["splits"].train) // 32 > 0


def test_splits():
    names = run_page("jaxcnn/data/splits.md")
    assert sum(map(len, names["splits"])) == len(names["source"]) == len(names["hashes"])
    assert (names["hashes"] > 0).all()
    tens = [{name[:-1] for name in split.names} for split in names["splits"]]
    assert not any(tens[i] & tens[j] for i in range(3) for j in range(i))


@pytest.mark.slow
def test_cleaning(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "runs/mine")
    for kind in ("cat", "dog"):
        write_photos(tmp_path / "photos" / kind, [f"{kind}{i}.jpg" for i in range(40)])
    shutil.copy("photos/cat/cat0.jpg", "photos/dog/same.jpg")
    labels = np.arange(40) % 2
    features = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    features[:, 0] += 6 * labels
    labels[7] = 0  # which is wrong
    rows = ["name,decision,new_label", "cat/cat1.jpg,relabel,dog", "dog/dog1.jpg,exclude,"]
    Path("decisions.csv").write_text("\n".join(rows) + "\n")
    names = run_page("jaxcnn/runs/cleaning.md", features=features, labels=labels)
    assert len(names["source"]) - len(names["decided"]) == 1
    assert names["findings"].num_photos > 0
    assert [pair.is_conflict for pair in names["pairs"]] == [True]
    assert np.flatnonzero(names["suspected"] >= 0).tolist() == [7]
    assert names["order"][0] == 7


def test_none_of_these(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "runs/mine")
    write_photos(tmp_path, ["new_photo.jpg"])
    draws = np.random.default_rng(0)
    labels = np.arange(60) % 2
    features = (draws.normal(size=(60, 4)) + 9 * np.eye(4)[labels]).astype(np.float32)
    probabilities = np.stack([1 - 0.8 * labels, 0.8 * labels], axis=1)
    arrays = {
        **{"features": features, "labels": labels},
        **{"validation_features": features[:40], "new_features": -features[40:]},
        **{"validation_probabilities": probabilities[:40], "validation_labels": labels[:40]},
        **{"new_probabilities": probabilities[40:], "new_labels": labels[40:]},
    }
    photos = draws.integers(0, 256, (4, 18, 18, 3), np.uint8)
    names = run_page(
        "jaxcnn/runs/none_of_these.md", photos=photos, other_photos=photos // 2, **arrays
    )
    assert names["answer"].score < 0
    assert not names["is_known"].any()
    assert names["sets"].shape == (20, 2)


@pytest.fixture
def server(tiny_run, tmp_path):
    """The port of the guide's server; its program stands in the folder of an export."""
    export_classifier(Classifier.load(tiny_run, compute_dtype="float32"), tmp_path / "classifier")
    (block,) = blocks_to_run("python", "jaxcnn/export/private_servers.md")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "port=8000" in block.text
    program = tmp_path / "classifier/server.py"
    program.write_text(block.text.replace("port=8000", f"port={port}"))
    # waitress says on which address it serves once it does.
    start = "import logging, runpy, sys; logging.basicConfig(level=logging.INFO)"
    start += "; sys.path.insert(0, 'classifier'); runpy.run_path('classifier/server.py')"
    with subprocess.Popen(
        [sys.executable, "-c", start], stderr=subprocess.PIPE, text=True
    ) as process:
        said = ""
        while "Serving on" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        yield port
        process.terminate()
        process.communicate()


def ask(port, data, length=None):
    """Send a photo, or the header of a longer one alone; returns status and answer."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as client:
        client.request("POST", "/label", data, {"Content-Length": str(length or len(data))})
        answer = client.getresponse()
        return answer.status, answer.read()


def test_a_server_of_ones_own(server, tiny_run, tmp_path):
    write_photos(tmp_path, ["bright.png"])
    photo = (tmp_path / "bright.png").read_bytes()
    expected = Classifier.load(tiny_run, compute_dtype="float32").predict(photo).probabilities
    status, found = ask(server, photo)
    assert status == 200
    answer = json.loads(found)
    assert answer["probabilities"] == pytest.approx(expected, abs=1e-3)
    assert isinstance(answer["known"], bool)
    assert [ask(server, data)[0] for data in (b"no photo", b"")] == [415, 415]
    assert ask(server, b"", length=2**24 + 1)[0] == 413
