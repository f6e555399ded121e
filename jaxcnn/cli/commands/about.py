"""Say what jaxcnn runs on: versions, processor, devices, precision and caches.

    jaxcnn about
        prints text to paste into a bug report.

Nothing is trained. What a new machine is tried for once, is tried here too (at most some seconds
on a CPU).
"""

import os
import platform
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import jax

import jaxcnn
from jaxcnn.cli import command_line
from jaxcnn.data.workers import usable_cores
from jaxcnn.host.extras import EXTRAS
from jaxcnn.host.folders import cache_folder, data_folder
from jaxcnn.host.processes import find_cluster
from jaxcnn.host.text import first_line, in_columns
from jaxcnn.ops.cpu import onednn
from jaxcnn.ops.precision import fastest_dtype

_PACKAGES = (
    *("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "grain", "pillow"),
    *("tensorflow-datasets", "matplotlib", "absl-py"),
)
# JAXCNN_ among them. No name that may hold a key or a password: the paste is for others to read.
_PREFIXES = ("JAX", "XLA_", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "OMP_", "MKL_")
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")


def about_lines() -> list[str]:
    """Describe this installation and this machine, a line each; what fails is told in its line."""
    rows: list[tuple[str, str | Callable[[], str]]] = [
        ("jaxcnn", f"{jaxcnn.__version__} in {Path(jaxcnn.__file__).parent}"),
        ("Python", f"{platform.python_version()} ({sys.executable})"),
        ("packages", ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)),
        ("extras", ", ".join(filter(_is_installed, EXTRAS)) or "none"),
        ("system", platform.platform()),
        ("processor", _processor),
        ("memory", _memory),
        ("devices", _devices),
        ("cluster", lambda: find_cluster(os.environ) or "none: one process"),
        ("oneDNN", _onednn),
        ("precision", lambda: ": ".join(fastest_dtype())),
        ("caches", lambda: f"{cache_folder()} ({_megabytes(cache_folder())})"),
        ("photo index", lambda: str(data_folder())),
        ("environment", ", ".join(_variables()) or "nothing set that concerns jaxcnn"),
    ]
    return in_columns([(name, _told(text)) for name, text in rows])


def _told(text: str | Callable[[], str]) -> str:
    """Give a text, or what a function finds, or why it finds nothing: faults are the subject."""
    if isinstance(text, str):
        return text
    try:
        return text()
    except Exception as error:  # noqa: BLE001  of whatever kind
        return f"failed: {type(error).__name__}: {first_line(error)}"


def _devices() -> str:
    devices = jax.devices()
    return f"{len(devices)} x {devices[0].device_kind} ({jax.default_backend()})"


def _onednn() -> str:
    if jax.default_backend() != "cpu":
        return "for CPUs alone"
    return "called" if onednn.is_available() else "not called: XLA's own convolutions are used"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def _is_installed(extra: str) -> bool:
    return all(_version(package) != "missing" for package in EXTRAS[extra].split())


def _processor() -> str:
    """Name the processor, and those of its instructions that speed depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.processor() or platform.machine()}, {usable_cores()} cores"
    found = {name.strip(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    known = [name for name in _INSTRUCTIONS if name in found.get("flags", "").split()]
    name = found.get("model name") or platform.machine()
    return f"{name} ({' '.join(known) or 'no AVX2'}), {usable_cores()} cores for this process"


def _memory() -> str:
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB"


def _megabytes(folder: Path) -> str:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{size / 1e6:,.0f} MB"


def _variables() -> list[str]:
    """List what the environment says to jaxcnn, JAX and the libraries below."""
    return [f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith(_PREFIXES)]


def run() -> None:
    """Parse the flags and print."""
    with command_line.running(__doc__):
        print("\n".join(about_lines()))
