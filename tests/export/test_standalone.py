"""The script in an export labels photos without this package, as this package would."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.decode import decode_and_resize
from jaxcnn.data.photo_files import PhotoFile, Trouble, find_named
from jaxcnn.export import export_classifier, standalone

# Run in a process in which this package cannot be imported, from a folder that is not its own.
ALONE = """
import os, runpy, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("jaxcnn", "experiments", "flax", "optax", "orbax"):
            raise ImportError(name + " is not here")

sys.meta_path.insert(0, Refuse())
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))  # as Python does for a script
runpy.run_path(sys.argv[0], run_name="__main__")
"""

PROBABILITIES = """
import sys, numpy as np
from jax import export
exported = export.deserialize(bytearray(open(sys.argv[1], "rb").read()))
images = np.load(sys.argv[2])
found = [np.asarray(exported.call(images[:count])) for count in (1, 7)]
np.savez(sys.argv[3], *found)
"""


def alone(folder, script, *words):
    return subprocess.run(
        [sys.executable, "-c", ALONE, str(script), *map(str, words)],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=500,
    )


@pytest.fixture(scope="module")
def classifier(make_classifier):
    return make_classifier(members=2, class_names=("cat", "<b>dog</b>", "Ünï owl"))


@pytest.fixture(scope="module")
def exported(classifier, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "pets"
    export_classifier(classifier, folder)
    return folder


def test_a_fresh_process_without_the_package_gives_equal_probabilities(
    classifier, exported, tmp_path
):
    images = np.random.default_rng(0).integers(0, 256, (7, 19, 19, 3), np.uint8)
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "call.py").write_text(PROBABILITIES)
    answers = tmp_path / "answers.npz"
    program = exported / "classifier.jax_export"
    done = alone(tmp_path, tmp_path / "call.py", program, tmp_path / "images.npy", answers)
    assert done.returncode == 0, done.stderr
    expected = classifier.probabilities(images)
    for found, count in zip(np.load(answers).values(), (1, 7), strict=True):
        np.testing.assert_allclose(found, expected[:count], atol=1e-5)


def test_photos_are_labelled_and_what_cannot_be_read_is_listed(classifier, exported, tmp_path):
    draws = np.random.default_rng(1)
    (tmp_path / "photos").mkdir()
    for name in ("b.png", "a Ünï.png"):
        pixels = draws.integers(0, 256, (40, 30, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "notes.txt").write_text("no photo")
    (tmp_path / "photos" / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    done = alone(tmp_path, exported / "predict.py", "photos", "--json=answers.json", "--top=2")
    assert done.returncode == 1, done.stderr
    assert "cut.jpg" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stdout.splitlines()) == 4
    records = json.loads((tmp_path / "answers.json").read_text())
    good = [record for record in records if "probabilities" in record]
    assert [Path(record["path"]).name for record in good] == ["a Ünï.png", "b.png"]
    assert list(good[0]["probabilities"]) == ["cat", "<b>dog</b>", "Ünï owl"]
    expected = classifier.predict(tmp_path / "photos" / "a Ünï.png").probabilities
    assert good[0]["probabilities"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["classifier.jax_export", "class_names.json", "export.json"])
def test_a_damaged_export_is_refused(exported, tmp_path, capsys, monkeypatch, name):
    folder = tmp_path / "copy"
    shutil.copytree(exported, folder)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setattr(standalone, "__file__", str(folder / "predict.py"))
    assert standalone.main([str(tmp_path / "a.png")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert name in said
    assert len(said.splitlines()) == 1


def test_mistakes_end_with_one_line(exported, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(standalone, "__file__", str(exported / "predict.py"))
    assert standalone.main([str(tmp_path / "missing.jpg")]) == 2
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert standalone.main([str(tmp_path / "a.png"), "--format=onnx"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert "missing.jpg' does not exist" in said[0]
    assert "holds no onnx program" in said[1]


def test_a_missing_file_of_an_export_is_named(exported, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "copy"
    shutil.copytree(exported, folder)
    (folder / "class_names.json").unlink()
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setattr(standalone, "__file__", str(folder / "predict.py"))
    assert standalone.main([str(tmp_path / "a.png")]) == 2
    assert "copy/class_names.json: no such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["empty"], "'empty' holds no photo"),
        (["a.png", "--top=0"], "expected a whole number above 0, got '0'"),
        (["a.png", "--top=-1"], "expected a whole number above 0, got '-1'"),
        (["a.png", "--batch_size=0"], "expected a whole number above 0, got '0'"),
        (["a.png", "--json=a.png", "--overwrite"], "'a.png' is a photo to label"),
        (["empty/../a.png", "--json=a.png"], "is a photo to label; name another file"),
        (["a.png", "--json=b.txt"], "or replace it with --overwrite."),
        (["a.png", "--json="], "expected the name of a file"),
        (["a.png", "--json=empty"], "empty is a folder"),
    ],
)
def test_mistakes_of_words_have_status_2(exported, monkeypatch, capsys, tmp_path, words, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(standalone, "__file__", str(exported / "predict.py"))
    (tmp_path / "empty").mkdir()
    Image.new("RGB", (8, 8)).save("a.png")
    Path("b.txt").write_text("mine")
    before = Path("a.png").read_bytes()
    try:
        status = standalone.main(words)
    except SystemExit as ended:  # by argparse
        status = ended.code
    assert status == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert Path("a.png").read_bytes() == before


def test_it_takes_the_photos_that_the_library_takes(classifier, exported, tmp_path):
    tree, far = tmp_path / "tree", tmp_path / "far"
    (tree / "folder.jpg" / "in").mkdir(parents=True)
    (tree / "@eaDir").mkdir()
    far.mkdir()
    names = ["b.png", "folder.jpg/in/c.JPG", "@eaDir/d.jpg", "../far/e.jpg"]
    for name in (*names, os.fsdecode(b"f\xff.jpg"), "g\u202egpj.png"):
        Image.new("RGB", (30, 20), (9, 200, 90)).save(tree / name)
    (tree / "link").symlink_to(far)
    os.mkfifo(tree / "pipe.jpg")
    (tree / "._b.png").write_bytes(b"AppleDouble")
    (tree / "raw.NEF").write_bytes(b"raw")
    words = [str(tree), str(tree / "b.png")]
    done = alone(tmp_path, exported / "predict.py", *words, "--json=o.json", "--top=1")
    assert (done.returncode, done.stderr.count("\n")) == (1, 2), done.stderr
    records = {record["path"]: record for record in json.loads((tmp_path / "o.json").read_text())}
    expected = list(find_named(words))
    assert list(records) == [os.fsdecode(file.path) for file in expected]
    assert all(line.replace("\t", " ").isprintable() for line in done.stdout.splitlines())
    for file in expected:
        record = records[os.fsdecode(file.path)]
        if isinstance(file, Trouble):
            assert record["error"] == file.reason
        else:
            found = classifier.predict(os.fsdecode(file.path)).probabilities
            assert record["probabilities"] == pytest.approx(found, abs=1e-5)


def photo(kind, path):
    draws = np.random.default_rng(0)
    rgb = draws.integers(0, 256, (50, 80, 3), np.uint8)
    smooth = Image.fromarray(draws.integers(0, 256, (9, 7, 3), np.uint8)).resize((900, 700))
    if kind == "large.jpg":
        smooth.save(path, quality=90)
    elif kind == "turned.jpg":
        exif = Image.Exif()
        exif[0x0112] = 6
        smooth.resize((90, 70)).save(path, exif=exif, quality=95)
    elif kind == "transparent.png":
        Image.fromarray(np.dstack([rgb, rgb[..., :1]])).save(path)
    elif kind == "palette.gif":
        Image.fromarray(rgb).quantize(16).save(path)
    elif kind == "deep.png":
        Image.fromarray(draws.integers(0, 65536, (50, 80), np.uint16)).save(path)
    elif kind == "float.tiff":
        Image.fromarray(draws.normal(size=(50, 80)).astype(np.float32)).save(path)
    else:
        smooth.convert("CMYK").save(path)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["crop", "squash", "pad"])
@pytest.mark.parametrize(
    "kind",
    [
        "large.jpg",
        "turned.jpg",
        "transparent.png",
        "palette.gif",
        "deep.png",
        "float.tiff",
        "cmyk.jpg",
    ],
)
def test_the_pixels_are_those_of_our_decoder(tmp_path, kind, mode, channels):
    path = tmp_path / kind
    photo(kind, path)
    resize = {"mode": mode, "interpolation": "bicubic"}
    about = {"input": {"shape": ["b", 24, 24, channels]}, "resize": resize}
    expected = decode_and_resize(
        path.read_bytes(), 24, **resize, num_channels=channels, decoder="pillow"
    )
    np.testing.assert_array_equal(standalone.read_photo(path, about), expected)


def test_a_bomb_is_refused(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("1", (10_000, 9_000)).save(path)
    about = {"input": {"shape": ["b", 8, 8, 3]}, "resize": {}}
    with pytest.raises((ValueError, Image.DecompressionBombWarning), match=r"too large|exceeds"):
        standalone.read_photo(path, about)


def test_an_unreadable_photo_shifts_no_answer(monkeypatch):
    def read(path, about, *, max_pixels):
        if path.startswith(b"bad"):
            raise ValueError("broken")
        return np.full((2, 2, 1), int(path), np.uint8)

    monkeypatch.setattr(standalone, "read_photo", read)
    paths = [b"bad0", b"1", b"bad1", b"2", b"3", b"bad2", b"4"]
    files = iter([*(PhotoFile(path, 1, 1) for path in paths), Trouble(b"bad3", "broken")])
    about = {"input": {"shape": [None, 2, 2, 1]}}
    answers = lambda x: [standalone.Answer(row) for row in x[:, 0, 0].astype(float)]  # noqa: E731
    found = standalone.label(answers, files, about, batch_size=3)
    answers = [answer for batch in found for answer in batch]
    assert len(answers) == 8
    for path, answer in answers:
        is_bad = path.startswith("bad")
        assert answer == "broken" if is_bad else answer.probabilities.tolist() == [float(path)]


def test_a_photo_that_is_too_large_names_the_flag(capsys):
    standalone._show("a.png", "too large: more than max_pixels (=9); raise max_pixels", [], 1, None)
    said = "a.png: too large: more than --max_pixels (=9); raise --max_pixels\n"
    assert capsys.readouterr().err == said


def test_several_labels_are_those_that_reach_their_thresholds(capsys):
    row, names, thresholds = np.array([0.2, 0.9, 0.6]), ("cat", "dog", "owl"), [0.1, 0.5, 0.7]
    row = standalone.Answer(row)
    found = standalone._record("a.jpg", row, names, thresholds)
    assert found["labels"] == ["dog", "cat"]
    assert found["probabilities"]["owl"] == 0.6
    standalone._show("a.jpg", row, names, 5, thresholds)
    standalone._show("b.jpg", row, names, 5, [1, 1, 1])
    assert capsys.readouterr().out == "a.jpg\tdog 90.0%; cat 20.0%\nb.jpg\tnone\n"
    assert "labels" not in standalone._record("a.jpg", row, names, None)


def test_an_export_of_several_labels_gives_sigmoids_and_says_the_thresholds(
    make_classifier, tmp_path
):
    classifier = make_classifier(class_names=("cat", "dog"), head="multi_label", depth=1)
    classifier.thresholds[:] = 0.25, 0.75
    about = export_classifier(classifier, tmp_path / "export")
    assert about["thresholds"] == [0.25, 0.75]
    data = (tmp_path / "export/classifier.jax_export").read_bytes()
    images = np.random.default_rng(0).integers(
        0, 256, (2, *classifier.preprocessing.decoding.image_shape), np.uint8
    )
    found, scores = standalone.LOADERS["stablehlo"](data)(images)
    assert scores is None
    np.testing.assert_allclose(found, classifier.probabilities(images), atol=1e-5)
    assert not np.allclose(found.sum(axis=1), 1)
    card = (tmp_path / "export/MODEL_CARD.md").read_text("utf-8")
    assert "several labels" in card
    assert "a sigmoid per class makes probabilities" in card
    assert 'There is no answer "none of these"' not in card


@pytest.fixture(scope="module")
def judging_export(make_classifier, judging, tmp_path_factory):
    classifier = judging(make_classifier())
    folder = tmp_path_factory.mktemp("export") / "judging"
    about = export_classifier(classifier, folder)
    assert about["none_of_these"]["threshold"] == pytest.approx(classifier.known_photos.threshold())
    return classifier, folder


def test_what_is_none_of_the_classes_is_told(judging_export, tmp_path):
    classifier, folder = judging_export
    draws = np.random.default_rng(1)
    like = draws.integers(100, 156, (19, 19, 3), np.uint8)
    other = np.zeros((19, 19, 3), np.uint8)
    other[:, :9, 0] = 255
    for name, image in (("like", like), ("other", other)):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    done = alone(tmp_path, folder / "predict.py", "like.png", "other.png", "--json=a.json")
    assert done.returncode == 0, done.stderr
    records = {each["path"]: each for each in json.loads((tmp_path / "a.json").read_text())}
    for name in ("like.png", "other.png"):
        expected = classifier.predict(tmp_path / name)
        assert records[name]["known"] == expected.is_known == (name == "like.png")
        assert records[name]["score"] == pytest.approx(expected.score, abs=1e-5)
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("other.png\tnone of these (most like: ")
    assert not any("none of these" in line for line in lines[:-1])


def test_its_program_still_gives_probabilities_alone_to_who_asks_for_them(judging_export):
    classifier, folder = judging_export
    about = standalone.read_about(folder)
    images = np.random.default_rng(0).integers(0, 256, (2, 19, 19, 3), np.uint8)
    found = standalone.load_program(folder, about)(images)
    np.testing.assert_allclose(found, classifier.probabilities(images), atol=1e-5)


def test_an_export_may_keep_another_share(judging_export, tmp_path):
    classifier, _ = judging_export
    about = export_classifier(classifier, tmp_path / "all", coverage=1.0)
    assert about["none_of_these"]["coverage"] == 1.0
    assert about["none_of_these"]["threshold"] is None
    card = (tmp_path / "all" / "MODEL_CARD.md").read_text()
    assert "too few validation images" in card
    assert "probabilities, scores = classify(images)" in card
    assert standalone._judged(np.ones((1, 3)), np.array([-9.0]), about)[0].is_known
    with pytest.raises(ValueError, match="coverage"):
        export_classifier(classifier, tmp_path / "none", coverage=0.0)


def test_a_share_is_refused_where_nothing_judges(classifier, tmp_path):
    with pytest.raises(ValueError, match=r"coverage \(=0.9\) needs scores of the validation"):
        export_classifier(classifier, tmp_path / "none", coverage=0.9)


@pytest.mark.parametrize("mode", ["crop", "squash", "pad"])
@pytest.mark.parametrize("photo", [(40, 30), (30, 90)])
def test_photos_of_any_shape_become_an_oblong_as_the_classifier_makes_it(mode, photo):
    pixels = np.random.default_rng(1).integers(0, 256, (*photo, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    about = {
        "input": {"shape": ["b", 24, 16, 3]},
        "resize": {"mode": mode, "interpolation": "bilinear"},
    }
    found = standalone.decode_photo(file.getvalue(), about)
    np.testing.assert_array_equal(found, decode_and_resize(pixels, (24, 16), mode))
