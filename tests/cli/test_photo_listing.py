"""What is said beside the photos that a search found."""

from pathlib import Path

import pytest

from jaxcnn.cli import photo_listing
from jaxcnn.photos.ranking import Found, Hit, Query

HIT = Hit(1, Path("/a.jpg"), 0.5, 0.5, None, 0, (("cat", 0.5),), 0, True, False)


@pytest.mark.parametrize(("total", "notes"), [(1, []), (2, ["1 of 2 photos; --limit shows more"])])
def test_more_photos_are_named_only_where_there_are_more(total, notes):
    found = Found((HIT,), total, ("cat",))
    said = list(photo_listing.notes(found, Query(words="cat")))
    assert said == ["looked for cat", *notes]
