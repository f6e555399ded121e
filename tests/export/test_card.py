"""The model card tells the run's facts, and what a user named stays text in it."""

import re

import pytest

from jaxcnn.export import card
from jaxcnn.export.card import escape_markdown
from jaxcnn.metrics.classification import wilson_interval

HOSTILE = [
    "<script>alert(1)</script>",
    "a|b",
    "**bold** _it_ ~~no~~",
    "[x](javascript:alert(1))",
    "![](http://example.org/p.png)",
    "`code` \\` \\",
    "&amp; &lt;",
    "www.example.org me@example.org https://example.org",
    "$x$ # h",
    "a\n\n# heading",
]


def to_html(text):
    markdown = pytest.importorskip("markdown_it", reason="reads the Markdown")
    return markdown.MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text)


def text_of(html):
    import html as html_lib

    return html_lib.unescape(re.sub(r"<[^>]*>", "", html)).strip()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_shown_as_it_is(name):
    html = to_html(f"| class |\n|---|\n| {escape_markdown(name)} |\n")
    (cell,) = re.findall(r"<td>(.*?)</td>", html, flags=re.S)
    assert "<" not in cell
    assert text_of(cell) == re.sub(r"\s", " ", name)
    escaped = escape_markdown(name)
    assert not re.search(r"(?i)https?://|www\.|@", escaped)


def test_text_cannot_run_backwards():
    assert escape_markdown("a\u202eb\x00c") == "a\ufffdb\ufffdc"


def summary_of(names):
    count = len(names)
    return {
        "class_names": names,
        "test_accuracy": 0.9,
        "test_accuracy_interval": [0.85, 0.94],
        "test_loss": 0.3,
        "validation_accuracy": 0.91,
        "test_recall": [0.5] + [1.0] * (count - 1),
        "test_precision": [None] + [0.75] * (count - 1),
        "test_labels": [10] + [60] * (count - 1),
        "test_predictions": [0] + [80] * (count - 1),
        "test_calibration_error": 0.0723,
        "num_train": 1000,
        "num_validation": 100,
        "num_test": 200,
        "num_skipped_files": 0,
        "num_duplicates_across_splits": 3,
        "best_step": 10,
        "steps": 20,
        "baseline_test_accuracies": {"color_histogram": 0.4},
    }


ABOUT = {
    "num_members": 1,
    "num_parameters": 1234,
    "input": {"shape": ["b", 19, 19, 3], "dtype": "uint8"},
    "output": {"shape": ["b", 10], "dtype": "float32"},
    "programs": {
        "stablehlo": {
            "file": "classifier.jax_export",
            "platforms": ["cpu", "tpu"],
            "calling_convention_version": 10,
            "largest_difference": 1e-7,
        }
    },
    "files": {"classifier.jax_export": {"bytes": 12345, "sha256": "ab" * 32}},
    "versions": {"jax": "0.10.2"},
    "written": "2026-01-01",
}


def write(make_classifier, names, summary, **options):
    classifier = make_classifier(class_names=names)
    run = card.RunFacts(summary, 3, "cd" * 32)
    given = {"title": "<b>pets</b>", "trained_here": True, **options}
    return card.write_card(classifier, run, ABOUT, **given)


def test_the_card_names_the_teacher_without_its_folder(make_classifier):
    classifier = make_classifier(class_names=("a", "b"), teacher="/home/me/runs/lite")
    nothing = card.RunFacts(None, None, None)
    text = card.write_card(classifier, nothing, ABOUT, title="mine", trained_here=True)
    assert "| taught by | lite |" in text
    assert "/home/me" not in text


def test_the_card_tells_the_runs_figures_and_limits(make_classifier):
    html = to_html(write(make_classifier, HOSTILE, summary_of(HOSTILE)))
    plain = " ".join(text_of(html).split())
    low, high = wilson_interval(60, 80)
    assert f"75.0% {100 * low:.1f}% to {100 * high:.1f}%" in plain
    for words in (
        "90.0% of 200 test images",
        "95% interval 85.0% to 94.0%",
        "differ by 7.2%",
        "off by 7.2%",
        "The test is small: 200 images",
        "fewer than 50 test images, whose own figures say little: <script>alert(1)</script>.",
        "The class it finds least often is <script>alert(1)</script>: 50.0%",
        "3 images stand in two splits",
        "six months newer",
        "ab" * 32,
        "cd" * 32,
        "<b>pets</b>",
    ):
        assert words in plain
    tags = set(re.findall(r"<(\w+)", html))
    assert tags <= _TAGS
    assert 'open("classifier.jax_export", "rb")' in plain


def test_the_card_claims_no_more_of_the_test_than_is_known(make_classifier):
    summary = summary_of(["a", "b"])
    for seen, unknown, words in (
        (0, [], "never trained on"),
        (7, [], "of which 7 were seen in training"),
        (0, ["W"], "what W saw is unknown"),
    ):
        known = {"num_test_seen": seen, "seen_unknown": unknown}
        assert words in write(make_classifier, ["a", "b"], summary | known)


def test_of_many_classes_the_worst_are_shown(make_classifier):
    names = [f"class {n}" for n in range(150)]
    text = write(make_classifier, names, summary_of(names))
    assert "The 30 of 150 classes that are found least often" in text
    rows = [line for line in text.splitlines() if line.startswith("| class ")]
    assert len(rows) == 1 + 30
    assert rows[1].startswith("| class 0 | 10 | 50.0%")


def test_what_is_not_known_is_not_told(make_classifier):
    text = write(make_classifier, ("a", "b"), None)
    assert "How well it does is not known" in text
    assert "test accuracy" not in text
    older = {k: v for k, v in summary_of(["a", "b"]).items() if k not in OF_THIS_VERSION}
    text = write(make_classifier, ("a", "b"), older)
    assert "Not measured in this run" in text
    assert "| a | - | 50.0% | n/a | n/a | n/a |" in text


_TAGS = {"h1", "h2", "h3", "p", "strong", "ul", "ol", "li", "pre", "code"} | {
    *("table", "thead", "tbody", "tr", "th", "td")
}
OF_THIS_VERSION = ("test_labels", "test_predictions", "test_calibration_error")


def test_published_weights_have_their_licence_and_no_folder_of_anyone(make_classifier):
    classifier = make_classifier()  # the card looks at its settings alone, which are replaced
    weights = {"model": "efficientnet_lite0", "weights": "efficientnet_lite0.lukemelas"}
    classifier.config = classifier.config.replace(**weights)
    nothing = card.RunFacts(None, None, None)
    text = card.write_card(classifier, nothing, ABOUT, title="lite", trained_here=False)
    assert "efficientnet_lite0.lukemelas, are Apache-2.0, as PyPI" in text
    assert "75.1% top-1" in text
    unknown = make_classifier(weights="/home/someone/secret/mine.pth")
    text = card.write_card(unknown, nothing, ABOUT, title="mine", trained_here=False)
    assert "mine.pth) is not known" in text
    assert "secret" not in text


def test_a_card_of_several_labels_tells_precision_by_class(make_classifier):
    classifier = make_classifier(class_names=("cat", "a|b"), head="multi_label", depth=1)
    summary = {
        "class_names": ["cat", "a|b"],
        "thresholds": [0.5, 0.25],
        "test_mean_average_precision": 0.75,
        **{"test_macro_f1": 0.6, "test_micro_f1": None, "test_loss": 0.2},
        **{"test_subset_accuracy": 0.5, "test_subset_accuracy_interval": [0.4, 0.6]},
        **{"validation_mean_average_precision": 0.7, "num_test": 80, "num_validation": 40},
        **{"num_train": 200, "num_skipped_files": 0, "num_duplicates_across_splits": 0},
        **{"test_labels": [60, 0], "test_predictions": [50, 0], "seen_unknown": []},
        **{"test_precision": [0.9, None], "test_recall": [0.75, None], "test_f1": [0.8, None]},
        **{"test_average_precision": [0.75, None], "baseline_test_accuracies": {}},
        **{"best_step": 3, "steps": 5, "num_test_seen": 0},
    }
    about = {
        **{"num_members": 1, "num_parameters": 10, "programs": {}, "files": {}, "versions": {}},
        **{"input": {"shape": ["b"], "dtype": "uint8"}, "written": "2026-01-01"},
        "output": {"shape": ["b"], "dtype": "float32"},
    }
    text = card.write_card(
        classifier, card.RunFacts(summary, 5, None), about, title="t", trained_here=True
    )
    assert "mean average precision is **75.0%**" in text
    assert "| cat | 60 | 75.0% | 80.0% | 75.0% | 90.0% | 0.500 |" in text
    assert r"| a\|b | 0 | n/a | n/a | n/a | n/a | 0.250 |" in text
    assert "accuracy |" not in text
