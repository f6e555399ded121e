"""The guides and their blocks of code: which a test runs, and why it does not run the others."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(
    path
    for folder in (".", ".github", "jaxcnn", "experiments")
    for path in (ROOT.glob("*.md") if folder == "." else (ROOT / folder).rglob("*.md"))
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
# Directly above a block that no test runs; a page shows no comment.
MARK = re.compile(r"<!-- not run by tests: (.*) -->")
REASONS = (
    "installs packages",
    "needs a cluster",
    "needs a second machine",
    "needs an accelerator",
    "needs ImageNet",
    "needs PyTorch",
    "needs the network",
    "needs weights of your own",
    "runs the tests themselves",
    "serves until it is stopped",
    "takes many minutes",
)
OUTPUT = ("", "text")  # languages of what a program prints


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int  # of its fence, from 1
    language: str
    text: str
    reason: str  # why no test runs it; "" where one does


def read_blocks(page: str) -> list[Block]:
    """List the blocks of a page, in order."""
    lines = (ROOT / page).read_text().splitlines()
    fences = [i for i, line in enumerate(lines) if line.startswith("```")]
    found = []
    for start, end in zip(fences[::2], fences[1::2], strict=True):
        mark = MARK.fullmatch(lines[start - 1]) if start else None
        text = "".join(f"{line}\n" for line in lines[start + 1 : end])
        reason = mark[1] if mark else ""
        found.append(Block(page, start + 1, lines[start].removeprefix("```"), text, reason))
    return found


def blocks_to_run(language: str, page: str | None = None) -> list[Block]:
    """List the blocks of a language that tests run, of all pages or of one."""
    pages = NAMES if page is None else [page]
    blocks = [block for name in pages for block in read_blocks(name)]
    return [block for block in blocks if block.language == language and not block.reason]


def write_photos(folder, names, size=(40, 30)):
    """Write photos of noise; those of a name with "bright" or "dog" in it are brighter."""
    folder.mkdir(parents=True, exist_ok=True)
    draws = np.random.default_rng(len(names))
    for name in names:
        lighter = 90 * any(word in name for word in ("bright", "dog"))
        pixels = draws.integers(0, 160, (size[1], size[0], 3)) + lighter
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
