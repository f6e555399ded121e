"""The mosaics of the experiment: their labels are what they show, the same at each call."""

import csv

import numpy as np
from PIL import Image

from experiments.several_labels import write_mosaics

COLORS = {"blue": (0, 0, 250), "green": (0, 250, 0), "red": (250, 0, 0)}


def test_labels_are_the_classes_that_a_mosaic_shows(tmp_path):
    for split in ("train", "test"):
        for name, color in COLORS.items():
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            Image.new("RGB", (8, 8), color).save(folder / "1.png")
    table = write_mosaics(tmp_path / "photos", tmp_path / "out", {"train": 12, "test": 4})
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["split"] for row in rows] == ["train"] * 12 + ["test"] * 4
    for row in rows:
        with Image.open(table.parent / row["image"]) as image:
            pixels = np.asarray(image).astype(int)
        places = {tuple(pixels[y, x]) for y in (56, 168) for x in (56, 168)}
        shown = {
            name
            for name, color in COLORS.items()
            if any(np.abs(np.subtract(place, color)).max() < 40 for place in places)
        }
        assert ";".join(sorted(shown)) == row["labels"] != ""
    again = write_mosaics(tmp_path / "photos", tmp_path / "again", {"train": 12, "test": 4})
    assert again.read_text() == table.read_text()
