"""Compare networks with their references at native size, and write the rows of parity.json.

    python tests/models/references/make_resnet.py --native=FOLDER
    python tests/models/references/compare_native.py FOLDER

The first runs in the environment of the references, the second in jaxcnn's. A network whose logits
are not in the folder keeps its row.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(HERE.parent), str(ROOT)]

from reference_rows import native_size_px  # noqa: E402
from seeded_weights import seeded_images  # noqa: E402
from test_parity import ROWS, build, seeded_variables  # noqa: E402

from jaxcnn.models import list_models  # noqa: E402

RESULTS = ROOT / "experiments" / "benchmarks" / "results" / "parity.json"


def compare(row: Mapping[str, Any], wanted: np.ndarray) -> dict[str, Any]:
    """Compare a network's logits with those of a reference.

    Args:
      row: of a file of reference logits.
      wanted: (N, num_classes) float32, what the reference gives at native size.

    Returns:
      A row of parity.json.
    """
    size = native_size_px(row["model"], row["origin"]) or row["image_shape"][0]
    row = {**row, "image_shape": (size, size, row["image_shape"][2])}
    model, names, shapes = build(row)
    variables = seeded_variables(row, names, shapes)
    images = seeded_images((len(wanted), *row["image_shape"]))
    logits = jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, images)
    return {
        "network": row["model"],
        "reference": row["origin"],
        "parameters": row["num_parameters"],
        "image_px": size,
        "difference": float(f"{np.abs(np.asarray(logits) - wanted).max():.1e}"),
        "largest_logit": float(f"{np.abs(wanted).max():.3g}"),
    }


def save(about: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> None:
    """Write parity.json with these rows in place of the old ones, in the order of the registry."""
    rows = {(row["network"], row["reference"]): row for row in (*about["rows"], *found)}
    order = list_models()
    ordered = sorted(rows.values(), key=lambda row: order.index(row["network"]))
    fields = [f"  {json.dumps(k)}: {_lines(v)}" for k, v in {**about, "rows": ordered}.items()]
    RESULTS.write_text("{\n" + ",\n".join(fields) + "\n}\n")


def _lines(value: Any) -> str:
    """Write JSON with a line for each value of a list."""
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(f"    {json.dumps(each)}" for each in value) + "\n  ]"


def main(folder: Path) -> None:
    """Compare each network that has logits in the folder."""
    found = []
    for row in ROWS:
        path = folder / f"{row['model']}-{row['origin']}.npy"
        if path.exists():
            found.append(compare(row, np.load(path)))
            print(*found[-1].values(), flush=True)
    save(json.loads(RESULTS.read_text()), found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
