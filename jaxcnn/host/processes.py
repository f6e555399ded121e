"""Several processes that train together: how they start, agree, and end when one of them is lost.

Each process drives its own devices, reads its own part of every batch, and runs the same program.
The first one, number 0, is the one that speaks and writes; checkpoints are written by all.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxcnn.host.text import first_line

# A process that stops answering is given up after so long; one that dies is noticed at once by
# those who compute with it.
HEARTBEAT_SECONDS = 30
_LONGEST_MESSAGE = 4096  # bytes
# The first process answers for the job, and one that it leaves behind is aborted: so it waits for
# the others to say that they leave, and then for them to be gone.
_LONGEST_FAREWELL_SECONDS = 10
_SECONDS_TO_BE_GONE = 1
_STEPS_BETWEEN_AGREEMENTS = 10
_SIGNS_OF_A_LOST_PEER = (
    *("gloo", "nccl", "heartbeat", "coordination service", "connection closed", "connection reset"),
    *("barrier", "broken pipe", "socket closed", "unavailable", "deadline_exceeded"),
)
# Variables that say that a process is one of several: all of a row, and the number where one is.
_CLUSTERS: tuple[tuple[str, tuple[str, ...], str | None], ...] = (
    ("SLURM", ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_PROCID"), "SLURM_NTASKS"),
    ("Open MPI", ("OMPI_MCA_orte_hnp_uri", "OMPI_COMM_WORLD_RANK"), "OMPI_COMM_WORLD_SIZE"),
    ("Kubernetes", ("KUBERNETES_SERVICE_HOST", "JOB_COMPLETION_INDEX"), None),
    ("TPU slices", ("MEGASCALE_COORDINATOR_ADDRESS",), None),
)
_TPU_HOSTS = "TPU_WORKER_HOSTNAMES"  # of a pod slice, separated by commas


class PeerLostError(RuntimeError):
    """Another process of the job died or stopped answering; the message says what to do."""


def find_cluster(environment: Mapping[str, str]) -> str | None:
    """Tell which kind of cluster started this process as one of several.

    Args:
      environment: the environment's variables.

    Returns:
      Its name; None where the process is alone.

    Example:
      >>> step = {"SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "n[1-2]", "SLURM_PROCID": "0"}
      >>> find_cluster({**step, "SLURM_NTASKS": "2"}), find_cluster({**step, "SLURM_NTASKS": "1"})
      ('SLURM', None)
    """
    for name, variables, count in _CLUSTERS:
        if all(environment.get(variable) for variable in variables):
            return name if count is None or int(environment.get(count) or 1) > 1 else None
    return "a TPU pod" if "," in environment.get(_TPU_HOSTS, "") else None


def start_processes(
    coordinator_address: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
) -> str | None:
    """Join the other processes of the job, where there are any; before the first array.

    Args:
      coordinator_address: host:port of process 0; None asks the environment: SLURM, Open MPI,
        Kubernetes with an indexed job, TPU pods.
      num_processes: processes of the job.
      process_id: this one's number, from 0.

    Returns:
      A line to print about it; None where the process is alone.

    Raises:
      ValueError: if only some of the three are given, or they do not fit.
      RuntimeError: if the others cannot be reached.
    """
    given = (coordinator_address, num_processes, process_id)
    if None in given and given != (None, None, None):
        raise ValueError(
            "coordinator_address, num_processes and process_id belong together; give all three, "
            f"or none; got {coordinator_address}, {num_processes} and {process_id}."
        )
    if process_id is not None and not 0 <= process_id < (num_processes or 0):
        raise ValueError(
            f"process_id (={process_id}) must lie in [0, num_processes (={num_processes}))."
        )
    cluster = coordinator_address or find_cluster(os.environ)
    if cluster is None or num_processes == 1:
        return None
    # Its handler of SIGTERM would take the signal from the run, which saves and then ends.
    jax.config.update("jax_enable_preemption_service", False)
    jax.distributed.initialize(
        coordinator_address,
        num_processes,
        process_id,
        heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
    )
    return (
        f"{jax.process_count()} processes ({cluster}), {jax.device_count()} devices; "
        f"one that stops answering is given up after {HEARTBEAT_SECONDS} s"
    )


def is_first() -> bool:
    """Tell whether this is the process that speaks and writes. Starts no backend by itself."""
    return not jax.distributed.is_initialized() or jax.process_index() == 0


def on_first(act: Callable[[], object]) -> None:
    """Have the first process do something that the others wait for.

    Args:
      act: what to do.

    Raises:
      ValueError: on every process, if it raises one on the first.
    """
    if jax.process_count() == 1:
        act()
        return
    failure: BaseException | None = None
    if is_first():
        try:
            act()
        except (ValueError, OSError) as error:
            failure = error
    said = _broadcast(str(failure) or "failed" if failure else "")
    if failure:
        raise failure
    if said:
        raise ValueError(said)


def from_first(find: Callable[[], str]) -> str:
    """Give every process what the first one finds.

    Args:
      find: makes a text of at most _LONGEST_MESSAGE bytes; called on the first process alone.
    """
    if jax.process_count() == 1:
        return find()
    return _broadcast(find() if is_first() else "")


def agree_on_signal(number: int | None, step: int) -> int | None:
    """Find out whether any process was sent a signal, so that all stop at the same step.

    Args:
      number: of the signal that this process received; None for none.
      step: the number of steps done, the same on each process.

    Returns:
      A signal that a process received; None for none. Several processes ask each other every
      10 steps, so a signal waits so long.
    """
    if jax.process_count() == 1:
        return number
    if step % _STEPS_BETWEEN_AGREEMENTS:
        return None
    return int(multihost_utils.process_allgather(np.int32(number or 0)).max()) or None


@contextmanager
def peers_watched() -> Iterator[None]:
    """Turn what a lost process makes of a computation into a PeerLostError."""
    try:
        yield
    except Exception as error:
        happened = _what_happened(error)
        if jax.process_count() == 1 or happened is None:
            raise
        raise PeerLostError(
            f"process {jax.process_index()} of {jax.process_count()} {happened} "
            f"({first_line(error)}). Its own output says why. Start all processes again with "
            "resume=True; they go on from the last checkpoint."
        ) from error


def end_processes(message: object, status: int) -> NoReturn:
    """End this process, and let no other be aborted for it; never wait for one that is lost.

    Only the first process waits, at most 11 seconds, for the others to leave before it.

    Args:
      message: the line to leave on standard error.
      status: the exit status.
    """
    which = "" if is_first() else f"process {jax.process_index()}: "
    print(f"{which}{message}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    if not jax.distributed.is_initialized():
        sys.exit(status)
    _leave_last_if_first()
    os._exit(status)  # leaving in good order would wait for the others, and then abort


def _leave_last_if_first() -> None:
    """Tell the first process that this one leaves; on the first, wait until all have said so."""
    from orbax.checkpoint import multihost

    client = multihost.get_jax_distributed_client()
    try:
        if not is_first():
            client.key_value_set(f"leaves/{jax.process_index()}", "")
            return
        ends = time.monotonic() + _LONGEST_FAREWELL_SECONDS
        for number in range(1, jax.process_count()):
            left_ms = max(0, int(1000 * (ends - time.monotonic())))
            client.blocking_key_value_get(f"leaves/{number}", left_ms)
    except jax.errors.JaxRuntimeError:
        pass  # one is lost, or goes on: it is not waited for any longer
    time.sleep(_SECONDS_TO_BE_GONE)


def _broadcast(text: str) -> str:
    """Give every process the first one's text."""
    data = np.zeros(_LONGEST_MESSAGE, np.uint8)
    encoded = text.encode()[:_LONGEST_MESSAGE]
    data[: len(encoded)] = np.frombuffer(encoded, np.uint8)
    sent = np.asarray(multihost_utils.broadcast_one_to_all(data), np.uint8)
    return sent.tobytes().rstrip(b"\0").decode(errors="replace")


def _what_happened(error: Exception) -> str | None:
    """Read an error by the words that transports are known to use; None is no matter of peers."""
    text = str(error).lower()
    if any(sign in text for sign in _SIGNS_OF_A_LOST_PEER):
        return "lost another one, which died or cannot be reached"
    if isinstance(error, jax.errors.JaxRuntimeError):  # in words that are not known here
        return "cannot go on: a computation failed, here or in a process that was lost"
    return None
