"""The accelerator's values against the CPU's, in float32 and in bfloat16.

float32 is computed with the highest precision of matrix products, and its error is relative to the
CPU's float32. bfloat16 has two correct sides, each off by its own roundings; both are compared with
the CPU's float32, and the accelerator may be off twice as far as the CPU, or by the case's least.
"""

import functools
import math
import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from experiments.accelerator import augment_cases, cases, network_cases, sides
from experiments.accelerator.cases import Case
from experiments.accelerator.children import Part, Result
from jaxcnn.types import PyTree

_HALF_FACTOR = 2.0
_CORES_PER_CHILD, _MOST_CHILDREN = 2, 6  # one child's compilations leave most of a GPU idle


def parts(*, tiny: bool, cores: int) -> list[Part]:
    """Share the cases out among processes."""
    count = max(1, min(_MOST_CHILDREN, cores // _CORES_PER_CHILD))
    return [
        Part(
            f"cases {i + 1} of {count}", __name__, {"tiny": tiny, "share": [i, count]}, _platforms()
        )
        for i in range(count)
    ]


def _platforms() -> dict[str, str]:
    """Keep the CPU beside what the user chose, for its values are needed too."""
    chosen = os.environ.get("JAX_PLATFORMS", "")
    return {"JAX_PLATFORMS": f"{chosen},cpu"} if chosen and "cpu" not in chosen else {}


def results(spec: dict[str, Any]) -> Iterator[Result]:
    """Compare a share of all cases, the cheap ones first.

    Args:
      spec: "tiny", for a few cases of each kind; "share", [i, n] for each n-th case from the i-th.

    Yields:
      A result for each case.
    """
    start, step = spec["share"]
    chosen = all_cases(tiny=spec["tiny"])[start::step]
    kept: Iterable[dict[str, PyTree]] = map(references, chosen)
    if sides.accelerator() is None:
        # One device plays both sides, and what is traced for one must not serve the other.
        kept = list(kept)
    with sides.elsewhere():
        for case, reference in zip(chosen, kept, strict=True):
            yield compare(case, reference)


def all_cases(*, tiny: bool) -> list[Case]:
    """List the cases; of the tiny check, each thirteenth and the smallest network."""
    small = [
        *cases.operation_cases(),
        *cases.loss_cases(),
        *cases.metric_cases(),
        *augment_cases.cases(),
    ]
    if tiny:
        return [*small[::13], *network_cases.cases(network_cases.TINY[:1])]
    return [*small, *network_cases.cases()]


def references(case: Case) -> dict[str, PyTree]:
    """Compute a case on the CPU, by the name of each dtype that it has."""
    with sides.on_cpu():
        return {dtype: _values(case, dtype) for dtype in _dtypes(case)}


def compare(case: Case, reference: dict[str, PyTree]) -> Result:
    """Compute a case on the default device and compare.

    Args:
      case: the case.
      reference: as `references` gives.

    Returns:
      A result with the errors and tolerances.
    """
    started = time.perf_counter()
    figures: dict[str, float] = {}
    passed, where = True, []
    for dtype in _dtypes(case):
        error, path = sides.error_of(_values(case, dtype), reference["float32"])
        allowed = _tolerance(case, dtype, reference)
        figures |= {f"{dtype} error": error, f"{dtype} allowed": allowed}
        if not error <= allowed:
            passed = False
            where.append(f"{dtype}: {path} is off by {error:.2g}, allowed {allowed:.2g}")
    group, _, name = case.name.partition(": ")
    figures["seconds"] = time.perf_counter() - started
    return {
        "group": group,
        "name": name,
        "passed": passed,
        "figures": {k: v if math.isfinite(v) else 1e9 for k, v in figures.items()},
        "note": "; ".join(where),
    }


def _tolerance(case: Case, dtype: str, reference: dict[str, PyTree]) -> float:
    if dtype == "float32":
        return case.tolerance
    assert case.half_tolerance is not None
    of_cpu, _ = sides.error_of(reference[dtype], reference["float32"])
    return max(case.half_tolerance, _HALF_FACTOR * of_cpu)


def _dtypes(case: Case) -> tuple[str, ...]:
    return ("float32",) if case.half_tolerance is None else ("float32", "bfloat16")


def _values(case: Case, dtype: str) -> PyTree:
    compute = jax.jit(functools.partial(case.function, jnp.dtype(dtype)))
    with jax.default_matmul_precision("highest"):
        return jax.device_get(compute(*case.inputs))
