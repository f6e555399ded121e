"""Numbers are written for people."""

import pytest

from jaxcnn.host.text import counted, duration, interval, number, percent, points


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (percent, None, "n/a"),
        (percent, float("nan"), "n/a"),
        (percent, 0.0, "0.0%"),
        (percent, 0.073, "7.3%"),
        (percent, 1.0, "100%"),
        (percent, 0.0001, "< 0.1%"),
        (percent, 0.99951, "> 99.9%"),
        (lambda share: percent(share, 0), 0.98, "98%"),
        (interval, None, "n/a"),
        (interval, (0.85, 1.0), "85.0% to 100%"),
        (points, -0.021, "\N{MINUS SIGN}2.1 points"),
        (number, None, "n/a"),
        (number, 1234.4, "1,234"),
        (number, 3.0, "3"),
        (duration, 0, "0:00"),
        (duration, 59.6, "1:00"),
        (duration, 600, "10:00"),
        (duration, 7322, "2:02:02"),
    ],
)
def test_numbers_are_written_for_people(write, value, text):
    assert write(value) == text


def test_one_is_singular():
    assert counted(1, "photo") == "1 photo"
