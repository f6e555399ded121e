import numpy as np
import pytest

from jaxcnn.data.image_splits import DecodedSplit, StreamedSplit
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.source import Example
from jaxcnn.data.splits.groups import GroupedSource
from jaxcnn.data.splits.joined_split import JoinedSource, JoinedSplit


class _Source(list):
    class_names = ("cat", "dog")


def _sources():
    return [
        _Source(
            Example(np.full((4, 4, 3), value, np.uint8), value % 2, f"{9 - value}.jpg")
            for value in values
        )
        for values in ([0, 1, 2], [3], [4, 5])
    ]


def _splits(kind):
    if kind == "streamed":
        return [StreamedSplit(source, Decoding(4)) for source in _sources()]
    return [
        DecodedSplit(
            np.stack([e.image for e in source]),
            np.array([e.label for e in source], np.int32),
            [e.name for e in source],
            source.class_names,
            source=source,
        )
        for source in _sources()
    ]


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("kind", ["decoded", "streamed"])
def test_images_names_labels_and_source_belong_together(kind, by_name):
    pool = JoinedSplit(_splits(kind), by_name=by_name)
    values = [5, 4, 3, 2, 1, 0] if by_name else [0, 1, 2, 3, 4, 5]
    images, present = pool.gather(np.arange(6))
    assert present.all()
    assert images[:, 0, 0, 0].tolist() == values
    assert pool.names == [f"{9 - value}.jpg" for value in values]
    assert pool.labels.tolist() == [value % 2 for value in values]
    assert [example.name for example in pool.source] == pool.names
    assert pool.is_streamed == (kind == "streamed")
    part = pool.take([4, 0])
    assert isinstance(part, StreamedSplit) == pool.is_streamed
    assert part.gather(np.array([0, 1]))[0][:, 0, 0, 0].tolist() == [values[4], values[0]]
    assert list(part.names) == [pool.names[4], pool.names[0]]
    assert part.source[0].name == pool.names[4]


def test_groups_come_along():
    first, *others = _sources()
    source = JoinedSource([GroupedSource(first, ["a", "", "a"]), *others])
    assert source.groups == ["a", "", "a", "", "", ""]
    assert [source[i].label for i in range(len(source))] == source.labels.tolist()
    with pytest.raises(IndexError):
        source[6]
