"""Stands for `jaxcnn`, `python` and `pip` where tests run the blocks of shell in the guides.

    python small_programs.py NAME WORDS...

The pages' commands are for thousands of photos and many minutes. So that all of them can be run,
settings of a tiny run are put before the words of the page, whose own flags win. Nothing else of a
command is changed, except:

- `pip` installs nothing, since that needs the network; it checks that the extras are there.
- `photos search` may find nothing: drawn photos need not show what a page looks for.
- `photos serve` and `clean` are asked for their page once and then stopped, as by Ctrl-C.
"""

import re
import signal
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SIZE = ["--image_size_px=32", "--stored_size_px=36"]
FEW = ["--max_train_examples=48", "--num_epochs=2", "--batch_size=8", "--nobaselines"]
NARROW = [*SIZE, "--depth=3", "--width_multiplier=0.125"]
TRAINERS = ("train", "experiments.cats_dogs", "experiments.ablation", "experiments.imagenet")
SMALL = {
    "experiments.understanding_cnn": ["--only=convolution,pooling"],
    "experiments.benchmark": [
        *("--networks=lenet5:32", "--contestants=jaxcnn,flax", "--rounds=1", "--seconds=0.05"),
        "--batch_sizes=2",
    ],
}


def tiny(program, words):
    """Give the settings that make a command small."""
    if program not in TRAINERS or {"--plan", "--mode=evaluate", "--list_recipes"} & set(words):
        return SMALL.get(program, [])
    if "--pretrained" in words:  # its features are computed once: 64 px are enough to be quick
        return [*FEW, "--image_size_px=64", "--stored_size_px=72"]
    if any(word.startswith("--recipe=") for word in words):  # it tests at a size of its own
        return [*FEW, *SIZE, "--eval_size_px=32"]
    has_network = any(word.startswith("--model=") for word in words)
    return [*FEW, *(SIZE if has_network else NARROW)]


def run(words):
    """Run a command of ours with tiny settings; returns its exit status."""
    place = 2 if words[0] == "python" else 1  # of the program's name
    given = words[place + 1 :]
    module = ["-m", words[place]] if words[0] == "python" else ["-m", "jaxcnn", words[place]]
    command = [sys.executable, *module, *tiny(words[place], given), *given]
    if given[:1] == ["serve"] or words[place] == "clean":
        return serve([*command, "--port=0"])
    status = subprocess.run(command).returncode
    return 0 if given[:1] == ["search"] and status == 1 else status


def serve(command):
    """Ask a local page for its first page, and stop it."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        found = (re.search(r"http://127\.0\.0\.1:\d+/", line) for line in process.stdout)
        address = next(filter(None, found), None)
        if address:
            urllib.request.urlopen(address[0], timeout=60).close()
        process.send_signal(signal.SIGINT)
        return process.wait() if address else 1


def install(words):
    """Check that this package has the extras that a command installs."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    named = re.findall(r"[\w-]+", " ".join(re.findall(r"\[(.*?)\]", " ".join(words))))
    return int(words[0] != "install" or not named or not set(named) <= set(extras))


if __name__ == "__main__":
    sys.exit(install(sys.argv[2:]) if sys.argv[1] == "pip" else run(sys.argv[1:]))
