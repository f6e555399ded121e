"""Each platform's folders for what can be had again, and for what a user would miss."""

import os
import sys
from pathlib import Path

import platformdirs
import pytest
from platformdirs import windows
from platformdirs.macos import MacOS
from platformdirs.unix import Unix

from jaxcnn.host.folders import cache_folder, data_folder

PLATFORMS = {"linux": Unix, "darwin": MacOS, "win32": windows.Windows}


@pytest.fixture
def on(monkeypatch):
    """Act as on a platform, with no more than the given variables set."""

    def act(platform, variables):
        for kind in ("CACHE", "DATA"):
            monkeypatch.delenv(f"XDG_{kind}_HOME", raising=False)
            monkeypatch.delenv(f"JAXCNN_{kind}", raising=False)
        known = {"HOME": "/home/me", "LOCALAPPDATA": "/home/me/Local"}
        for name, value in (known | variables).items():
            monkeypatch.setenv(name, value)
        # The other ways that it has need Windows.
        monkeypatch.setattr(windows, "get_win_folder", windows.get_win_folder_from_env_vars)
        monkeypatch.setattr(platformdirs, "PlatformDirs", PLATFORMS[platform])
        monkeypatch.setattr(sys, "platform", platform)

    return act


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "/home/me/.cache/jaxcnn"),
        ("darwin", {}, "/home/me/Library/Caches/jaxcnn"),
        ("win32", {}, "/home/me/Local/jaxcnn/Cache"),
        ("darwin", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/jaxcnn"),
        ("win32", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/jaxcnn"),
        ("linux", {"XDG_CACHE_HOME": "xdg"}, "/home/me/.cache/jaxcnn"),
        ("linux", {"XDG_CACHE_HOME": "/xdg", "JAXCNN_CACHE": "/mine"}, "/mine"),
        ("linux", {"JAXCNN_CACHE": "~/mine"}, "/home/me/mine"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="the expected folders are written the POSIX way")
def test_cache_folder(on, platform, variables, expected):
    on(platform, variables)
    assert cache_folder() == Path(expected)


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "/home/me/.local/share/jaxcnn"),
        ("darwin", {}, "/home/me/Library/Application Support/jaxcnn"),
        ("win32", {}, "/home/me/Local/jaxcnn/Data"),
        ("darwin", {"XDG_DATA_HOME": "/xdg"}, "/xdg/jaxcnn"),
        ("win32", {"XDG_DATA_HOME": "/xdg"}, "/xdg/jaxcnn"),
        ("linux", {"XDG_DATA_HOME": "xdg"}, "/home/me/.local/share/jaxcnn"),
        ("linux", {"XDG_DATA_HOME": "/xdg", "JAXCNN_DATA": "/mine"}, "/mine"),
        ("linux", {"JAXCNN_DATA": "~/mine"}, "/home/me/mine"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="the expected folders are written the POSIX way")
def test_data_folder(on, platform, variables, expected):
    on(platform, variables)
    assert data_folder() == Path(expected)
