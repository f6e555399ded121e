import pytest

from jaxcnn.metrics.overfitting import find_overfitting


def rows(train_accuracy, validation_accuracy, train_loss, validation_loss):
    columns = zip(train_accuracy, validation_accuracy, train_loss, validation_loss, strict=True)
    names = ("train_accuracy", "validation_accuracy", "train_loss", "validation_loss")
    return [{"epoch": i, **dict(zip(names, row, strict=True))} for i, row in enumerate(columns)]


MEMORISES = rows(
    [0.60, 0.70, 0.80, 0.90, 0.95, 0.99],
    [0.60, 0.68, 0.72, 0.73, 0.73, 0.72],
    [0.69, 0.60, 0.45, 0.30, 0.15, 0.05],
    [0.69, 0.62, 0.58, 0.65, 0.80, 1.00],
)


def test_memorising_is_named_with_its_cures():
    found = find_overfitting(MEMORISES)
    assert found.epoch == 5
    assert found.gap == pytest.approx((0.90 + 0.95 + 0.99 - 0.73 - 0.73 - 0.72) / 3)
    assert found.gap_before == pytest.approx((0.60 + 0.70 + 0.80 - 0.60 - 0.68 - 0.72) / 3)
    for cure in ("more photos", "stronger augmentation", "dropout_rate", "smaller network"):
        assert cure in str(found)


def test_a_validation_loss_that_stays_low_does_not_hide_it():
    smoothed = [{**row, "validation_loss": 0.5} for row in MEMORISES]
    assert find_overfitting(smoothed) is not None


def test_a_gap_that_few_photos_may_show_by_chance_raises_no_alarm():
    assert find_overfitting(MEMORISES, num_validation=4) is None
    assert find_overfitting(MEMORISES, num_validation=100) == find_overfitting(MEMORISES)


LEARNS = rows(
    [0.60, 0.70, 0.80, 0.85, 0.88, 0.90],
    [0.60, 0.69, 0.78, 0.84, 0.86, 0.88],
    [0.69, 0.60, 0.45, 0.40, 0.35, 0.30],
    [0.69, 0.62, 0.50, 0.43, 0.40, 0.36],
)


@pytest.mark.parametrize(
    "history",
    [
        LEARNS,
        MEMORISES[:5],  # too short to tell
        # A gap that is wide but stays.
        [{**row, "train_accuracy": 0.99, "validation_accuracy": 0.8} for row in MEMORISES],
        # A training loss that rises: divergence, not memory.
        [{**row, "train_loss": 0.1 * i} for i, row in enumerate(MEMORISES)],
        # A gap below the smallest that counts.
        [
            {**row, "train_accuracy": row["validation_accuracy"] + 0.01 * i}
            for i, row in enumerate(MEMORISES)
        ],
        [],
    ],
    ids=["learns", "short", "steady gap", "diverges", "small gap", "empty"],
)
def test_other_histories_raise_no_alarm(history):
    assert find_overfitting(history) is None
