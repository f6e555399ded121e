"""Every public function shows its use: by an example that doctest runs, or in a guide."""

import ast
import doctest
import functools
import importlib.util
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# What functions give, and what networks extend: nobody calls these.
GIVEN = {
    "jaxcnn.data": {
        *("DuplicatePair", "FolderSource", "ImageSplits", "PackedSource", "SkippedFile"),
        "TfdsSource",
    },
    "jaxcnn.interpret": {"Attribution", "Excitation", "Neighbours", "PhotoMap"},
    "jaxcnn.metrics": {
        *("BaselineResult", "Calibration", "CalibrationCurve", "LogisticRegression"),
        *("Gaussians", "Neighbours", "Overfitting", "RelativeGaussians", "Separation"),
        *("SetQuality", "SetScores", "Suspicion"),
    },
    "jaxcnn.models": {"FeatureClassifier", "LayerRow", "StageInfo", "StagedNetwork", "Summary"},
    "jaxcnn.photos": {"Found", "Hit", "IndexReport", "Labeller"},
    "jaxcnn.pretrained": {"Description", "Pretrained", "Weights"},
    "jaxcnn.runs": {"HardExamples", "Prediction"},
    "jaxcnn.runs.config": {"DataSettings", "NetworkSettings", "RunSettings", "TrainingSettings"},
    "jaxcnn.training": {"Best", "Evaluation", "FitResult", "Progress", "View"},
    "jaxcnn.types": {"TrainState"},
}


@functools.cache
def reference():
    spec = importlib.util.spec_from_file_location("reference", ROOT / ".ci/api_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_shown_by_use(value):
    """Tell functions, and classes that are made by calling them."""
    if inspect.isclass(value):
        return not issubclass(value, BaseException) and not getattr(value, "_is_protocol", False)
    return inspect.isfunction(value)


def public_objects():
    """Yield each public function and class, and its name in each room that hands it out."""
    for name in reference().modules():
        module = importlib.import_module(name)
        own = [n for n, v in vars(module).items() if getattr(v, "__module__", "") == name]
        for public in getattr(module, "__all__", [n for n in own if not n.startswith("_")]):
            if is_shown_by_use(value := getattr(module, public)):
                yield f"{name}.{public}", value


@functools.cache
def examples_of(module_name):
    """The code of each example of a module that doctest runs, by the name of what has it."""
    found = doctest.DocTestFinder().find(sys.modules[module_name])
    return {test.name: [example.source for example in test.examples] for test in found}


def guides():
    """The Python code of each guide and notebook."""
    for page in [ROOT / "README.md", *sorted((ROOT / "jaxcnn").rglob("*.md"))]:
        yield "".join(re.findall(r"(?ms)^```python\n(.*?)^```", page.read_text()))
    for page in sorted((ROOT / "experiments").glob("*.ipynb")):
        cells = [c for c in json.loads(page.read_text())["cells"] if c["cell_type"] == "code"]
        lines = "\n".join("".join(cell["source"]) for cell in cells).splitlines()
        yield "\n".join(line for line in lines if not line.startswith(("%", "!")))


def used_in(code):
    """The objects of jaxcnn that code names after it has imported them or their package."""
    tree, imported, found = ast.parse(code), {}, []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jaxcnn"):
            imported |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            imported |= {a.name: a.name for a in node.names if a.name == "jaxcnn"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first, *rest = ast.unparse(node).split(".")
            if first in imported:
                found.append(".".join([imported[first], *rest]))
    for name in found:
        try:
            yield pkgutil.resolve_name(name)
        except (AttributeError, ImportError):  # a method of what a function gave
            continue


def test_every_public_function_has_an_example_or_is_in_a_guide():
    public = list(public_objects())
    codes = [
        code
        for module in {value.__module__ for _, value in public}
        for examples in examples_of(module).values()
        for code in examples
    ]
    made = {name for code in codes for name in re.findall(r"\b([A-Z]\w+)\(", code)}
    shown = [value for guide in guides() for value in used_in(guide)]
    shown += [
        getattr(importlib.import_module(room), name) for room in GIVEN for name in GIVEN[room]
    ]
    missing = [
        name
        for name, value in public
        if not examples_of(value.__module__).get(f"{value.__module__}.{value.__qualname__}")
        if not (inspect.isclass(value) and value.__name__ in made)
        if not any(value is other for other in shown)
    ]
    assert missing == []


def programs_with_examples():
    """The modules outside of the paths where pytest looks for examples."""
    paths = [path for room in ("experiments", "jaxcnn/cli") for path in (ROOT / room).rglob("*.py")]
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in paths
        if ">>> " in path.read_text()
    )


def test_examples_of_programs_are_right(tmp_path):
    # In a process of its own: programs define flags, which other tests' programs define too.
    code = (
        "import doctest, importlib, sys\n"
        "found = {n: doctest.testmod(importlib.import_module(n)) for n in sys.argv[1:]}\n"
        "assert all(each.attempted and not each.failed for each in found.values()), found"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *programs_with_examples()],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_names_that_a_guide_uses_are_seen():
    code = "import jaxcnn\nfrom jaxcnn.data import Decoding, load_folder\n"
    code += "jaxcnn.fit(jaxcnn.Classifier.load('x'), Decoding(8))"
    seen = {getattr(value, "__name__", "") for value in used_in(code)}
    assert {"fit", "Classifier", "load", "Decoding"} <= seen
    assert "load_folder" not in seen
