"""An export is whole or not there, and nothing else is ever replaced."""

import json

import pytest

from jaxcnn.export import ExportError, exporting, standalone

ABOUT = {"name": "Ünï"}


def write_export(path, *, about=ABOUT, **options):
    with exporting.new_folder(path, **options) as fresh:
        (fresh / "a.bin").write_bytes(b"abc")
        exporting.write_about(fresh, about.copy() | {"files": exporting.describe_files(fresh)})


def test_what_was_written_is_read_back_and_verified(tmp_path):
    write_export(tmp_path / "out")
    about = standalone.read_about(tmp_path / "out")
    assert about["name"] == "Ünï"
    assert about["files"]["a.bin"]["bytes"] == 3
    assert standalone.read_own(tmp_path / "out", "a.bin", about) == b"abc"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["a.bin", "export.json"])
def test_a_damaged_file_is_found_by_its_checksum(tmp_path, name):
    write_export(tmp_path / "out")
    path = tmp_path / "out" / name
    path.write_bytes(path.read_bytes().replace(b"a", b"b", 1))
    with pytest.raises(standalone.DamagedError, match=name.replace(".", r"\.")):
        standalone.read_own(tmp_path / "out", "a.bin", standalone.read_about(tmp_path / "out"))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"sha256": 3', '{"sha256": "0"}'])
def test_a_description_that_is_none_is_damaged(tmp_path, text):
    (tmp_path / "export.json").write_text(text)
    with pytest.raises(standalone.DamagedError):
        standalone.read_about(tmp_path)


def test_a_failure_leaves_nothing_behind_and_the_old_export_in_place(tmp_path):
    write_export(tmp_path / "out")
    before = (tmp_path / "out" / "export.json").read_text()
    with pytest.raises(AttributeError):
        write_export(tmp_path / "out", overwrite=True, about=None)
    assert (tmp_path / "out" / "export.json").read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_export_is_replaced_only_when_asked(tmp_path):
    write_export(tmp_path / "out")
    with pytest.raises(ExportError, match="overwrite=True"):
        write_export(tmp_path / "out")
    write_export(tmp_path / "out", overwrite=True)
    assert json.loads((tmp_path / "out" / "export.json").read_text())["name"] == "Ünï"


def test_what_no_export_wrote_is_never_replaced(tmp_path):
    write_export(tmp_path / "out")
    (tmp_path / "out" / "my notes.txt").write_text("mine")
    with pytest.raises(ExportError, match=r"my notes\.txt"):
        write_export(tmp_path / "out", overwrite=True)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ExportError, match="not a folder"):
        write_export(tmp_path / "file", overwrite=True)
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with pytest.raises(ExportError, match="not a folder"):
        write_export(tmp_path / "link", overwrite=True)
    (tmp_path / "empty").mkdir()
    write_export(tmp_path / "empty")
