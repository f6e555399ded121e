"""Where and how a run computes, and what it searches."""

import dataclasses

from jaxcnn.runs.config.settings.fields import open_setting, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings:
    """How a run goes about it: seeds, devices, evaluation, checkpoints, and search before it."""

    seed: int = setting(
        0,
        "whole number that decides the initial weights, the order of the photos, augmentation and "
        "dropout; `split_seed` decides the data.",
    )
    num_seeds: int = setting(
        1,
        "networks trained at once, on the same data: network k, from 0, equals that of a run with "
        "seed + k. Predictions of several networks are averaged.",
    )
    folds: int = setting(
        0,
        "cross-validation: divide all photos into this many folds, at least 3. Each fold is the "
        "test of one network, which chooses its best epoch on the next fold and learns from the "
        "others; so every photo is tested once. 0 is off.",
    )
    member_order: str = setting(
        "own",
        "with `num_seeds`, batches of each network: own (in the order of its own seed) or shared "
        "(all see the same, which is less to decode and to send).",
    )
    members_mode: str = setting(
        "auto",
        "how several networks take a step: vmap (all in one program), in_turn (the program of one, "
        "called for each), or auto: in_turn on a CPU, vmap elsewhere.",
    )
    sweep: str | None = open_setting(
        "try a grid of values first, all in one program, and train with the best: "
        "name:low..high:log|linear:count, comma-separated, of learning_rate, weight_decay and "
        "momentum, e.g. learning_rate:1e-4..1e-1:log:8,weight_decay:0..0.1:linear:3.",
    )
    sweep_epochs: int | None = open_setting(
        "epochs of the last round of successive halving; at epochs 1, 2, 4, ... before it the "
        "worse half drops out. Default a third of `num_epochs`, at least 1.",
    )
    find_learning_rate: bool = setting(
        False,
        "try a dozen learning rates for a few steps first, all in one program, and train with the "
        "one that the losses suggest.",
    )
    eval_batch_size: int = open_setting("examples per evaluation step; no effect on results.")
    flip_average: bool = open_setting(
        "when evaluating, average the answers for an image and its mirror image; default where "
        "`augment` flips.",
    )
    eval_views: str | None = open_setting(
        "when evaluating, average the answers over views of an image: none, or some of flip (its "
        "mirror image, as `flip_average`), five_crop (its corners and its middle) and scales "
        "(things an eighth larger and smaller), comma-separated; default as `flip_average`.",
    )
    coverage: float = setting(
        0.95,
        "share of the validation photos that are taken for one of the classes; a photo that looks "
        "less like the training photos than these is none of them. Above 0, at most 1.",
    )
    conformal: float = setting(
        0.9,
        "sets of classes that hold the right one with this probability, between 0 and 1: the page "
        "says how large they are, and predictions give them on request.",
    )
    baselines: bool = open_setting(
        "also classify by colour histogram and by edge orientations, for comparison."
    )
    checkpoint_every_steps: int | None = open_setting(
        "number of steps between checkpoints, beside those at the end of each epoch; default none.",
    )
    epoch_scan: str = setting(
        "auto",
        "many training steps as one program on images that lie on the device: on, off, or auto: "
        "on a GPU or TPU with room for them, where a short trial says that it is faster.",
    )
    mesh: str = setting(
        "auto",
        "devices by axis, e.g. data:4,fsdp:2: batches are split over all, parameters are copied "
        "along data and split along fsdp; auto: all devices along data.",
    )

    @property
    def searches(self) -> bool:
        """Whether hyper-parameters are looked for before training."""
        return self.sweep is not None or self.find_learning_rate
