"""Sizes are read from numbers, pairs and text, and written as people write them."""

import pytest

from jaxcnn.data.image_size import as_size, covers, largest, scaled, sides, size_text, smallest


@pytest.mark.parametrize(
    ("value", "size"),
    [(96, 96), ("96", 96), ("224x160", (224, 160)), ((24, 16), (24, 16)), ([9, 9], 9), ("8x8", 8)],
)
def test_sizes_are_read_and_written(value, size):
    assert as_size(value) == size
    assert as_size(size_text(size)) == size
    assert sides(size) == (size if isinstance(size, tuple) else (size, size))


@pytest.mark.parametrize(
    "value", ["", "x", "224x", "x160", "224X160", "224,160", "2.5", "-3", "1x2x3", 2.5, True, (1,)]
)
def test_anything_else_is_refused(value):
    with pytest.raises(ValueError, match=r"expected a number of pixels .* HEIGHTxWIDTH .* got"):
        as_size(value)


def test_sides_are_compared_and_scaled_each_by_itself():
    assert covers((24, 16), 16)
    assert not covers((24, 16), (16, 24))
    assert largest((24, 16), 20) == (24, 20)
    assert smallest((24, 16), 20) == (20, 16)
    assert scaled((24, 12), 7 / 6) == (28, 14)
