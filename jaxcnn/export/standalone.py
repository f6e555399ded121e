"""Label photos with the classifier in this folder; nothing but the packages below is needed.

    pip install -r requirements.txt
    python predict.py photo.jpg folder/ ...

Answers are printed, and written to --json, as they come. Photos that cannot be read are told and do
not stop the others; then the exit status is 1. It is 2 for a mistake of the command line, and where
a file of this folder is missing or damaged.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

# In an export these lie beside this file.
from jaxcnn.data.opening import MAX_PIXELS, open_upright
from jaxcnn.data.photo_files import (
    PhotoFile,
    Trouble,
    count_named,
    find_named,
    read_file,
    reason_of,
)
from jaxcnn.host.outputs import Output
from jaxcnn.host.text import printable

ABOUT, NAMES = "export.json", "class_names.json"
RECORDS = re.compile(rb'\s*\[\s*\{\s*"path": "(\\.|[^"\\])*",\s*"(error|probabilities)": ')
# (B, S, S, C) uint8 -> (B, K) float32 probabilities, and (B,) float32 scores or None
Outputs = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]


class Answer(NamedTuple):
    """What is said of one photo."""

    probabilities: np.ndarray  # (K,)
    score: float | None = None  # higher is more like the training photos
    is_known: bool = True  # False for "none of these"


class DamagedError(ValueError):
    """A file of the folder is not as it was written."""


def read_about(folder: Path) -> dict[str, Any]:
    """Read what the folder says of itself, and verify it by its own checksum."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        claimed = about.pop("sha256")
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise DamagedError(
            f"{folder / ABOUT} is damaged ({error}); copy the folder again."
        ) from error
    if claimed != sha256_of_values(about):
        raise DamagedError(f"{folder / ABOUT} was changed or damaged; copy the folder again.")
    return about


def sha256_of_values(values: dict[str, Any]) -> str:
    """Compute the checksum of JSON values, whatever their order and the spaces between."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def read_own(folder: Path, name: str, about: dict[str, Any]) -> bytes:
    """Read a file of the folder and verify it."""
    data = (folder / name).read_bytes()
    found, expected = hashlib.sha256(data).hexdigest(), about["files"][name]["sha256"]
    if found != expected:
        raise DamagedError(
            f"{folder / name} is damaged: its SHA-256 is {found}, {ABOUT} says {expected}; copy "
            "the folder again."
        )
    return data


def load_program(
    folder: Path, about: dict[str, Any], form: str | None = None
) -> Callable[[np.ndarray], np.ndarray]:
    """Load the classifier as a function from (B, S, S, C) uint8 to (B, K) probabilities.

    Of the forms that the folder holds it is the one that is named, by default the first.
    """
    outputs = _load(folder, about, form)
    return lambda images: outputs(images)[0]


def load_answers(
    folder: Path, about: dict[str, Any], form: str | None = None
) -> Callable[[np.ndarray], list[Answer]]:
    """Load the classifier as a function to whole answers; "none of these" is among them."""
    outputs = _load(folder, about, form)
    return lambda images: _judged(*outputs(images), about)


def _judged(
    probabilities: np.ndarray, scores: np.ndarray | None, about: dict[str, Any]
) -> list[Answer]:
    if scores is None:
        return [Answer(row) for row in probabilities]
    threshold = about["none_of_these"]["threshold"]  # None keeps all
    return [
        Answer(row, float(score), bool(threshold is None or score >= threshold))
        for row, score in zip(probabilities, scores, strict=True)
    ]


def _load(folder: Path, about: dict[str, Any], form: str | None) -> Outputs:
    programs = about["programs"]
    form = form or next(iter(programs))
    if form not in programs:
        raise ValueError(f"this folder holds no {form} program, only {', '.join(programs)}.")
    data = read_own(folder, programs[form]["file"], about)
    try:
        return LOADERS[form](data)
    except ImportError as error:
        raise ValueError(f"{error}. Try: pip install -r {folder}/requirements.txt") from error


def _load_stablehlo(data: bytes) -> Outputs:
    import jax
    from jax import export

    program = jax.jit(export.deserialize(bytearray(data)).call)
    return lambda images: _outputs(program(images))


def _load_onnx(data: bytes) -> Outputs:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return lambda images: _outputs(session.run(None, {"images": images}))


def _outputs(found: Any) -> tuple[np.ndarray, np.ndarray | None]:
    each = found if isinstance(found, (tuple, list)) else [found]
    return np.asarray(each[0]), np.asarray(each[1]) if len(each) > 1 else None


LOADERS = {"stablehlo": _load_stablehlo, "onnx": _load_onnx}


def read_photo(path: bytes, about: dict[str, Any], *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a photo's file, see `decode_photo`."""
    return decode_photo(read_file(path)[0], about, max_pixels=max_pixels)


def decode_photo(data: bytes, about: dict[str, Any], *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a photo upright and resize it to the (H, W, C) uint8 that the program takes."""
    height, width, num_channels = about["input"]["shape"][1:]
    photo = open_upright(
        data,
        "L" if num_channels == 1 else "RGB",
        least_px=3 * max(height, width),  # a large JPEG is decoded at half its size or less
        max_pixels=max_pixels,
    )
    resized = _to_size(photo, (width, height), **about["resize"])
    return np.asarray(resized).reshape(height, width, num_channels)


def _to_size(
    image: Image.Image, size: tuple[int, int], *, mode: str, interpolation: str
) -> Image.Image:
    """Resize to a width and height: "crop" the centre, "squash" it, or "pad" it with black."""
    (width, height), resample = image.size, Image.Resampling[interpolation.upper()]
    if mode == "squash":
        return image.resize(size, resample)
    if mode == "crop":
        is_wide = width * size[1] > height * size[0]
        across = height * size[0] / size[1] if is_wide else width
        down = height if is_wide else width * size[1] / size[0]
        left, top = (
            round((n - part) * end / part / 2) * part / end
            for n, part, end in zip((width, height), (across, down), size, strict=True)
        )
        return image.resize(size, resample, (left, top, left + across, top + down))
    scale = min(size[0] / width, size[1] / height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    padded = Image.new(image.mode, size)
    corner = ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2)
    padded.paste(image.resize(inner, resample), corner)
    return padded


def label(
    answers: Callable[[np.ndarray], list[Answer]],
    files: Iterator[PhotoFile | Trouble],
    about: dict[str, Any],
    *,
    batch_size: int,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[list[tuple[str, Answer | str]]]:
    """Give each file's answer, or why it could not be read, batch by batch."""
    while batch := list(itertools.islice(files, batch_size)):
        photos = [_try(file, about, max_pixels) for file in batch]
        images = [photo for photo in photos if isinstance(photo, np.ndarray)]
        # Filled up, so that the program is compiled for one size alone.
        images += [np.zeros(about["input"]["shape"][1:], np.uint8)] * (batch_size - len(images))
        rows = iter(answers(np.stack(images)))
        yield [
            (os.fsdecode(file.path), photo if isinstance(photo, str) else next(rows))
            for file, photo in zip(batch, photos, strict=True)
        ]


def _try(file: PhotoFile | Trouble, about: dict[str, Any], max_pixels: int) -> np.ndarray | str:
    if isinstance(file, Trouble):
        return file.reason
    try:
        return read_photo(file.path, about, max_pixels=max_pixels)
    except OSError as error:
        return reason_of(error)
    except (ValueError, MemoryError) as error:
        return f"{error or type(error).__name__}"


def main(words: list[str] | None = None) -> int:
    """Label the photos that the command line names; return the exit status."""
    flags = _parser().parse_args(words)
    logging.basicConfig(format="%(message)s")
    try:
        return _run(flags, Path(__file__).resolve().parent)
    except BrokenPipeError:  # the reader has what it wanted
        status = 128 + 13
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except (ValueError, OSError) as mistake:
        said = reason_of(mistake) if isinstance(mistake, OSError) else str(mistake)
        about = getattr(mistake, "filename", None)  # as of a file of this folder that is missing
        named = "" if about is None else f"{printable(about)}: "
        print(f"error: {named}{said.replace('overwrite=True', '--overwrite')}", file=sys.stderr)
        status = 2
    try:
        sys.stdout.flush()
    except OSError:  # Python would try again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Label photos with the classifier in this folder.")
    parser.add_argument("photos", nargs="+", help="files, or folders that are searched through")
    parser.add_argument("--top", type=_count, default=5, help="classes to name for each photo")
    parser.add_argument("--batch_size", type=_count, default=32, help="photos classified together")
    parser.add_argument(
        "--max_pixels", type=_count, default=MAX_PIXELS, help="larger photos are refused"
    )
    parser.add_argument("--format", help="stablehlo or onnx, where this folder holds both")
    parser.add_argument("--json", type=_file, help="file to write all probabilities to")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a file that another program wrote"
    )
    return parser


def _file(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("expected the name of a file, got ''")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def _run(flags: argparse.Namespace, folder: Path) -> int:
    count = count_named(flags.photos, [flags.json])
    with contextlib.ExitStack() as stack:
        output = flags.json and Output(flags.json, RECORDS, overwrite=flags.overwrite)
        stack.enter_context(output or contextlib.nullcontext())
        about = read_about(folder)
        names = json.loads(read_own(folder, NAMES, about))
        answers_of = load_answers(folder, about, flags.format)
        thresholds = about.get("thresholds")  # where a photo may have several labels
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
        done = bad = 0
        sizes = {"batch_size": min(flags.batch_size, count), "max_pixels": flags.max_pixels}
        for answers in label(answers_of, find_named(flags.photos), about, **sizes):
            if output:
                lines = (json.dumps(_record(*each, names, thresholds)) for each in answers)
                output.write((",\n" if done else "[\n") + ",\n".join(lines))
                output.flush()
                output.holds = f"answers of {done + len(answers):,} photos"
            for path, row in answers:
                _show(path, row, names, flags.top, thresholds)
            done += len(answers)
            bad += sum(isinstance(row, str) for _, row in answers)
        if output:
            output.write("\n]\n")
    return 1 if bad else 0


def _show(
    path: str,
    answer: Answer | str,
    names: Sequence[str],
    top: int,
    thresholds: Sequence[float] | None,
) -> None:
    if isinstance(answer, str):
        said = printable(answer).replace("max_pixels", "--max_pixels")
        print(f"{printable(path)}: {said}", file=sys.stderr)
        return
    row = answer.probabilities
    if thresholds is not None:
        found = [f"{printable(names[i])} {row[i]:.1%}" for i in _labels(row, thresholds)]
        print(f"{printable(path)}\t{'; '.join(found) or 'none'}", flush=True)
        return
    order = np.argsort(-row, kind="stable")[:top]
    if not answer.is_known:
        most = f"{printable(names[order[0]])} {row[order[0]]:.1%}"
        print(f"{printable(path)}\tnone of these (most like: {most})", flush=True)
        return
    for place, number in enumerate(order):
        shown = "" if place else printable(path)
        print(f"{shown}\t{row[number]:6.1%}\t{printable(names[number])}", flush=True)


def _labels(row: np.ndarray, thresholds: Sequence[float]) -> list[int]:
    """Give the classes whose probability reaches their threshold, the most probable first."""
    order = np.argsort(-row, kind="stable")
    return [int(i) for i in order if row[i] >= thresholds[i]]


def _record(
    path: str, answer: Answer | str, names: Sequence[str], thresholds: Sequence[float] | None
) -> dict[str, Any]:
    if isinstance(answer, str):
        return {"path": path, "error": answer}
    row = answer.probabilities
    found: dict[str, Any] = {"path": path}
    found |= {"probabilities": dict(zip(names, map(float, row), strict=True))}
    if answer.score is not None:
        found |= {"known": answer.is_known, "score": answer.score}
    if thresholds is not None:
        found["labels"] = [names[i] for i in _labels(row, thresholds)]
    return found


if __name__ == "__main__":
    sys.exit(main())
