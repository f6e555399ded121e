"""A run that is trained with decisions: it says so, and keeps to them."""

import logging
from logging.handlers import BufferingHandler

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.decisions.decision_table import (
    Decision,
    DecisionError,
    read_decisions,
    write_decisions,
)
from jaxcnn.runs.evaluate_again import evaluate_classifier, load_run
from jaxcnn.runs.findings import find_findings
from jaxcnn.runs.folder import WorkdirError
from jaxcnn.runs.train_and_evaluate import check, load_data, train_classifier

WRONG = "train/dark/03.png"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Dark and bright photos, one of them in the wrong folder."""
    folder, draws = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for split, count in (("train", 12), ("validation", 4), ("test", 4)):
        for label, name in enumerate(("dark", "bright")):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                path = f"{split}/{name}/{i:02d}.png"
                shade = 1 if path == WRONG else label
                pixels = draws.integers(0, 120, (18, 18, 3)) + 120 * shade
                Image.fromarray(pixels.astype(np.uint8)).save(folder / path)
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "mine.csv"
    rows = [
        Decision(WRONG, "relabel", "dark", "bright"),
        Decision("train/bright/00.png", "exclude"),
        Decision("test/dark/00.png", "exclude", "dark"),
        Decision("validation/dark/00.png", "keep", "dark"),
        Decision("nothing/like/it.png", "exclude"),
    ]
    write_decisions(path, rows)
    with path.open("a", encoding="utf-8") as file:
        file.write("train/dark/01.png,excl")  # cut off by a kill
    return path


@pytest.fixture(scope="module")
def config(photos, table, tiny_config):
    return tiny_config.replace(
        dataset="folder", data_dir=str(photos), num_epochs=1, decisions=str(table)
    )


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    workdir, handler = tmp_path_factory.mktemp("runs") / "decided", BufferingHandler(10_000)
    logging.getLogger("jaxcnn").addHandler(handler)
    summary = train_classifier(config, workdir)
    logging.getLogger("jaxcnn").removeHandler(handler)
    assert summary["num_train"] == 23
    assert sum("is cut off" in record.getMessage() for record in handler.buffer) == 1
    return workdir


def test_splits_lose_and_change_what_was_decided(config):
    data = load_data(check(config))
    assert [len(split) for split in data.splits] == [23, 8, 7]
    labels = dict(zip(data.train.names, data.train.labels.tolist(), strict=True))
    assert data.class_names[labels[WRONG]] == "bright"
    assert data.decided.relabelled == (1, 0, 0)
    assert data.decided.excluded == (1, 0, 1)


def test_the_page_says_what_was_decided(run):
    page = " ".join((run / "report.html").read_text().split())
    said = "1 label changed and 2 photos left out by mine.csv; 1 of them is a test photo."
    assert said in page
    assert "--decisions=" in page


def test_a_run_keeps_the_decisions_it_was_trained_with(run, table, config, tmp_path):
    before = evaluate_classifier(run)
    kept = table.read_text()
    whole = kept[: kept.rindex("\n") + 1]
    try:
        table.write_text(whole + "test/dark/01.png,exclude,dark,,\n")
        assert evaluate_classifier(run) == before
        assert len(load_run(run).data.test) == 7
        with pytest.raises(WorkdirError, match="the data and the decisions are not"):
            train_classifier(config, run, resume=True)
        table.write_text(whole + "test/dark/01.png,keep,dark,,\n")  # changes nothing
        train_classifier(config, run, resume=True)
    finally:
        table.write_text(kept)


def test_a_second_look_knows_the_first(run):
    findings = find_findings(run)
    assert findings.num_photos == 38
    assert set(findings.decided) == set(read_decisions(run / "applied_decisions.csv"))
    relabelled = [item for item in findings.items if item.name == WRONG]
    assert all((i.label, i.source_label) == ("bright", "dark") for i in relabelled)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,decision\na,delete\n", "unknown decision 'delete'"),
        (f"name,decision,new_label\n{WRONG},relabel,blue\n", "unknown class 'blue'"),
    ],
)
def test_a_mistake_leaves_no_run_behind(config, text, message, tmp_path):
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(DecisionError, match=message):
        train_classifier(config.replace(decisions=str(tmp_path / "d.csv")), tmp_path / "run")
    assert not (tmp_path / "run" / "config.json").exists()


def test_drawings_have_no_decisions(tiny_config, table):
    with pytest.raises(ValueError, match=r"decisions \(=.*\) are about photos"):
        check(tiny_config.replace(decisions=str(table)))
