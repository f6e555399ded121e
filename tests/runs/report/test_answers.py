"""What is kept of the answers says what the answers said."""

import numpy as np
import pytest

from jaxcnn.host.files import write_arrays
from jaxcnn.metrics.calibration import expected_calibration_error
from jaxcnn.runs.folder import WorkdirError
from jaxcnn.runs.report.answers import (
    as_arrays,
    calibration_error,
    filled_bins,
    read_arrays,
    shorten_answers,
)


@pytest.fixture(scope="module", params=[2, 30], ids=["2 classes", "30 classes"])
def found(request, drawn_evaluation):
    return drawn_evaluation(request.param, 400)


def kept(found):
    return shorten_answers(found, found, [f"photo {i}" for i in range(found.num_examples)])


def test_answers_keep_accuracy_and_calibration(found):
    answers = kept(found)
    assert answers.right.mean() == found.accuracy
    assert answers.classes.shape[1] == min(20, found.probabilities.shape[1])
    k = min(5, found.probabilities.shape[1])
    best = np.argsort(-found.probabilities, axis=1, kind="stable")[:, :k]
    expected = (best == found.labels[:, None]).any(axis=1).mean()
    assert answers.top_k_accuracy(k) == pytest.approx(expected)
    error = calibration_error(filled_bins(answers.bins))
    assert error == pytest.approx(expected_calibration_error(found.probabilities, found.labels))


def test_answers_keep_names_by_position(found):
    answers = kept(found)
    assert answers.names.tolist() == [f"photo {i}" for i in found.index]


def test_probabilities_fall_and_the_labels_own_is_kept(found):
    answers = kept(found)
    assert (np.diff(answers.probabilities, axis=1) <= 0).all()
    own = found.probabilities[np.arange(found.num_examples), found.labels]
    np.testing.assert_array_equal(answers.label_probability, own)


def test_the_temperature_undoes_what_made_answers_too_sure(found):
    logits = np.log(np.maximum(found.probabilities, 1e-30)) * 3
    sure = np.exp(logits - logits.max(axis=1, keepdims=True))
    sure = (sure / sure.sum(axis=1, keepdims=True)).astype(np.float32)
    before, after = kept(found), kept(found._replace(probabilities=sure))
    assert float(after.temperature) == pytest.approx(3 * float(before.temperature), rel=1e-2)


def test_the_temperature_is_fitted_on_validation_alone(found):
    squares = found.probabilities**2
    surer = found._replace(probabilities=squares / squares.sum(axis=1, keepdims=True))
    names = [f"photo {i}" for i in range(found.num_examples)]
    own, other = (shorten_answers(test, found, names).temperature for test in (found, surer))
    assert other == own
    assert shorten_answers(found, surer, names).temperature > 1.5 * own


def test_answers_are_read_as_they_were_written(found, tmp_path):
    answers = kept(found)._replace(names=np.array(["a ☀", "b\udce9"] * (found.num_examples // 2)))
    write_arrays(tmp_path / "a.npz", as_arrays(answers))
    newer = answers._field_defaults
    read = read_arrays(tmp_path / "a.npz", answers._fields, newer=newer)
    for name, there, here in zip(answers._fields, read, answers, strict=True):
        np.testing.assert_array_equal(there, here, err_msg=name)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not whole", None])
def test_damaged_answers_are_refused(damage, tmp_path):
    path = tmp_path / "a.npz"
    if damage is None:
        np.savez(path, labels=np.zeros(3))  # of another version
    else:
        path.write_bytes(damage)
    with pytest.raises(WorkdirError, match="test the run again"):
        read_arrays(path, ["labels", "index"])
