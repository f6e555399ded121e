"""oneDNN's calls are tried before they are trusted, and kept out of the compilation cache."""

import json
import os
import subprocess
import sys
import threading
from concurrent import futures
from pathlib import Path

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
import pytest

from jaxcnn.ops.convolution import conv2d
from jaxcnn.ops.cpu import convolution, onednn, onednn_trial, trial
from jaxcnn.ops.cpu.geometry import Geometry, by_xla
from jaxcnn.training.compilation import compile_step

ROOT = Path(__file__).parents[3]


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """Forget what was found out, and look in an empty cache folder on a machine that could."""
    monkeypatch.delenv("JAXCNN_ONEDNN", raising=False)
    monkeypatch.setenv("JAXCNN_CACHE", str(tmp_path))
    monkeypatch.setattr(onednn.platform, "system", lambda: "Linux")
    monkeypatch.setattr(onednn.platform, "machine", lambda: "x86_64")
    monkeypatch.delenv("JAXCNN_ONEDNN_BFLOAT16", raising=False)
    forget()
    yield tmp_path
    forget()


def set_flags(folder, monkeypatch, flags):
    info = folder / "cpuinfo"
    info.write_text(f"processor : 0\nflags\t\t: {flags}\nbugs : none\n")
    monkeypatch.setattr(onednn, "_CPUINFO", info)
    forget()


def forget():
    onednn.is_available.cache_clear()
    onednn.runs_bfloat16.cache_clear()
    onednn.has_bfloat16.cache_clear()
    onednn.multiplies_bfloat16.cache_clear()


@pytest.mark.parametrize("works", [True, False])
def test_what_a_trial_finds_is_kept(fresh, monkeypatch, works):
    trials = []
    monkeypatch.setattr(onednn, "_try_in_another_process", lambda _: trials.append(1) or works)
    assert onednn.is_available() is works
    (kept,) = fresh.rglob("*.json")
    assert jaxlib.__version__ in kept.name
    assert json.loads(kept.read_text()) == {"works": works}
    onednn.is_available.cache_clear()
    assert onednn.is_available() is works
    assert len(trials) == 1


def test_a_damaged_finding_is_found_again(fresh, monkeypatch):
    monkeypatch.setattr(onednn, "_try_in_another_process", lambda _: True)
    onednn.is_available()
    (kept,) = fresh.rglob("*.json")
    for text in ("", "{}", "[", "null"):
        kept.write_text(text)
        onednn.is_available.cache_clear()
        assert onednn.is_available()
        assert json.loads(kept.read_text()) == {"works": True}


@pytest.mark.parametrize(
    ("end", "verdict"),
    [
        ("pass", True),
        ("raise AssertionError", False),
        ("raise RuntimeError", False),
        ("os.abort()", False),
        ("os.kill(os.getpid(), signal.SIGSEGV)", False),
        ("os.kill(os.getpid(), signal.SIGKILL)", None),
        ("os._exit(1)", None),
        ("time.sleep(60)", None),
    ],
)
def test_only_a_trial_that_ends_by_itself_gives_a_verdict(fresh, monkeypatch, end, verdict):
    package = fresh / "jaxcnn" / "ops" / "cpu"
    package.mkdir(parents=True)
    for folder in (package, package.parent, package.parent.parent):
        (folder / "__init__.py").touch()
    body = f"import os, signal, time\ndef check_against_lax(dtype):\n    {end}\n"
    (package / "onednn_trial.py").write_text(body)
    monkeypatch.syspath_prepend(str(fresh))
    monkeypatch.chdir(fresh)
    monkeypatch.setattr(onednn, "_TRIAL_SECONDS", 3)
    assert onednn._try_in_another_process() is verdict
    assert onednn.is_available() is bool(verdict)
    assert len(list(fresh.rglob("*.json"))) == (verdict is not None)


def test_a_call_in_bfloat16_that_hangs_has_failed(fresh, monkeypatch):
    del fresh

    def hangs(*_, **__):
        raise TimeoutError

    monkeypatch.setattr(onednn, "in_another_process", hangs)
    assert onednn._try_in_another_process("bfloat16") is False
    assert onednn._try_in_another_process("float32") is None


def test_a_trial_that_cannot_start_is_repeated(fresh, monkeypatch):
    monkeypatch.setattr(trial.sys, "executable", str(fresh / "missing"))
    assert not onednn.is_available()
    onednn.is_available.cache_clear()
    monkeypatch.setattr(onednn, "_try_in_another_process", lambda _: True)
    assert onednn.is_available()


def test_overlapping_threads_give_back_what_was_set():
    option = "jax_persistent_cache_min_compile_time_secs"
    before = getattr(jax.config, option)
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))
    within = []

    def first():
        with onednn.not_serialized():
            first_is_in.set()
            assert second_is_in.wait(10)
        first_is_out.set()

    def second():
        assert first_is_in.wait(10)
        with onednn.not_serialized():
            second_is_in.set()
            assert first_is_out.wait(10)
            within.append(getattr(jax.config, option))

    with futures.ThreadPoolExecutor() as pool:
        for done in [pool.submit(first), pool.submit(second)]:
            done.result()
    assert within == [float("inf")]
    assert getattr(jax.config, option) == before


def test_calls_are_found_in_a_lowered_program():
    a = jnp.ones((4, 4))
    assert onednn.has_calls(jax.jit(onednn.matrix_product).lower(a, a))
    assert not onednn.has_calls(jax.jit(jnp.matmul).lower(a, a))


@pytest.mark.parametrize(
    ("system", "machine"), [("Darwin", "arm64"), ("Linux", "aarch64"), ("Windows", "AMD64")]
)
def test_other_machines_are_not_tried(fresh, monkeypatch, system, machine):
    monkeypatch.setattr(onednn.platform, "system", lambda: system)
    monkeypatch.setattr(onednn.platform, "machine", lambda: machine)
    monkeypatch.setattr(onednn, "_try_in_another_process", pytest.fail)
    assert not onednn.is_available()
    assert not list(fresh.rglob("*.json"))


@pytest.mark.parametrize(("switch", "expected"), [("0", False), ("1", True)])
def test_the_switch_spares_the_trial(fresh, monkeypatch, switch, expected):
    del fresh
    monkeypatch.setenv("JAXCNN_ONEDNN", switch)
    monkeypatch.setattr(onednn, "_try_in_another_process", pytest.fail)
    assert onednn.is_available() is expected


@pytest.mark.skipif(sys.platform != "linux", reason="jaxlib has oneDNN on Linux")
def test_the_trial_itself_runs():
    assert onednn._try_in_another_process() == onednn.is_available()


@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True)], ids=str)
@pytest.mark.parametrize("shape", [(5, 3, 4), (17, 1000, 1), (64, 64, 64)], ids=str)
def test_matrix_product(shape, transposed):
    if not onednn.is_available():
        pytest.skip("jaxlib's oneDNN cannot be called on this machine")
    m, k, n = shape
    draws = np.random.default_rng(0)
    a, b = (draws.normal(size=s).astype(np.float32) for s in ((m, k), (k, n)))
    options = dict(zip(("transpose_a", "transpose_b"), transposed, strict=True))
    given = (a.T if transposed[0] else a), (b.T if transposed[1] else b)
    found = jax.jit(lambda a, b: onednn.matrix_product(a, b, **options))(*given)
    np.testing.assert_allclose(found, a @ b, rtol=1e-4, atol=1e-4)


PROGRAM = """
import jax, jax.numpy as jnp
from jaxcnn.training.compilation import compile_step
from jaxcnn.ops.convolution import conv2d

jax.config.update("jax_compilation_cache_dir", {folder!r})
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
x, w = jnp.ones((1, 8, 8, 4)), jnp.ones((3, 3, 4, 4))
def kept(x, w):
    return conv2d(x, w)
def fast(x, w):
    return conv2d(x, w)
assert "onednn" not in jax.jit(kept).lower(x, w).as_text()
jax.jit(kept)(x, w)
step = compile_step(fast, x, w)
assert "onednn" in step.program.as_text()
step(x, w)
assert jax.config.jax_persistent_cache_min_compile_time_secs == 0.0
"""


def test_programs_with_the_calls_are_not_written_to_the_compilation_cache(tmp_path):
    if not onednn.is_available():
        pytest.skip("jaxlib's oneDNN cannot be called on this machine")
    environment = dict(os.environ, JAX_PLATFORMS="cpu", JAXCNN_ONEDNN="1", PYTHONPATH=str(ROOT))
    command = [sys.executable, "-W", "error", "-c", PROGRAM.format(folder=str(tmp_path))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = [path.name for path in tmp_path.iterdir()]
    assert any("jit_kept" in name for name in names)
    assert not any("jit_fast" in name for name in names)


def test_a_step_that_is_compiled_ahead_uses_the_calls():
    if not onednn.is_available():
        pytest.skip("jaxlib's oneDNN cannot be called on this machine")
    shapes = (jnp.ones((1, 8, 8, 4)), jnp.ones((3, 3, 4, 4)))
    assert "onednn" in compile_step(conv2d, *shapes).program.as_text()


def test_bfloat16_has_a_trial_of_its_own_where_the_processor_multiplies_it(fresh, monkeypatch):
    tried = []
    monkeypatch.setattr(onednn, "_try_in_another_process", lambda of: tried.append(of) or True)
    set_flags(fresh, monkeypatch, "fpu amx_bf16")
    monkeypatch.setattr(onednn, "_programs_are_cached", lambda: False)
    assert onednn.is_usable(jnp.bfloat16)
    assert tried == ["float32", "bfloat16"]
    assert len(list(fresh.rglob("*.json"))) == 2
    assert not onednn.is_usable(jnp.float16)


@pytest.mark.parametrize(("switch", "expected"), [("", False), ("0", False), ("1", True)])
def test_without_instructions_bfloat16_is_a_matter_of_the_switch(
    fresh, monkeypatch, switch, expected
):
    set_flags(fresh, monkeypatch, "fpu avx512f avx512bw")
    monkeypatch.setenv("JAXCNN_ONEDNN", "1")
    monkeypatch.setenv("JAXCNN_ONEDNN_BFLOAT16", switch)
    monkeypatch.setattr(onednn, "_try_in_another_process", pytest.fail)
    assert onednn.has_bfloat16() is expected
    set_flags(fresh, monkeypatch, "fpu avx2")  # where oneDNN has no way to emulate it
    assert not onednn.has_bfloat16()


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16"])
def test_the_processors_flags_tell_what_it_multiplies(fresh, monkeypatch, flag):
    for flags, expected in ((f"fpu avx512f {flag}", True), ("fpu avx512f", False)):
        set_flags(fresh, monkeypatch, flags)
        assert onednn.multiplies_bfloat16() is expected
    monkeypatch.setattr(onednn, "_CPUINFO", fresh / "missing")
    forget()
    assert not onednn.multiplies_bfloat16()


def test_the_trial_of_bfloat16_runs_where_it_is_emulated():
    if not (onednn.is_available() and onednn.runs_bfloat16()):
        pytest.skip("jaxlib's oneDNN cannot be called on this machine")
    onednn_trial.check_against_lax("bfloat16")


def test_the_trial_finds_a_wrong_result(monkeypatch):
    if not (onednn.is_available() and onednn.runs_bfloat16()):
        pytest.skip("jaxlib's oneDNN cannot be called on this machine")
    right = onednn.convolution
    monkeypatch.setattr(onednn, "convolution", lambda *a, **k: 1.05 * right(*a, **k))
    with pytest.raises(AssertionError):
        onednn_trial.check_against_lax("bfloat16")


@pytest.mark.parametrize(
    ("dtype", "size", "pads", "dilation", "expected"),
    [
        (jnp.bfloat16, (3, 3), ((1, 1), (2, 2)), (1, 1), True),
        (jnp.bfloat16, (3, 3), ((1, 1), (0, 3)), (1, 1), False),
        (jnp.bfloat16, (4, 1), ((2, 1), (0, 1)), (1, 1), False),
        (jnp.bfloat16, (3, 3), ((4, 4), (4, 4)), (2, 2), True),
        (jnp.bfloat16, (1, 1), ((0, 0), (0, 0)), (1, 1), True),
        (jnp.float32, (4, 1), ((2, 1), (0, 1)), (1, 1), True),
    ],
)
def test_padding_that_holds_a_kernel_is_not_called_in_bfloat16(
    dtype, size, pads, dilation, expected
):
    assert onednn.takes(dtype, size, Geometry((1, 1), pads, dilation)) is expected


@pytest.mark.parametrize("swapped", [False, True])
def test_what_is_not_called_in_bfloat16_is_computed_in_another_way(monkeypatch, swapped):
    pads = ((2, 1), (0, 3))
    geometry = Geometry((1, 1), pads, by_onednn=True, swap_channels=swapped)
    draws = np.random.default_rng(0)
    x, w = (jnp.asarray(draws.normal(size=s), jnp.bfloat16) for s in ((2, 5, 5, 4), (4, 1, 4, 3)))
    monkeypatch.setattr(onednn, "convolution", None)
    given = jnp.swapaxes(w, 2, 3) if swapped else w
    monkeypatch.setattr(onednn, "takes", lambda dtype, *_: False)
    found = convolution.forward(x, given, geometry)
    expected = by_xla(x.astype(jnp.float32), w.astype(jnp.float32), Geometry((1, 1), pads))
    np.testing.assert_allclose(found.astype(jnp.float32), expected, rtol=0.02, atol=0.05)
