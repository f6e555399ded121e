"""The table of networks against their references, with a row for each family."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments.benchmarks.measurements import Column, Measurement
from jaxcnn.models import create_model

# The packages behind origins of weights that have another name.
_PACKAGES = {
    "timm_tensorflow": "timm",
    "lukemelas": "efficientnet-lite-pytorch",
    "akamaster": "akamaster/pytorch_resnet_cifar10",
}
_COLUMNS = (
    Column("family", "family", ""),
    Column("networks", "networks", "d"),
    Column("parameters", "million parameters", ".3g million"),
    Column("image_px", "px", "d"),
    Column("difference", "largest difference", ".1e"),
    Column("relative", "of the largest logit", ".1e"),
    Column("references", "references", ""),
)


def by_family(measured: Measurement) -> Measurement:
    """Make of the table of all networks that of their families.

    Args:
      measured: a row for each network and reference.

    Returns:
      The same measurement with a row for each family, which is a module of `jaxcnn.models`.
    """
    families: dict[str, list[Mapping[str, Any]]] = {}
    for row in measured.rows:
        families.setdefault(_family(row["network"]), []).append(row)
    rows = [_row(name, found, measured.versions) for name, found in families.items()]
    return measured._replace(
        title="Families of networks", notes=(), sentences={}, columns=_COLUMNS, rows=rows
    )


def _family(network: str) -> str:
    return type(create_model(network, 2)).__module__.rpartition(".")[2]


def _row(
    family: str, rows: Sequence[Mapping[str, Any]], versions: Mapping[str, str]
) -> dict[str, Any]:
    parameters = {row["network"]: row["parameters"] for row in rows}
    packages = dict.fromkeys(_PACKAGES.get(row["reference"], row["reference"]) for row in rows)
    shares = [r["difference"] / r["largest_logit"] for r in rows if "largest_logit" in r]
    return {
        "family": f"`{family}`",
        "networks": len(parameters),
        "parameters": _ends(parameters.values()),
        "image_px": _ends(row["image_px"] for row in rows),
        "difference": max(row["difference"] for row in rows),
        "relative": max(shares, default=None),
        "references": ", ".join(f"{name} {versions.get(name, '')}".strip() for name in packages),
    }


def _ends(values: Iterable[int]) -> int | list[int]:
    """Give the least and the greatest value, or the only one."""
    ends = sorted(set(values))
    return ends[0] if len(ends) == 1 else [ends[0], ends[-1]]
