"""README and the guides: links lead somewhere, commands parse, no block of code is forgotten."""

import json
import re
import shlex
import subprocess
import sys
from collections import defaultdict

import pytest
from guide_blocks import NAMES, OUTPUT, PAGES, REASONS, ROOT, read_blocks

from jaxcnn import cli

# Reads {module: lists of arguments}, parses each with the flags of its program, and tells what is
# wrong. Programs define flags of the same names, so each has a process of its own; they are forked
# when what all of them import is there.
PARSER = """
import importlib, json, os, sys, warnings
from absl import flags
from jaxcnn.cli import command_line

class Ready(BaseException):
    pass

def stop(*arguments, **options):
    raise Ready

def parse(module, commands):
    command_line.running = stop  # by then a command has defined its flags
    module = importlib.import_module(module)
    try:
        if hasattr(module, "run"):
            module.run()
    except Ready:
        pass
    wrong = []
    for arguments in commands:
        try:
            flags.FLAGS(["program", *arguments])
        except flags.Error as error:
            wrong.append(f"{arguments}: {error}")
        flags.FLAGS.unparse_flags()
    return {"wrong": wrong, "names": [f"{no}{name}" for name in flags.FLAGS for no in ("", "no")]}

import jaxcnn.runs.train_and_evaluate, jaxcnn.interpret, jaxcnn.plots
warnings.simplefilter("ignore")  # JAX warns of forks; none of these processes computes
found = {}
for module, commands in json.load(sys.stdin).items():
    reader, writer = os.pipe()
    if os.fork() == 0:
        with os.fdopen(writer, "w") as file:
            json.dump(parse(module, commands), file)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        found[module] = json.load(file)
print(json.dumps(found))
"""
# Flags of other programs that the pages call: pip, curl, sbatch, srun, gcloud, pytest.
OTHERS = {
    *("no-deps", "job-name", "nodes", "ntasks-per-node", "gpus-per-node", "cpus-per-task", "time"),
    *("no-index", "find-links", "wheel-dir", "data-binary"),
    *("signal", "kill-on-bad-exit", "zone", "worker", "command", "help", "helpfull"),
}

# What only a block of a language may hold: a block without one is what a program prints.
COMMAND = re.compile(
    r"^(?:\$ |jaxcnn |python3? |pip |git |import |from \w+ import )", flags=re.MULTILINE
)
# Code that `read_blocks` does not see: a fence within a list or a quotation, of another kind, HTML.
UNREAD = re.compile(r"(?:\s+|>\s*|[-*]\s+|\d+\.\s+)(?:```|~~~)|~~~|.*<pre")


def anchors(page):
    """The names that a heading can be linked by, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def lines_of_shell(page):
    """What a page tells its reader to type, in blocks and within sentences."""
    for block in read_blocks(page):
        if block.language in ("sh", "yaml"):
            whole = re.sub(r"\\\n\s*", " ", block.text)
            yield from map(str.strip, re.split(r"\n|&&", whole))
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    yield from (span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", text))


def commands():
    """The arguments of each command on the pages, by the module that defines its flags."""
    found = defaultdict(list)
    found |= {f"jaxcnn.cli.commands.{name.replace('-', '_')}": [] for name in cli.COMMANDS}
    for line in (line for name in NAMES for line in lines_of_shell(name)):
        if not line.startswith(("jaxcnn ", "python -m experiments.")):
            continue
        if line.count('"') % 2:  # the end of a command for other machines, in quotes
            line = line.rstrip('"')
        words = shlex.split(line, comments=True)
        arguments = [word for word in words if word not in ("--help", "--helpfull")]
        if words[:1] == ["jaxcnn"] and len(words) > 1:
            module = f"jaxcnn.cli.commands.{words[1].replace('-', '_')}"
            found[module].append(arguments[2:])
        elif words[2:] and words[2].startswith("experiments."):
            found[words[2]].append(arguments[3:])
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


def test_every_flag_that_a_page_names_is_there():
    done = subprocess.run(
        [sys.executable, "-c", PARSER],
        input=json.dumps(COMMANDS),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert {module: each["wrong"] for module, each in found.items()} == {
        module: [] for module in COMMANDS
    }
    known = {name for each in found.values() for name in each["names"]} | OTHERS
    for page in PAGES:
        named = set(re.findall(r"(?<![\w-])--([a-z][\w-]*)", page.read_text()))
        assert named - known == set(), page


@pytest.mark.parametrize("name", NAMES)
def test_blocks_of_python_compile(name):
    for block in read_blocks(name):
        if block.language == "python":
            assert compile(block.text, name, "exec").co_code


@pytest.mark.parametrize("name", NAMES)
def test_every_block_is_run_or_says_why_not(name):
    blocks = read_blocks(name)
    for block in blocks:
        assert not block.reason or block.reason in REASONS, block
        # What is neither is printed by a program, or must be marked.
        assert block.language in ("sh", "python", *OUTPUT) or block.reason, block
        if block.language in OUTPUT:
            assert not COMMAND.search(block.text), block  # give the block its language
    lines = (ROOT / name).read_text().splitlines()
    assert not [line for line in lines if UNREAD.match(line)]
    marks = sum("not run by tests" in line for line in lines)
    assert marks == sum(bool(block.reason) for block in blocks)  # each stands above its block


@pytest.mark.parametrize("line", ["> ```sh", "  ```", "- ```python", "1. ~~~", "~~~", "x <pre>"])
def test_code_that_no_test_would_read_is_noticed(line):
    assert UNREAD.match(line)
    assert not UNREAD.match("```sh")
    assert not UNREAD.match("a `jaxcnn train` in a sentence")


@pytest.mark.parametrize(
    "line", ["$ ls", "jaxcnn train", "from jaxcnn import fit", "pip install x"]
)
def test_a_command_in_a_block_without_a_language_is_noticed(line):
    assert COMMAND.search(f"first\n{line}\n")
    assert not COMMAND.search("the import of photos\n  96 photos from a folder\n")
