"""What the page says of learning, memorising and being sure."""

import html
import re

import numpy as np
import pytest

from jaxcnn.runs.report.answers import Bin
from jaxcnn.runs.report.judgements import judge_answers, judge_calibration, judge_fit
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
        (GROWING[5:8] + [0.6, 0.6], [0.5] * 5, "Some memorising", "5 epochs are too few to tell"),
        (GROWING[:6], GROWING[:6], "No sign", "90.0% of the training"),
        ([0.6] + [0.7] * 5, [0.6] + [0.7] * 5, "No sign", "larger network"),
        ([0.9, 0.92, 0.94], [0.95, 0.96, 0.97], "No sign", "harder here"),
    ],
)
def test_curves_are_told_apart(train, validation, word, says):
    found, sentences = told("fit", judge_fit(rows(train, validation), best_epoch=1))
    assert found.startswith(word)
    assert says in " ".join(sentences)


def test_a_gap_is_said_to_grow_no_more_only_where_a_trend_can_be_seen():
    for num_epochs in (2, 5, 6):
        word, said = told(
            "fit", judge_fit(rows([0.9] * num_epochs, [0.8] * num_epochs), best_epoch=1)
        )
        assert ("not growing" in word) == ("no longer grows" in said[0]) == (num_epochs == 6)


def test_a_gap_that_few_validation_photos_leave_to_chance_is_no_memorising():
    history = rows(GROWING[:6], [0.5, 0.6, 0.7, 0.8, 0.8, 0.8])
    word, said = told("fit", judge_fit(history, best_epoch=6, num_validation=8))
    assert word == "Too few validation photos to tell"
    assert "With 8 validation photos that gap of 10.0 points may be chance." in said[0]
    assert told("fit", judge_fit(history, best_epoch=6, num_validation=800))[0] == "Overfitting"


def test_who_gives_one_answer_gets_no_praise():
    flat = rows([0.44] * 6, [0.45] * 6)
    word, said = told("fit", judge_fit(flat, best_epoch=1, is_one_answer=True, is_doubted=True))
    assert word == "One answer for every test photo"
    assert len(said) == 1
    for is_doubted in (False, True):
        page = render_page(
            "fit.html.jinja", fit=judge_fit(flat, best_epoch=1, is_doubted=is_doubted)
        )
        assert ("callout-good" in page) != is_doubted


def test_few_epochs_bring_no_advice_on_the_size_of_the_network():
    said = told("fit", judge_fit(rows([0.6, 0.7, 0.7], [0.6, 0.7, 0.7]), best_epoch=2))[1]
    assert "on its training photos too." in said[0]
    assert "larger network" not in " ".join(said)


def test_the_advice_is_what_this_run_can_change():
    flat = rows([0.6] + [0.7] * 5, [0.6] + [0.7] * 5)
    cures = "training more layers"
    judged = judge_fit(flat, best_epoch=1, stops_early=True, underfitting_cures=cures)
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
    flat = rows([0.5, 0.9] + [0.95] * 6, [0.5, 0.9] + [0.95] * 6)
    said = " ".join(told("fit", judge_fit(flat, best_epoch=best))[1])
    assert says in said
    assert ("more epochs" in said, "fewer" in said) == (best == 8, best == 4)


@pytest.mark.parametrize(
    ("train", "validation", "is_told"),
    [
        ([0.5, 0.5], [0.4, 0.4], False),  # two epochs
        ([0.5, 0.5, 0.6, 0.6, 0.7, 0.7], [0.65] * 6, False),  # it still learns
        (GROWING[:6], [0.5, 0.6, 0.6, 0.6, 0.6, 0.6], True),  # it memorises
        ([0.7] * 6, [0.7] * 6, True),
    ],
)
def test_fewer_epochs_are_advised_only_where_more_bring_nothing(train, validation, is_told):
    said = " ".join(told("fit", judge_fit(rows(train, validation), best_epoch=1))[1])
    assert ("fewer are enough" in said) == is_told


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


@pytest.mark.parametrize(
    ("count", "confidence", "word"),
    [
        (2, 0.9, "Too few test photos to tell"),
        (29, 0.1, "Too few test photos to tell"),
        (30, 0.1, "Underconfident"),
        (40, 0.6, "Neither over- nor underconfident"),
        (4000, 0.6, "Overconfident"),
    ],
)
def test_few_photos_make_no_verdict_on_calibration(count, confidence, word):
    bins = [Bin(count, confidence, 0.5, 0.1, 0.9)]
    judged = judge_calibration(bins, [Bin(count, 0.5, 0.5, 0.1, 0.9)], 20.0)
    found, sentences = told("calibration", judged)
    assert found == word
    assert ("temperature" in " ".join(sentences)) == judged["can_tell"] == (count >= 30)


def test_answers_are_compared_with_one_fixed_answer():
    names = ("cat", "dog", "rare")
    labels = np.array([0] * 10 + [1] * 20, np.int32)
    judged = judge_answers(labels, np.ones(30, np.int32), names)
    assert judged["only_answer"] == "dog"
    assert "always answering dog (66.7% right)" in judged["doubt"]
    assert judged["untested"] == ["rare"]
    assert judge_answers(labels, labels, names) == {
        "only_answer": None,
        "doubt": "",
        "untested": ["rare"],
    }


def test_a_test_of_one_class_does_not_blame_the_network_for_its_one_answer():
    judged = judge_answers(np.zeros(5, np.int32), np.zeros(5, np.int32), ("cat", "dog"))
    assert judged["only_answer"] is None
    assert judged["doubt"]
