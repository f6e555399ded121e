"""Each platform's folders for what can be had again; folders made, and kept for one program."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest
from platformdirs import windows
from platformdirs.macos import MacOS
from platformdirs.unix import Unix

from jaxcnn.host.folders import (
    LOCK_NAME,
    InUseError,
    cache_folder,
    data_folder,
    in_sole_use,
    making,
)

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


def test_a_new_folder_takes_the_first_name_that_is_free_and_goes_where_it_stays_empty(tmp_path):
    with making(tmp_path / "runs" / "a", is_new=True) as first:
        with making(tmp_path / "runs" / "a", is_new=True) as second:
            assert (first.name, second.name) == ("a", "a-2")
            (second / "kept").write_text("")
        with making(tmp_path / "runs" / "a", is_new=True) as third:
            assert third.name == "a-3"
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["a-2"]
    with making(tmp_path / "x" / "y"):
        assert (tmp_path / "x" / "y").is_dir()
    assert not (tmp_path / "x").exists()
    with making(tmp_path / "runs"):  # what was there stays
        pass
    assert (tmp_path / "runs").is_dir()


HOLDER = """
import sys, time
from pathlib import Path
from jaxcnn.host.folders import in_sole_use
with in_sole_use(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_is_for_one_program_until_that_ends_even_by_a_kill(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        says = rf"process {other.pid} on \S+ since 2\d+-"
        with pytest.raises(InUseError, match=says) as error, in_sole_use(tmp_path):
            pass
        assert "remove" not in str(error.value)
        assert [p.name for p in tmp_path.iterdir()] == [LOCK_NAME]
        os.kill(other.pid, signal.SIGKILL)
    with in_sole_use(tmp_path):
        assert (tmp_path / LOCK_NAME).exists()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_of_another_machine_stands_and_the_error_says_how_to_remove_it(tmp_path):
    (tmp_path / LOCK_NAME).write_text("7\nelsewhere\n12\n")
    says = f"process 7 on elsewhere.*if it no longer runs, remove {re.escape(str(tmp_path))}"
    with pytest.raises(InUseError, match=says), in_sole_use(tmp_path):
        pass
