"""Each platform's folder for what programs keep for a user; the cache is tested with downloads."""

import os
import sys
from pathlib import Path

import pytest

from jaxcnn.host.folders import data_folder


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "/home/me/.local/share/jaxcnn"),
        ("darwin", {}, "/home/me/Library/Application Support/jaxcnn"),
        ("win32", {"LOCALAPPDATA": "/home/me/Local"}, "/home/me/Local/jaxcnn/Data"),
        ("win32", {}, "/home/me/AppData/Local/jaxcnn/Data"),
        ("darwin", {"XDG_DATA_HOME": "/xdg"}, "/xdg/jaxcnn"),
        ("linux", {"XDG_DATA_HOME": "xdg"}, "/home/me/.local/share/jaxcnn"),
        ("linux", {"XDG_DATA_HOME": "/xdg", "JAXCNN_DATA": "/mine"}, "/mine"),
        ("linux", {"JAXCNN_DATA": "~/mine"}, "/home/me/mine"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="the expected folders are written the POSIX way")
def test_data_folder(monkeypatch, platform, variables, expected):
    for name in ("XDG_DATA_HOME", "JAXCNN_DATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"HOME": "/home/me", "LOCALAPPDATA": ""} | variables).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert data_folder() == Path(expected)
