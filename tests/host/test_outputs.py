"""What a user names for results is opened first, never taken from others, and never half there."""

import os
import re
import resource
import subprocess
import sys

import pytest
from PIL import Image

from jaxcnn.host.outputs import GENERATOR, JSON, PAGE, Output, OutputError, check_folder, table

TABLE = table("path", "label")
OWN = "path,label\na.jpg,cat\n"


def write(path, text=OWN, then=None, **options):
    with Output(path, TABLE, **options) as out:
        out.write(text)
        out.flush()
        out.holds = "answers of 3 photos"
        if then:
            raise then


def fill(path):
    with Output(path, TABLE) as out:
        while True:
            out.write(OWN)
            out.flush()
            out.holds = "answers of some photos"


def test_a_file_appears_when_it_is_whole(tmp_path):
    with Output(tmp_path / "o.csv", TABLE) as out:
        out.write(OWN)
        out.flush()
        assert os.listdir(tmp_path) == ["o.csv.part"]
        assert out.part.read_text() == OWN
    assert os.listdir(tmp_path) == ["o.csv"]


def foreign(path):
    Image.new("RGB", (8, 8)).save(path, "JPEG")


@pytest.mark.parametrize("part", ["", ".part"])
@pytest.mark.parametrize("content", [b"a text", b"SQLite format 3\0", b"id,path,label\n", None])
def test_what_others_wrote_stays(content, part, tmp_path):
    path = tmp_path / f"o.csv{part}"
    foreign(path) if content is None else path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"did not write it.*overwrite=True"):
        write(tmp_path / "o.csv")
    assert path.read_bytes() == before
    assert len(os.listdir(tmp_path)) == 1
    write(tmp_path / "o.csv", overwrite=True)
    assert (tmp_path / "o.csv").read_text() == OWN


def test_what_it_wrote_itself_is_replaced(tmp_path):
    write(tmp_path / "o.csv")
    write(tmp_path / "o.csv", OWN * 2)
    assert (tmp_path / "o.csv").read_text() == OWN * 2


@pytest.mark.parametrize("mark", [PAGE, JSON])
def test_a_mark_is_looked_for_where_it_must_be(mark, tmp_path):
    path = tmp_path / "o"
    path.write_text(f"this mentions {GENERATOR}, {mark.pattern!r}")
    with pytest.raises(OutputError):
        Output(path, mark)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("folder", "is a folder; name a file"),
        ("no/such/o.csv", "is not a folder"),
        ("file/o.csv", "is not a folder"),
        ("n" * 300, "file name too long"),
        ("o\0.csv", "null"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(name, said, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=said) as caught:
        Output(tmp_path / name, TABLE)
    assert "Errno" not in str(caught.value)


def test_an_interrupted_file_says_what_it_holds(tmp_path, caplog):
    write(tmp_path / "o.csv")
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "o.csv", OWN * 3, then=KeyboardInterrupt)
    assert f"answers of 3 photos so far: {tmp_path}/o.csv.part" in caplog.text
    assert (tmp_path / "o.csv.part").read_text() == OWN * 3
    assert (tmp_path / "o.csv").read_text() == OWN
    write(tmp_path / "o.csv")  # its own part is in nobody's way
    assert os.listdir(tmp_path) == ["o.csv"]


def test_a_file_takes_one_result_at_a_time(tmp_path):
    with Output(tmp_path / "a.csv", TABLE) as first:
        first.write(OWN)
        with pytest.raises(OutputError, match=r"a\.csv is being written already"):
            Output(tmp_path / "a.csv", TABLE, overwrite=True)
    assert (tmp_path / "a.csv").read_text() == OWN
    assert os.listdir(tmp_path) == ["a.csv"]


def test_of_nothing_nothing_stays(tmp_path):
    out = Output(tmp_path / "o.csv", TABLE)
    out.__exit__(ValueError, ValueError(), None)
    assert not os.listdir(tmp_path)


def test_a_full_disk_keeps_what_fitted(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match=r"^\S*o\.csv cannot be written: file too large\.$"):
            fill(tmp_path / "o.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "o.csv.part").stat().st_size == 100_000
    assert not (tmp_path / "o.csv").exists()


def test_a_full_device_is_told_in_one_line():
    with pytest.raises(OSError, match=r"^/dev/full cannot be written: no space left"):
        write("/dev/full")


def test_a_link_leads_to_the_file_that_is_written(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "o.csv").symlink_to(tmp_path / "far/o.csv")
    write(tmp_path / "o.csv")
    assert (tmp_path / "o.csv").is_symlink()
    assert (tmp_path / "far/o.csv").read_text() == OWN


def test_a_folder_of_others_is_refused(tmp_path):
    mark = re.compile(b"own")
    assert check_folder(tmp_path / "new/one", mark).is_dir()
    (tmp_path / "new/one/a").write_text("own, surely")
    check_folder(tmp_path / "new/one", mark)
    (tmp_path / "new/one/b").write_text("else")
    with pytest.raises(OutputError, match="one holds b, which this program did not write"):
        check_folder(tmp_path / "new/one", mark)
    check_folder(tmp_path / "new/one", mark, overwrite=True)
    with pytest.raises(OutputError, match="it is a file"):
        check_folder(tmp_path / "new/one/b", mark)


def test_standard_output_is_written_to_wherever_it_goes(tmp_path):
    script = (
        "from jaxcnn.host.outputs import Output, JSON\n"
        "print('before', flush=True)\n"
        "with Output('/dev/stdout', JSON) as out: out.write('{}')\n"
    )
    with (tmp_path / "o").open("w") as file:
        subprocess.run([sys.executable, "-c", script], stdout=file, check=True)
    assert (tmp_path / "o").read_text() == "before\n{}"
    assert os.listdir(tmp_path) == ["o"]
