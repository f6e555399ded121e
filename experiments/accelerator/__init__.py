"""The stages of `experiments.accelerator_check`: what has to hold, and how fast it is, on a GPU.

- `parity`: the accelerator's values against the CPU's, of the cases that `cases` (operations,
  losses, metrics), `augment_cases` and `network_cases` list; `sides` makes the two sides.
- `determinism`: the same step twice, a killed run resumed, steps in flight, memory.
- `throughput`: images per second of whole networks against PyTorch and stock Flax, by the workers
  of `experiments.benchmarks`; `batch_search` finds the best batch. `ways`: layers, epochs, members.
- `cifar`: seconds of training until 94 % of CIFAR-10's test images are right; `cifar_data` reads.

`children` runs a stage's parts in processes of their own, each with a limit; `results` keeps what
they say. Nothing here needs more than numpy, jax, flax, optax, orbax-checkpoint, absl-py, pillow
and matplotlib; PyTorch with torchvision where it is there.
"""
