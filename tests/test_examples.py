"""Every public function shows its use: by an example that doctest runs, or in a guide."""

import ast
import doctest
import functools
import importlib.util
import inspect
import json
import pkgutil
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# What functions give, and what networks extend: nobody calls these.
GIVEN = {
    "data": {"FolderSource", "ImageSplits", "TfdsSource"},
    "interpret": {"Attribution", "Excitation", "Neighbours", "PhotoMap"},
    "models": {"FeatureClassifier", "LayerRow", "StageInfo", "StagedNetwork", "Summary"},
    "photos": {"Found", "Hit", "IndexReport", "Labeller"},
    "pretrained": {"Pretrained", "Weights"},
    "runs": {"Prediction"},
    "runs.config": {"DataSettings", "NetworkSettings", "RunSettings", "TrainingSettings"},
    "training": {"Evaluation", "FitResult", "Progress", "View"},
    "types": {"TrainState"},
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
    """Yield each public function and class with the rooms that hand it out."""
    for name in reference().modules():
        module, room = importlib.import_module(name), name.removeprefix("jaxcnn").strip(".")
        own = [n for n, v in vars(module).items() if getattr(v, "__module__", "") == name]
        for public in getattr(module, "__all__", [n for n in own if not n.startswith("_")]):
            if is_shown_by_use(value := getattr(module, public)):
                yield room, public, value


@functools.cache
def examples_of(module_name):
    """The code of each example of a module that doctest runs, by the name of what has it."""
    found = doctest.DocTestFinder().find(sys.modules[module_name])
    return {test.name: [example.source for example in test.examples] for test in found}


def guides():
    """The Python code of each guide and notebook."""
    for page in [ROOT / "README.md", *sorted((ROOT / "jaxcnn").rglob("*.md"))]:
        yield "".join(
            re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        )
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
            imported |= {"jaxcnn": "jaxcnn" for a in node.names if a.name.startswith("jaxcnn")}
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
    in_guides = {id(value) for code in guides() for value in used_in(code)}
    sources = [
        source
        for module in {value.__module__ for _, _, value in public}
        for example in examples_of(module).values()
        for source in example
    ]
    made = {name for source in sources for name in re.findall(r"\b([A-Z]\w+)\(", source)}
    missing = [
        f"{room}.{name}"
        for room, name, value in public
        if not examples_of(value.__module__).get(f"{value.__module__}.{value.__qualname__}")
        if id(value) not in in_guides
        if not (inspect.isclass(value) and name in made)
        if not (room and name in GIVEN.get(room, ()))
        if not (not room and any(name in given for given in GIVEN.values()))
    ]
    assert missing == []


def test_what_is_given_is_public():
    for room, names in GIVEN.items():
        assert names <= set(dir(importlib.import_module(f"jaxcnn.{room}"))), room


def test_names_that_a_guide_uses_are_seen():
    code = "import jaxcnn\nfrom jaxcnn.data import Decoding, load_folder\n"
    code += "jaxcnn.fit(jaxcnn.Classifier.load('x'), Decoding(8))"
    seen = {getattr(value, "__name__", "") for value in used_in(code)}
    assert {"fit", "Classifier", "load", "Decoding"} <= seen
    assert "load_folder" not in seen
