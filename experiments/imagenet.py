"""Train on sets too large for memory, by published recipes: ResNet-50 on ImageNet, or others.

    python -m experiments.imagenet --recipe=resnet50_classic --data_dir=TFDS_FOLDER
        ImageNet as tensorflow-datasets prepares it (imagenet2012, array_record).
    python -m experiments.imagenet --dataset=folder --data_dir=PHOTOS --model=resnet34
        any set, any network: a folder with train/ and validation/ above the classes, or a set's
        name; flags override the recipe.
    python -m experiments.imagenet --list_recipes
        prints the recipes; jaxcnn/runs/recipes.py says what each publishes, and deviations.py
        beside it where ours differ.
    python -m experiments.imagenet --plan
        tells what training costs in memory and hours on some machines, and reads no image.

Photos are decoded as they are needed. Several devices and processes share the work, see
jaxcnn/training/many_machines.md. All other flags are those of experiments.cats_dogs.
"""

from jaxcnn.cli.commands import train

_PROGRAM = train.Program("python -m experiments.imagenet", __doc__ or "", recipe="resnet50_classic")
train.define_flags(_PROGRAM)

if __name__ == "__main__":
    train.run_program(_PROGRAM)
