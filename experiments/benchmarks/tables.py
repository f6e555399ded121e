"""Write the tables and figures of all pages from the files of `experiments/benchmarks/results/`.

python -m experiments.benchmarks.tables
    writes README, notes, guides, and the page with all results.
python -m experiments.benchmarks.tables --check
    writes nothing, and ends with status 1 if a page says something else than the files.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from absl import flags

from experiments.benchmarks import measurements, pages, parity
from jaxcnn.cli import command_line
from jaxcnn.host.files import write_bytes

ROOT = Path(__file__).parent.parent.parent
ALL = "experiments/benchmarks/results/README.md"  # the page with every measurement
_FOLDERS = (".github", "jaxcnn", "experiments")

_CHECK = flags.DEFINE_bool("check", False, "write nothing; name the pages that would change.")


def main() -> None:
    """Write the pages that differ, or name them."""
    changed = changed_pages(ROOT)
    for page, text in changed.items():
        if not _CHECK.value:
            _write(ROOT / page, text)
        print(page)
    if _CHECK.value and changed:
        sys.exit(1)


def changed_pages(root: Path) -> dict[str, str]:
    """Find the pages whose tables or figures are not those of the files.

    Args:
      root: of the repository.

    Returns:
      What each should hold, by its path from the root.

    Raises:
      ValueError: if a file is damaged, a marker or a sentence fits nothing, or a file names a page
        that is not there.
    """
    found = measurements.read_all()
    if "parity" in found:
        found["parity_families"] = parity.by_family(found["parity"])
    wanted = {page: pages.fill(page, text, found) for page, text in _guides(root).items()}
    if lost := {page for each in found.values() for page in each.sentences} - wanted.keys():
        raise ValueError(f"sentences stand in {', '.join(sorted(lost))}; there is no such page.")
    wanted[ALL] = pages.all_tables(found)
    return {page: text for page, text in wanted.items() if _text(root / page) != text}


def _guides(root: Path) -> Mapping[str, str]:
    """Read every page but that with all results."""
    paths = [
        *root.glob("*.md"),
        *(path for each in _FOLDERS for path in (root / each).rglob("*.md")),
    ]
    names = {path.relative_to(root).as_posix(): path for path in sorted(paths)}
    return {name: _text(path) for name, path in names.items() if name != ALL}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _write(path: Path, text: str) -> None:
    """Write a page with the line ends that it has."""
    if path.exists() and b"\r\n" in path.read_bytes():
        text = text.replace("\n", "\r\n")
    write_bytes(path, text.encode())


if __name__ == "__main__":
    with command_line.running(__doc__, common=("check",)):
        main()
