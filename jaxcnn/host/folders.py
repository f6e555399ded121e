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
    import platformdirs  # here, so that networks and steps can be imported without it

    platforms_own = platformdirs.user_cache_path("jaxcnn", appauthor=False)
    return _folder("JAXCNN_CACHE", "XDG_CACHE_HOME", platforms_own)


def data_folder() -> Path:
    r"""Find the user's folder for what programs here keep for them; it is not created here.

    The first of these that is set: `JAXCNN_DATA`; `XDG_DATA_HOME`/jaxcnn; then, by platform,
    `~/Library/Application Support/jaxcnn` on macOS, `%LOCALAPPDATA%\jaxcnn\Data` on Windows and
    `~/.local/share/jaxcnn` elsewhere.

    Returns:
      The folder, absolute.
    """
    import platformdirs

    platforms_own = platformdirs.user_data_path("jaxcnn", appauthor=False)
    beside_cache = platforms_own / "Data" if sys.platform == "win32" else platforms_own
    return _folder("JAXCNN_DATA", "XDG_DATA_HOME", beside_cache)


def _folder(own_variable: str, shared_variable: str, otherwise: Path) -> Path:
    if own := os.environ.get(own_variable):
        return Path(own).expanduser().absolute()
    if (shared := os.environ.get(shared_variable)) and Path(shared).is_absolute():
        return Path(shared) / "jaxcnn"  # a relative one is to be ignored, says the XDG rule
    return otherwise
