"""Where files are kept: what can be fetched or made again, and what a user would miss."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    r"""Find the user's folder for what can be had again; it is not created here.

    The first of these that is set: `JAXCNN_CACHE`; `XDG_CACHE_HOME`/jaxcnn; then, by platform,
    `~/Library/Caches/jaxcnn` on macOS, `%LOCALAPPDATA%\jaxcnn\Cache` on Windows and
    `~/.cache/jaxcnn` elsewhere.

    Returns:
      The folder, absolute.
    """
    if own := os.environ.get("JAXCNN_CACHE"):
        return Path(own).expanduser().absolute()
    if (shared := os.environ.get("XDG_CACHE_HOME")) and Path(shared).is_absolute():
        return Path(shared) / "jaxcnn"  # a relative one is to be ignored, says the XDG rule
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "jaxcnn"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "jaxcnn" / "Cache"
    return Path.home() / ".cache" / "jaxcnn"


def data_folder() -> Path:
    r"""Find the user's folder for what programs here keep for them; it is not created here.

    The first of these that is set: `JAXCNN_DATA`; `XDG_DATA_HOME`/jaxcnn; then, by platform,
    `~/Library/Application Support/jaxcnn` on macOS, `%LOCALAPPDATA%\jaxcnn\Data` on Windows and
    `~/.local/share/jaxcnn` elsewhere.

    Returns:
      The folder, absolute.
    """
    if own := os.environ.get("JAXCNN_DATA"):
        return Path(own).expanduser().absolute()
    if (shared := os.environ.get("XDG_DATA_HOME")) and Path(shared).is_absolute():
        return Path(shared) / "jaxcnn"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "jaxcnn"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "jaxcnn" / "Data"
    return Path.home() / ".local" / "share" / "jaxcnn"
