"""Rows of the files of reference logits; what their scripts share.

Run by the environment of the reference implementations (torch, numpy), not by the tests.
"""

import argparse
import csv
import functools
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

HERE = Path(__file__).parent
_WEIGHTS = HERE.parents[2] / "jaxcnn" / "pretrained" / "weights"
sys.path.insert(0, str(HERE.parent))

from seeded_weights import names_digest, seeded_array, seeded_images  # noqa: E402

_NUM_LOGITS = 16  # kept of each image


class Case(NamedTuple):
    """A network of the reference, and what of ours it is to be compared with."""

    model: str  # names of ours
    origin: str
    build: Callable[[], Any]  # makes the reference, without weights
    reference: str  # packages and versions
    image_shape: tuple[int, int, int]
    gains: Mapping[str, float]
    num_classes: int = 1000
    slow: bool = False
    ignored: str = r"num_batches_tracked$"


class Answer(NamedTuple):
    """What a reference computes with the seeded weights."""

    logits: np.ndarray  # (2, num_classes) float32
    num_parameters: int  # trainable
    shapes: Mapping[str, tuple[int, ...]]  # of all arrays, by name


def run_torch(case: Case, image_shape: tuple[int, int, int], *, double: bool = False) -> Answer:
    """Fill a PyTorch network with seeded weights and run it, in float32 or in float64."""
    import torch

    model = case.build().eval()
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            drawn = seeded_array(name, tuple(tensor.shape), layout="torch", gains=case.gains)
            tensor.copy_(torch.from_numpy(drawn))
    images = torch.from_numpy(seeded_images((2, *image_shape)).transpose(0, 3, 1, 2).copy())
    if double:
        model, images = model.double(), images.double()
    with torch.inference_mode():
        logits = model(images).numpy()
    num_parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    return Answer(logits, num_parameters, shapes)


def make_row(case: Case, answer: Answer) -> dict[str, Any]:
    """Keep of an answer what a test needs."""
    kept = {n: shape for n, shape in answer.shapes.items() if not re.search(case.ignored, n)}
    classes = np.unique(np.linspace(0, case.num_classes - 1, _NUM_LOGITS).astype(int))
    return {
        "model": case.model,
        "origin": case.origin,
        "options": {},
        "num_classes": case.num_classes,
        "image_shape": case.image_shape,
        "num_parameters": answer.num_parameters,
        "reference": case.reference,
        "gains": dict(case.gains),
        "names_sha256": names_digest(kept),
        "classes": classes.tolist(),
        "logits": [[float(f"{x:.7g}") for x in row] for row in answer.logits[:, classes]],
        "max_abs_logit": round(float(np.abs(answer.logits).max()), 3),
        "slow": case.slow,
    }


def native_size_px(model: str, origin: str) -> int | None:
    """Find the image size of a network's first published weights, of this origin where it has any.

    Args:
      model: its name.
      origin: of the reference.

    Returns:
      The side of the crop that they are tested on; None where there are no weights.
    """
    tables = [
        csv.DictReader(path.open(encoding="utf-8")) for path in sorted(_WEIGHTS.glob("*.csv"))
    ]
    rows = [row for table in tables for row in table if row["model"] == model]
    own = [row for row in rows if row["origin"] == origin]
    return next((int(row["image_size_px"]) for row in [*own, *rows]), None)


def make_parser() -> argparse.ArgumentParser:
    """Make a parser of the flags that all scripts have."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--native", type=Path, help="a folder for all logits at native size, in place of the rows"
    )
    parser.add_argument("--float64", action="store_true", help="compute so; PyTorch's alone")
    return parser


def write(
    family: str,
    cases: Sequence[Case],
    flags: argparse.Namespace,
    run: Callable[..., Answer] = run_torch,
) -> None:
    """Write `<family>.json`, or with --native all logits of each case."""
    run = functools.partial(run, double=True) if flags.float64 else run
    rows = []
    for case in cases:
        size = native_size_px(case.model, case.origin) if flags.native else None
        answer = run(case, (size, size, case.image_shape[2]) if size else case.image_shape)
        row = make_row(case, answer)
        print(case.model, case.origin, row["num_parameters"], row["max_abs_logit"], flush=True)
        if flags.native:
            flags.native.mkdir(parents=True, exist_ok=True)
            np.save(flags.native / f"{case.model}-{case.origin}.npy", answer.logits)
        rows.append(row)
    if not flags.native:
        lines = ",\n".join(json.dumps(row) for row in rows)
        (HERE / f"{family}.json").write_text(f"[\n{lines}\n]\n")
