"""This machine: its folders, memory, compiled programs, signals and processes.

Also files that are written whole, and numbers as people read them. Imports nothing of jaxcnn.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.host.compilation_cache import (
        keep_compiled_programs as keep_compiled_programs,
        keep_no_compiled_programs as keep_no_compiled_programs,
    )
    from jaxcnn.host.files import (
        replacing as replacing,
        write_arrays as write_arrays,
        write_bytes as write_bytes,
        write_json as write_json,
        write_rows as write_rows,
        write_text as write_text,
    )
    from jaxcnn.host.folders import cache_folder as cache_folder, data_folder as data_folder
    from jaxcnn.host.memory import reuse_memory as reuse_memory
    from jaxcnn.host.names import nearest_first as nearest_first, unknown_name as unknown_name
    from jaxcnn.host.processes import (
        PeerLostError as PeerLostError,
        agree_on_signal as agree_on_signal,
        end_processes as end_processes,
        find_cluster as find_cluster,
        is_first as is_first,
        on_first as on_first,
        peers_watched as peers_watched,
        start_processes as start_processes,
    )
    from jaxcnn.host.signals import Interrupted as Interrupted, SignalWatch as SignalWatch
    from jaxcnn.host.start import prepare_process as prepare_process
    from jaxcnn.host.text import (
        counted as counted,
        interval as interval,
        listed as listed,
        number as number,
        percent as percent,
        points as points,
    )
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
