"""The wheel, away from the checkout: it installs, trains without extras, predicts and serves."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

from jaxcnn import __version__

ROOT = Path(__file__).parent.parent
# Python imports it at each start: what is named in BLOCKED is then as if it were not installed.
BLOCKER = "import os, sys\nsys.modules.update(dict.fromkeys(os.environ['BLOCKED'].split()))\n"
TINY = [
    *("--image_size_px=16", "--stored_size_px=18", "--max_train_examples=48", "--num_epochs=1"),
    *("--batch_size=16", "--depth=2", "--width_multiplier=0.125", "--dataset=folder"),
]


def extra_modules():
    """Top-level modules that extras bring and the package itself does not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {k: v for k, v in project["optional-dependencies"].items() if k not in ("all", "test")}
    named = [re.match(r"[\w-]+", line)[0] for lines in extras.values() for line in lines]
    owned = {re.sub(r"[-_.]+", "-", name).lower() for name in named} - {"jax"}
    return [
        module
        for module, owners in metadata.packages_distributions().items()
        if owned & {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners}
    ]


def write_photos(folder, names):
    draws = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(draws.integers(0, 256, (30, 20, 3), np.uint8)).save(folder / name)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds nothing but what the wheel installs."""
    work = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(work)]
    # Of a copy of what setuptools reads: a build leaves folders beside its sources.
    source = work / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "jaxcnn", "experiments", "tests"):
        (source / name).symlink_to(ROOT / name)
    subprocess.run([*build, str(source)], check=True, capture_output=True)
    (wheel,) = work.glob("jaxcnn-*.whl")
    target = work / "site"
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-index", "--target", str(target), str(wheel)],
        check=True,
        capture_output=True,
    )
    (target / "sitecustomize.py").write_text(BLOCKER)
    return wheel, target


@pytest.fixture(scope="module")
def jaxcnn(installed, tmp_path_factory):
    """Run the installed command in a folder of its own."""
    folder = tmp_path_factory.mktemp("away")
    environment = os.environ | {
        "PYTHONPATH": str(installed[1]),
        "JAXCNN_DATA": str(folder / "data"),
        "PYTHONUNBUFFERED": "1",
    }

    def start(*words, blocked=()):
        return subprocess.Popen(
            [sys.executable, "-m", "jaxcnn", *map(str, words)],
            cwd=folder,
            env=environment | {"BLOCKED": " ".join(blocked)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture(scope="module")
def run_folder(jaxcnn, tmp_path_factory):
    """A run that was trained with no extra installed."""
    blocked = extra_modules()
    assert {"flask", "h5py", "simplejpeg"} <= set(blocked)
    folder = tmp_path_factory.mktemp("runs")
    photos, workdir = folder / "photos", folder / "tiny"
    for name in ("day", "night"):
        write_photos(photos / name, [f"{i}.jpg" for i in range(40)])
    words = (*TINY, f"--data_dir={photos}", f"--workdir={workdir}")
    process = jaxcnn("train", *words, blocked=blocked)
    errors = process.communicate(timeout=300)[1]
    assert process.returncode == 0, errors
    return workdir


def test_the_wheel_holds_the_package_and_its_data(installed):
    wheel, _ = installed
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = (ROOT / "jaxcnn").rglob("*")
    ours = {str(p.relative_to(ROOT)) for p in files if p.is_file() and "__pycache__" not in p.parts}
    assert held == ours
    assert wheel.name == f"jaxcnn-{__version__}-py3-none-any.whl"


def test_python_imports_the_wheels(installed, tmp_path):
    _, target = installed
    code = "import jaxcnn, importlib.util; print(jaxcnn.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(importlib.util.find_spec('experiments'))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(target), "BLOCKED": ""},
    )
    assert done.stdout.splitlines() == [str(target / "jaxcnn" / "__init__.py"), "None"]


def test_a_run_without_extras_is_whole(run_folder):
    for name in ("summary.json", "report.html", "tensorboard", "checkpoints/best"):
        assert (run_folder / name).exists()


def test_it_predicts_and_serves(jaxcnn, run_folder, tmp_path):
    write_photos(tmp_path, ("a.png", "b.png"))
    for words, said in (
        (("predict", f"--workdir={run_folder}", tmp_path / "a.png"), "a.png"),
        (("photos", "index", f"--workdir={run_folder}", tmp_path), "2 new"),
    ):
        process = jaxcnn(*words)
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert said in out + errors
    with jaxcnn("photos", "serve", "--port=0") as server:
        try:
            address = re.search(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())[0]
            page = urlopen(address, timeout=60).read().decode()
            style = urlopen(f"{address}static/photos.css", timeout=60).status
        finally:
            server.terminate()
            server.communicate()
    assert "<title>" in page
    assert style == 200
