"""The programs as their users start them: each in a process of its own."""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

# A process that has imported what every program imports, to be forked for each mistake: importing
# takes three seconds, saying what is wrong with a flag none. It has made no array, so no thread of
# XLA's is lost by forking. What defines flags must not be in it.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["jaxcnn.runs.train_and_evaluate", "jaxcnn.runs.report", "jaxcnn.runs.look_inside"]
)


def command(program, *words):
    return [sys.executable, "-m", *_module(program), *map(str, words)]


def _module(program):
    """A study is a module of its own, all else a command of `jaxcnn`."""
    if Path(ROOT, "experiments", f"{program}.py").exists():
        return [f"experiments.{program}"]
    return ["jaxcnn"] if program == "jaxcnn" else ["jaxcnn", program]


def run_program(program, *words, environment=None, folder=ROOT, timeout=600):
    """Run `jaxcnn PROGRAM WORDS` to its end; returns what `subprocess.run` does."""
    return subprocess.run(
        command(program, *words),
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=timeout,
        env=os.environ | (environment or {}),
    )


def try_words(program, *words, environment=None, blocked=(), timeout=120):
    """The same, forked from a process with all imports done: for words that end before any work.

    The modules `blocked` are as if they were not installed.
    """
    words = [str(word) for word in words]
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = _FORKS.Process(
            target=_run_forked, args=(_module(program), words, environment or {}, blocked, out, err)
        )
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command(program, *words), timeout)
        return subprocess.CompletedProcess(
            command(program, *words),
            process.exitcode,
            out.read_text("utf-8"),
            err.read_text("utf-8"),
        )


def _run_forked(module, words, environment, blocked, out, err):
    for stream, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream)
    os.environ.update(environment)
    sys.modules.update(dict.fromkeys(blocked))
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    sys.argv = [*module, *words]
    runpy.run_module(module[0], run_name="__main__", alter_sys=True)
