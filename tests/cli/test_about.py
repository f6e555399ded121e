"""`jaxcnn about`: one paste that says what a fault happened on."""

import jax
from programs import run_program

import jaxcnn
from jaxcnn.cli.commands import about


def row(name):
    (found,) = [line for line in about.about_lines() if line.startswith(f"{name} ")]
    return found


def test_it_names_versions_devices_and_why_a_precision_was_chosen(monkeypatch):
    monkeypatch.setenv("JAXCNN_AUTO_DTYPE", "bfloat16")
    assert jaxcnn.__version__ in row("jaxcnn")
    assert f"jax {jax.__version__}," in row("packages")
    assert f"{jax.device_count()} x cpu (cpu)" in row("devices")
    assert "bfloat16: JAXCNN_AUTO_DTYPE says so" in row("precision")
    assert "JAXCNN_AUTO_DTYPE=bfloat16" in row("environment")
    assert "none" in row("cluster")


def test_no_key_of_another_program_is_shown(monkeypatch):
    monkeypatch.setenv("NVIDIA_API_KEY", "secret")
    monkeypatch.setenv("CUDA_TOKEN", "secret")
    assert "secret" not in "".join(about.about_lines())


def test_a_package_that_is_missing_is_told(monkeypatch):
    monkeypatch.setattr(about, "_PACKAGES", ("no-such-package",))
    monkeypatch.setitem(about.EXTRAS, "serve", "no-such-package")
    assert "no-such-package missing" in row("packages")
    assert "serve" not in row("extras")


def test_what_fails_is_told_in_its_line_and_the_rest_stands(monkeypatch):
    def broken():
        raise RuntimeError("no devices\nand more")

    monkeypatch.setattr(jax, "devices", broken)
    assert row("devices").endswith("failed: RuntimeError: no devices")
    assert "jax" in row("packages")


def test_the_command_prints_it():
    done = run_program("about")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()][:3] == [
        "jaxcnn",
        "Python",
        "packages",
    ]
