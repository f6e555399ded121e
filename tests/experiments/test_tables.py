"""Pages show what the files of measurements hold, and what is wrong in a file or page is told."""

import json
from types import SimpleNamespace

import pytest

from experiments.benchmarks import measurements, pages, tables
from experiments.benchmarks.measurements import Column, Measurement, Sentence

SENTENCE = Sentence("{photos:,} photos took {seconds:m:ss}, {test:.1%} right", {"photos": 2991})


@pytest.fixture
def measured():
    return Measurement(
        title="Transfer",
        room="pretrained",
        date="2026-11-22",
        command="jaxcnn train",
        machine={"cpu": "a cpu", "cores": 2, "load": "idle"},
        versions={"jax": "0.10.2"},
        notes=["One seed."],
        columns=[Column("photos", "photos", ","), Column("test", "test", ".1%")],
        rows=[{"photos": 50}, {"photos": 2991, "test": 0.996, "seconds": 168}],
        sentences={"README.md": [SENTENCE]},
    )


def test_the_pages_say_what_the_files_say():
    assert list(tables.changed_pages(tables.ROOT)) == []


def test_a_changed_number_is_noticed(measured):
    page = "<!-- table: transfer -->\n<!-- end of table -->\n2,991 photos\ntook 2:44, 9 % right.\n"
    filled = pages.fill("README.md", page, {"transfer": measured})
    assert "| 2,991 | 99.6 % |\n<!-- end" in filled
    assert filled.endswith("2,991 photos\ntook 2:48, 99.6 % right.\n")
    assert pages.fill("README.md", filled, {"transfer": measured}) == filled
    for figure in ("| 2,991 | 99.6 %", "2:48"):
        changed = filled.replace(figure, figure[:-1] + "0")
        assert changed != filled
        assert pages.fill("README.md", changed, {"transfer": measured}) == filled


def test_a_line_break_within_a_figure_stays(measured):
    text = "2,991 photos took 2:48, 99.6\n% right"
    assert pages.fill_sentence(text, SENTENCE, measured) == text


def test_a_table_shows_the_columns_that_a_page_names(measured):
    lines = pages.table(measured, ["test"]).splitlines()
    assert lines == ["| test |", "| ---: |", "| |", "| 99.6 % |"]


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("2,991 pictures took 2:48, 99.6 % right", "0 places read as"),
        ("2,991 photos took 2:48, 9 % right" * 2, "2 places read as"),
        ("<!-- table: transfr -->\n<!-- end of table -->", "unknown table 'transfr'"),
        ("<!-- table: transfer (tset) -->\n<!-- end of table -->", "unknown column 'tset'"),
        ("<!-- table: transfer -->\n| photos |", "has no end"),
        ("<!--table: transfer-->\n<!-- end of table -->", "is misspelt"),
    ],
)
def test_what_fits_nothing_is_an_error(measured, page, message):
    with pytest.raises(ValueError, match=message):
        pages.fill("README.md", page, {"transfer": measured})


@pytest.mark.parametrize(
    ("text", "value"),
    [("on {cpu}", "Xeon 8481C"), ("took {x} s", None), ("took {x} s", float("nan")), ("{x}", True)],
)
def test_figures_that_cannot_be_read_back_are_refused(measured, text, value):
    machine = {**measured.machine, "cpu": "Xeon 8481C"}
    measured = measured._replace(rows=[{"x": value}], machine=machine)
    with pytest.raises(ValueError, match=r"cannot be read back|places read as"):
        pages.fill_sentence("on 1 core, took 1 s", Sentence(text, {}), measured)


@pytest.mark.parametrize("form", ["zz", ".1f foo"])
def test_a_format_that_is_none_is_told_with_its_file(measured, form):
    wrong = measured._replace(columns=[Column("photos", "photos", form)])
    with pytest.raises(ValueError, match=r"^a_file: "):
        pages.all_tables({"a_file": wrong})


def test_the_page_of_all_lists_measurements_by_room(measured):
    speed = measured._replace(
        title="Speed", room="ops", machine={**measured.machine, "cpu": "not recorded"}
    )
    page = pages.all_tables({"a_speed": speed, "transfer": measured})
    lines = [line for line in page.splitlines() if line.startswith(("#", "- [", "  - ["))]
    assert lines == [
        "# Results",
        *("- [pretrained](#pretrained)", "  - [Transfer](#transfer)"),
        *("- [ops](#ops)", "  - [Speed](#speed)"),
        *("## pretrained", "### Transfer", "## ops", "### Speed"),
    ]
    assert "Processor not recorded, 2 cores; idle" in page


def write(folder, **changes):
    fields = {
        "title": "t",
        "room": "ops",
        "date": "2026-11-22",
        "command": "",
        "versions": {},
        "notes": [],
    }
    fields |= {"machine": {"cpu": "a", "cores": 2, "load": "idle"}, "rows": [{"x": 1}]}
    fields |= {"columns": [{"key": "x", "heading": "x", "format": "d"}], **changes}
    path = folder / "file.json"
    path.write_text(json.dumps({key: value for key, value in fields.items() if value is not None}))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"date": None}, "has no date"),
        ({"room": "opps"}, "unknown room 'opps'.*ops"),
        ({"machine": {"cpu": "a", "cores": 2}}, "machine has no load"),
        ({"rows": [{"y": 1}]}, "no column shows y"),
        ({"rows": [{"x": "a | b"}]}, "would break a table"),
        ({"title": "a\nb"}, "would break a table"),
        ({"titel": "t"}, "the file has titel"),
        ({"date": "yesterday"}, "yesterday"),
        ({"notes": "One."}, "expected a list of sentences"),
        ({"machine": []}, "machine has no cpu"),
        ({"rows": 1}, "of the wrong kind"),
        (
            {"columns": [{"key": "x", "heading": "x", "format": "d"}] * 2},
            "two columns show one key",
        ),
    ],
)
def test_a_file_that_lacks_a_field_is_refused(tmp_path, changes, message):
    assert measurements.read(write(tmp_path)).rows == [{"x": 1}]
    with pytest.raises(ValueError, match=message):
        measurements.read(write(tmp_path, **changes))


@pytest.fixture
def house(tmp_path, monkeypatch, measured):
    """A repository of one page, which says something else than its one measurement."""
    page = tmp_path / "README.md"
    (tmp_path / tables.ALL).parent.mkdir(parents=True)
    page.write_bytes(b"2,991 photos\r\ntook 2:44, 99.6 % right.\r\n")
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    monkeypatch.setattr(measurements, "read_all", lambda: {"transfer": measured})
    return page


def run(monkeypatch, *, check):
    monkeypatch.setattr(tables, "_CHECK", SimpleNamespace(value=check))
    tables.main()


def test_check_names_what_differs_and_writes_nothing(house, monkeypatch, capsys):
    before = house.read_bytes()
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, check=True)
    assert ended.value.code == 1
    assert "README.md\n" in capsys.readouterr().out
    assert house.read_bytes() == before
    assert not (house.parent / tables.ALL).exists()


def test_pages_are_written_with_the_line_ends_that_they_have(house, monkeypatch, capsys):
    run(monkeypatch, check=False)
    assert house.read_bytes() == b"2,991 photos\r\ntook 2:48, 99.6 % right.\r\n"
    assert (house.parent / tables.ALL).exists()
    capsys.readouterr()
    run(monkeypatch, check=True)  # now nothing differs
    assert capsys.readouterr().out == ""


def test_a_page_that_is_not_there_is_told(house, monkeypatch):
    house.rename(house.with_name("OTHER.md"))
    with pytest.raises(ValueError, match=r"sentences stand in README.md; there is no such page"):
        run(monkeypatch, check=True)
