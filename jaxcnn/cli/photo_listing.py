"""What a person reads of an index: the table of a search, the report of a run."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.cli.mistakes import in_flags
from jaxcnn.data.photo_files import Trouble
from jaxcnn.host.text import counted, in_columns, listed, printable
from jaxcnn.photos.dates import format_taken
from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.indexing import IndexReport
from jaxcnn.photos.ranking import Found, Hit, Query

_TROUBLES_SHOWN = 20


def table_lines(found: Found) -> Iterator[str]:
    """Write photos as a table: how well each fits, what it shows, when, and where it is."""
    hits = found.hits
    if not hits:
        return
    columns = []
    if hits[0].probability is not None:
        columns.append(["prob.", *(f"{hit.probability:.1%}" for hit in hits)])
    if hits[0].similarity is not None:
        columns.append(["like", *(f"{hit.similarity:.3f}" for hit in hits)])
    columns.append(["shows", *(hit.shows for hit in hits)])
    columns.append(["taken", *(format_taken(hit.taken) for hit in hits)])
    columns.append(["photo", *(printable(hit.path) + "  (gone)" * hit.vanished for hit in hits)])
    yield from in_columns(list(zip(*columns, strict=True)))


def notes(found: Found, query: Query) -> Iterator[str]:
    """Say which classes the words meant, and what the table does not show."""
    if found.class_names:
        yield f"looked for {listed(found.class_names)}"
    if found.unwanted_names:
        yield f"left out {listed(found.unwanted_names)}"
    if not found.hits:
        is_low = not query.words or query.min_probability == 0
        more = "" if is_low else "; a lower --min_probability finds less certain ones"
        yield f"no photo fits{' since then' * (query.since is not None)}{more}"
    elif found.total > len(found.hits):
        yield f"{len(found.hits)} of {found.total:,} photos; --limit shows more"
    if any(hit.vanished for hit in found.hits):
        yield "photos marked (gone) are no longer there; index their folder again"


def as_record(hit: Hit) -> dict[str, Any]:
    """Give a photo as JSON can hold it; bytes of the path that are no text are surrogates."""
    return {
        "path": str(hit.path),
        "probability": hit.probability,
        "similarity": hit.similarity,
        "labels": [{"label": name, "probability": p} for name, p in hit.labels],
        "taken": format_taken(hit.taken),
        "taken_by": "exif" if hit.taken_by_exif else "file",
        "vanished": hit.vanished,
    }


def report_lines(report: IndexReport, path: Path, *, seconds: float) -> Iterator[str]:
    """Write what became of the photos."""
    counts = {
        "new": report.added,
        "changed": report.changed,
        "moved": report.moved,
        "unchanged": report.unchanged,
        "gone": report.removed,
        "unreadable": report.unreadable,
    }
    said = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "no photo"
    done = sum(counts.values()) - report.removed
    yield f"{said}; {seconds:.0f} s, {done / max(seconds, 1e-9):.0f} photos/s"
    yield from _trouble_lines(report.troubles[:_TROUBLES_SHOWN], report.unreadable)
    if report.unreadable > _TROUBLES_SHOWN:
        yield f"  and {report.unreadable - _TROUBLES_SHOWN:,} more, which `about` lists"
    for folder, count in report.absent.items():
        kept = f"kept with {counted(count, 'photo')}; `forget` takes it out"
        yield f"{printable(folder)}: not there ({kept})"
    if report.missing:
        yield (
            f"{report.missing:,} photos are gone but stay in the index, since their drive may not "
            "be mounted; --forget_missing forgets them"
        )
    if report.interrupted:
        yield "stopped early: what is done is kept, and the same command goes on from there"
    yield f"index: {printable(path)} ({path.stat().st_size / 1e6:.1f} MB)"


def _trouble_lines(troubles: Sequence[Trouble], count: int) -> Iterator[str]:
    if troubles:
        yield f"{count:,} could not be read:"
    for trouble in troubles:
        yield f"  {printable(trouble.path)}: {in_flags(trouble.reason.rstrip('.'))}"


def about_lines(index: PhotoIndex) -> Iterator[str]:
    """Write what an index holds."""
    network = index.network
    yield f"{index.count():,} photos, labelled by {network.name}: {listed(network.class_names)}"
    yield f"in {printable(index.path)} ({index.path.stat().st_size / 1e6:.1f} MB)"
    for folder in index.folders():
        yield f"folder {printable(folder)}" + ("" if folder.is_dir() else "  (not there now)")
    troubles = [Trouble(os.fsencode(path), reason) for path, reason in index.unreadable()]
    yield from _trouble_lines(troubles, len(troubles))
