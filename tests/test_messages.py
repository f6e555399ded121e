"""What the library says: it names settings and arguments, since it does not know its callers."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "jaxcnn"
FLAG = r"(?<![\w-])(?<!var\()(?<!pip install )--[a-z]"
PROGRAM = r"\bjaxcnn (train|predict|photos|report|export|look-inside|clean|hard-examples|plan)\b"
STUDY = r"\bexperiments\."
CALLERS = re.compile(f"{FLAG}|{PROGRAM}|{STUDY}")
# Programs themselves, and what prints commands on purpose.
EXCEPT = ("cli", "export/standalone.py", "runs/report", "runs/config")
LIBRARY = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if not any(path.is_relative_to(PACKAGE / name) for name in EXCEPT)
]


def texts(source):
    """Every string of a program, its docstrings among them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_text_of_the_library_names_a_flag_or_a_program(path):
    assert not [text for text in texts(path.read_text()) if CALLERS.search(text)]


@pytest.mark.parametrize(
    ("text", "names_a_caller"),
    [
        ("give --workdir", True),
        ("(--resume)", True),
        ("make one: jaxcnn photos index DIR", True),
        ("python -m experiments.cifar10", True),
        ("pip install --no-deps jax2onnx", False),
        ("var(--blue)", False),
        ("set overwrite=True", False),
    ],
)
def test_what_names_a_caller(text, names_a_caller):
    assert bool(CALLERS.search(text)) is names_a_caller


def test_each_file_is_replaced_by_one_writer():
    """Other places move folders, or wait for the file to appear under the name they gave it."""
    repository = PACKAGE.parent
    found = {
        str(path.relative_to(repository))
        for folder in (PACKAGE, repository / "experiments")
        for path in folder.rglob("*.py")
        if re.search(r"\bos\.replace\(", path.read_text())
    }
    assert found == {
        "jaxcnn/host/files.py",
        "jaxcnn/host/outputs.py",  # what users name; of an interrupted one the part stays
        "jaxcnn/export/exporting.py",  # a folder
        "jaxcnn/photos/index_file.py",  # an index that was built beside what it replaces
        "jaxcnn/pretrained/download/__init__.py",  # what is partly downloaded stays, to go on with
    }
