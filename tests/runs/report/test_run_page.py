"""The run's page: whole, small, made from the folder alone, and free of others' markup."""

import dataclasses
import html.parser
import json

import numpy as np
import pytest

from jaxcnn.host.files import write_json, write_rows
from jaxcnn.metrics.out_of_distribution import fit_neighbours
from jaxcnn.runs.folder import WorkdirError
from jaxcnn.runs.known_photos import KnownPhotos
from jaxcnn.runs.report.facts import gather
from jaxcnn.runs.report.run_page import _some_rows, run_page, write_report

HOSTILE = "<script>alert(1)</script>"
QUOTED = "\" onerror='alert(1)' x=\"'<img src=x>"


class Reader(html.parser.HTMLParser):
    """Collects a page's tags, attributes and text, as a browser would."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.text, self.alts, self.ids = [], set(), "", [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.alts += [value for name, value in attrs if name == "alt"]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_data(self, data):
        self.text += data


def read(folder):
    return Reader(write_report(folder.path).read_text("utf-8"))


def test_the_page_tells_the_run(make_run):
    page = read(make_run())
    for words in ("six_conv is right on", "95% interval", "Most confidently wrong", "F1", "1:15"):
        assert words in page.text
    assert "jaxcnn train" in page.text
    assert "2026-02-03 14:05 UTC" in page.text
    assert page.tags.count("svg") == 3
    assert len(page.ids) == len(set(page.ids))
    assert all(page.alts)


def test_a_run_of_an_older_version_has_a_page_without_a_date(make_run):
    assert "finished" not in read(make_run(finished=None)).text


def test_names_of_classes_and_files_stay_text(make_run):
    names = [f"{HOSTILE}{QUOTED}{i}.jpg" for i in range(60)]
    page = read(make_run(class_names=[HOSTILE, QUOTED], names=names))
    assert "script" not in page.tags
    assert not {name for name in page.attributes if name.startswith("on")}
    assert page.text.count(HOSTILE) > 5
    assert any(HOSTILE in alt for alt in page.alts)
    assert any(f"{HOSTILE}{QUOTED}" in alt for alt in page.alts)
    # As many pictures as photos and maps: no name has become one.
    assert page.tags.count("img") == 2 * 24


def test_a_thousand_classes_and_ten_thousand_photos_make_a_small_page(make_run):
    folder = make_run(
        1000, 10_000, class_names=[f"a class of a long name {i}" for i in range(1000)]
    )
    page = read(folder)
    assert folder.report.stat().st_size < 3e6
    assert page.tags.count("img") <= 2 * (12 + 6 + 24)
    assert page.tags.count("tr") < 1300
    assert "right among the first five" in page.text
    assert "All 1,000 classes" in page.text
    assert "one photo of each of the 24 classes that it is surest of." in page.text
    assert "further classes have right photos." in page.text
    assert folder.test_answers.stat().st_size < 3e6


@pytest.mark.parametrize("num_classes", [2, 30, 31])
def test_the_matrix_is_shown_while_it_can_be_read(make_run, num_classes):
    page = run_page(gather(make_run(num_classes, 200).path))
    assert ('class="matrix"' in page) == (num_classes <= 30)
    assert ("Confused most often" in page) == (num_classes > 2)


def test_the_page_can_be_written_again_from_the_folder_alone(make_run):
    folder = make_run()
    first = write_report(folder.path).read_bytes()
    folder.report.unlink()
    assert write_report(folder.path).read_bytes() == first


def test_baselines_are_compared_where_there_are_some(make_run):
    assert "Baselines" not in read(make_run()).text
    accuracies = {"color_histogram": 0.61, "edge_orientation_histogram": 0.55, "six_conv": 0.7}
    text = read(make_run(name="other", baseline_test_accuracies=accuracies)).text
    assert "color" in text
    assert "61.0%" in text
    assert "always the most frequent class" in text


def test_several_networks_are_told_one_by_one(make_run):
    scores = {"test_accuracy": 0.7, "validation_accuracy": 0.7, "test_loss": 0.5}
    scores["test_calibration_error"] = 0.03
    rows = [{"member": f"{i:02d}", "seed": i, "best_step": 20, **scores} for i in range(3)]
    folder = make_run(
        members=rows,
        mean=scores,
        standard_deviation=scores,
        test_calibration_error=0.02,
        changes={"num_seeds": 3},
    )
    summary = json.loads(folder.summary.read_text())
    del summary["best_step"]  # each network has its own
    folder.summary.write_text(json.dumps(summary))
    text = read(folder).text
    assert "3 networks that answer together" in text
    assert "standard deviation" in text
    assert "those of network 00" in text


@pytest.mark.parametrize(
    ("privacy", "says"),
    [
        ({"epsilon": 3.21, "epsilon_if_poisson": 2.0}, "Epsilon is 3.2 for delta 1e-05"),
        ({"epsilon": None, "epsilon_if_poisson": None}, "needs pip install dp-accounting"),
        ({"epsilon": None, "noise_multiplier": 0.0}, "Without noise epsilon has no bound"),
    ],
)
def test_private_training_is_told(make_run, privacy, says):
    found = {"clip_norm": 1.0, "noise_multiplier": 0.8, "delta": 1e-5, **privacy}
    assert says in read(make_run(privacy=found)).text


def test_what_flatters_is_told(make_run):
    text = read(make_run(num_duplicates_across_splits=4, num_skipped_files=1)).text
    assert "4 photos lie in two splits" in text
    assert "1 file left out of the run" in text


def test_copies_in_a_cross_validation_lie_in_two_folds(make_run):
    scores = {"test_accuracy": 0.9, "validation_accuracy": 0.8, "test_loss": 0.3}
    scores["test_calibration_error"] = 0.1
    rows = [{"fold": n, "num_test": 10, "best_step": 4, **scores} for n in (1, 2, 3)]
    spread = {"num_folds": 3, "mean": scores, "standard_deviation": scores, "folds": rows}
    text = read(make_run(num_duplicates_across_splits=4, **spread)).text
    assert "The same photos in two folds" in text
    assert "4 photos lie in two folds" in text


def with_answers(facts, labels, answers):
    """The same run with other labels and most probable classes."""
    classes = facts.answers.classes.copy()
    classes[:, 0] = answers
    return dataclasses.replace(
        facts, answers=facts.answers._replace(labels=labels, classes=classes)
    )


def test_a_network_that_answers_all_photos_alike_is_told(make_run):
    facts = gather(make_run(class_names=["cat", "dog"]).path)
    labels = facts.answers.labels
    text = Reader(run_page(facts)).text
    assert "One answer" not in text
    assert "one fixed answer" not in text
    text = Reader(run_page(with_answers(facts, labels, 1))).text
    assert "One answer for every photo" in text
    assert "answers dog for all 60 test photos" in text
    text = Reader(run_page(with_answers(facts, labels, labels ^ (np.arange(60) % 2)))).text
    assert "Not shown to be better than one fixed answer" in text
    assert "which is not significantly better than always answering" in text


def test_a_class_without_a_test_photo_is_named(make_run):
    facts = gather(make_run(3, 60, class_names=["cat", "dog", "rare"]).path)
    assert "no test photo" not in Reader(run_page(facts)).text
    labels = np.minimum(facts.answers.labels, 1)
    text = Reader(run_page(with_answers(facts, labels, labels))).text
    assert "1 class has no test photo" in text
    assert "The test says nothing about rare; more photos of it" in text
    text = Reader(run_page(with_answers(facts, labels * 0, labels))).text
    assert "2 classes have no test photo" in text
    assert "nothing about dog, rare; more photos of them" in text


def test_two_test_photos_make_no_calibration_error(make_run):
    text = read(make_run(count=2)).text
    assert "calibration error" not in text
    assert "Calibration is judged on at least 30 test photos; here are 2." in text


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({"num_test_seen": 4}, "were seen in training"),
        ({"num_test_seen": 0, "seen_unknown": ["W"]}, "what W saw is unknown"),
    ],
)
def test_the_page_claims_no_more_of_the_test_than_is_known(make_run, known, says):
    assert says in read(make_run(**known)).text


def test_another_accuracy_than_the_runs_own_is_told(make_run):
    assert "tested again" not in read(make_run()).text
    assert "noted 12.3%" in read(make_run(name="other", test_accuracy=0.1234)).text


def test_maps_may_be_missing(make_run):
    page = read(make_run(maps="none are made here."))
    assert "none are made here." in page.text
    assert page.tags.count("img") == 24


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("config.json", "holds no run"),
        ("summary.json", r"has not ended \(4 of 4 epochs.*resume it"),
        ("metrics.jsonl", "has not ended"),
        ("test_answers.npz", "test the run again"),
        ("report_photos.npz", "test the run again"),
    ],
)
def test_unfinished_and_older_runs_are_refused_clearly(make_run, missing, says):
    folder = make_run()
    (folder.path / missing).unlink()
    with pytest.raises(WorkdirError, match=says):
        write_report(folder.path)
    assert not folder.report.exists()


@pytest.mark.parametrize("content", ["", '{"epoch": 1', "[]", "3", "{}", "\xff\x00"])
@pytest.mark.parametrize(
    "name", ["config.json", "summary.json", "metrics.jsonl", "best_trial.json"]
)
def test_a_damaged_file_of_a_run_is_named_in_one_line(make_run, name, content):
    folder = make_run()
    (folder.path / name).write_bytes(content.encode("latin-1"))
    if (name, content) == ("best_trial.json", "{}"):
        return  # where no trial was chosen
    with pytest.raises(ValueError, match=rf"{name} is damaged|has not ended") as caught:
        write_report(folder.path)
    assert len(str(caught.value).splitlines()) == 1


def test_the_page_shows_the_metrics_that_were_asked_for(make_run):
    run = make_run()
    plain = read(run).text
    assert "Metrics" not in plain
    config = json.loads(run.config.read_text())
    summary = json.loads(run.summary.read_text())
    write_json(run.config, config | {"metrics": "auroc,f1", "best_metric": "auroc"})
    found = {"validation_metrics": {"auroc": 0.9125, "f1": [0.5, 0.7]}}
    found["test_metrics"] = {"auroc": 0.8875, "f1": [0.4, 0.6]}
    write_json(run.summary, summary | found)
    rows = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    rows = [row | {"validation_auroc": 0.8 + 0.01 * row["epoch"]} for row in rows]
    write_rows(run.metrics, rows)
    page = read(run).text
    for words in ("Metrics", "0.9125", "0.8875", "0.8100", "highest auroc"):
        assert words in page
    assert "[0.4, 0.6]" not in page


def test_the_table_of_many_epochs_holds_the_best_and_the_last():
    history = [{"epoch": epoch} for epoch in range(1, 133)]
    shown = [row["epoch"] for row in _some_rows(history, 77)]
    assert shown == sorted({*range(1, 133, 3), 77, 132})
    assert len(_some_rows(history[:60], 7)) == 60


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.0, None), (0.3, "less than a second"), (75.0, "1:15")]
)
def test_the_page_never_says_that_training_took_no_time(make_run, seconds, said):
    page = run_page(gather(make_run(train_seconds=seconds).path))
    assert "0:00" not in page
    assert ("training time" in page) == (said is not None)
    assert said is None or page.count(said) == 2
    assert ("250 photos per second" in page) == (said is not None)


def test_a_photo_that_could_not_be_read_says_why_on_the_page(make_run):
    folder = make_run()
    facts = gather(folder.path)
    reasons = np.full(len(facts.photos.rows), "the <drive> is not there.")
    page = run_page(dataclasses.replace(facts, photos=facts.photos._replace(reasons=reasons)))
    assert page.count("No photo: the &lt;drive&gt; is not there.") == len(reasons)


def known_photos(coverage=0.9, count=100, label_scores=None):
    """Of a run whose validation photos have scores from -1 to 0."""
    scores = np.linspace(-1, 0, count).astype(np.float32)
    own = np.linspace(0, 0.99, count) if label_scores is None else label_scores
    return KnownPhotos(30, coverage, fit_neighbours(np.eye(2)), scores, own)


def test_a_run_without_thresholds_has_no_section_of_them(make_run):
    assert "None of these" not in Reader(run_page(gather(make_run().path))).text


def test_the_page_tells_what_is_none_of_the_classes(make_run):
    facts = gather(make_run(known_photos=known_photos()).path)
    text = Reader(run_page(facts)).text
    # The 10th of 100 scores is the threshold; 54 of 60 photos from 0 to -1 are not below it.
    assert facts.answers.threshold == pytest.approx(-90 / 99)
    assert facts.answers.unknown.tolist() == [59, 58, 57, 56, 55, 54]
    assert "54 of 60: 90.0%" in text
    assert "score -0.909" in text
    assert "Least like the training photos" in text
    assert "have their class in their set" in text
    page = Reader(run_page(facts))
    assert "unknown" in page.ids


def test_few_validation_photos_leave_out_none_and_the_page_says_so(make_run):
    page = run_page(gather(make_run(known_photos=known_photos(count=3)).path))
    text = Reader(page).text
    assert "too few validation photos" in text
    assert "60 of 60: 100%" in text
    assert "inf" not in text.lower().replace("information", "")


def test_sets_that_break_their_promise_are_told(make_run):
    broken = known_photos(label_scores=np.zeros(100))
    said = "Sets hold the right class less often than promised"
    assert said in Reader(run_page(gather(make_run(known_photos=broken).path))).text
    kept = make_run(name="kept", known_photos=known_photos())
    assert said not in Reader(run_page(gather(kept.path))).text


def test_photos_of_several_classes_have_no_sets(make_run):
    several = known_photos(label_scores=np.zeros(0))
    text = Reader(run_page(gather(make_run(known_photos=several).path))).text
    assert "None of these" in text
    assert "sets of classes" not in text
