"""README and the guides: links lead somewhere, commands parse, blocks of code run."""

import functools
import json
import re
import shlex
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxcnn import cli, create_model

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path
    for folder in (".", ".github", "jaxcnn", "experiments")
    for path in (ROOT.glob("*.md") if folder == "." else (ROOT / folder).rglob("*.md"))
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
# Reads lists of arguments, parses each with the flags of one program, and tells what is wrong.
PARSER = """
import importlib, json, sys
from absl import flags
from jaxcnn.cli import command_line

class Ready(BaseException):
    pass

def stop(*arguments, **options):
    raise Ready

command_line.running = stop  # by then a command has defined its flags
module = importlib.import_module(sys.argv[1])
try:
    if hasattr(module, "run"):
        module.run()
except Ready:
    pass
wrong = []
for arguments in json.load(sys.stdin):
    try:
        flags.FLAGS(["program", *arguments])
    except flags.Error as error:
        wrong.append(f"{arguments}: {error}")
    flags.FLAGS.unparse_flags()
names = [f"{no}{name}" for name in flags.FLAGS for no in ("", "no")]
print(json.dumps({"wrong": wrong, "names": names}))
"""
# Flags of other programs that the pages call: pip, sbatch, srun, gcloud, pytest.
OTHERS = {
    *("no-deps", "job-name", "nodes", "ntasks-per-node", "gpus-per-node", "cpus-per-task", "time"),
    *("signal", "kill-on-bad-exit", "zone", "worker", "command", "help", "helpfull"),
}


def blocks(page, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE
    )


def anchors(page):
    """The names that a heading can be linked by, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands():
    """The arguments of each command in a block of shell, by the module that defines its flags."""
    found = defaultdict(list)
    found |= {f"jaxcnn.cli.commands.{name.replace('-', '_')}": [] for name in cli.COMMANDS}
    for page in PAGES:
        for block in blocks(page, "(?:sh|yaml)"):
            whole = re.sub(r"\\\n\s*", " ", block)
            for line in re.split(r"\n|&&", whole):
                line = line.strip()
                if not line.startswith(("jaxcnn ", "python -m experiments.")):
                    continue
                if line.count('"') % 2:  # the end of a command for other machines, in quotes
                    line = line.rstrip('"')
                words = shlex.split(line, comments=True)
                if words[:1] == ["jaxcnn"] and len(words) > 1:
                    module = f"jaxcnn.cli.commands.{words[1].replace('-', '_')}"
                    found[module].append(words[2:])
                elif words[:2] == ["python", "-m"] and words[2].startswith("experiments."):
                    found[words[2]].append(words[3:])
    return found


COMMANDS = commands()


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    page = ROOT / name
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\(([^)]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    for link in links:
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_guide_can_be_reached_from_readme():
    seen, left = set(), [ROOT / "README.md"]
    while left:
        page = left.pop()
        seen.add(page)
        for link in re.findall(r"\]\(([^)#]+\.md)", page.read_text()):
            target = (page.parent / link).resolve()
            if target not in seen:
                left.append(target)
    assert set(PAGES) <= seen


def test_the_pages_have_commands():
    assert {"jaxcnn.cli.commands.train", "jaxcnn.cli.commands.photos"} <= set(COMMANDS)
    assert sum(map(len, COMMANDS.values())) > 40


@functools.cache
def parse(module):
    """What is wrong with the commands of a program, and the names of its flags."""
    done = subprocess.run(
        [sys.executable, "-c", PARSER, module],
        input=json.dumps(COMMANDS[module]),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_every_flag_that_a_page_names_is_there():
    assert [parse(module)["wrong"] for module in COMMANDS] == [[]] * len(COMMANDS)
    known = {name for module in COMMANDS for name in parse(module)["names"]} | OTHERS
    for page in PAGES:
        named = set(re.findall(r"(?<![\w-])--([a-z][\w-]*)", page.read_text()))
        assert named - known == set(), page


@pytest.mark.parametrize("name", NAMES)
def test_blocks_of_python_compile(name):
    for block in blocks(ROOT / name, "python"):
        assert compile(block, name, "exec").co_code


@pytest.fixture
def as_a_user_has_it():
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.usefixtures("as_a_user_has_it")
def test_published_weights_as_their_guide_shows_them():
    (block,) = blocks(ROOT / "jaxcnn/pretrained/README.md", "python")
    names = {"photos": np.zeros((1, 256, 256, 3), np.uint8)}
    exec(compile(block, "guide", "exec"), names)
    assert names["logits"].shape == (1, 1000)
    assert names["features"]


@pytest.mark.usefixtures("as_a_user_has_it")
def test_explanations_as_their_guide_shows_them():
    (block,) = blocks(ROOT / "jaxcnn/interpret/README.md", "python")
    model = create_model("six_conv", 2, width_multiplier=0.1, depth=3, dense_widths=())
    images = jax.random.uniform(jax.random.key(0), (2, 32, 32, 3))
    names = {
        "model": model,
        "variables": model.init(jax.random.key(1), images, train=False),
        "images": images,
        "classes": np.array([0, 1]),
    }
    # The fields of that size need a network that takes it.
    exec(compile(block.replace("(224, 224, 3)", "(32, 32, 3)"), "guide", "exec"), names)
    assert names["maps"].shape[0] == 2
    assert names["found"].values.shape == images.shape
