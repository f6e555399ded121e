"""The figures that explain convolutional networks, made by the code that they show."""

from experiments.lessons import comparison, filters, looking_inside, operations, overfitting
from experiments.lessons.page import Lesson

LESSONS = (
    Lesson("convolution", "A filter finds where ones turn into zeros", filters.one_dimension),
    Lesson("edges", "In two dimensions it finds edges", filters.two_dimensions),
    Lesson("padding", "What happens at the border: “same” and “valid”", filters.padding),
    Lesson("sharing", "The same weights at every place", filters.sharing),
    Lesson("pooling", "Max pooling, by window and stride", operations.pooling),
    Lesson("activations", "ReLU and sigmoid", operations.activations),
    Lesson("depth", "What a network sees, layer by layer", looking_inside.feature_maps),
    Lesson("colours", "A filter for a colour photo is a stack of three", looking_inside.colours),
    Lesson("softmax", "From scores to probabilities: softmax", looking_inside.softmax),
    Lesson("augmentation", "One photo, many views", operations.augmentation),
    Lesson("dropout", "Dropout: other units are dropped at each step", operations.dropout),
    Lesson("peeking", "Choosing on the test photos flatters", overfitting.peeking),
    Lesson("memorising", "A network that memorises, and the cures", overfitting.memorising),
    Lesson(
        "histograms", "Baselines: counting colours and edges is not enough", comparison.histograms
    ),
    Lesson("transfer", "Start from what another network learned", comparison.transfer),
)
