"""Networks, steps and what they are made of import with numpy, jax, flax and optax alone."""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("models", "ops", "losses", "metrics", "optim", "augment", "training", "types")
# Modules of these rooms that need more, and the first package that each misses: `fit` reads data.
EXCEPTIONS = {
    "jaxcnn.training.answered_views": "grain",
    "jaxcnn.training.feed": "grain",
    "jaxcnn.training.fit_arguments": "grain",
    "jaxcnn.training.fit_result": "grain",
    "jaxcnn.training.fitting": "grain",
    "jaxcnn.training.inputs": "grain",
    "jaxcnn.training.progress_bar": "tqdm",
    "jaxcnn.training.task": "grain",
}
# Imports each module that it is given; what a line of its output names could not be imported.
CODE = """
import importlib, json, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

modules, BLOCKED = json.loads(sys.stdin.read())
sys.meta_path.insert(0, Blocker())
for name in modules:
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(name, error)
"""


def needed_by(*packages):
    """Names of the distributions that some need, with all that these need, themselves included."""
    found, left = set(), list(packages)
    while left:
        name = re.sub(r"[-_.]+", "-", left.pop()).lower()
        if name in found:
            continue
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another platform or Python
            continue
        found.add(name)
        left += [re.match(r"[\w.-]+", line)[0] for line in requirements if "extra ==" not in line]
    return found


def blocked_modules():
    """Top-level modules of all that is installed here and that the four packages do not need."""
    allowed = needed_by("numpy", "jax", "flax", "optax")
    return [
        module
        for module, owners in metadata.packages_distributions().items()
        if module != "jaxcnn"
        and not {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners} & allowed
    ]


def modules_of(room):
    package = ROOT / "jaxcnn" / room
    files = sorted(package.rglob("*.py")) if package.is_dir() else [package.with_suffix(".py")]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return [name.removesuffix(".__init__") for name in names]


def failures(modules, blocked):
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        input=json.dumps([modules, blocked]),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return done.stdout.splitlines()


def test_the_light_core_needs_four_packages():
    blocked = blocked_modules()
    assert {"grain", "PIL", "matplotlib", "flask", "tqdm"} <= set(blocked)
    modules = [name for room in ROOMS for name in modules_of(room)]
    assert len(modules) > 50
    expected = [f"{name} {package} is blocked" for name, package in EXCEPTIONS.items()]
    assert failures(modules, blocked) == expected


def test_what_needs_more_is_noticed():
    (line,) = failures(["jaxcnn.data.batches"], ["grain"])
    assert line == "jaxcnn.data.batches grain is blocked"
