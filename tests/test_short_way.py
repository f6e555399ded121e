"""The way from a command's main function to the compiled step is short, and grows no longer."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
MOST_FRAMES, MOST_FILES = 7, 112
# Runs the main job and stops at the first call of a compiled program that takes a training state.
TRACER = """
import json, os, runpy, sys, threading

root = sys.argv.pop(1)
ours = tuple(os.path.join(root, room, "") for room in ("jaxcnn", "experiments"))
seen, files = set(), set()

def is_imported(frame):
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False

def hook(frame, event, arg):
    code = frame.f_code
    if event != "call" or code in seen:
        return
    name = code.co_filename
    if name.startswith(ours):
        # Bodies of modules and classes, and what imports run, are not on the way.
        if code.co_flags & 1 and not is_imported(frame):
            seen.add(code)
            files.add(os.path.relpath(name, root))
    elif code.co_qualname == "Compiled.__call__" and name.endswith("stages.py"):
        arguments = frame.f_locals.get("args") or (None,)
        if type(arguments[0]).__name__ == "TrainState":
            stack = []
            while frame is not None:
                if frame.f_code.co_filename.startswith(ours):
                    stack.append(frame.f_code.co_qualname)
                frame = frame.f_back
            print(json.dumps({"stack": stack, "files": sorted(files)}))
            sys.stdout.flush()
            os._exit(0)

threading.setprofile(hook)
sys.setprofile(hook)
runpy.run_module("experiments.cats_dogs", run_name="__main__")
"""
SIZES = ("--image_size_px=16", "--stored_size_px=18", "--depth=2", "--width_multiplier=0.125")
FLAGS = (*SIZES, "--num_epochs=1", "--max_train_examples=64", "--batch_size=32")


def test_from_main_to_the_step(tmp_path):
    command = [sys.executable, "-c", TRACER, str(ROOT), *FLAGS, f"--workdir={tmp_path}/run"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    # Beneath `main` stands but the module that is run.
    assert found["stack"][-1] == "<module>"
    assert len(found["stack"]) - 1 <= MOST_FRAMES, found["stack"]
    assert "Loop._train_epoch" in found["stack"][0]
    assert len(found["files"]) <= MOST_FILES, found["files"]
