import contextlib
import csv
import io
import json
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.bad_files import BadFilesError, SkippedFile, write_skipped_csv
from jaxcnn.data.decode import decode_and_resize
from jaxcnn.data.image_splits import StreamedSplit, check_source, decode_split
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.source import Example

CLASSES = ("cat", "dog")


def _jpeg(value):
    buffer = io.BytesIO()
    noise = np.random.default_rng(value).integers(0, 256, (24, 32, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG")
    return buffer.getvalue()


class _Files:
    """Photos as bytes; `bad` gives what to hand out, or raise, in place of some."""

    class_names = CLASSES

    def __init__(self, count, bad=None):
        self.bad = bad or {}
        self.names = [f"photo {i}.jpg" for i in range(count)]
        self.labels = [i % 2 for i in range(count)]

    def __len__(self):
        return len(self.names)

    def __getitem__(self, i):
        data = self.bad.get(i) if i in self.bad else _jpeg(i)
        if isinstance(data, Exception):
            raise data
        return Example(data, self.labels[i], self.names[i])


BAD = {3: b"", 7: _jpeg(7)[:900], 12: PermissionError(13, "Permission denied")}
REASONS = [
    SkippedFile("photo 3.jpg", "the file is empty (0 bytes).", "dog"),
    SkippedFile("photo 7.jpg", "image file is truncated", "dog"),
    SkippedFile("photo 12.jpg", "cannot be read: Permission denied", "cat"),
]


def _decode(source, *, mode="crop", num_channels=3, progress=False, **options):
    decoding = Decoding(8, mode, num_channels)
    return decode_split(source, decoding, progress=progress, **options)


def _same_reasons(skipped):
    assert {(each.name, each.label) for each in skipped} == {(r.name, r.label) for r in REASONS}
    skipped = sorted(skipped, key=lambda each: [r.name for r in REASONS].index(each.name))
    assert all(
        got.reason.startswith(want.reason) for got, want in zip(skipped, REASONS, strict=True)
    )


@pytest.mark.parametrize("options", [{}, {"num_channels": 1}, {"mode": "pad"}])
def test_images_are_decoded_in_the_order_of_the_source(options):
    source = _Files(5)
    split = _decode(source, **options)
    channels = options.get("num_channels", 3)
    assert len(split) == 5
    assert split.image_shape == (8, 8, channels)
    assert split.names == source.names
    assert split.labels.tolist() == [0, 1, 0, 1, 0]
    assert split.labels.dtype == np.int32
    assert split.class_names == CLASSES
    assert split.skipped == []
    mode = options.get("mode", "crop")
    for i, image in enumerate(split.images):
        expected = decode_and_resize(_jpeg(i), 8, mode, num_channels=channels)
        np.testing.assert_array_equal(image, expected)


def test_the_number_of_workers_changes_nothing(monkeypatch):
    monkeypatch.setattr("jaxcnn.data.workers._AHEAD", 7)
    one, many = (
        _decode(_Files(40, BAD), num_workers=workers, max_bad_share=0.5) for workers in (1, 6)
    )
    np.testing.assert_array_equal(one.images, many.images)
    assert (one.names, one.skipped) == (many.names, many.skipped)


def test_bad_files_are_left_out_and_listed():
    whole, split = _decode(_Files(20)), _decode(_Files(20, BAD), max_bad_share=0.15)
    _same_reasons(split.skipped)
    kept = [i for i in range(20) if i not in BAD]
    assert split.names == [whole.names[i] for i in kept]
    np.testing.assert_array_equal(split.images, whole.images[kept])
    np.testing.assert_array_equal(split.labels, whole.labels[kept])


@pytest.mark.parametrize("function", [_decode, lambda s, **o: check_source(s, progress=False, **o)])
def test_too_many_bad_files_are_an_error(function):
    with pytest.raises(
        BadFilesError, match=r"3 of 20 .* max_bad_share \(=0.14\): photo 3.jpg: the file is empty"
    ):
        function(_Files(20, BAD), max_bad_share=0.14)
    with pytest.raises(BadFilesError, match="4 of 4 images are bad"):
        function(_Files(4, dict.fromkeys(range(4), b"no photo")))
    with pytest.raises(ValueError, match="source is empty"):
        function(_Files(0))


def test_options_out_of_range_are_named():
    with pytest.raises(ValueError, match="num_workers is 0"):
        _decode(_Files(2), num_workers=0)
    with pytest.raises(ValueError, match="unknown resize mode 'zoom'"):
        _decode(_Files(2), mode="zoom")


def test_a_bar_is_drawn_on_a_terminal_alone(capsys, monkeypatch):
    _decode(_Files(3), progress=True)
    assert capsys.readouterr().err == ""  # nothing can move in a file
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    _decode(_Files(3), progress=False)
    assert capsys.readouterr().err == ""
    _decode(_Files(3), progress=True)
    assert "image/s" in capsys.readouterr().err


def test_several_threads_read_at_once():
    class Meeting(_Files):
        both = threading.Barrier(2, timeout=20)  # one thread alone would wait in vain

        def __getitem__(self, i):
            self.both.wait()
            return super().__getitem__(i)

    assert len(_decode(Meeting(6), num_workers=2)) == 6


def test_check_source_keeps_the_good():
    good, skipped = check_source(_Files(20, BAD), max_bad_share=0.15, progress=False)
    _same_reasons(skipped)
    assert good.names == [f"photo {i}.jpg" for i in range(20) if i not in BAD]
    good, skipped = check_source(_Files(4), progress=False)
    assert (len(good), skipped) == (4, [])


def test_streamed_and_decoded_splits_are_alike():
    source = _Files(6)
    decoded, streamed = _decode(source), StreamedSplit(source, Decoding(8))
    assert decoded.image_shape == streamed.image_shape
    assert decoded.names == streamed.names
    np.testing.assert_array_equal(decoded.labels, streamed.labels)
    indices = np.array([4, 1, 1])
    for one, other in zip(decoded.gather(indices), streamed.gather(indices), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    assert streamed.gather(indices)[1].all()


def test_streaming_marks_bad_files_as_missing():
    split = StreamedSplit(_Files(20, BAD), Decoding(8), max_bad_share=0.15)
    images, found = split.gather(np.array([2, 3, 7]))
    assert found.tolist() == [True, False, False]
    assert images[0].any()
    assert not images[1:].any()
    split.gather(np.array([3, 12]))
    _same_reasons(split.skipped)


def test_streaming_raises_when_too_many_are_bad():
    split = StreamedSplit(_Files(20, BAD), Decoding(8), max_bad_share=0.1)
    split.gather(np.array([3, 7, 3, 7]))
    with pytest.raises(BadFilesError, match="3 of 20 images are bad"):
        split.gather(np.array([12]))


def test_skipped_files_as_csv(tmp_path):
    skipped = [SkippedFile('a "b", c/é.jpg', "truncated,\nsaid Pillow"), SkippedFile("\udcff", "x")]
    path = tmp_path / "skipped.csv"
    write_skipped_csv(path, skipped)
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [[*SkippedFile._fields], [*skipped[0]], ['"\\udcff"', "x", "", ""]]
    assert json.loads(rows[2][0]) == "\udcff"  # it can be got back
    write_skipped_csv(path, [])
    assert path.read_bytes() == b"name,reason,label,split\n"


def test_a_source_that_is_read_faster_as_a_whole_is_opened_for_that():
    class Slow(list):
        class_names = ("a",)
        labels, names = np.zeros(2, np.int32), ("0", "1")

        def __getitem__(self, i):
            raise AssertionError("read by itself")

        @contextlib.contextmanager
        def opened(self, num_workers):
            asked.append(num_workers)
            yield [Example(np.full((4, 4, 3), i, np.uint8), 0, str(i)) for i in range(2)]
            asked.append("closed")

    asked = []
    found = decode_split(Slow([0, 0]), Decoding(4), num_workers=3, progress=False)
    assert found.images[:, 0, 0, 0].tolist() == [0, 1]
    assert asked == [3, "closed"]
