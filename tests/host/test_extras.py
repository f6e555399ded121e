"""A missing extra is told in one line, and each that is told can be installed."""

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import jaxcnn
from jaxcnn.export.exporting import check_formats
from jaxcnn.host.extras import EXTRAS, MissingExtraError, require, versions

ROOT = Path(__file__).parents[2]


def test_what_is_installed_is_not_imported():
    require("the calendar", "sqlite3", "antigravity", extra="serve")
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("modules", "said"),
    [
        (("json", "no_such_one"), "the page needs no_such_one, which is not installed; run pip"),
        (("no_such_one", "nor_this"), "needs no_such_one and nor_this, which are not installed"),
    ],
)
def test_what_is_missing_is_named(modules, said):
    with pytest.raises(MissingExtraError, match=said):
        require("the page", *modules, extra="serve")


@pytest.mark.parametrize("module", ["onnx", "onnxruntime"])
def test_onnx_is_refused_before_any_work(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"{module}.*pip install einops .*onnxruntime"):
        check_formats(["onnx"])


def test_a_checkout_that_is_not_installed_has_a_version(monkeypatch):
    installed = {"jax": "0.10.2"}
    monkeypatch.setattr(metadata, "version", installed.__getitem__)
    assert versions(["jaxcnn", "jax"]) == {"jaxcnn": jaxcnn.__version__, "jax": "0.10.2"}


def test_every_extra_that_is_told_is_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    code = "\n".join(path.read_text() for path in sorted((ROOT / "jaxcnn").rglob("*.py")))
    names = set(re.findall(r"""(?:extra=|install\()["'](\w+)["']""", code))
    assert {"serve", "export", "fast", "onnx", "pretrained", "privacy", "tensorflow"} <= names
    assert names <= set(project["optional-dependencies"])


def test_the_packages_that_are_told_are_those_of_the_extras():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra, packages in EXTRAS.items():
        wanted = {re.split("[<>=]", p)[0] for p in project["optional-dependencies"][extra]}
        assert set(packages.split()) == {p for p in wanted if not p.startswith("efficientnet")}
