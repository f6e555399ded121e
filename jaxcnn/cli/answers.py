"""What `jaxcnn predict` prints and writes of each photo: lines, a row of a table, a record."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from jaxcnn.cli import mistakes
from jaxcnn.data.label_sets import SEPARATOR
from jaxcnn.host.outputs import Mark
from jaxcnn.host.text import printable, table_line
from jaxcnn.runs.prediction import Prediction


class Answer(NamedTuple):
    """What became of one file."""

    path: str  # bytes that are not UTF-8 are surrogates
    prediction: Prediction | None
    error: str  # "" where there is a prediction


class Columns(NamedTuple):
    """What is written of each file."""

    class_names: Sequence[str]
    several: bool  # whether a photo may have several labels
    judges: bool  # whether a photo can be none of the classes
    has_sets: bool
    top: int = 5  # classes of each photo in a record


class Form(NamedTuple):
    """How a file of answers is written, and recognised."""

    mark: Mark
    head: Callable[[Columns], str]  # what the file begins with
    write: Callable[[Answer, Columns], str]
    between: str  # two answers
    end: str


def lines_of(answer: Answer, *, top: int, width: int, several: bool = False) -> Iterator[str]:
    """Write an answer for the screen: the most probable classes, a set of labels, or the error."""
    path, prediction, error = answer
    shown = f"{printable(path):<{width}}"
    if prediction is None:
        yield f"{shown}: {printable(mistakes.in_flags(error.rstrip('.')))}"
    elif several:
        yield f"{shown}  {_set_in_words(prediction)}"
    elif not prediction.is_known:
        yield f"{shown}  {printable(str(prediction))}"
    else:
        first, *others = _classes(prediction, top)
        held = "" if prediction.set is None else f"  one of: {_joined(prediction.set, ', ')}"
        yield f"{shown}  {first}{held}"
        for other in others:
            yield f"{'':<{width}}  {other}"


def _set_in_words(found: Prediction) -> str:
    if not found.labels:
        return f"none (most probable: {printable(found.label)} {found.probability:.1%})"
    return "; ".join(f"{printable(name)} {found.probabilities[name]:.1%}" for name in found.labels)


def _classes(prediction: Prediction, top: int) -> Iterator[str]:
    if len(prediction.probabilities) == 2:  # the second one's probability is the rest
        yield f"{printable(prediction.label)}  {prediction.probability:.1%}"
    else:
        for name, probability in prediction.top(top):
            yield f"{probability:6.1%}  {printable(name)}"


def _joined(names: Sequence[str], between: str) -> str:
    return between.join(map(printable, names))


def _header(columns: Columns) -> str:
    judged = ["known", "score"] if columns.judges else []
    more = [*["labels"] * columns.several, *judged, *["set"] * columns.has_sets]
    # So no class is taken for another column.
    each = [f"probability:{name}" for name in columns.class_names]
    return table_line(["path", "label", "probability", *more, *each, "error"])


def _row(answer: Answer, columns: Columns) -> str:
    found = answer.prediction
    if found is None:
        more = columns.several + 2 * columns.judges + columns.has_sets
        empty = [""] * (2 + more + len(columns.class_names))
        return table_line([answer.path, *empty, answer.error])
    cells: list[object] = [SEPARATOR.join(found.labels)] if columns.several else []
    if columns.judges:
        cells += ["yes" if found.is_known else "no", found.score]
    if found.set is not None:
        cells.append(json.dumps(found.set, ensure_ascii=False))
    each = [found.probabilities[name] for name in columns.class_names]
    return table_line([answer.path, found.label, found.probability, *cells, *each, ""])


def _record(answer: Answer, columns: Columns) -> str:
    found = answer.prediction
    if found is None:
        return json.dumps({"path": answer.path, "error": answer.error})
    top = [{"label": n, "probability": p} for n, p in found.top(columns.top)]
    about = {"path": answer.path, "label": found.label, "probability": found.probability}
    if columns.several:
        about["labels"] = found.labels
    if columns.judges:
        about |= {"known": found.is_known, "score": found.score}
    if found.set is not None:
        about["set"] = list(found.set)
    return json.dumps({**about, "top": top, "probabilities": found.probabilities})


_MARK = rb'path,label,probability,(labels,)?(known,score,(set,)?)?"?probability:'
TABLE = Form(re.compile(_MARK), _header, _row, "", "")
_PATH = rb'\s*\[\s*\{\s*"path": "(\\.|[^"\\])*",\s*'
RECORDS = Form(
    re.compile(_PATH + rb'"(error|label": "(\\.|[^"\\])*",\s*"probability)": '),
    lambda columns: "[\n",
    _record,
    ",\n",
    "\n]\n",
)
