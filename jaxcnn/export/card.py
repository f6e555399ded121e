"""The model card of an export, in Markdown: what it is, how well it does, and what it is not for.

Source: Mitchell et al. 2019, "Model Cards for Model Reporting", arXiv:1810.03993, section 4 (its
headings, as far as a run knows them).
"""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from jaxcnn import pretrained
from jaxcnn.data.image_size import sides
from jaxcnn.host import text
from jaxcnn.host.files import read_json, sha256_of
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.folder import Workdir
from jaxcnn.runs.multi_label import set_rows
from jaxcnn.runs.summary import class_rows
from jaxcnn.runs.summary_text import about_test

_MOST_CLASSES = 100  # with more, the table holds those found least often
_FEWEST = 30
# What begins HTML or an entity becomes one; marks of Markdown are escaped as it provides.
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
# An underscore between letters is none.
_MARKS = re.compile(r"([\\`*\[\]|~#$]|(?<![^\W_])_|_(?![^\W_]))")
# Readers of GitHub's dialect make links of these without any mark.
_LINKS = re.compile(r"(?i)(?<=\bhttp)(:)|(?<=\bhttps)(:)|(?<=\bftp)(:)|(?<=\bwww)(\.)|(@)")

_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class RunFacts(NamedTuple):
    """What a run has written about itself."""

    summary: Mapping[str, Any] | None  # None where the run was not finished
    epochs: int | None
    data_sha256: str | None


def read_run(workdir: Path | None) -> RunFacts:
    """Read what a run says of itself.

    Args:
      workdir: the run's folder; None, or a folder of checkpoints alone, for nothing known.

    Returns:
      The facts that are there.

    Raises:
      ValueError: if a file of the run is no JSON.
    """
    if workdir is None:
        return RunFacts(None, None, None)
    folder = Workdir(workdir)
    origin = _read_if_there(folder.origin) or {}
    metrics = folder.metrics
    epochs = len(metrics.read_text(encoding="utf-8").splitlines()) if metrics.exists() else None
    return RunFacts(_read_if_there(folder.summary), epochs or None, origin.get("data"))


def _read_if_there(path: Path) -> dict[str, Any] | None:
    return read_json(path) if path.exists() else None


def weights_row(classifier: Classifier) -> pretrained.Weights | None:
    """Find the published weights that a classifier has or started from.

    Args:
      classifier: a trained network.

    Returns:
      Their row in the table; None where it started from none, or from a file that is not known.
    """
    name = classifier.config.network.weights
    rows = {row.name: row for row in pretrained.list_weights(classifier.config.network.model)}
    if name in rows:
        return rows[name]
    path = Path(name) if name else None
    if path is None or not path.is_file():
        return None
    digest = sha256_of(path)
    return next((r for r in rows.values() if r.sha256 and digest.startswith(r.sha256)), None)


def write_card(
    classifier: Classifier,
    run: RunFacts,
    about: Mapping[str, Any],
    *,
    title: str,
    trained_here: bool,
) -> str:
    """Write the card.

    Args:
      classifier: what is exported.
      run: what its run says of itself.
      about: what the export says of itself, see `export_classifier`.
      title: a name for people.
      trained_here: whether a run trained it; False for published weights as they are.

    Returns:
      Markdown. Names of classes and files are text in it, whatever they hold.
    """
    config, summary = classifier.config, run.summary
    several = classifier.thresholds is not None
    rows: list[Any] = []
    if summary:
        rows = set_rows(summary) if several else class_rows(summary)
    by_recall = sorted(rows, key=lambda row: (row.recall is None, row.recall or 0.0))
    return render(
        "model_card.md.jinja",
        title=title,
        about=about,
        config=config,
        classes=classifier.class_names,
        summary=summary,
        several=several,
        trained_here=trained_here,
        run=run,
        rows=rows if len(rows) <= _MOST_CLASSES else by_recall[:_FEWEST],
        num_rows=len(rows),
        about_test=about_test(summary) if summary else "",
        by_recall=by_recall,
        seldom_tested=[row.name for row in rows if row.labels is not None and row.labels < 50],
        weights=weights_row(classifier),
        weights_name=_base_name(config.network.weights),
        teacher_name=_base_name(config.training.teacher),
        data_dir=_base_name(config.data.data_dir),
        labels=_base_name(config.data.labels),
        settings=config.flat(),
    )


def _base_name(path: str | None) -> str | None:
    # Where someone keeps their files is nobody else's business.
    return Path(path).name if path else None


def escape_markdown(name: str) -> str:
    r"""Write text so that Markdown and the HTML inside it show it as it is, on one line.

    Args:
      name: anything. Control characters, and those that reverse the direction of text, become
        U+FFFD; line breaks become spaces.

    Returns:
      Markdown for the middle of a line, a cell of a table included.

    Example:
      >>> escape_markdown("<b>a|b</b> *x*")
      '&lt;b&gt;a\\|b&lt;/b&gt; \\*x\\*'
    """
    visible = "".join(map(_visible, re.sub(r"\s", " ", name)))
    marked = _MARKS.sub(r"\\\1", visible)
    plain = "".join(_HTML.get(character, character) for character in marked)
    return _LINKS.sub(lambda found: f"&#{ord(found.group())};", plain)


def _visible(character: str) -> str:
    hidden = unicodedata.category(character) in ("Cc", "Cs") or character in _DIRECTIONS
    return "\ufffd" if hidden else character


def render(name: str, **values: Any) -> str:
    """Fill in a template of Markdown; each value is escaped, which no template can forget.

    Args:
      name: of the template, in this folder.
      **values: by the names that the template uses.

    Returns:
      Markdown, ending with one line break.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jaxcnn.export", "."),
        autoescape=True,  # so that macros know what is escaped already
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    written = (text.interval, text.listed, text.percent, text.size)
    environment.filters |= {function.__name__: function for function in written}
    environment.filters["sides"] = lambda size_px: " x ".join(map(str, sides(size_px)))
    filled = environment.get_template(name).render(values)
    return re.sub(r"\n{3,}", "\n\n", filled).strip() + "\n"


def _finalize(value: Any) -> Any:
    return value if isinstance(value, Markup) else Markup(escape_markdown(str(value)))
