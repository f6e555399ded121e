"""Checkpoints that prove themselves: Orbax writes them, our checksums verify them.

Orbax makes a save atomic (a step's folder appears whole or not at all), but it restores a flipped
byte or an array of another shape without a word. So each checkpoint carries the SHA-256, shape and
dtype of every array, and a restore compares them all.
"""

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from jaxcnn.host.processes import on_first
from jaxcnn.host.text import first_line, listed
from jaxcnn.training.sharding import fetch
from jaxcnn.types import PyTree

logger = logging.getLogger(__name__)

_REPLACED = "replaced"  # where a checkpoint waits until the one that replaces it is whole
_DAMAGED = "damaged"  # where checkpoints that fail their checksums are put, beside the good ones


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why and what to do."""


class Checkpoint(NamedTuple):
    """What was saved at one step."""

    step: int
    state: PyTree  # as given to `save`
    metadata: dict[str, Any]  # JSON values, as given to `save`


def fingerprints(state: PyTree) -> dict[str, dict[str, Any]]:
    """Describe every array of a state by shape, dtype and SHA-256.

    Args:
      state: a tree of arrays.

    Returns:
      {path of the leaf: {"shape": [...], "dtype": "...", "sha256": "..."}}.

    Example:
      >>> fingerprints({"w": np.zeros(2, np.float32)})["['w']"]["shape"]
      [2]
    """
    found = {}
    for path, leaf in jax.tree.leaves_with_path(state):
        array = fetch(leaf)
        digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        about = {"shape": list(array.shape), "dtype": str(array.dtype), "sha256": digest}
        found[jax.tree_util.keystr(path)] = about
    return found


def fingerprint(variables: PyTree, *others: object) -> str:
    """Digest what features depend on: a tree of arrays, and anything else by its text."""
    digest = hashlib.sha256(repr(others).encode())
    for leaf in jax.tree.leaves(variables):
        digest.update(np.ascontiguousarray(fetch(leaf)).tobytes())
    return digest.hexdigest()


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


class CheckpointStore:
    """A folder of checkpoints, the newest few kept, each verified when it is read.

    Args:
      directory: the folder; made when the first checkpoint is saved.
      max_to_keep: how many steps stay; older ones are removed after a save.
      read_only: change nothing in the folder.

    Example:
      >>> store = CheckpointStore("checkpoints")
      >>> store.save(10, {"w": np.ones(2, np.float32)}, {"accuracy": 0.9})
      >>> found = store.restore({"w": np.zeros(2, np.float32)})
      >>> found.step, found.state["w"].tolist(), found.metadata
      (10, [1.0, 1.0], {'accuracy': 0.9})
    """

    def __init__(
        self, directory: Path | str, *, max_to_keep: int = 3, read_only: bool = False
    ) -> None:
        self.directory = Path(directory).expanduser().absolute()
        self._read_only = read_only
        _quiet_orbax()
        above = next(p for p in (self.directory, *self.directory.parents) if os.path.lexists(p))
        if not above.is_dir():
            raise CheckpointError(f"{self.directory} cannot be a folder, for {above} is a file.")
        if not read_only:
            on_first(self._bring_back)
        # Saves are synchronous: these networks take a tenth of a second, and a run then never
        # reports a checkpoint that is not yet on disk.
        self._manager = ocp.CheckpointManager(
            self.directory,
            options=ocp.CheckpointManagerOptions(
                max_to_keep=max_to_keep,
                enable_async_checkpointing=False,
                cleanup_tmp_directories=not read_only,
                read_only=read_only,
            ),
        )

    def steps(self) -> list[int]:
        """List the saved steps, oldest first."""
        return sorted(self._manager.all_steps())

    def save(self, step: int, state: PyTree, metadata: dict[str, Any]) -> None:
        """Write a checkpoint; one already there for this step is replaced.

        Args:
          step: number of updates made so far.
          state: a tree of arrays.
          metadata: JSON values.
        """
        if step in self._manager.all_steps():  # kept until the new one is whole
            on_first(lambda: self._move(self.directory / _REPLACED, str(step)))
            self._manager.reload()
        # A host scalar fails on restore, so every leaf is an array.
        state = jax.tree.map(
            lambda leaf: leaf if isinstance(leaf, jax.Array) else np.asarray(leaf), state
        )
        manifest: dict[str, Any] = {"arrays": fingerprints(state), "metadata": metadata}
        manifest["sha256"] = _digest(manifest)
        self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(state), manifest=ocp.args.JsonSave(manifest)
            ),
            force=True,  # else a step below the newest one is left out silently
        )
        self._manager.wait_until_finished()
        on_first(lambda: shutil.rmtree(self.directory / _REPLACED, ignore_errors=True))

    def restore(self, target: PyTree, *, step: int | None = None) -> Checkpoint | None:
        """Read the newest good checkpoint, or the one of a given step.

        A checkpoint that fails its checksums is moved to the folder `damaged`, unless the store is
        read-only, and the one before it is tried, saying so.

        Args:
          target: a tree of arrays or `jax.ShapeDtypeStruct` with the structure that is expected.
            Arrays come back with their shardings, whatever devices they were saved from.
          step: read this step and no other.

        Returns:
          The checkpoint; None where the folder holds none.

        Raises:
          CheckpointError: if the checkpoint holds arrays of other names or shapes than `target`, if
            every checkpoint is damaged, or if the given step is.
        """
        steps = self.steps() if step is None else [step]
        for candidate in reversed(steps):
            try:
                return self._read(candidate, target)
            except _DamagedError as damage:
                if step is not None:
                    raise CheckpointError(
                        f"checkpoint {step} in {self.directory}: {damage}"
                    ) from damage
                self._put_aside(candidate, str(damage))
        if steps:
            moved = "" if self._read_only else f"; they were moved to {self.directory / _DAMAGED}"
            raise CheckpointError(
                f"every checkpoint in {self.directory} is damaged ({listed(steps)}){moved}. Copy "
                "the run again from where it was trained, or train again with overwrite=True."
            )
        return None

    def metadata(self, step: int | None = None) -> dict[str, Any]:
        """Read what was saved beside the arrays, without the arrays.

        Args:
          step: the step; None for the newest.

        Returns:
          The metadata given to `save`.

        Raises:
          CheckpointError: if there is no such checkpoint, or its metadata are damaged.
        """
        known = self.steps()
        step = step if step is not None else (known[-1] if known else None)
        if step is None or step not in known:
            raise CheckpointError(f"no checkpoint {step or ''} in {self.directory}; found {known}.")
        try:
            return self._manifest(step)["metadata"]
        except _DamagedError as damage:
            raise CheckpointError(f"checkpoint {step} in {self.directory}: {damage}") from damage

    def close(self) -> None:
        """Release Orbax's threads."""
        self._manager.close()

    def _read(self, step: int, target: PyTree) -> Checkpoint:
        manifest = self._manifest(step)
        _check_structure(manifest["arrays"], target)
        abstract = jax.tree.map(_as_it_shall_lie, target)
        try:
            args = ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
            state = self._manager.restore(step, args=args)["state"]
        except Exception as error:
            raise _DamagedError(
                f"its arrays cannot be read ({type(error).__name__}: {first_line(error)})"
            ) from error
        changed = [
            name for name, found in fingerprints(state).items() if found != manifest["arrays"][name]
        ]
        if changed:
            raise _DamagedError(f"the checksum of {listed(changed, 5)} does not match")
        return Checkpoint(step, state, manifest["metadata"])

    def _manifest(self, step: int) -> dict[str, Any]:
        try:
            args = ocp.args.Composite(manifest=ocp.args.JsonRestore())
            manifest = dict(self._manager.restore(step, args=args)["manifest"])
            expected = manifest.pop("sha256")
        except Exception as error:
            raise _DamagedError(
                f"its manifest cannot be read ({type(error).__name__}: {first_line(error)})"
            ) from error
        if _digest(manifest) != expected:
            raise _DamagedError("the checksum of its manifest does not match")
        return manifest

    def _move(self, folder: Path, name: str) -> None:
        folder.mkdir(exist_ok=True)
        (self.directory / name).rename(folder / name)

    def _bring_back(self) -> None:
        """Bring back a checkpoint whose replacement was cut short, as by a kill."""
        for path in (self.directory / _REPLACED).glob("*"):
            if not (self.directory / path.name).exists():
                path.rename(self.directory / path.name)
        shutil.rmtree(self.directory / _REPLACED, ignore_errors=True)

    def _put_aside(self, step: int, reason: str) -> None:
        if self._read_only:
            logger.warning(f"checkpoint {step} is damaged: {reason}. The one before it is read.")
            return
        aside = self.directory / _DAMAGED

        def move() -> None:
            aside.mkdir(exist_ok=True)
            number = sum(1 for _ in aside.glob(f"{step}-*"))
            (self.directory / str(step)).rename(aside / f"{step}-{number}")

        on_first(move)
        self._manager.reload()
        logger.warning(
            f"checkpoint {step} is damaged: {reason}. It was moved to {aside}; "
            "falling back to the one before it."
        )


class _DamagedError(Exception):
    """A checkpoint's bytes are not what was saved."""


def _check_structure(saved: dict[str, dict[str, Any]], target: PyTree) -> None:
    leaves = jax.tree.leaves_with_path(target)
    wanted = {jax.tree_util.keystr(p): (list(x.shape), str(x.dtype)) for p, x in leaves}
    held = {name: (entry["shape"], entry["dtype"]) for name, entry in saved.items()}
    if held == wanted:
        return
    problems = [f"missing {name}" for name in sorted(wanted.keys() - held.keys())]
    problems += [f"left over {name}" for name in sorted(held.keys() - wanted.keys())]
    problems += [
        f"{name}: expected {wanted[name]}, found {held[name]}"
        for name in sorted(wanted.keys() & held.keys())
        if wanted[name] != held[name]
    ]
    raise CheckpointError(
        f"the checkpoint belongs to another network or optimizer: {listed(problems, 5, '; ')}. "
        "Use the settings that it was made with."
    )


def _as_it_shall_lie(leaf: Any) -> jax.ShapeDtypeStruct:
    """Ask for an array where the target's is, else on this process's first device."""
    sharding = getattr(leaf, "sharding", None)
    if sharding is None:  # Orbax would look for the devices that it was saved from
        sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


def _quiet_orbax() -> None:
    """Keep Orbax's and absl's commentary off the user's screen; what fails is raised as well."""
    for name in ("absl", "orbax"):
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() <= logging.ERROR:
            logger.setLevel(logging.CRITICAL)
