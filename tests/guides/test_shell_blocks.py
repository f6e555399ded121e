"""The blocks of shell in the guides, run in order, each page in a folder as its reader may have.

Photos are drawn, and the programs have small settings, see small_programs.py. What is tested is
that every command of a page runs, on what the commands before it left.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from guide_blocks import ROOT, blocks_to_run
from photo_forms import write_parquet, write_tar
from PIL import Image

from jaxcnn.data.drawn_pets import DrawnPetsSource

PROGRAMS = ("jaxcnn", "python", "pip")
PAGES = list(dict.fromkeys(block.page for block in blocks_to_run("sh")))
# Runs that a page takes for granted.
RUNS = {
    "jaxcnn/export/README.md": "runs/mine",
    "jaxcnn/export/private_servers.md": "runs/mine",
    "jaxcnn/interpret/README.md": "runs/my_pets",
    "jaxcnn/runs/cleaning.md": "runs/mine",
}
# What no small setting can stand for: a page's own flags win over these.
REPLACED = {
    "--batch_size=256": "--batch_size=8",
    "/srv/": "srv/",
    "--group_by='(patient[0-9]+)_'": "--group_by='/([0-9]+)[0-9][.]'",
    # A recipe of a million photos tests one in a hundred; of eighty that may be none.
    "--model=resnet34": "--model=resnet34 --validation_fraction=0.2 --test_fraction=0.2",
}


def draw_photos(folder):
    """Forty drawings of each of two classes, as photos/cat/1.jpg and so on."""
    drawn = DrawnPetsSource("train", 80, size_px=96)
    for i in range(len(drawn)):
        pixels, label, _ = drawn[i]
        path = folder / drawn.class_names[label] / f"{i // 2 + 1}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def write_forms(folder):
    """Write the photos as a table of labels, as Parquet of Hugging Face, and as tar shards."""
    photos = sorted((folder / "photos").rglob("*.jpg"))
    rows = [f"{path.relative_to(folder / 'photos')},{path.parent.name}\n" for path in photos]
    (folder / "labels.csv").write_text("file,label\n" + "".join(rows))
    images = [(path.read_bytes(), "/".join(path.parts[-2:])) for path in photos]
    labels = [int(path.parent.name == "dog") for path in photos]
    place = folder / "beans/data/train-00000-of-00001.parquet"
    write_parquet(place, labels, images, names=["cat", "dog"], row_group_size=10)
    members = [
        member
        for number, ((data, _), label) in enumerate(zip(images, labels, strict=True))
        for member in ((f"{number:04d}.jpg", data), (f"{number:04d}.cls", label))
    ]
    write_tar(folder / "shards/train-000000.tar", *members)
    (folder / "shards/classes.txt").write_text("cat\ndog\n")


def shell(text, folder):
    """Run lines of shell; returns the exit status and what was printed."""
    home = folder / "home"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "JAXCNN_DATA"))}
    environment |= {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "JAXCNN_OFFLINE": "1",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    return done.returncode, f"{text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with photos, a home with pictures, small programs, and a run."""
    folder = tmp_path_factory.mktemp("world")
    draw_photos(folder / "photos")
    for name in ("home/Pictures", "pictures", "srv/photos"):
        shutil.copytree(folder / "photos", folder / name)
    write_forms(folder)
    shutil.copytree(folder / "photos/dog", folder / "more_photos")
    for name in ("photo.jpg", "new_photo.jpg"):
        shutil.copy(folder / "photos/cat/1.jpg", folder / name)
    tags = [
        f"{kind}/{i}.jpg,{kind}{';first' * (i < 20)}"
        for kind in ("cat", "dog")
        for i in range(1, 41)
    ]
    (folder / "tags.csv").write_text("\n".join(["file,labels", *tags]))
    (folder / "bin").mkdir()
    for name in PROGRAMS:
        path = folder / "bin" / name
        program = Path(__file__).with_name("small_programs.py")
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}" {name} "$@"\n')
        path.chmod(0o755)
    status, said = shell("jaxcnn train --data_dir=photos --workdir=runs/made", folder)
    assert status == 0, said
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run(page, world, tmp_path):
    folder = tmp_path / "reader"
    shutil.copytree(world, folder, ignore=lambda *_: ["runs"])
    if page in RUNS:
        shutil.copytree(world / "runs/made", folder / RUNS[page])
    for block in blocks_to_run("sh", page):
        text = block.text
        for old, new in REPLACED.items():
            text = text.replace(old, new)
        status, said = shell(text, folder)
        assert status == 0, said


def test_what_is_replaced_stands_on_a_page():
    texts = [block.text for block in blocks_to_run("sh")]
    for old in REPLACED:
        assert any(old in text for text in texts), old
    assert set(RUNS) <= set(PAGES)
