"""This machine: what of it a run uses, and how it speaks to the user.

`start` prepares a process, by `compilation_cache` among others; `processes` joins several of them,
`signals` watches for Ctrl-C; `folders` finds the user's, `files` writes whole files; `text` writes
numbers, `names` errors about unknown names, `extras` those about packages that are missing; `lazy`
imports a package's public names when they are used. Imports nothing of jaxcnn but its version.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.host.folders import cache_folder as cache_folder, data_folder as data_folder
    from jaxcnn.host.processes import (
        PeerLostError as PeerLostError,
        start_processes as start_processes,
    )
    from jaxcnn.host.signals import Interrupted as Interrupted
    from jaxcnn.host.start import prepare_process as prepare_process
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
