"""Names of classes are read in every usual form, and held against the outputs."""

import pytest

from jaxcnn.pretrained.class_names import name_classes

FORMS = {
    "lines": "cat\ndog\nhot dog\n",
    "lines of Windows": "\ufeffcat\r\ndog\r\nhot dog\r\n\r\n",
    "a list": '["cat", "dog", "hot dog"]',
    "a dictionary": '{"1": "dog", "0": "cat", "2": "hot dog"}',
    "ids and names": '{"0": ["n1", "cat"], "1": ["n2", "dog"], "2": ["n3", "hot dog"]}',
    "outputs of names": '{"dog": 1, "cat": 0, "hot dog": 2}',
    "Hugging Face": '{"id2label": {"0": "cat", "1": "dog", "2": "hot dog"}, "depths": [1]}',
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_the_names_in_order(tmp_path, form):
    (tmp_path / "names").write_bytes(FORMS[form].encode())
    assert name_classes(tmp_path / "names", 3) == ("cat", "dog", "hot dog")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat\ndog\n", r"has 2 names \(cat, dog\); expected 3, one per output"),
        ("cat\n\ndog\n", "the name of class 1, counted from 0, is ''"),
        ("", "has 0 names"),
        ('["cat", "dog", 3]', "the name of class 2, counted from 0, is 3; expected a text"),
        ('["cat", ', "cannot be read .* expected one name per line, a JSON list"),
        ('{"0": "cat", "1": "dog", "3": "owl"}', "its outputs are not 0 to 2, each once"),
        ('{"cat": 0, "dog": 1, "owl": 1}', "its outputs are not 0 to"),
        ('{"zero": "cat"}', "cannot be read .'zero' is no number of an output"),
        ('{"classes": ["cat", "dog", "owl"]}', "cannot be read .'classes' is no number of an"),
        (b"\xff\xfe", "is not text in UTF-8"),
    ],
)
def test_what_is_no_list_of_names_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "names.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=message) as caught:
        name_classes(path, 3)
    assert f"class_names={path}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_file_is_named():
    with pytest.raises(ValueError, match=r"class_names=no/names\.txt cannot be read: No such file"):
        name_classes("no/names.txt", 3)


def test_a_name_that_stands_twice_gets_the_number_of_its_output():
    assert name_classes(["crane", "owl", "crane"], 3) == ("crane (0)", "owl", "crane (2)")
