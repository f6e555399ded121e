"""Dates of photos and of searches, by the clock on the wall."""

import calendar
import datetime
import io
import struct
import time

import pytest
from PIL import Image

from jaxcnn.photos.dates import format_taken, parse_since, taken_at

NOW = datetime.datetime(2024, 3, 31, 12, 30)


def photo(file_format="JPEG", taken=None, changed=None):
    image = Image.new("RGB", (4, 4))
    exif = image.getexif()
    exif[0x010F] = "maker"  # Pillow writes none that has no tag of its own
    if changed:
        exif[0x0132] = changed
    if taken:
        exif.get_ifd(0x8769)[0x9003] = taken
    buffer = io.BytesIO()
    image.save(buffer, file_format, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_exif_tells_when_a_photo_was_taken(file_format):
    taken, by_exif = taken_at(photo(file_format, "2019:07:05 18:30:09"), 0)
    assert by_exif
    assert format_taken(taken) == "2019-07-05 18:30"


def test_a_huge_photo_is_dated_too():
    data = bytearray(photo(taken="2019:07:05 18:30:09"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 20_000, 20_000)  # which Pillow would refuse
    assert taken_at(bytes(data), 0)[1]


def test_the_time_of_taking_goes_before_that_of_changing():
    both = photo(taken="2019:07:05 18:30:09", changed="2021:01:01 00:00:00")
    assert format_taken(taken_at(both, 0)[0]) == "2019-07-05 18:30"
    for file_format in ("JPEG", "TIFF"):
        taken, by_exif = taken_at(photo(file_format, changed="2021:01:01 00:00:00"), 0)
        assert (format_taken(taken), by_exif) == ("2021-01-01 00:00", True)


@pytest.mark.parametrize(
    "data",
    [
        photo(),
        photo(taken="0000:00:00 00:00:00"),
        photo(taken="yesterday"),
        photo("PNG"),
        photo()[:30],
        b"",
    ],
)
def test_else_the_file_tells(data):
    moment = 1_700_000_000
    taken, by_exif = taken_at(data, moment * 10**9 + 5)
    assert not by_exif
    assert taken == calendar.timegm(time.localtime(moment))


def test_a_time_that_no_calendar_has_is_the_beginning():
    assert taken_at(b"", 10**40) == (0, False)
    assert format_taken(10**15) == ""
    assert format_taken(parse_since("0001")) == "0001-01-01 00:00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-15", "2024-01-15 00:00"),
        ("2024-01-15 17:45", "2024-01-15 17:45"),
        ("2024-01", "2024-01-01 00:00"),
        ("2023", "2023-01-01 00:00"),
        ("7d", "2024-03-24 12:30"),
        (" 2 w ", "2024-03-17 12:30"),
        ("1m", "2024-02-29 12:30"),
        ("3M", "2023-12-31 12:30"),
        ("15m", "2022-12-31 12:30"),
        ("1y", "2023-03-31 12:30"),
    ],
)
def test_since(text, expected):
    assert format_taken(parse_since(text, now=NOW)) == expected


@pytest.mark.parametrize("text", ["", "soon", "7", "7x", "2024-13-01", "-3d", "1.5d", "d"])
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ValueError, match="is no date; expected"):
        parse_since(text, now=NOW)


@pytest.mark.parametrize("text", ["9999y", "99999999999d", "100000m"])
def test_a_span_longer_than_the_calendar_is_refused(text):
    with pytest.raises(ValueError, match="before the calendar begins"):
        parse_since(text, now=NOW)
