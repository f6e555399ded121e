"""The parts of `experiments.benchmark`: contestants in processes of their own, told to run in turn.

On the side of the program:

- `rows`: what is measured; `contest`: the contestants of a row run in turn; `workers`: a process
  that is told to run;
- `loading`, `alone`: ways to load photos; the machine's own peak, and whole epochs;
- `speeds`, `screen`, `chart`, `machine`: what the turns come to, as text and as a picture;
- `measurements`, `pages`, `tables`: what was measured, in `results/`, and the pages that show it.

On the side of a worker, `serving` answers the program; it needs the standard library alone, so that
a worker may run in another environment. The `make_task` of each worker makes what it does over and
over: `jax_worker`, `torch_worker`, `pipeline_worker`, `epoch_worker`, `peak_worker`, `counting`.
"""
