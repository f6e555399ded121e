"""Labels and vectors survive their packing, to the precision that is promised."""

import numpy as np
import pytest

from jaxcnn.photos.index_format import (
    LEAST_PROBABILITY,
    pack_labels,
    pack_vector,
    unpack_columns,
    unpack_labels,
    unpack_vector,
)


def softmax(logits):
    shares = np.exp(logits - logits.max())
    return (shares / shares.sum()).astype(np.float32)


@pytest.mark.parametrize("num_classes", [1, 2, 7, 1000])
def test_probable_classes_are_kept_in_order(num_classes):
    probabilities = softmax(np.random.default_rng(0).normal(0, 3, num_classes))
    labels = unpack_labels(pack_labels(probabilities))
    kept = (probabilities >= LEAST_PROBABILITY).sum()
    assert len(labels) == max(kept, min(5, num_classes))
    ids = [class_id for class_id, _ in labels]
    assert ids == np.argsort(-probabilities, kind="stable")[: len(ids)].tolist()
    for class_id, probability in labels:
        assert probability == pytest.approx(probabilities[class_id], abs=1.5e-5)


def test_five_classes_are_kept_where_none_is_probable():
    probabilities = np.full(5000, 1 / 5000, np.float32)
    assert len(unpack_labels(pack_labels(probabilities))) == 5


def test_columns_are_the_rows_one_after_the_other():
    draws = np.random.default_rng(1)
    rows = [pack_labels(softmax(draws.normal(0, 4, 50))) for _ in range(20)]
    class_ids, probabilities = unpack_columns(b"".join(rows))
    expected = [label for row in rows for label in unpack_labels(row)]
    assert class_ids.tolist() == [class_id for class_id, _ in expected]
    np.testing.assert_allclose(probabilities, [p for _, p in expected], atol=1e-5)
    assert len({len(row) for row in rows}) > 1


def test_too_many_classes_are_refused():
    with pytest.raises(ValueError, match="65537 classes"):
        pack_labels(np.zeros(65537, np.float32))


def test_a_packed_vector_keeps_its_direction():
    draws = np.random.default_rng(2)
    one, other = np.abs(draws.standard_normal((2, 1280))).astype(np.float32) ** 2
    packed = [unpack_vector(pack_vector(v)) for v in (one, other)]
    assert np.linalg.norm(packed[0]) == pytest.approx(1)
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    assert packed[0] @ packed[1] == pytest.approx(cosine, abs=2e-3)
    np.testing.assert_array_equal(unpack_vector(pack_vector(1000 * one)), packed[0])


def test_a_vector_of_length_0_is_none():
    np.testing.assert_array_equal(unpack_vector(pack_vector(np.zeros(3, np.float32))), np.zeros(3))
