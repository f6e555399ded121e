"""The parts of `experiments.benchmark`: contestants in processes of their own, told to run in turn.

`serving` is the side of a worker and needs the standard library alone, so that a worker may run in
another environment; `workers` is the side of the program that asks.
"""
