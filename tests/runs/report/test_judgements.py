"""What the page says of learning, memorising and being sure."""

import html
import re

import pytest

from jaxcnn.runs.report.answers import Bin
from jaxcnn.runs.report.judgements import judge_calibration, judge_fit
from jaxcnn.runs.report.page import render_page


def told(kind, found):
    """The word of a judgement, and its sentences."""
    text = html.unescape(render_page(f"{kind}.html.jinja", **{kind: found}))
    (word,) = re.findall(r"<strong>(.*)</strong>", text)
    sentences = re.findall(r"<p>(?!<strong>)(.*?)</p>", text, flags=re.S)
    assert text.count("callout-") == 1
    return word, sentences


def rows(train, validation):
    return [
        {
            "epoch": i + 1,
            "train_loss": 1 - t,
            "train_accuracy": t,
            "validation_loss": 1 - v,
            "validation_accuracy": v,
        }
        for i, (t, v) in enumerate(zip(train, validation, strict=True))
    ]


GROWING = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("train", "validation", "word", "says"),
    [
        ([0.5], [0.5], "Too early", "single epoch"),
        (GROWING[:6], [0.5, 0.6, 0.6, 0.6, 0.6, 0.6], "Overfitting", "First seen at epoch 6"),
        (GROWING[5:] * 2, [0.9] * 6, "Some memorising", "gap of 10.0 points"),
        (GROWING[:6], GROWING[:6], "No sign", "90.0% of the training"),
        ([0.6, 0.7, 0.7], [0.6, 0.7, 0.7], "No sign", "larger network"),
        ([0.9, 0.92, 0.94], [0.95, 0.96, 0.97], "No sign", "harder here"),
    ],
)
def test_curves_are_told_apart(train, validation, word, says):
    found, sentences = told("fit", judge_fit(rows(train, validation), best_epoch=1))
    assert found.startswith(word)
    assert says in " ".join(sentences)


def test_the_advice_is_what_this_run_can_change():
    rising = rows([0.6, 0.7, 0.7], [0.6, 0.7, 0.7])
    cures = "training more layers"
    judged = judge_fit(rising, best_epoch=1, stops_early=True, underfitting_cures=cures)
    _, said = told("fit", judged)
    assert "too: training more layers may help" in " ".join(said)
    assert "early stopping" not in " ".join(said)
    memorised = rows(GROWING[5:] * 2, [0.9] * 6)
    _, said = told("fit", judge_fit(memorised, best_epoch=1, cures="more photos or fewer dogs"))
    assert "Cures: more photos or fewer dogs." in " ".join(said)


def test_mixed_photos_are_no_measure():
    history = rows([0.3] * 4, [0.9] * 4)
    _, sentences = told("fit", judge_fit(history, best_epoch=3, is_mixed=True))
    assert "says nothing" in sentences[0]


@pytest.mark.parametrize(
    ("best", "says"), [(8, "more epochs may help"), (4, "fewer are enough"), (6, "")]
)
def test_the_length_of_training_is_judged(best, says):
    said = " ".join(told("fit", judge_fit(rows(GROWING, GROWING[:7] + [0.95]), best_epoch=best))[1])
    assert says in said
    assert ("more epochs" in said, "fewer" in said) == (best == 8, best == 4)


@pytest.mark.parametrize("best", [2, 8])
def test_who_stopped_early_gets_no_advice_on_the_length(best):
    judged = judge_fit(rows(GROWING, GROWING), best_epoch=best, stopped_early=True)
    said = " ".join(told("fit", judged)[1])
    assert "Early stopping ended the training." in said
    assert "epochs may help" not in said
    assert "fewer" not in said


def test_who_is_always_right_is_not_told_to_train_longer():
    judged = judge_fit(rows([0.9, 1.0, 1.0], [1.0] * 3), best_epoch=3)
    assert "epochs may help" not in " ".join(told("fit", judged)[1])


def test_a_temperature_that_was_not_kept_is_told():
    bins = [Bin(100, 0.9, 0.7, 0.5, 1.0)]
    _, sentences = told("calibration", judge_calibration(bins, bins, 1.0))
    assert "none is applied" in sentences[1]


@pytest.mark.parametrize(
    ("accuracy", "word", "says"),
    [
        (0.7, "Overconfident", "bring that to 0.0%"),
        (0.9, "Well calibrated", "not improve that"),
        (0.99, "Underconfident", "bring that to 0.0%"),
    ],
)
def test_calibration_is_judged(accuracy, word, says):
    bins = [Bin(100, 0.9, accuracy, 0.5, 1.0)]
    judged = judge_calibration(bins, [Bin(100, accuracy, accuracy, 0.5, 1.0)], 1.5)
    found, sentences = told("calibration", judged)
    assert found.startswith(word)
    assert "temperature of 1.50" in sentences[1]
    assert says in sentences[1]
