import threading

import jax
import jax.numpy as jnp
import pytest

from jaxcnn.training.compilation import compile_step

SHAPE = jax.ShapeDtypeStruct((3,), jnp.float32)


def test_the_next_step_is_traced_while_one_is_compiled(monkeypatch):
    traced = threading.Event()
    compile_ = jax.stages.Lowered.compile

    def slowly(lowered, *args, **options):
        assert traced.wait(60)
        return compile_(lowered, *args, **options)

    def second(x):
        traced.set()
        return 2 * x

    monkeypatch.setattr(jax.stages.Lowered, "compile", slowly)
    first = compile_step(lambda x: x + 1, SHAPE)
    assert compile_step(second, SHAPE)(jnp.ones(3)).tolist() == [2, 2, 2]
    assert first(jnp.ones(3)).tolist() == [2, 2, 2]
    assert first.seconds > 0


def test_tracing_follows_the_settings_of_the_thread_that_asks():
    found = []
    with jax.default_matmul_precision("highest"):
        compile_step(lambda x: found.append(jax.config.jax_default_matmul_precision) or x, SHAPE)
    assert found == ["highest"]


def test_what_the_compiler_says_comes_at_the_first_use(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no room")

    monkeypatch.setattr(jax.stages.Lowered, "compile", fail)
    step = compile_step(lambda x: x, SHAPE)
    with pytest.raises(RuntimeError, match="no room"):
        step(jnp.ones(3))
