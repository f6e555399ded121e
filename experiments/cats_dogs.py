"""Teach a convolutional network to tell cats from dogs, or any classes from their photos.

    python -m experiments.cats_dogs
        draws its own cats and dogs, trains on them and tests; no network, minutes on two cores.
    python -m experiments.cats_dogs --dataset=folder --data_dir=PHOTOS
        the same with your photos: one sub-folder per class, or train/, validation/, test/ above.
    python -m experiments.cats_dogs --dataset=cats_vs_dogs
        the same with a tensorflow-datasets set, by its name.
    python -m experiments.cats_dogs --mode=evaluate --workdir=RUN
        tests the best checkpoint of a run again.
    python -m experiments.cats_dogs --plan
        trains nothing, and tells what training would cost on some machines.

The architecture is the article's: six convolutions with max pooling, ReLU, and softmax; 128 epochs
of 3,000 photos take half an hour on two cores. Other networks, sizes and cures are flags.
"""

from jaxcnn.cli.commands import train

_PROGRAM = train.Program("python -m experiments.cats_dogs", __doc__ or "")
train.define_flags(_PROGRAM)

if __name__ == "__main__":
    train.run_program(_PROGRAM)
