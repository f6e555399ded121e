"""Name the machine, the command and the day that figures hold for."""

import datetime
import os
import platform
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxcnn.data.workers import usable_cores


def describe_origin(command: Sequence[str]) -> dict[str, Any]:
    """Say where figures come from, as JSON values.

    Args:
      command: the words of the command that measures them.

    Returns:
      "date" (year-month-day), "command" and "machine", see `describe_machine`.
    """
    return {
        "date": datetime.date.today().isoformat(),
        "command": shlex.join(command),
        "machine": describe_machine(),
    }


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
