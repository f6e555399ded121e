"""The check of an accelerator: what it compares, how it ends, and on how bare a machine."""

import functools
import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments.accelerator import (
    augment_cases,
    cases,
    children,
    cifar_data,
    network_cases,
    parity,
    sides,
)
from experiments.accelerator.children import Part
from experiments.accelerator.results import Results
from jaxcnn import augment, ops
from jaxcnn.models import create_model, list_models

ROOT = Path(__file__).parent.parent.parent
# What a machine for the check need not have; it is refused as if it were not installed.
MISSING = (
    *("grain", "tensorflow_datasets", "tensorflow", "tqdm", "filelock", "platformdirs", "requests"),
    *("safetensors", "h5py", "jinja2", "tensorboardX", "flask", "sklearn", "pandas"),
)
BLOCKER = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {MISSING!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""
FAKE = """
import os, time

def results(spec):
    print("a library greets")
    yield {"name": spec["name"], "passed": True}
    if spec["name"] == "dies":
        raise KeyError("no such thing")
    if spec["name"] == "hangs":
        time.sleep(60)
    if spec["name"] == "exits":
        os._exit(3)
"""


@pytest.fixture
def part(tmp_path):
    """Makes a part of fake work, which is what its name says."""
    (tmp_path / "fake_part.py").write_text(FAKE)
    return lambda name: Part(name, "fake_part", {"name": name}, {"PYTHONPATH": str(tmp_path)})


@pytest.fixture
def bare(tmp_path):
    """The environment of a machine that lacks the packages of `MISSING`."""
    (tmp_path / "sitecustomize.py").write_text(BLOCKER)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path}


def test_parts_say_their_results_side_by_side(part):
    said = list(children.run([part("one"), part("two")], deadline=time.monotonic() + 60))
    assert sorted(result["name"] for result in said) == ["one", "two"]
    assert all(result["passed"] for result in said)


def test_a_part_that_dies_has_failed_and_keeps_what_it_said(part):
    first, cause = children.run([part("dies")], deadline=time.monotonic() + 60)
    assert first["passed"]
    assert cause == {
        "name": "dies",
        "passed": False,
        "note": "ended with 1: KeyError: 'no such thing'",
    }
    *_, cause = children.run([part("exits")], deadline=time.monotonic() + 60)
    assert (cause["passed"], cause["note"]) == (False, "ended with 3: a library greets")


def test_a_part_is_stopped_at_the_limit_and_is_not_judged(part):
    started = time.monotonic()
    said = list(children.run([part("hangs")], deadline=started + 3))
    assert time.monotonic() - started < 20
    assert said[-1]["note"] == "was stopped at the stage's time limit"
    assert said[-1]["passed"] is None


def test_closing_kills_what_runs(part):
    said = children.run([part("hangs")], deadline=time.monotonic() + 60)
    next(said)
    started = time.monotonic()
    said.close()
    assert time.monotonic() - started < 20


def test_results_are_in_both_files_after_each(tmp_path):
    results = Results(tmp_path, {"generator": "jaxcnn"})
    results.add("parity", {"name": "pool", "passed": True, "figures": {"error": 1e-7}})
    results.add("parity", {"name": "conv", "passed": False, "note": "float32: off by 1"})
    assert results.failed() == ["parity: conv: float32: off by 1"]
    kept = json.loads((tmp_path / "results.json").read_text())
    assert [each["name"] for each in kept["stages"]["parity"]] == ["pool", "conv"]
    table = (tmp_path / "results.txt").read_text().splitlines()
    assert table[0] == "generator: jaxcnn"
    assert table[2].split() == ["parity", "error"]
    assert table[3].split() == ["pool", "1.0e-07", "ok"]
    assert table[4].split() == ["conv", "-", "FAILED"]


def test_every_operation_augmentation_and_family_is_compared():
    names = " ".join(case.name for case in cases.operation_cases())
    for operation in ("convolution", "max", "average", "adaptive", "batch norm"):
        assert operation in names
    public = {"adaptive_avg_pool", "avg_pool", "batch_norm", "conv2d", "max_pool"}
    assert set(ops.__all__) - public == {"conv_general_dilated", "stock_ops", "uses_stock_ops"}
    compared = {*augment_cases.DETERMINISTIC, *augment_cases.RANDOM, *augment_cases.MIXING}
    assert compared | set(augment_cases.PARTS) == set(augment.__all__)
    families = {type(create_model(name, 2)).__name__ for name in list_models()}
    made = (create_model(name, 2, **o) for name, (o, _) in network_cases.FAMILIES.items())
    assert {type(model).__name__ for model in made} == families


@pytest.mark.slow
def test_cases_trace_in_each_dtype():
    for case in [*parity.all_cases(tiny=True), *network_cases.cases(("mobilenet_v3_small",))]:
        for dtype in (jnp.float32, jnp.bfloat16):
            result = jax.eval_shape(functools.partial(case.function, dtype), *case.inputs)
            assert jax.tree.leaves(result), case.name


def found(case):
    return next(_compared([case]))


def _compared(chosen):
    with mock.patch.object(parity, "all_cases", return_value=chosen):
        yield from parity.results({"tiny": True, "share": [0, 1]})


def test_a_right_operation_passes_and_one_that_is_off_fails():
    case = cases.operation_cases()[6]
    assert "pointwise" in case.name
    result = found(case)
    assert result["passed"], result
    assert 0 < result["figures"]["float32 error"] < 1e-5
    assert result["figures"]["bfloat16 error"] > 1e-4

    def wrong(images, kernel, *args, **kwargs):
        return 1.01 * right(images, kernel, *args, **kwargs)

    right = jax.lax.conv_general_dilated
    with mock.patch.object(jax.lax, "conv_general_dilated", wrong):
        result = found(case)
    assert not result["passed"]
    assert "float32" in result["note"]
    assert "off by 0.01" in result["note"]


def test_error_is_relative_and_never_passes_nan():
    one = {"a": np.array([3.0, 4.0]), "b": np.array([1e-9])}
    assert sides.error_of({**one, "a": np.array([3.0, 4.5])}, one) == (
        pytest.approx(0.1),
        "['a']",
    )
    assert sides.error_of({**one, "b": np.array([2e-9])}, one)[0] < 1e-7
    assert sides.error_of({**one, "a": np.array([np.nan, 4.0])}, one)[0] == np.inf
    with pytest.raises(ValueError, match="other shapes"):
        sides.error_of({"a": np.ones(2), "b": np.ones(2)}, one)


def test_the_data_is_read_packed_and_from_folders(tmp_path):
    rows, packed = ["offset\tlength\tlabel\tname"], b""
    for i in range(6):
        folder = tmp_path / "folders" / "test" / f"class{i % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{i}.jpg"
        Image.new("RGB", (32, 32), (40 * i, 0, 0)).save(path)
        data = path.read_bytes()
        rows.append(f"{len(packed)}\t{len(data)}\t{i % 3}\t{i}.jpg")
        packed += data
    (tmp_path / "test.jpegs").write_bytes(packed)
    (tmp_path / "test.tsv").write_text("\n".join(rows) + "\n")
    images, labels = cifar_data.read(tmp_path, "test")
    assert (images.shape, labels.tolist()) == ((6, 32, 32, 3), [0, 1, 2, 0, 1, 2])
    assert np.abs(images[:, 0, 0, 0].astype(int) - 40 * np.arange(6)).max() < 4
    others, their_labels = cifar_data.read(tmp_path / "folders", "test")
    assert their_labels.tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(others, images[[0, 3, 1, 4, 2, 5]])
    assert len(cifar_data.read(tmp_path, "test", 3)[1]) == 3
    with pytest.raises(ValueError, match=r"neither train\.jpegs"):
        cifar_data.check(tmp_path)


def check(environment, *words):
    return subprocess.run(
        [sys.executable, "-m", "experiments.accelerator_check", *map(str, words)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )


def test_it_starts_on_a_bare_machine(bare):
    code = textwrap.dedent("""
        import experiments.accelerator_check
        from experiments.accelerator import batch_search, facts, ways
        from experiments.benchmarks import counting
        from jaxcnn.training.checkpoints import CheckpointStore
        from jaxcnn.ops.cpu import onednn
        onednn.is_available()
        import tqdm
    """)
    done = subprocess.run(
        [sys.executable, "-c", code], env=bare, cwd=ROOT, capture_output=True, text=True
    )
    assert done.stderr.strip().splitlines()[-1] == "ModuleNotFoundError: No module named 'tqdm'"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--out=OUT", "--stages=party"], "unknown stage 'party'; known, nearest first: parity"),
        ([], "--out is missing; name a folder"),
        (["--out=OUT", "--cifar10=OUT"], "holds neither train.jpegs with train.tsv"),
    ],
)
def test_mistakes_end_in_one_line(bare, tmp_path, words, line):
    done = check(bare, *(word.replace("OUT", str(tmp_path / "out")) for word in words))
    assert done.returncode == 2
    assert line in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_all_stages_run_on_a_bare_machine(bare, tmp_path):
    for part in ("train", "test"):
        for i in range(128):
            folder = tmp_path / "data" / part / f"class{i % 10}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), (25 * (i % 10), i, 0)).save(folder / f"{i}.png")
    words = ("--tiny", f"--out={tmp_path / 'out'}", f"--cifar10={tmp_path / 'data'}")
    done = check(bare, *words, "--seconds=800")
    assert done.returncode == 0, done.stderr
    stages = json.loads((tmp_path / "out" / "results.json").read_text())["stages"]
    assert list(stages) == ["parity", "determinism", "throughput", "cifar"]
    for name in ("parity", "determinism"):
        assert {each["passed"] for each in stages[name]} == {True}
    notes = [each.get("note", "") for found in stages.values() for each in found]
    assert not [note for note in notes if "ended with" in note or "time limit" in note]
    speed = stages["throughput"][0]["figures"]
    assert speed["jaxcnn, images/s"] > 0
    assert speed["flax, images/s"] > 0
    assert 0 <= stages["cifar"][-1]["figures"]["accuracy"] <= 1
