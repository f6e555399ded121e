"""What the page shows, and what its forms write."""

import json

import pytest

from jaxcnn.data.decisions.decision_log import DecisionLog
from jaxcnn.data.decisions.decision_table import Decision, read_decisions
from jaxcnn.photos.cleaning.facts import Place, page_facts, read_place
from jaxcnn.photos.cleaning.review import Review
from jaxcnn.runs.findings import Finding, Findings

from .conftest import CLASSES, HOSTILE, ITEMS, finding, make_findings


def decide(client, at, choice, *, version=0, **more):
    form = {"at": at, "choice": choice, "version": version, **more}
    return client.post("/decide", data=form)


def decisions(review):
    return {name: row[1:4] for name, row in read_decisions(review.log.path).items()}


def test_the_worst_photo_comes_first(client):
    page = client.get("/").text
    assert "0 of 5 photos looked at" in page
    assert "Labelled <b>cat</b>" in page
    assert "The label may be wrong." in page
    assert 'src="/photo/0"' in page
    assert "97%" in page


def test_each_decision_is_written_and_leads_to_the_next(client, review):
    response = decide(client, 0, "1")
    assert response.status_code == 303
    assert response.location == "/?at=1&done=0"
    assert decisions(review) == {"cat/1.jpg": ("relabel", "cat", "dog")}
    assert decide(client, 1, "keep", done="0").location == "/?at=2&done=0.1"
    assert decide(client, 2, "exclude").location == "/?at=3&done=2"
    assert decisions(review)[HOSTILE] == ("keep", "cat", "")
    assert decisions(review)["dog/2.png"] == ("exclude", "dog", "")
    assert "3 of 5 photos looked at" in client.get("/").text
    assert decide(client, 4, "1").location == "/?at=3&done=4"  # dog is its label
    assert decisions(review)["dog/4.tif"] == ("keep", "dog", "")
    assert decide(client, 3, "exclude").location == "/?done=3"
    assert "All are looked at" in client.get("/").text


def test_a_class_may_be_named(client, review):
    assert decide(client, 0, "named", new_label=" dog ").status_code == 303
    assert decisions(review) == {"cat/1.jpg": ("relabel", "cat", "dog")}
    response = decide(client, 1, "named", new_label="bird")
    assert response.status_code == 400
    assert "&#39;bird&#39; is none of the 3 classes" in response.text


def test_undo_takes_back_the_decisions_of_this_tab_one_by_one(client, review):
    decide(client, 0, "1")
    decide(client, 1, "exclude", done="0")
    decide(client, 4, "exclude")  # in another tab
    page = client.get("/?at=2&done=0.1").text
    assert "excluded" in page
    undone = client.post("/undo", data={"at": 1, "done": "0.1", "version": 1})
    assert undone.location == "/?at=1&done=0"
    assert set(decisions(review)) == {"cat/1.jpg", "dog/4.tif"}
    undone = client.post("/undo", data={"at": 0, "done": "0", "version": 1})
    assert undone.location == "/?at=0"
    assert set(decisions(review)) == {"dog/4.tif"}
    again = client.post("/undo", data={"at": 0, "version": 2})  # nothing to take back
    assert again.status_code == 303
    assert set(decisions(review)) == {"dog/4.tif"}


def test_two_tabs_lose_no_decision(client, review):
    decide(client, 0, "1", version=0)
    late = decide(client, 0, "exclude", version=0)
    assert late.status_code == 409
    assert "in another tab meanwhile" in late.text
    assert "<p>cat/" in late.text or "<p>dog/" in late.text  # the file's name as it is
    assert decisions(review) == {"cat/1.jpg": ("relabel", "cat", "dog")}
    assert client.post("/undo", data={"at": 0, "version": 0}).status_code == 409
    assert decide(client, 0, "exclude", version=1).status_code == 303
    assert decisions(review) == {"cat/1.jpg": ("exclude", "cat", "")}


def test_a_page_shows_what_was_decided(client):
    decide(client, 0, "1")
    page = client.get("/?at=0").text
    assert "Decided: relabelled dog." in page
    assert 'name="version" value="1"' in page
    decide(client, 0, "keep", version=1)
    assert "Decided: kept." in client.get("/?at=0").text


def test_kinds_are_shown_alone(client):
    page = client.get("/?kind=odd").text
    assert "0 of 1 photo looked at" in page
    assert "Too dark." in page
    assert decide(client, 4, "keep", kind="odd").location == "/?kind=odd&done=4"
    assert "All are looked at" in client.get("/?kind=odd").text
    links = client.get("/").text
    for name in ("all", "labels", "duplicates", "unreadable", "odd"):
        assert f">{name} <span>" in links


def test_an_unreadable_file_is_told_and_can_be_excluded(client, review):
    page = client.get("/?at=3").text
    assert "Left out: the file is empty (0 bytes)" in page
    assert 'src="/photo/3"' not in page
    assert client.get("/photo/3").status_code == 404
    decide(client, 3, "exclude")
    assert decisions(review)["dog/9.jpg"] == ("exclude", "dog", "")


def test_a_duplicate_is_shown_beside(client):
    page = client.get("/?at=2").text
    assert page.count('src="/photo/0"') == 1
    assert "cat/1.jpg" in page


def test_photos_come_as_browsers_show_them(client, folder):
    for number, kind in ((0, "image/jpeg"), (2, "image/png"), (4, "image/jpeg")):
        with client.get(f"/photo/{number}") as response:
            assert response.content_type == kind
            if number != 4:  # a TIFF is converted
                assert response.data == (folder / f"{number}").read_bytes()


def test_a_map_says_where_the_network_looked(client):
    found = json.loads(client.get("/overlay/0/1").text)
    assert found["map"].startswith("data:image/png;base64,")
    assert "Looked" in found["words"] or "Nothing" in found["words"]


def test_photos_are_never_touched(client, folder):
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}
    for at, choice in ((0, "1"), (1, "exclude"), (2, "keep"), (3, "exclude")):
        decide(client, at, choice)
        client.get(f"/?at={at}")
    client.post("/undo", data={"at": 0, "version": 1})
    assert before == {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"at": "0"},
        {"at": "0", "version": "0"},
        {"at": "0", "version": "0", "choice": "3"},
        {"at": "0", "version": "0", "choice": "-1"},
        {"at": "0", "version": "0", "choice": "delete"},
        {"at": "0", "version": "x", "choice": "keep"},
        {"at": "5", "version": "0", "choice": "keep"},
        {"at": "-1", "version": "0", "choice": "keep"},
        {"at": "\u0660", "version": "0", "choice": "keep"},  # a zero, but not ASCII's
        {"at": "0", "version": "0", "choice": "named"},
        {"at": "9" * 5000, "version": "0", "choice": "keep"},
        {"at": "0", "version": "0", "choice": "keep", "kind": "none"},
        {"at": "0", "version": "0", "choice": "keep", "done": "0.x"},
    ],
)
def test_broken_forms_decide_nothing(client, review, form):
    assert client.post("/decide", data=form).status_code == 400
    assert decisions(review) == {}


def test_a_damaged_table_is_told_and_nothing_is_lost(client, review):
    review.log.path.write_text("not a table\n")
    response = decide(client, 0, "keep")
    assert response.status_code == 503
    assert "expected the columns name,decision" in response.text
    assert review.log.path.read_text() == "not a table\n"


def test_a_second_round_decides_about_the_sources_label(folder, tmp_path):
    """The run was trained with cat/1.jpg as a dog, though its folder says cat."""
    item = Finding("cat/1.jpg", "train", "dog", "cat", ("label",), ("?",), "cat")
    before = Decision("cat/1.jpg", "relabel", "cat", "dog", "then")
    findings = make_findings(folder, [item])
    review = Review(findings, DecisionLog(tmp_path / "d.csv", begin_with=[before]))
    assert page_facts(review, Place(0))["photo"]["source_label"] == "cat"
    review.label(0, "dog")  # what it was trained as
    assert decisions(review)["cat/1.jpg"] == ("relabel", "cat", "dog")
    review.label(0, "cat")
    assert decisions(review)["cat/1.jpg"] == ("keep", "cat", "")


def test_where_the_sources_label_is_not_known_the_class_is_written(folder, tmp_path):
    item = Finding("cat/1.jpg", "train", "dog", "", ("label",), ("?",), "cat")
    before = Decision("cat/1.jpg", "relabel", "", "dog")  # by hand
    findings = make_findings(folder, [item])
    review = Review(findings, DecisionLog(tmp_path / "d.csv", begin_with=[before]))
    review.label(0, "dog")
    assert decisions(review)["cat/1.jpg"] == ("relabel", "", "dog")


def test_of_many_classes_those_that_fit_have_a_key(folder, tmp_path):
    names = tuple(f"class {i}" for i in range(100))
    top = (("class 7", 0.5), ("class 3", 0.3), ("class 9", 0.1))
    item = finding("a.jpg", "class 3", "label", "?", suggested="class 7", top=top)
    findings = Findings([item], names, {}, 1, {})
    review = Review(findings, DecisionLog(tmp_path / "d.csv"))
    facts = page_facts(review, Place(0))["photo"]
    assert facts["choices"] == [("class 7", 7, "1"), ("class 9", 9, "2")]
    assert facts["is_long_list"]


def test_few_classes_have_the_same_key_on_every_photo(review):
    keys = [page_facts(review, Place(at))["photo"]["choices"] for at in (0, 2)]
    assert keys[0] == [("dog", 1, "2"), (CLASSES[2], 2, "3")]
    assert keys[1] == [("cat", 0, "1"), (CLASSES[2], 2, "3")]


def test_an_empty_list_says_so(tmp_path):
    review = Review(Findings([], CLASSES, {}, 12, {}), DecisionLog(tmp_path / "d.csv"))
    facts = page_facts(review, Place())
    assert facts["progress"] == "0 of 0 photos looked at"
    assert facts["photo"] is None


def test_an_address_is_read_as_it_is_written():
    place = Place(3, "odd", tuple(range(60)))
    text = dict(pair.split("=") for pair in place.url()[2:].split("&"))
    assert read_place(text, 60) == place._replace(done=tuple(range(10, 60)))
    assert Place().url() == "/"
    assert ITEMS[0].name == "cat/1.jpg"
