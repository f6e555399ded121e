"""Name the machine and the settings that the figures hold for."""

import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.benchmarks.results import other_cores
from jaxcnn.data.workers import usable_cores

_BUSY_SHARE = 0.1  # of the cores, above which the figures are doubtful


def describe_machine() -> dict[str, Any]:
    """Give what is known of the machine, as JSON values."""
    return {
        "cpu": _cpu_model(),
        "cores": usable_cores(),
        "memory_bytes": _memory_bytes(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def _cpu_model() -> str:
    """Give the processor's own name of itself."""
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.processor() or platform.machine()


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def versions_and_devices(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Collect what the workers told of their packages and devices.

    Args:
      rows: each with "contestants", by name what the worker told.

    Returns:
      "versions" by package and "devices", each once.
    """
    entries = [entry for row in rows for entry in row["contestants"].values()]
    versions: dict[str, str] = {}
    for entry in entries:
        versions |= entry.get("versions", {})
    devices = dict.fromkeys(entry["device"] for entry in entries if "device" in entry)
    return {"versions": versions, "devices": list(devices)}


def machine_lines(report: Mapping[str, Any]) -> list[str]:
    """Write the machine, the versions and the settings, a line each.

    Args:
      report: the whole report: "machine", "versions", "devices", "settings".

    Returns:
      Lines for the screen.
    """
    machine, settings = report["machine"], report["settings"]
    memory = f", {machine['memory_bytes'] / 2**30:.0f} GiB" if machine["memory_bytes"] else ""
    versions = " ".join(f"{name} {version}" for name, version in report["versions"].items())
    busy = other_cores(report["rows"])
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores{memory}, {machine['system']}; "
        f"devices: {', '.join(report['devices']) or 'none'}",
        f"python {machine['python']} {versions}",
        f"{settings['dtype']}, {settings['rounds']} turns of about {settings['seconds']:g} s each, "
        "in turn; each as it comes, PyTorch channels_last",
    ]
    if busy > _BUSY_SHARE * machine["cores"]:
        lines.append(
            f"CAUTION: other programs kept {busy:.1f} of {machine['cores']} cores busy meanwhile; "
            "no figure here is what an idle machine gives, and ratios may be wrong too"
        )
    return lines
