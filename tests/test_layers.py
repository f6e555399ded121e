"""Imports point downwards, and the default paths import what they need and no more."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "jaxcnn"
# The layers, the highest first. A package may import from lower layers and from itself.
FLOORS = (
    ("cli",),
    ("photos", "export"),
    ("runs",),
    ("training", "pretrained", "interpret", "plots"),
    ("models", "losses", "metrics", "optim", "augment", "data"),
    ("ops",),
    ("host", "types"),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def imported_rooms(tree: ast.Module) -> set[str]:
    """Names of the rooms of jaxcnn that a module imports, e.g. {"ops", "types"}."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "jaxcnn":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jaxcnn."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("jaxcnn.")}
    return found


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.fixture(scope="module")
def modules():
    """The syntax tree of each module of the package's rooms, by its path."""
    paths = [p for p in sorted(PACKAGE.rglob("*.py")) if p.parent != PACKAGE or "__" not in p.name]
    assert {room_of(path) for path in paths} == set(FLOOR_OF)
    return {path: ast.parse(path.read_text()) for path in paths}


def test_the_top_of_the_package_can_be_read_at_a_glance():
    entries = {p.name for p in PACKAGE.iterdir()} - {"__pycache__"}
    boilerplate = {"README.md", "__init__.py", "__main__.py", "py.typed"}
    assert len(entries - {"README.md"}) <= 20
    assert {name.removesuffix(".py") for name in entries - boilerplate} == set(FLOOR_OF)


def test_imports_point_downwards(modules):
    upward = [
        f"{path.relative_to(PACKAGE)} imports {room}"
        for path, tree in modules.items()
        for room in imported_rooms(tree) - {room_of(path)}
        if FLOOR_OF[room] <= FLOOR_OF[room_of(path)]
    ]
    assert not upward


def test_only_networks_and_steps_import_flax(modules):
    importers = {
        (room_of(path), path.name)
        for path, tree in modules.items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
        for name in [alias.name if isinstance(node, ast.Import) else node.module or ""]
        if name.split(".")[0] == "flax"
    }
    assert {room for room, name in importers if name != "build.py"} == {"models", "training"}


def test_data_is_made_on_the_host(modules):
    texts = {path: path.read_text() for path in modules if room_of(path) == "data"}
    assert texts
    assert not [path.name for path, text in texts.items() if "jax.numpy" in text]


def test_pixels_are_cropped_and_normalised_in_one_place(modules):
    owners = {
        "center_crop(": {"augment/crop_flip.py", "augment/policy.py", "training/preprocessing.py"},
        ".pixel_mean": {"runs/config/train_config.py"},
        ".resize_mode": {"runs/config/train_config.py"},
    }
    found = {
        word: {str(path.relative_to(PACKAGE)) for path in modules if word in path.read_text()}
        for word in owners
    }
    assert found == owners


def imports_of(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    return set(done.stdout.split())


def test_default_paths_do_not_import_tensorflow():
    programs = {
        "experiments.cats_dogs": "jaxcnn.runs.train_and_evaluate",
        "jaxcnn.cli.commands.predict": "jaxcnn.runs.classifier",
    }
    for program, module in programs.items():
        loaded = imports_of(f"import {program}")
        assert module in loaded
        assert not loaded & {"tensorflow", "tensorflow_datasets", "torch"}


def test_import_of_the_package_is_light():
    assert not imports_of("import jaxcnn") & {"jax", "matplotlib", "orbax.checkpoint", "grain"}


def test_every_public_name_is_there():
    import jaxcnn

    for name in jaxcnn.__all__:
        assert getattr(jaxcnn, name).__doc__
    with pytest.raises(AttributeError, match="nothing_like_it"):
        jaxcnn.nothing_like_it  # noqa: B018
