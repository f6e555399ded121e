"""Write the API reference, from the docstrings of what each room hands out.

python .ci/api_reference.py FOLDER    then open FOLDER/jaxcnn.html
"""

import ast
import importlib
import inspect
import re
import sys
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path

import pdoc

import jaxcnn

_PARTS = (
    "runs.config",
    "photos.server",
    "photos.cleaning",
)  # rooms within rooms that hand out names too


def modules() -> list[str]:
    """List jaxcnn and its public rooms, all names of each in place: they are handed out lazily."""
    top = Path(jaxcnn.__file__).parent
    rooms = {path.stem for path in top.iterdir() if path.is_dir() or path.suffix == ".py"}
    rooms = {room for room in rooms if not room.startswith("_")} - {"cli"}
    names = ["jaxcnn", *(f"jaxcnn.{room}" for room in sorted({*rooms, *_PARTS}))]
    for name in names:
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", ()):
            setattr(module, public, getattr(module, public))
    return names


def texts_of_fields(kind: type) -> Iterator[tuple[str, str]]:
    """Find what the fields of a class are: a setting's help, or the comment beside or above."""
    for field in getattr(kind, "__dataclass_fields__", {}).values():
        if "help" in field.metadata:
            yield field.name, field.metadata["help"]
    source = textwrap.dedent(inspect.getsource(kind))
    lines = [line.strip() for line in source.splitlines()]
    for node in ast.parse(source).body[0].body:
        if isinstance(node, ast.AnnAssign):
            beside = lines[node.end_lineno - 1].partition("  # ")[2]
            text = re.sub(r"^type: ignore\S*(  # )?", "", beside)
            for line in reversed(lines[: node.lineno - 1]):
                if not line.startswith("# "):
                    break
                text = f"{line[2:]} {text}"
            if text:
                yield node.target.id, text


def main(folder: str) -> None:
    """Write one page per room; a warning is an error."""
    names = modules()
    warnings.simplefilter("error")
    # Optax writes a type of its own as text, which nobody but Optax can resolve.
    warnings.filterwarnings("ignore", message=r"Error parsing type annotation typing\.Union\[jax")
    pdoc.render.configure(docformat="google")
    pages = {name: pdoc.doc.Module.from_name(name) for name in names}
    for page in pages.values():
        for kind in page.classes:
            for name, text in texts_of_fields(kind.obj):
                kind.members[name].docstring = text
    for name, page in pages.items():
        path = Path(folder, f"{name.replace('.', '/')}.html")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pdoc.render.html_module(page, pages), encoding="utf-8")
    Path(folder, "index.html").write_text(pdoc.render.html_index(pages), encoding="utf-8")
    Path(folder, "search.js").write_text(pdoc.render.search_index(pages), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
