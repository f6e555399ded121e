"""What docstrings and comments name in backticks is there."""

import ast
import builtins
import importlib.util
import io
import re
import tokenize
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = [p for folder in ("jaxcnn", "experiments") for p in sorted((ROOT / folder).rglob("*.py"))]
QUOTED = re.compile(r"(?<!`)`([A-Za-z_][\w.]*)(?:\(.*?\))?`(?!`)")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
# Endings of files; what they end is no name in Python.
SUFFIXES = {
    *("css", "csv", "data", "h5", "html", "jax_export", "jinja", "js", "json", "jsonl", "keras"),
    *("lock", "md", "npy", "npz", "part", "pb", "pickle", "png", "pt", "pth", "py", "safetensors"),
    *("so", "sqlite", "th", "toml", "tsv", "txt", "zip"),
}
# Where the alias that code imports a package by is not its name.
ALIASES = ("jnp", "np", "nn", "lax")
# Names of others' code, which this one does not import, and forms of names.
FOREIGN = {
    *("torchvision", "timm", "tf", "gather_", "adaptive_avg_pool2d", "ImageEnhance", "ImageOps"),
    *("select_and_scatter", "_legacy_load", "_metadata", "name0", "name1", "__wrapped__"),
    *("random_x", "enhance_x", "plot_x", "transform_with_state"),
}
# Variables of the environment that JAX reads.
ENVIRONMENT = re.compile(r"JAX_[A-Z_]+")


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def names_in(tree: ast.AST) -> set[str]:
    """Every identifier and every word of text in code, docstrings left out."""
    found = set()
    docs = {id(n.body[0].value) for n in ast.walk(tree) if has_docstring(n)}
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name", "asname", "module"):
            if isinstance(value := getattr(node, field, None), str):
                found.update(value.split("."))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            found.update(re.findall(r"\w+", node.value))
    return found


def has_docstring(node: ast.AST) -> bool:
    return isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None


TREES = {module_name(path): ast.parse(path.read_text()) for path in FILES}
NAMES = {module: names_in(tree) for module, tree in TREES.items()}
KNOWN = set().union(*NAMES.values()) | set(dir(builtins))
KNOWN |= {part for module in TREES for part in module.split(".")}


def texts_of(path: Path) -> list[str]:
    """The docstrings and comments of a file."""
    tree = TREES[module_name(path)]
    docs = [
        ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, DOCUMENTED)
    ]
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    return docs + [token.string for token in tokens if token.type == tokenize.COMMENT]


def is_there(reference: str, own: str) -> bool:
    """Tell whether a name in backticks means something, as its reader would take it."""
    first, *rest = reference.strip(".").split(".")
    if first in FOREIGN or ENVIRONMENT.fullmatch(first):
        return True
    if not rest:
        return first in KNOWN or importlib.util.find_spec(first) is not None
    if rest[-1] in SUFFIXES:
        return True
    if first in ("jaxcnn", "experiments"):
        for cut in range(len(rest) + 1, 0, -1):
            module = ".".join([first, *rest][:cut])
            if module in TREES:
                left = [first, *rest][cut:]  # what the module hands out, and its members
                return set(left[:1]) <= NAMES[module] and set(left) <= KNOWN
        return False
    homes = [m for m in TREES if m.endswith(f".{first}") or f".{first}." in m]
    if homes:
        return any(set(rest) <= NAMES[m] | set(m.split(".")) for m in homes)
    if first in NAMES[own] or first in ALIASES:  # an argument, a class, a module that is imported
        return rest[-1] in KNOWN or first in ALIASES
    return first in KNOWN or importlib.util.find_spec(first) is not None


def test_every_name_in_backticks_is_there():
    dead = [
        f"{path.relative_to(ROOT)}: `{name}`"
        for path in FILES
        for text in texts_of(path)
        for name in QUOTED.findall(text)
        if not is_there(name, module_name(path))
    ]
    assert not dead, "\n".join(dead)


def test_dead_names_are_seen():
    own = "jaxcnn.training.step"
    for name in ("train.init_state", "loop.no_such_thing", "compile_train_step", "jaxcnn.trainer"):
        assert not is_there(name, own), name
    for name in ("state.init_state", "jaxcnn.training.step", "make_train_step", "jax.jit"):
        assert is_there(name, own), name
