"""Imports point downwards, and the default paths import what they need and no more."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "jaxcnn"
# A module may import from the rows below its own and from its own folder.
ROWS = (
    ("photo_server",),
    ("hard_examples", "look_inside"),
    ("trainer",),
    ("export",),
    ("ensemble", "search"),
    ("run", "sweep", "rate_test"),
    ("report",),
    ("points", "ensemble_scores"),
    ("transfer", "phase_training", "member_training"),
    ("kept_features",),
    ("run_context",),
    ("photos",),
    ("loop", "pictures", "classifier", "summary", "plan"),
    ("pretrained", "features", "step_cost", "training_progress"),
    (
        "evaluation",
        "build",
        "checkpoint",
        "diagnosis",
        "epoch_scan",
        "interrupt",
        "members",
        "progress",
        "workdir",
    ),
    (
        "train",
        "eval_step",
        "calibration",
        "compilation",
        "interpret",
        "plots",
        "baselines",
        "label_quality",
        "phases",
        "process",
    ),
    ("config", "recipes"),
    ("mixing", "train_state"),
    (
        "accumulation",
        "augment",
        "logistic_regression",
        "losses",
        "metrics",
        "optim",
        "parameter_average",
        "parallel",
        "per_example",
        "pixels",
        "privacy",
    ),
    ("layer_rates",),
    ("models", "schedules"),
    ("ops", "data"),
    ("compilation_cache", "host_memory"),
    ("registry", "types", "user_cache", "chips"),
)
ROW_OF = {name: row for row, names in enumerate(ROWS) for name in names}


def imported_modules(path: Path) -> set[str]:
    """Names of the modules of jaxcnn that a file imports, e.g. {"ops", "types"}."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "jaxcnn":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jaxcnn."):
            found.add(node.module.split(".")[1])
    return found


def home(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = [p for p in sorted(PACKAGE.rglob("*.py")) if p != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downwards(path):
    own = home(path)
    assert own in ROW_OF, f"{own} has no row yet"
    upwards = {n for n in imported_modules(path) - {own} if ROW_OF[n] <= ROW_OF[own]}
    same_row_allowed = {n for n in upwards if ROW_OF[n] == ROW_OF[own]}
    assert upwards - same_row_allowed == set()


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_networks_and_steps_import_flax(path):
    names = {
        alias.name if isinstance(node, ast.Import) else node.module or ""
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    if home(path) not in ("models", "train", "train_state", "eval_step", "build"):
        assert not {name for name in names if name.split(".")[0] == "flax"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "data").rglob("*.py")), ids=lambda p: p.name)
def test_data_is_made_on_the_host(path):
    assert "jax.numpy" not in path.read_text()


def imports_of(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    return set(done.stdout.split())


def test_default_paths_do_not_import_tensorflow():
    for program, module in (("cats_dogs", "jaxcnn.trainer"), ("predict", "jaxcnn.classifier")):
        loaded = imports_of(f"import experiments.{program}")
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
