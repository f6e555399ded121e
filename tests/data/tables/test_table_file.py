import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jaxcnn.data.tables.table_file import TableError, class_names_of, holds_bytes, read_table

ROWS = {"file": ["1.jpg", "2.jpg"], "label": ["cat", "dog"]}


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "file,label\n1.jpg,cat\n2.jpg,dog\n"),
        ("bom.csv", b"\xef\xbb\xbffile,label\r\n1.jpg,cat\r\n2.jpg,dog\r\n"),
        ("semicolons.csv", "file;label\n1.jpg;cat\n2.jpg;dog"),
        ("tabs.csv", "file\tlabel\n1.jpg\tcat\n2.jpg\tdog\n"),
        ("a.tsv", "file\tlabel\n1.jpg\tcat\n2.jpg\tdog\n"),
        ("a.TXT", "file,label\n1.jpg,cat\n2.jpg,dog\n"),
        ("old_mac.csv", "file,label\r1.jpg,cat\r2.jpg,dog\r"),
        ("excel.csv", "sep=;\r\nfile;label\r\n1.jpg;cat\r\n2.jpg;dog\r\n"),
        ("blanks.csv", " file , label \n\n1.jpg,cat\n,\n2.jpg,dog\n\n"),
        ("quotes.csv", '"file","label"\n"1.jpg","cat"\n"2.jpg","dog"\n'),
        ("spare.csv", "file,label,\n1.jpg,cat,\n2.jpg,dog,\n"),
        ("a.jsonl", '{"file": "1.jpg", "label": "cat"}\n\n{"file": "2.jpg", "label": "dog"}\n'),
        ("a.ndjson", '{"file":"1.jpg","label":"cat"}\r\n{"file":"2.jpg","label":"dog"}'),
        (
            "a.json",
            json.dumps([{"file": "1.jpg", "label": "cat"}, {"file": "2.jpg", "label": "dog"}]),
        ),
    ],
)
def test_tables_in_many_forms(tmp_path, name, content):
    table = read_table(write(tmp_path, name, content))
    assert dict(table.columns) == ROWS
    assert len(table) == 2


def test_parquet(tmp_path):
    pq.write_table(pa.table(ROWS), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").columns == ROWS


TIMES = {
    "nanoseconds": (1_234_567_891, pa.timestamp("ns"), "1970-01-01 00:00:01.234567891"),
    "far_away": (2**48, pa.timestamp("ms"), "10889-08-02 05:31:50.656"),
    "unknown_zone": (1, pa.timestamp("ms", "Mars/Base"), "1970-01-01 00:00:00.001"),
    "duration": (1_234_567_891, pa.duration("ns"), "1234567891"),
    "time": (1, pa.time64("ns"), "00:00:00.000000001"),
    "date": (1, pa.date32(), "1970-01-02"),
}


@pytest.mark.parametrize("case", TIMES)
def test_times_that_python_cannot_hold(tmp_path, case):
    value, kind, expected = TIMES[case]
    times = pa.array([value, None], kind)
    pq.write_table(pa.table({**ROWS, "taken": times}), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").columns == {**ROWS, "taken": [expected, None]}


def test_a_column_that_cannot_be_read_is_named(tmp_path):
    bad = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff", b"b"]).buffers())
    pq.write_table(pa.table({**ROWS, "note": bad}), tmp_path / "a.parquet")
    with pytest.raises(TableError, match=r"column 'note' of .*a.parquet' cannot be read \('utf-8'"):
        read_table(tmp_path / "a.parquet")


def test_lines_are_numbered_as_an_editor_numbers_them(tmp_path):
    text = 'file,label\n1.jpg,cat\n\n"2\n2.jpg",dog\n3.jpg,owl,more\n4.jpg\n'
    table = read_table(write(tmp_path, "a.csv", text))
    assert table.columns["file"] == ["1.jpg", "2\n2.jpg", "4.jpg"]
    assert table.columns["label"][2] == ""
    assert list(table.numbers) == [2, 5, 7]
    assert list(table.uneven) == [6]


def test_excels_hint_is_a_line_too(tmp_path):
    table = read_table(write(tmp_path, "a.csv", "sep=|\r\nfile|label\r\n1,2.jpg|cat\r\n"))
    assert table.columns == {"file": ["1,2.jpg"], "label": ["cat"]}
    assert list(table.numbers) == [3]
    with pytest.raises(TableError, match=r"line 3 of"):
        read_table(write(tmp_path, "a.csv", 'sep=;\nfile;label\n1.jpg;"cat\n'))


def test_a_comma_in_the_header_of_a_table_with_semicolons(tmp_path):
    rows = "".join(f"{i}.jpg;a cat\n" for i in range(9))
    table = read_table(write(tmp_path, "a.csv", f"file;label, in English\n{rows}"))
    assert list(table.columns) == ["file", "label, in English"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.xlsx", b"PK\3\4", r"must end in \.csv.*save the sheet as 'CSV UTF-8'"),
        ("a.csv.gz", b"\x1f\x8b", r"must end in \.csv"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\xef\xbb\xbf\r\n\r\n", "is empty"),
        ("a.csv", b"file,label\n", "has no rows"),
        (
            "a.csv",
            "file,label\n1.jpg,café\n".encode("latin-1"),
            r"not in UTF-8 \(line 2\); save it",
        ),
        ("a.csv", "file,label\n1.jpg,cat\n".encode("utf-16"), "in UTF-16, not in UTF-8; save it"),
        ("a.csv", b"file,label\n1.jpg,ca\0t\n", r"holds zero bytes \(line 2\)"),
        ("a.csv", b'file,label\n1.jpg,"cat\n2.jpg,dog\n', "line 3 .*quotation mark"),
        ("a.csv", b"label,file,Label\na,b,c\n", "several columns called 'label'; rename"),
        ("a.jsonl", b"{'file': 1}\n", "line 1 of .* is no JSON"),
        ("a.jsonl", b'{"file": "1.jpg"}\n{"file"', "line 2 of .* is no JSON"),
        ("a.jsonl", b'["1.jpg", "cat"]\n', "line 1 of .* holds a text; expected one object"),
        ("a.jsonl", b'{"file": "1.jpg"}\nnull\n', "line 2 of .* holds null; expected one object"),
        ("a.json", b"[" * 100_000, "is no JSON"),
        ("a.json", b"", "has no rows"),
        ("a.parquet", b"PAR1 and no more", "is no Parquet file"),
        ("a.parquet", b"", "is no Parquet file"),
    ],
)
def test_what_is_no_table_says_what_to_do(tmp_path, name, content, says):
    with pytest.raises(TableError, match=says):
        read_table(write(tmp_path, name, content))


def test_a_table_that_is_not_there_or_is_a_folder(tmp_path):
    with pytest.raises(TableError, match="does not exist"):
        read_table(tmp_path / "a.csv")
    with pytest.raises(TableError, match="does not exist"):
        read_table(tmp_path / "a.parquet")
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(TableError, match="cannot be read: is a directory"):
        read_table(tmp_path / "b.csv")


def test_a_large_table(tmp_path):
    text = "file,label\n" + "".join(f"photos/{i}.jpg,class {i % 10}\n" for i in range(100_000))
    path = write(tmp_path, "a.csv", text)
    table = read_table(path)
    assert len(table) == 100_000
    assert table.columns["label"][-1] == "class 9"


def test_names_of_classes_in_the_metadata(tmp_path):
    features = {
        "image": {"_type": "Image"},
        "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
        "tags": {"feature": {"names": ["x"], "_type": "ClassLabel"}, "_type": "Sequence"},
        "others": [{"names": ["y"], "_type": "ClassLabel"}],
        "empty": {"names": [], "_type": "ClassLabel"},
        "text": {"dtype": "string", "_type": "Value"},
    }
    about = json.dumps({"info": {"features": features}})
    schema = pa.schema([("label", pa.int64())], metadata={"huggingface": about})
    assert class_names_of(schema) == {"label": ["cat", "dog"], "tags": ["x"], "others": ["y"]}


@pytest.mark.parametrize("about", ["", "{}", "[]", '{"info": null}', '{"info": {"features": []}}'])
def test_metadata_of_another_form_say_nothing(about):
    schema = pa.schema([("label", pa.int64())], metadata={"huggingface": about})
    assert class_names_of(schema) == {}
    assert class_names_of(pa.schema([("label", pa.int64())])) == {}


def test_columns_that_hold_files():
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    assert holds_bytes(image)
    assert holds_bytes(pa.large_binary())
    assert not holds_bytes(pa.string())
    assert not holds_bytes(pa.struct([("path", pa.string())]))
    assert not holds_bytes(pa.list_(pa.uint8()))
