"""The comparison of speeds: the talk with workers, what turns come to, and a tiny real run."""

import json
import math
import sys

import numpy as np
import pytest
from PIL import Image
from programs import ROOT, run_program, try_words

from experiments.benchmarks import chart, contest, loading, machine, rows, screen, speeds
from experiments.benchmarks.workers import Worker, WorkerError

# A worker whose task is what the description says it to be.
FAKE = """
import os, signal, time
from experiments.benchmarks.serving import Task, Unavailable

def make_task(spec):
    kind = spec["kind"]
    if kind == "unavailable":
        raise Unavailable("is on holiday")
    if kind == "raises":
        raise KeyError("no such thing")
    if kind == "exits":
        os.write(2, b"a first line\\nthe last words\\n")
        os._exit(3)
    if kind == "hangs":
        time.sleep(20)
    print("a library greets")
    calls = []

    def step():
        calls.append(1)
        if kind == "dies" and len(calls) > 2:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.01)
        return 4

    return Task({"num_parameters": 7, "compile_seconds": 0.5}, step, lambda: len(calls))
"""


@pytest.fixture
def launch(tmp_path):
    """Starts fake workers, whose kind is their name."""
    (tmp_path / "fake_worker.py").write_text(FAKE)
    path = {"PYTHONPATH": str(tmp_path)}

    def start(kind, limit_seconds=60.0):
        return Worker("fake_worker", {"kind": kind}, environment=path, limit_seconds=limit_seconds)

    return start


def test_a_worker_gets_ready_runs_and_stops(launch):
    with launch("works") as worker:
        facts = worker.ready()
        assert facts.pop("start_seconds") > 0
        assert facts == {"num_parameters": 7, "compile_seconds": 0.5}
        turn = worker.run(0.05)
        assert turn["images"] == 4 * turn["steps"]
        assert turn["seconds"] >= 0.05
        assert turn["steps"] >= 1
        assert worker.run(0.0)["steps"] == 1
        # One step before getting ready, one before each turn, and those of the turns.
        assert worker.stop()["peak_bytes"] == 1 + 2 + turn["steps"] + 1


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("unavailable", "^is on holiday$"),
        ("raises", "^KeyError: 'no such thing'$"),
        ("exits", "^ended with status 3: the last words$"),
    ],
)
def test_a_worker_that_cannot_take_part_says_why(launch, kind, reason):
    with launch(kind) as worker, pytest.raises(WorkerError, match=reason):
        worker.ready()


def test_a_worker_that_hangs_is_given_up_and_ended(launch):
    with launch("hangs", limit_seconds=0.3) as worker:
        with pytest.raises(WorkerError, match=r"no answer within 0\.3 s"):
            worker.ready()
        process = worker._process
    assert process.returncode is not None


def test_a_python_that_is_not_there_is_named():
    with pytest.raises(WorkerError, match="cannot start /no/such/python"):
        Worker("fake_worker", {}, python="/no/such/python")


def test_the_others_go_on_where_one_dies(launch):
    found = contest.run_row(["works", "dies", "unavailable"], launch, rounds=3, seconds=0.0)
    assert len(found["works"]["turns"]) == 3
    assert found["works"]["peak_bytes"] == 7
    assert "reason" not in found["works"]
    assert found["dies"]["reason"].startswith("was killed (SIGKILL)")
    assert found["unavailable"] == {"turns": [], "reason": "is on holiday"}


def test_another_network_is_left_out(launch):
    found = contest.run_row(["works"], launch, rounds=1, seconds=0.0, num_parameters=1234)
    assert found["works"]["reason"] == "is another network: 7 parameters, expected 1,234"
    assert found["works"]["turns"] == []


class Recorder:
    """Stands for a worker and notes what it is told."""

    def __init__(self, name, log):
        self._name, self._log = name, log

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._log.append(f"{self._name} closed")

    def ready(self):
        self._log.append(f"{self._name} ready")
        return {"start_seconds": 0.0}

    def run(self, seconds):
        self._log.append(f"{self._name} {seconds}")
        return {"images": 10, "seconds": 2.0}

    def stop(self):
        return {"peak_bytes": 0}


def test_contestants_run_in_turn():
    log = []
    contest.run_row(["a", "b"], lambda name: Recorder(name, log), rounds=2, seconds=5)
    assert log == ["a ready", "b ready", "a 5", "b 5", "a 5", "b 5", "b closed", "a closed"]


def entry(*rates, reason=None, busy=0.0):
    turns = [{"images": rate * 2, "seconds": 2.0, "other_cores": busy} for rate in rates]
    found = {"turns": turns, "compile_seconds": 1.5, "peak_bytes": 3 * 2**20}
    return found if reason is None else {"turns": turns, "reason": reason}


def make_row(busy=0.0, **contestants):
    default = {
        "jaxcnn": entry(80, 100, 120, busy=busy),
        "flax": entry(24, 26, 25, busy=busy),
        "torch": entry(60, 30, 40, busy=busy),
        "torch_compile": entry(50, 49, 900, busy=busy),
    }
    return {
        **rows.Row("six_conv", 150, "train", 32)._asdict(),
        "flops_per_image": 2e9,
        "contestants": default | contestants,
    }


def test_medians_and_ratios_of_known_turns():
    row = make_row()
    assert speeds.speeds_of(row)["jaxcnn"] == (100, 80, 120)
    found = speeds.ratios(row)
    assert found["jaxcnn"] == {"flax": 4.0, "pytorch": 2.0}  # the medians are 25 and 50
    assert found["torch"] == {"flax": 1.6, "pytorch": 0.8}
    assert speeds.shown(row) == ["jaxcnn", "flax", "torch_compile"]


def test_what_is_missing_has_no_ratio():
    row = make_row(
        flax=entry(25, reason="died"),
        torch=entry(reason="no torch"),
        torch_compile=entry(reason="no torch"),
    )
    assert all(math.isnan(x) for x in speeds.ratios(row)["jaxcnn"].values())
    assert speeds.shown(row) == ["jaxcnn", "flax", "torch"]
    text = screen.speed_table([row])
    assert "  stock Flax: died" in text.splitlines()
    assert "  PyTorch: no torch" in text.splitlines()


def test_the_table_has_all_figures():
    lines = screen.speed_table([make_row()], peak_gflops=400.0).splitlines()
    assert lines[1] == "six_conv 150 px train, batch 32"
    figures = ["100", "80.0..120", "4.00", "2.00", "1.5", "3", "200", "50%"]
    assert lines[2].split() == ["jaxcnn", *figures]
    assert lines[4].split()[:6] == ["PyTorch,", "compiled", "50.0", "49.0..900", "2.00", "1.00"]
    side_by_side = screen.scaling_table([make_row(flax=entry(reason="died"))]).splitlines()
    words = "six_conv 150 px train, batch 32 100 3 - - 40.0 3 50.0 3"
    assert side_by_side[1].split() == words.split()
    assert side_by_side[2] == "six_conv 150 px train, batch 32: stock Flax: died"


@pytest.mark.parametrize(("busy", "told"), [(0.0, False), (1.2, True)])
def test_a_busy_machine_is_told(busy, told):
    settings = contest.Settings(("jaxcnn",), 3, 5.0, "float32", True, "python", 60.0)
    report = {
        "machine": machine.describe_machine() | {"cores": 2},
        "settings": settings._asdict(),
        "versions": {"jax": "1.2"},
        "devices": ["cpu"],
        "rows": [make_row(busy=busy)],
    }
    text = "\n".join(screen.machine_lines(report))
    assert "jax 1.2" in text
    assert ("other programs kept 1.2 of 2 cores busy" in text) is told


def test_rows_by_networks_modes_and_batch_sizes():
    assert rows.make_rows(None, rows.MODES, None) == list(rows.DEFAULT_ROWS)
    some = rows.make_rows([("resnet50", 224), ("lenet5", 28)], ["train"], None)
    assert [row.batch_size for row in some] == [16, 32]
    both = rows.make_rows([("mobilenet_v2", 224)], rows.MODES, None)
    assert [(row.mode, row.batch_size) for row in both] == [("train", 16), ("inference", 32)]
    assert len(rows.make_rows(None, ["train"], [1, 8])) == 8
    growing = rows.scaling_rows([("six_conv", 64)], ["train"])
    assert {row.batch_size for row in growing} == {1, 8, 32, 128}
    assert {row.size_px for row in growing if row.batch_size == 32} >= {64, 224}
    assert len(set(growing)) == len(growing)


def test_the_chart_shows_each_contestant_as_a_share(tmp_path):
    many = [make_row(), make_row(torch_compile=entry(reason="no compiler"))]
    (axes,) = chart.plot_speeds.__wrapped__(many, machine="a machine").axes
    widths = [bar.get_width() for bar in axes.patches]
    np.testing.assert_allclose(widths, [1, 0.25, 0.5, 1, 0.25, 0.4])
    path = chart.plot_speeds(tmp_path / "speed.png", many, machine="a machine")
    with Image.open(path) as picture:
        assert picture.format == "PNG"
    with pytest.raises(ValueError, match="no contestant came through"):
        chart.plot_speeds(path, [make_row(jaxcnn=entry())][:0], machine="a machine")


def test_photos_are_found_in_folders_below(tmp_path):
    with pytest.raises(ValueError, match=r"holds no \.jpg"):
        loading.find_photos(tmp_path)
    (tmp_path / "cat").mkdir()
    for name in ("cat/b.JPG", "a.jpeg", "c.png"):
        (tmp_path / name).write_bytes(b"")
    assert loading.find_photos(tmp_path) == ["a.jpeg", "cat/b.JPG"]


@pytest.mark.slow
def test_a_tiny_run_compares_this_library_with_stock_flax(tmp_path):
    done = run_program(
        "benchmark",
        "--networks=lenet5:32",
        "--modes=train,inference",
        "--batch_sizes=4",
        "--rounds=1",
        "--seconds=0.2",
        "--contestants=jaxcnn,flax",
        "--nopipelines",
        f"--json={tmp_path}/speed.json",
        f"--chart={tmp_path}/speed.png",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "speed.json").read_text())
    assert [row["mode"] for row in report["rows"]] == ["train", "inference"]
    for row in report["rows"]:
        for name in ("jaxcnn", "flax"):
            found = row["contestants"][name]
            assert "reason" not in found
            assert found["num_parameters"] == row["num_parameters"]
            assert found["compile_seconds"] > 0
            assert found["peak_bytes"] > 2**20
            assert found["turns"][0]["seconds"] >= 0.2
    training, inference = (row["flops_per_image"] for row in report["rows"])
    assert 2 * inference < training < 4 * inference
    assert "lenet5 32 px train, batch 4" in done.stdout
    assert "row 2/2: lenet5 32 px inference, batch 4" in done.stderr
    assert (tmp_path / "speed.png").stat().st_size > 0


def test_photos_are_loaded_by_this_library_and_by_pillow(tmp_path):
    draws = np.random.default_rng(0)
    for i in range(3):
        image = Image.fromarray(draws.integers(0, 256, (40, 60, 3), np.uint8))
        image.save(tmp_path / f"{i}.jpg")
    photos = {"folder": str(tmp_path), "names": loading.find_photos(tmp_path)}
    settings = contest.Settings(("jaxcnn",), 1, 0.1, "float32", True, sys.executable, 120.0)
    result = loading.measure_pipelines(photos, settings)
    assert result["batch_size"] == 3
    entries = result["contestants"]
    assert list(entries) == ["jaxcnn", "pillow", "tf_data"]
    for name in ("jaxcnn", "pillow"):
        assert "reason" not in entries[name]
        assert speeds.speed(entries[name]["turns"]).median > 0
    lines = screen.pipeline_table(result).splitlines()
    assert lines[1].split()[-1] == "1.00"


@pytest.mark.parametrize("mode", ["train", "inference"])
def test_a_step_of_pytorch_trains_or_only_infers(mode):
    torch = pytest.importorskip("torch")
    from experiments.benchmarks.torch_worker import make_step

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.0), torch.nn.Linear(12, 2))
    images, labels = torch.randn(4, 3, 2, 2), torch.tensor([0, 1, 1, 0])
    before = torch.nn.functional.cross_entropy(model(images), labels)
    before.backward()
    expected = [(p - 1e-3 * p.grad if mode == "train" else p).detach() for p in model.parameters()]
    spec = {"contestant": "torch", "mode": mode, "dtype": "float32"}
    make_step(model, images, labels, spec)()
    assert model.training is (mode == "train")
    for found, wanted in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(found.detach(), wanted)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--networks=resnet5"], "nearest first: resnet"),
        (["--networks=resnet50:big"], "name:size_px such as resnet50:224"),
        (["--networks=six_conv:16", "--nopipelines"], "16x16 images are too small"),
        (["--modes=trian"], "train"),
        (["--contestants=jax"], "jaxcnn"),
        (["--dtype=float16"], "bfloat16"),
        (["--batch_sizes=0"], "batch_sizes is '0'"),
        (["--rounds=0"], "rounds"),
        (["--json=/no/such/folder/speed.json"], "is not a folder"),
        (["--photos=/no/such/folder"], "holds no .jpg"),
        (["resnet50"], "unexpected words 'resnet50'"),
        ([f"--json={ROOT}"], "is a folder; name a file"),
        ([f"--chart={ROOT}/README.md"], "this program did not write it"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_mistakes_end_with_one_line_and_status_2(words, named):
    done = try_words("benchmark", *words)
    assert done.returncode == 2
    assert named in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
