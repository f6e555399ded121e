"""What the tests of the photo index share."""

import importlib.util
import os
from pathlib import Path

import pytest

from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.updating import update_index

_SPEC = importlib.util.spec_from_file_location(
    "stub_labeller", Path(__file__).parent / "stub_labeller.py"
)
_STUB = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_STUB)


class Album:
    """A folder of photos and its index, labelled by the stub."""

    def __init__(self, folder):
        self.photos = folder / "photos"
        self.photos.mkdir()
        self.path = folder / "photos.sqlite"
        self.labeller = _STUB.StubLabeller()
        self.colours = _STUB.COLOURS

    def write(self, name, kind="tabby", seed=0, **options):
        return _STUB.write_photo(self.photos / name, kind, seed, **options)

    def update(self, *folders, fingerprint=None, **options):
        labeller = _STUB.StubLabeller(fingerprint) if fingerprint else self.labeller
        paths = [os.fsencode(os.path.realpath(f)) for f in folders or [self.photos]]
        return update_index(self.path, paths, lambda held: labeller, **options)

    @property
    def index(self):
        return PhotoIndex(self.path)

    def ids(self):
        """{name relative to the photos: id}."""
        index = self.index
        photos = index.photos(index.columns().photo_ids)
        return {str(p.path.relative_to(os.path.realpath(self.photos))): p.photo_id for p in photos}


@pytest.fixture
def album(tmp_path):
    return Album(tmp_path)
