"""Whatever stops a write in the middle, the file that was there stays whole."""

import ast
import contextlib
import resource
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import jaxcnn
from jaxcnn.data.bad_files import SkippedFile, write_skipped_csv
from jaxcnn.host import files
from jaxcnn.runs.folder import check_origin, open_workdir
from jaxcnn.training.callbacks import HistoryFile
from jaxcnn.training.features import save_features

PACKAGE = Path(jaxcnn.__file__).parent
NOISE = np.random.default_rng(0).normal(size=3000).astype(np.float32)


@contextlib.contextmanager
def full_disk(num_bytes=1000):
    """Let no file grow beyond a number of bytes, as a full disk or a quota would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_history(path, rows):
    progress = SimpleNamespace(members=[])
    HistoryFile(path).on_epoch_end(SimpleNamespace(history=rows, progress=progress))


def write_settings(path, rows):
    path.unlink(missing_ok=True)  # it is written where there is none
    open_workdir(path.parent, {"notes": rows})


# A name to a function of a path and of rows, few or many.
WRITERS = {
    "bytes": lambda path, rows: files.write_bytes(path, repr(rows).encode()),
    "text": lambda path, rows: files.write_text(path, repr(rows)),
    "json": files.write_json,
    "rows": files.write_rows,
    "arrays": lambda path, rows: files.write_arrays(path, {"a": NOISE[: len(rows)]}),
    "metrics.jsonl": write_history,
    "skipped_files.csv": lambda path, rows: write_skipped_csv(
        path, [SkippedFile(*row.values()) for row in rows]
    ),
    "features.npz": lambda path, rows: save_features(path, NOISE[: len(rows)], NOISE > 0, "x"),
}


def rows_of(count):
    return [{"name": f"photo {i}", "reason": "the file is empty"} for i in range(count)]


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_the_old_file_whole(name, tmp_path):
    path = tmp_path / name
    WRITERS[name](path, rows_of(2))
    before = path.read_bytes()
    assert before
    with pytest.raises(OSError, match="File too large"), full_disk():
        WRITERS[name](path, rows_of(3000))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    WRITERS[name](path, rows_of(3))
    assert path.read_bytes() != before


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, OSError])
def test_whatever_stops_the_writer_leaves_the_old_file_and_no_part(stop, tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, 1)
    writing = files.replacing(path)
    writing.__enter__().write_text("half")
    assert not writing.__exit__(stop, stop(), None)  # the error goes on
    assert path.read_text() == "1\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(OSError, match="File too large"), full_disk():
        write_settings(tmp_path / "config.json", rows_of(3000))
    assert list(tmp_path.iterdir()) == []
    workdir = open_workdir(tmp_path, {})
    with pytest.raises(OSError, match="File too large"), full_disk():
        check_origin(workdir, {"data": "x" * 3000})
    assert list(tmp_path.iterdir()) == [workdir.config]


# What is written in place on purpose, and why.
IN_PLACE = {
    "host/files.py": "the writers themselves",
    "pretrained/download/transfer.py": "a part file, that a later try goes on with",
    "export/exporting.py": "in a folder that takes its place as a whole",
    "export/standalone.py": "a program by itself",
    "cli/commands/predict.py": "answers, as they come",
    "host/outputs.py": "what is written as it comes, and marked until it is whole",
}


def writes_in_place(source):
    """The lines that open a file to write, or write one at once, but for a `part` of a file."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        function, args = node.func, [a.value for a in node.args if isinstance(a, ast.Constant)]
        owner = getattr(getattr(function, "value", None), "id", "")
        name = getattr(function, "attr", getattr(function, "id", ""))
        opens = name == "open" and any(str(mode)[:1] in ("w", "a", "x") for mode in args)
        if (opens or name in ("write_text", "write_bytes")) and owner not in ("part", "files"):
            if isinstance(function, ast.Name) and name != "open":
                continue  # those of `host.files`
            yield node.lineno


def test_files_are_written_beside_and_put_in_place():
    found = {}
    for path in PACKAGE.rglob("*.py"):
        if lines := list(writes_in_place(path.read_text())):
            found[path.relative_to(PACKAGE).as_posix()] = lines
    assert found.keys() <= IN_PLACE.keys(), found


# Of the first array's entry in the list at the end: a bit that says it is encrypted, and ways to
# compress that are unknown, or another one than it was written by.
@pytest.mark.parametrize(("at", "value"), [(8, 1), (10, 99), (10, 12), (10, 14), (10, 0), (16, 7)])
def test_whatever_is_wrong_with_arrays_is_one_kind_of_error(tmp_path, at, value):
    path = tmp_path / "a.npz"
    files.write_arrays(path, {"x": np.arange(100)})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + at] = value
    path.write_bytes(data)
    with pytest.raises(files.DamagedFileError), files.open_arrays(path) as arrays:
        arrays["x"].sum()


def test_arrays_that_are_not_there_and_those_that_are_other_files(tmp_path):
    with pytest.raises(FileNotFoundError), files.open_arrays(tmp_path / "none.npz"):
        pass
    np.save(tmp_path / "one.npy", np.arange(3))
    with pytest.raises(files.DamagedFileError), files.open_arrays(tmp_path / "one.npy"):
        pass
