"""A photo is read and decoded, or refused with a reason."""

import os

import pytest

from jaxcnn.data.opening import DecodeError, TooManyPixelsError
from jaxcnn.data.photo_files import PhotoFile, digest
from jaxcnn.photos.reading import read_photo


def preprocess(data):
    if data == b"bad":
        raise DecodeError("cut off")
    if data == b"vast":
        raise TooManyPixelsError("too large")
    if data == b"huge":
        raise MemoryError
    return data.upper()


@pytest.mark.parametrize(
    ("data", "known", "pixels", "error"),
    [
        (b"good", (), b"GOOD", ""),
        (b"good", (b"good",), None, ""),
        (b"bad", (), None, "cut off"),
        (b"huge", (), None, "not enough memory"),
        (b"vast", (), None, "too large"),
        (None, (), None, "no such file"),
    ],
)
def test_what_comes_of_a_file(tmp_path, data, known, pixels, error):
    path = tmp_path / "a.jpg"
    if data is not None:
        path.write_bytes(data)
    contents = {digest(each) for each in known}
    found = read_photo(PhotoFile(os.fsencode(path), 1, 2), preprocess, contents.__contains__)
    assert found.pixels == pixels
    assert found.error.startswith(error)
    assert bool(found.error) == bool(error)
    assert found.content == (b"" if data in (None, b"vast") else digest(data))
