"""The API reference is built from docstrings without a warning; its links lead somewhere."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The text of each page by its path, as in "jaxcnn/models.html"."""
    folder = tmp_path_factory.mktemp("reference")
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "api_reference.py"), str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(folder)},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.html")}


@pytest.fixture(scope="module")
def handed_out(pages):
    """The public names of each page."""
    modules = {page: page.removesuffix(".html").replace("/", ".") for page in pages}
    del modules["index.html"]
    return {
        page: getattr(importlib.import_module(name), "__all__", ())
        for page, name in modules.items()
    }


@pytest.fixture(scope="module")
def anchors(pages):
    """What of each page can be linked to."""
    return {page: set(re.findall(r'\bid="([^"]+)"', text)) for page, text in pages.items()}


def test_it_shows_what_the_rooms_hand_out(handed_out, anchors):
    assert {"jaxcnn.html", "jaxcnn/models.html", "jaxcnn/photos/server.html"} <= set(handed_out)
    for page, names in handed_out.items():
        assert set(names) <= anchors[page], page


def test_the_front_page_leads_to_every_room(pages):
    links = set(re.findall(r'<code><a href="([^"#]+)">', pages["jaxcnn.html"]))
    assert links == set(pages) - {"index.html", "jaxcnn.html"}


def test_every_link_leads_somewhere(pages, anchors):
    dead = {
        f"{page}: {link}"
        for page, text in pages.items()
        for link in re.findall(r'href="([^"$]+)"', text)
        if not link.startswith("https://") and not leads_somewhere(page, link, anchors)
    }
    assert not dead, "\n".join(sorted(dead))


def leads_somewhere(page, link, anchors):
    path, _, anchor = link.partition("#")
    target = os.path.normpath(Path(page).parent / path) if path else page
    return target in anchors and (not anchor or anchor in anchors[target])


def test_names_that_have_a_place_in_it_are_links(pages, handed_out):
    known = {name for names in handed_out.values() for name in names}
    classes = {name for name in known if name[0].isupper()}
    rooms = {Path(page).stem for page in handed_out}

    def has_a_place(name):
        first, last = name.split(".")[0], name.split(".")[-1]
        return name in known or first in classes or (first in rooms and last in known)

    unlinked = {
        f"{page}: `{name}`"
        for page, text in pages.items()
        for name in re.findall(r"<code>([A-Za-z_][\w.]*)(?:\(\))?</code>", text)
        if has_a_place(name)
        if not (ROOT / page.removesuffix(".html") / f"{name}.py").exists()  # a module, of the room
    }
    assert not unlinked, "\n".join(sorted(unlinked))
