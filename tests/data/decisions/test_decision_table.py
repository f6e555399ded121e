"""Tables of decisions as programs and people write them."""

import pytest

from jaxcnn.data.decisions.decision_table import (
    Decision,
    DecisionError,
    decision_line,
    parse_decisions,
    read_decisions,
    write_decisions,
)

HEADER = b"name,decision,label,new_label,time\n"
ROW = Decision("cat/1.jpg", "relabel", "cat", "dog", "2026-11-29T10:38:22+00:00")
ODD_NAMES = [
    "a,b.jpg",
    'a"b.jpg',
    "a\nb.jpg",
    "a\r\nb.jpg",
    '"quoted".jpg',
    "\u202egpj",
    "=1+1",
    " x",
]


def read(tmp_path, data):
    path = tmp_path / "decisions.csv"
    path.write_bytes(data)
    return read_decisions(path)


def test_what_is_written_is_read(tmp_path):
    rows = [ROW, Decision("dog/1.jpg", "exclude"), Decision("dog/2.jpg", "keep", "dog")]
    rows += [Decision(name, "exclude", "cat", "", "now") for name in ODD_NAMES]
    write_decisions(tmp_path / "decisions.csv", rows)
    assert list(read_decisions(tmp_path / "decisions.csv").values()) == rows


@pytest.mark.parametrize(
    "text",
    [
        "name,decision,new_label\ncat/1.jpg,relabel,dog\n",
        "new_label , decision,name,remark\ndog, Relabel ,cat/1.jpg,a dog!\n",
        "\ufeffname,decision,new_label\r\n\r\ncat/1.jpg,relabel,dog\r\n,,\r\n",
        "name,decision,new_label\ncat/1.jpg,relabel,dog",
        'name,decision,new_label\n"cat/1.jpg","relabel","dog"\n',
        "name,decision,label,new_label\ncat/1.jpg,relabel,,dog\n",
    ],
)
def test_people_may_write_it_their_own_way(tmp_path, text):
    assert read(tmp_path, text.encode()) == {
        "cat/1.jpg": Decision("cat/1.jpg", "relabel", "", "dog")
    }


def test_the_last_decision_counts_and_undo_takes_it_back(tmp_path):
    lines = ["a,keep", "b,exclude", "a,exclude", "a,undo", "b,undo", "c,undo", "d,undo", "d,keep"]
    found = read(tmp_path, ("name,decision\n" + "\n".join(lines) + "\n").encode())
    assert {name: row.decision for name, row in found.items()} == {"a": "keep", "d": "keep"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "begins with nothing; expected the columns name,decision,label,new_label,time"),
        (b"name;decision\na;keep\n", "begins with 'name;decision'; expected the columns"),
        (b"path,label\na,b\n", "begins with 'path,label'"),
        (b"\x89PNG\r\n\x1a\n\0\0", r"line 1 of .* is not UTF-8"),
        (HEADER + b"a.jpg,delete,,,\n", "line 2 of .*unknown decision 'delete'.*nearest first"),
        (HEADER + b"a.jpg,relabel,cat,,\n", r"line 2 of .* has no new_label with relabel"),
        (HEADER + b"a.jpg,keep,cat,dog,\n", r"new_label \(=dog\) with keep"),
        (HEADER + b"\n,keep,,,\n", "line 3 of .* names no photo"),
        (HEADER + b"caf\xe9.jpg,keep,,,\n", "line 2 of .* is not UTF-8; save it as UTF-8"),
        (HEADER + b'"a"b,keep,,,\n', r"is no table of commas \(CSV\)"),
    ],
)
def test_mistakes_are_named(tmp_path, data, message):
    with pytest.raises(DecisionError, match=message):
        read(tmp_path, data)


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DecisionError, match=r"decisions \(=.*none\.csv\) cannot be read: no such"):
        read_decisions(tmp_path / "none.csv")
    with pytest.raises(DecisionError, match="is a directory"):
        read_decisions(tmp_path)


@pytest.mark.parametrize("name", ["cat/1.jpg", *ODD_NAMES, "\u00e9\u4e16.jpg"])
def test_a_row_that_is_cut_off_at_any_byte_does_not_count_until_it_says_all(name):
    row = ROW._replace(name=name)
    whole = HEADER + decision_line(Decision("first", "keep"))
    line = decision_line(row)
    for count in range(len(line)):
        table = parse_decisions(whole + line[:count], "decisions.csv")
        said = [each._replace(time="") for each in table.rows[1:]]
        # All but the time is there, or the row does not count.
        assert said in ([], [row._replace(time="")]), line[:count]
        assert table.rows[0].name == "first"
        assert (table.end == len(whole)) == (not said)
        assert bool(table.torn) == (not said and bool(line[:count].strip()))
    assert len(parse_decisions(whole + line, "decisions.csv").rows) == 2


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_read(tmp_path):
    rows = [Decision(f"cat/{i}.jpg", "keep", "cat") for i in range(100_000)]
    write_decisions(tmp_path / "decisions.csv", rows)
    assert len(read_decisions(tmp_path / "decisions.csv")) == 100_000
