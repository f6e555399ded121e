"""Names of the classes that published networks tell apart, in the order of their outputs."""

import functools
import importlib.resources

from jaxcnn.host.names import unknown_name

_CIFAR10 = """
airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck
"""

_CIFAR100 = """
apple, aquarium fish, baby, bear, beaver, bed, bee, beetle, bicycle, bottle,
bowl, boy, bridge, bus, butterfly, camel, can, castle, caterpillar, cattle,
chair, chimpanzee, clock, cloud, cockroach, couch, crab, crocodile, cup, dinosaur,
dolphin, elephant, flatfish, forest, fox, girl, hamster, house, kangaroo, keyboard,
lamp, lawn mower, leopard, lion, lizard, lobster, man, maple tree, motorcycle, mountain,
mouse, mushroom, oak tree, orange, orchid, otter, palm tree, pear, pickup truck, pine tree,
plain, plate, poppy, porcupine, possum, rabbit, raccoon, ray, road, rocket,
rose, sea, seal, shark, shrew, skunk, skyscraper, snail, snake, spider,
squirrel, streetcar, sunflower, sweet pepper, table, tank, telephone, television, tiger, tractor,
train, trout, tulip, turtle, wardrobe, whale, willow tree, wolf, woman, worm
"""

_GOOGLES_OWN = ("n03931044", "n09859684")  # of the 21,843; the file of Fall 2011 lacks them

LABEL_SETS = (
    "imagenet1k",
    "imagenet1001",
    "imagenet12k",
    "imagenet21k",
    "imagenet22k",
    "cifar10",
    "cifar100",
)


def label_names(label_set: str) -> tuple[str, ...]:
    """List the class names of a label set, each of them once.

    Args:
      label_set: "imagenet1k" (1,000 classes), "imagenet1001" (the same after "background", as
        networks trained in TensorFlow-Slim have it), "imagenet12k" (11,821 classes, timm's choice),
        "imagenet21k" (21,843, as TensorFlow's weights have it), "imagenet22k" (21,841, as
        ConvNeXt's have it), "cifar10" or "cifar100" (the fine classes).

    Returns:
      One name per network output, in the outputs' order.

    Raises:
      ValueError: if the label set is not known.

    Example:
      >>> label_names("cifar10")[3], label_names("imagenet1k")[281]
      ('cat', 'tabby')

    Source: ImageNet: Russakovsky et al. 2015, arXiv:1409.0575; names of the 1,000 from the class
    index that Keras publishes (Apache-2.0), where "crane" and "maillot" stand twice and are told
    apart here; all others from timm's table of WordNet's words (Apache-2.0), where a second word
    or the WordNet id tells apart what has one name.
    CIFAR: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".
    """
    if label_set == "imagenet1k":
        return tuple(name for _, name in _imagenet())
    if label_set == "imagenet1001":
        return ("background", *label_names("imagenet1k"))
    if label_set in ("imagenet12k", "imagenet21k", "imagenet22k"):
        return _names_of_larger(label_set)
    if label_set == "cifar10":
        return _split(_CIFAR10)
    if label_set == "cifar100":
        return _split(_CIFAR100)
    raise unknown_name("label set", label_set, LABEL_SETS)


def wordnet_ids() -> tuple[str, ...]:
    """List the WordNet ids of ImageNet's 1,000 classes, in the order of label set "imagenet1k".

    Returns:
      Ids such as "n01440764", which name the folders of ImageNet; they ascend.

    Source: Russakovsky et al. 2015, arXiv:1409.0575.
    """
    return tuple(wordnet_id for wordnet_id, _ in _imagenet())


def _split(names: str) -> tuple[str, ...]:
    return tuple(" ".join(name.split()) for name in names.split(","))


@functools.cache
def _imagenet() -> tuple[tuple[str, str], ...]:
    pairs = (line.partition(" ") for line in _lines("imagenet1k.txt"))
    return tuple((wordnet_id, name) for wordnet_id, _, name in pairs)


@functools.cache
def _names_of_larger(label_set: str) -> tuple[str, ...]:
    rows = (line.split(" ", 2) for line in _lines("imagenet21k.txt"))
    return tuple(
        name
        for wordnet_id, mark, name in rows
        if label_set == "imagenet21k"
        or (label_set == "imagenet12k" and mark == "+")
        or (label_set == "imagenet22k" and wordnet_id not in _GOOGLES_OWN)
    )


def _lines(file: str) -> list[str]:
    text = importlib.resources.files("jaxcnn.pretrained").joinpath(file).read_text("utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]
