"""Compare networks with their references at native size, and write the rows of parity.json.

    python tests/models/references/make_resnet.py --native=FOLDER
    python tests/models/references/compare_native.py FOLDER

The first runs in the environment of the references, the second in jaxcnn's. A network whose logits
are not in the folder keeps its row. With --float64 for both commands a row gets the difference in
double precision beside its own: what is left then is no rounding.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

if "--float64" in sys.argv:  # before any module of jaxcnn: where float32 is named, float64 is taken
    jax.config.update("jax_enable_x64", True)
    jnp.float32 = jnp.float64

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(HERE.parent), str(ROOT)]

from reference_rows import native_size_px  # noqa: E402
from seeded_weights import seeded_images  # noqa: E402
from test_parity import ROWS, build, seeded_variables  # noqa: E402

from jaxcnn.models import checks, list_models  # noqa: E402
from jaxcnn.ops.lowering import stock_ops  # noqa: E402

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
    variables, images = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), (variables, images))
    logits = jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, images)
    return {
        "network": row["model"],
        "reference": row["origin"],
        "parameters": row["num_parameters"],
        "image_px": size,
        "difference": float(f"{np.abs(np.asarray(logits) - wanted).max():.1e}"),
        "largest_logit": float(f"{np.abs(wanted).max():.3g}"),
    }


def compare_float64(row: Mapping[str, Any], wanted: np.ndarray) -> dict[str, Any]:
    """Compare as `compare` does, in double precision, with logits that are float64.

    Returns:
      {"difference_float64": the largest}.
    """
    checks.check_dtype = lambda *_: None  # a run has no use for float64
    with stock_ops():
        return {"difference_float64": compare(row, wanted)["difference"]}


def save(about: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> None:
    """Write parity.json with what was found in its rows, in the order of the registry."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in (*about["rows"], *found):
        rows.setdefault((row["network"], row["reference"]), {}).update(row)
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
    compare_with = compare_float64 if "--float64" in sys.argv else compare
    found = []
    for row in ROWS:
        path = folder / f"{row['model']}-{row['origin']}.npy"
        if path.exists():
            about = {"network": row["model"], "reference": row["origin"]}
            found.append({**about, **compare_with(row, np.load(path))})
            print(*found[-1].values(), flush=True)
    save(json.loads(RESULTS.read_text()), found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
