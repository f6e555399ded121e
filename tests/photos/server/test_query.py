"""Questions are read from addresses, checked, and written back."""

import urllib.parse

import pytest

from jaxcnn.photos.server.query import PageQuery, read_query

QUESTIONS = [
    PageQuery(),
    PageQuery(words="tabby cat", min_probability=0.5, since="2024-02-29", page=7),
    PageQuery(words="100 % <b>&\"'=#?/\\", min_probability=0.0),
    PageQuery(words="狗 🐕", like="12"),
    PageQuery(like="0123456789abcdef" * 2),
]


@pytest.mark.parametrize("query", QUESTIONS, ids=str)
def test_an_address_says_the_whole_question(query):
    arguments = dict(urllib.parse.parse_qsl(query.query_string()))
    assert read_query(arguments) == query
    assert query.url().startswith("/")


def test_what_is_usual_is_left_out_of_addresses():
    assert PageQuery(words="dog").url() == "/?q=dog"
    assert PageQuery().url() == "/"
    assert PageQuery(words="dog", page=2).url(page=1) == "/?q=dog"


REFUSED = [
    {"q": "x" * 201},
    {"like": "0"},
    {"like": "-1"},
    {"like": "9223372036854775808"},
    {"like": "../../etc/passwd"},
    {"like": "1 OR 1=1"},
    {"like": "٣"},
    {"like": "ABCDEF0123456789" * 2},
    {"min_probability": "nan"},
    {"min_probability": "inf"},
    {"min_probability": "-0.1"},
    {"min_probability": "1.1"},
    {"min_probability": "half"},
    {"since": "yesterday"},
    {"since": "2023-02-29"},
    {"since": "20240229"},
    {"since": "2024-W01-1"},
    {"since": "0000-01-01"},
    {"page": "0"},
    {"page": "1e3"},
    {"page": "1_0"},
    {"page": "+1"},
    {"page": "99999999"},
    {"page": "9" * 5000},
]


@pytest.mark.parametrize("arguments", REFUSED, ids=lambda a: str(a)[:50])
def test_what_is_out_of_form_is_refused_by_name(arguments):
    with pytest.raises(ValueError, match=f"^{next(iter(arguments))} ") as refused:
        read_query(arguments)
    assert len(str(refused.value)) < 200


def test_empty_fields_of_the_form_count_as_absent():
    assert (
        read_query({"q": "", "since": "", "min_probability": "", "page": "", "x": "y"})
        == PageQuery()
    )
