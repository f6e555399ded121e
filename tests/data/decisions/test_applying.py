"""What decisions make of sources and splits, and what they cannot be about."""

import unicodedata

import numpy as np
import pytest

from jaxcnn.data.decisions.applying import (
    DecidedCounts,
    apply_decisions,
    decide_splits,
    digest_of_decisions,
)
from jaxcnn.data.decisions.decision_table import Decision, DecisionError, write_decisions
from jaxcnn.data.drawn_pets import DrawnPetsSource
from jaxcnn.data.source import (
    Example,
    SplitError,
    example_digests,
    example_labels,
    example_names,
    source_fingerprint,
)
from jaxcnn.data.splits.splitting import complete_splits


class _Examples(list):
    class_names = ("cat", "dog")


def source_of(names):
    image = np.zeros((1, 1, 3), np.uint8)
    return _Examples(Example(image + i, i % 2, name) for i, name in enumerate(names))


def decided(*rows):
    return {row[0]: Decision(*row) for row in rows}


def labels_of(source):
    return dict(zip(example_names(source), example_labels(source).tolist(), strict=True))


def test_labels_change_and_photos_are_left_out():
    source = source_of("abcdef")
    found = apply_decisions(
        source,
        decided(
            ("a", "relabel", "cat", "dog"),
            ("b", "exclude", "dog"),
            ("c", "keep", "cat"),
            ("d", "relabel", "", "cat"),
        ),
    )
    assert labels_of(found) == {"a": 1, "c": 0, "d": 0, "e": 0, "f": 1}
    assert [found[i].label for i in range(len(found))] == [1, 0, 0, 0, 1]
    assert [found[i].name for i in range(len(found))] == list("acdef")
    assert found[1].image[0, 0, 0] == 2
    assert example_digests(found) == [example_digests(source)[i] for i in (0, 2, 3, 4, 5)]
    assert found.class_names == ("cat", "dog")


def test_where_nothing_changes_the_source_is_the_same():
    source = DrawnPetsSource("train", 4, size_px=16)
    assert apply_decisions(source, decided(("train/000000", "keep", "cat"))) is source
    changed = apply_decisions(source, decided(("train/000000", "relabel", "cat", "dog")))
    # Decoded images are cached by this; they are those of the files, whatever the labels.
    everything = np.arange(4)
    assert source_fingerprint(changed, everything) == source_fingerprint(source, everything)


def test_decisions_about_nothing_here_are_counted(said):
    source = source_of("abc")
    rows = decided(
        ("x", "exclude"),
        ("y", "relabel", "cat", "bird"),  # not looked at, since there is no such photo
        ("a", "relabel", "dog", "cat"),  # is a cat already
        ("b", "exclude", "cat"),
        ("c", "exclude", "cat"),
    )
    assert example_names(apply_decisions(source, rows)) == ["a", "b"]
    assert "decisions: 0 labels changed and 1 photo left out" in said
    assert "2 decisions changed nothing, no such photo here: x, y" in said
    assert "1 decision changed nothing, the photo has another label now: b" in said


def test_a_class_that_is_not_there_is_refused():
    with pytest.raises(
        DecisionError, match=r"about a names an unknown class 'dgo'; known, near.* dog"
    ):
        apply_decisions(source_of("ab"), decided(("a", "relabel", "cat", "dgo")))


def test_photos_with_several_labels_can_be_left_out_alone():
    source = source_of("abc")
    source.labels = np.array([[1, 1], [0, 1], [1, 0]])
    found = apply_decisions(source, decided(("a", "exclude", "cat; dog")))
    assert example_names(found) == ["b", "c"]
    assert found[0].label == (1,)
    with pytest.raises(DecisionError, match="gives it one label, but photos have several here"):
        apply_decisions(source, decided(("a", "relabel", "", "dog")))


def test_a_name_in_another_form_of_unicode_is_the_same(tmp_path):
    name = "caf\u00e9.jpg"
    write_decisions(tmp_path / "d.csv", [Decision(unicodedata.normalize("NFD", name), "exclude")])
    assert example_names(apply_decisions(source_of([name, "b"]), tmp_path / "d.csv")) == ["b"]


def test_no_photo_goes_to_another_split():
    source = source_of([f"photo {i}" for i in range(200)])
    before = complete_splits({"all": source})
    rows = decided(
        *((f"photo {i}", "relabel", "cat", "dog") for i in range(0, 40, 2)),
        *((f"photo {i}", "exclude", "dog") for i in range(1, 40, 2)),
    )
    after, counts = decide_splits(before, rows)
    gone = {name for name, row in rows.items() if row.decision == "exclude"}
    for old, new in zip(before, after, strict=True):
        assert example_names(new) == [name for name in example_names(old) if name not in gone]
    assert (sum(counts.relabelled), sum(counts.excluded)) == (20, 20)
    for number, old in enumerate(before):
        names = set(example_names(old))
        assert counts.excluded[number] == len(names & gone)
    assert isinstance(counts, DecidedCounts)


def test_a_split_or_class_of_which_nothing_is_left_is_refused():
    splits = complete_splits({"all": source_of([f"photo {i}" for i in range(60)])})
    rows = {name: Decision(name, "exclude") for name in example_names(splits.test)}
    with pytest.raises(SplitError, match="test split is empty once decisions are applied"):
        decide_splits(splits, rows)
    rows = {name: Decision(name, "relabel", "", "cat") for name in example_names(splits.train)}
    with pytest.raises(SplitError, match="no photo to train on once decisions are applied for dog"):
        decide_splits(splits, rows)


def test_the_digest_is_of_what_decisions_do():
    rows = decided(("a", "relabel", "cat", "dog", "now"), ("b", "exclude"), ("c", "keep"))
    same = decided(("b", "exclude", "dog"), ("a", "relabel", "", "dog", "then"))
    assert digest_of_decisions(rows) == digest_of_decisions(same)
    for other in (
        decided(("a", "relabel", "cat", "dog")),
        decided(("a", "exclude"), ("b", "exclude")),
        decided(("a", "relabel", "cat", "bird"), ("b", "exclude")),
    ):
        assert digest_of_decisions(rows) != digest_of_decisions(other)
