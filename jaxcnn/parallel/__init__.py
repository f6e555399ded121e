"""Many devices, many processes: where arrays lie, how processes start, and what they agree on."""

from jaxcnn.parallel.layout import Layout, fetch, parse_mesh
from jaxcnn.parallel.processes import (
    PeerLostError,
    agree_on_signal,
    end_processes,
    find_cluster,
    is_first,
    on_first,
    peers_watched,
    start_processes,
)

__all__ = [
    "Layout",
    "PeerLostError",
    "agree_on_signal",
    "end_processes",
    "fetch",
    "find_cluster",
    "is_first",
    "on_first",
    "parse_mesh",
    "peers_watched",
    "start_processes",
]
