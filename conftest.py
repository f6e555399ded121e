"""Examples in docstrings write their files into a folder of their own."""

import pytest


@pytest.fixture(autouse=True)
def _a_folder_for_each_example(request):
    if request.path.is_relative_to(request.config.rootpath / "jaxcnn"):
        request.getfixturevalue("monkeypatch").chdir(request.getfixturevalue("tmp_path"))
