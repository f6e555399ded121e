"""A run on photos in each form: trained, resumed, tested again and on others, and their page."""

import csv
import io
import json
import shutil

import numpy as np
import pytest
from photo_forms import write_parquet, write_tar
from PIL import Image

import jaxcnn
from jaxcnn.data.preprocessing import Decoding, Preprocessing
from jaxcnn.models import create_model
from jaxcnn.optim import make_optimizer
from jaxcnn.runs.config import make_config, resolve
from jaxcnn.runs.evaluate_again import evaluate_classifier, load_run
from jaxcnn.runs.train_and_evaluate import train_classifier

CLASSES = ("dark", "light")
FORMS = ("folders", "table", "parquet", "tar")
COUNT = 60


def png(i):
    draws = np.random.default_rng(i)
    pixels = draws.integers(0, 120, (12, 14, 3)) + 120 * (i % 2)
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def split_of(i):
    return "test" if i % 10 < 2 else "validation" if i % 10 < 4 else "train"


def write_forms(root, first=0):
    """Write the same photos in all forms, with the same names and splits, in the same order."""
    photos = [(f"{i:03d}", png(i), i % 2, split_of(i)) for i in range(first, first + COUNT)]
    photos.sort(key=lambda photo: (photo[2], photo[0]))
    rows = ["Image;Kind;Split"]
    for name, data, label, split in photos:
        for path in (f"folders/{split}/{CLASSES[label]}/{name}.png", f"pictures/{name}.png"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
        rows.append(f"{name}.png;{CLASSES[label]};{split}")
    (root / "labels.csv").write_text("\n".join(rows), encoding="utf-8-sig")
    for split in ("train", "validation", "test"):
        own = [photo for photo in photos if photo[3] == split]
        images, labels = [photo[1::-1] for photo in own], [photo[2] for photo in own]
        path = root / f"parquet/data/{split}-00000-of-00001.parquet"
        write_parquet(path, labels, images, names=list(CLASSES))
        members = [
            member
            for name, data, label, _ in own
            for member in ((f"{name}.png", data), (f"{name}.cls", label))
        ]
        write_tar(root / f"tar/{split}-000000.tar", *members)
    (root / "tar/classes.txt").write_text("\n".join(CLASSES))


def settings_of(root, form):
    if form == "table":
        table = str(root / "labels.csv")
        return {"data_dir": str(root / "pictures"), "labels": table, "label_column": "kind"}
    return {"data_dir": str(root / form)}


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXCNN_CACHE", str(tmp_path / "cache"))
    write_forms(tmp_path)
    return tmp_path


@pytest.fixture
def config(tiny_config):
    return tiny_config.replace(
        dataset="folder", num_epochs=12, learning_rate=0.02, max_train_examples=0
    )


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_a_run_from_each_form(config, photos, form):
    settings = config.replace(**settings_of(photos, form))
    summary = train_classifier(settings, photos / "run")
    assert summary["class_names"] == list(CLASSES)
    assert (summary["num_train"], summary["num_test"]) == (36, 12)
    assert summary["test_accuracy"] >= 0.9
    kept = resolve(settings).data
    page = (photos / "run" / "report.html").read_text()
    assert kept.data_dir in page
    assert kept.labels is None or f"labelled by {kept.labels}" in page
    again = evaluate_classifier(photos / "run")
    assert again["test"]["accuracy"] == summary["test_accuracy"]
    assert again["num_test_seen"] == 0
    # The same photos in any other form are seen photos; others are not.
    write_forms(photos / "new", first=COUNT)
    for other in FORMS:
        place = settings_of(photos / "new", other)
        found = evaluate_classifier(photos / "run", **place)
        assert (found["test"]["count"], found["num_test_seen"]) == (12, 0)
        assert found["test"]["accuracy"] >= 0.9
    seen = train_classifier(config.replace(**settings_of(photos, "folders")), photos / "other")
    assert seen["test_accuracy"] == summary["test_accuracy"]


@pytest.mark.slow
def test_training_photos_in_another_form_are_known_again(config, photos):
    train_classifier(config.replace(num_epochs=1, **settings_of(photos, "table")), photos / "run")
    for split in ("train", "test"):
        source = photos / f"parquet/data/{split}-00000-of-00001.parquet"
        shutil.copy(source, photos / "test-0.parquet")
        if split == "train":
            with pytest.raises(ValueError, match=r"36 of 36 test photos, .* were seen"):
                evaluate_classifier(photos / "run", data_dir=photos / "test-0.parquet")
    found = evaluate_classifier(photos / "run", data_dir=photos / "test-0.parquet")
    assert (found["test"]["count"], found["num_test_seen"]) == (12, 0)


@pytest.mark.slow
def test_a_table_that_has_changed_is_told_and_one_that_has_moved_is_found(config, photos):
    settings = config.replace(num_epochs=1, **settings_of(photos, "table"))
    train_classifier(settings, photos / "run")
    table = photos / "labels.csv"
    (photos / "moved").mkdir()
    table.rename(photos / "moved" / "labels.csv")
    with pytest.raises(ValueError, match=r"table of labels .* is not there now; .*as labels"):
        load_run(photos / "run")
    moved = settings.replace(labels=str(photos / "moved" / "labels.csv"))
    again = evaluate_classifier(photos / "run", labels=photos / "moved" / "labels.csv")
    assert "validation" in again  # it is the run's own
    train_classifier(moved, photos / "run", resume=True)
    kept = json.loads((photos / "run" / "config.json").read_text())
    assert kept["labels"] == str(photos / "moved" / "labels.csv")
    lines = (photos / "moved" / "labels.csv").read_text("utf-8-sig").splitlines()
    lines[1] = lines[1].replace("dark", "light")
    (photos / "moved" / "labels.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"not those that the run in .* began with"):
        train_classifier(moved, photos / "run", resume=True)
    with pytest.raises(ValueError, match=r"label_column|other settings|differ"):
        train_classifier(moved.replace(label_column="Image"), photos / "run", resume=True)


@pytest.mark.slow
def test_what_a_table_leaves_out_is_in_the_runs_folder(config, photos, said):
    with (photos / "labels.csv").open("a") as table:
        table.write("\ngone, lost.png;dark;train\n000.png;light;train\n059.png;;test\n")
    settings = config.replace(num_epochs=1, **settings_of(photos, "table"))
    summary = train_classifier(settings, photos / "run")
    with (photos / "run" / "skipped_files.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert {name: row["reason"] for name, row in rows.items()} == {
        "gone, lost.png": "named by a row, but not in the folder",
        "000.png": "its rows contradict each other",
        "labels.csv line 64": "its row has no label",  # another row has one, so the photo stays
    }
    assert rows["000.png"]["label"] == "dark; light"
    assert summary["num_skipped_files"] == 3
    assert "3 files left out of the run" in (photos / "run" / "report.html").read_text()
    assert any(line.startswith("3 files left out; see ") for line in said)


@pytest.mark.parametrize(
    "form", ["labels.csv", *(pytest.param(f, marks=pytest.mark.slow) for f in ("parquet", "tar"))]
)
def test_fit_takes_a_path_of_each_form(photos, form):
    (photos / "labels.csv").write_bytes(
        (photos / "labels.csv").read_bytes().replace(b"Image;Kind", b"image;label")
    )
    shutil.copy(photos / "labels.csv", photos / "pictures" / "labels.csv")
    path = photos / ("pictures/labels.csv" if form == "labels.csv" else form)
    result = jaxcnn.fit(
        create_model("six_conv", 2, depth=2, width_multiplier=0.125),
        str(path),
        optimizer=make_optimizer("adamw", 0.02),
        preprocessing=Preprocessing(decoding=Decoding(12)),
        batch_size=12,
        num_epochs=1,
    )
    assert result.best.row["epoch"] == 1


def test_settings_of_a_table_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match=r"labels \(=t\.csv\) is for your own photos, but dataset"):
        resolve(make_config(dataset="cifar10", labels="t.csv"))
    with pytest.raises(ValueError, match="label_separator is empty; leave it out"):
        resolve(make_config(labels="t.csv", label_separator=""))
    assert make_config(labels="t.csv").data.dataset == "folder"


SEVERAL = {
    "separator": ("file,tags\n", lambda i: ";".join(TAGS[k] for k in tags(i)), ";"),
    "columns": ("file,left,light\n", lambda i: f"{int(0 in tags(i))},{int(1 in tags(i))}", None),
}
TAGS = ("left", "light")


def tags(i):
    return ((), (0,), (1,), (0, 1))[i % 4]


@pytest.mark.slow
@pytest.mark.parametrize("form", SEVERAL)
def test_several_labels_of_a_table_are_learned(config, tmp_path, form):
    header, cell, separator = SEVERAL[form]
    (tmp_path / "pictures").mkdir()
    for i in range(COUNT):
        pixels = np.random.default_rng(i).integers(0, 60, (12, 14, 3)) + 80 * (1 in tags(i))
        pixels[:, :7] += 90 * (0 in tags(i))
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"pictures/{i:03d}.png")
    rows = [f"{i:03d}.png,{cell(i) or ';'}\n" for i in range(COUNT)]
    (tmp_path / "labels.csv").write_text(header + "".join(rows))
    settings = config.replace(
        **{"data_dir": str(tmp_path / "pictures"), "labels": str(tmp_path / "labels.csv")},
        label_separator=separator,
        augment="none",
        num_epochs=20,
    )
    summary = train_classifier(settings, tmp_path / "run")
    assert summary["class_names"] == ["left", "light"]
    assert summary["test_mean_average_precision"] > 0.9
    classifier = jaxcnn.Classifier.load(tmp_path / "run")
    answer = classifier.predict(tmp_path / "pictures/003.png")
    assert set(answer.labels) <= set(TAGS)
    assert evaluate_classifier(tmp_path / "run")["test"]["count"] == summary["num_test"]
