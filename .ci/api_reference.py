"""Write the API reference, from the docstrings of what each room hands out.

python .ci/api_reference.py FOLDER    then open FOLDER/jaxcnn.html
"""

import importlib
import sys
import warnings
from pathlib import Path

import pdoc

import jaxcnn

_PARTS = ("runs.config", "photos.server")  # rooms within rooms that hand out names too


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


def main(folder: str) -> None:
    """Write one page per room; a warning is an error."""
    names = modules()
    warnings.simplefilter("error")
    # Optax writes a type of its own as text, which nobody but Optax can resolve.
    warnings.filterwarnings("ignore", message=r"Error parsing type annotation typing\.Union\[jax")
    pdoc.render.configure(docformat="google")
    pdoc.pdoc(*names, output_directory=Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
