"""Options of a network by name reach it, and a value of the wrong kind is told."""

import pytest

from jaxcnn.runs.build import build_model
from jaxcnn.runs.config import make_config, resolve


def network(model_options, model="six_conv"):
    return build_model(resolve(make_config(model=model, model_options=model_options)), 2)


def test_options_by_name_reach_the_network():
    made = network("widths=4:8:8:8:8:8, bn_epsilon=1, pool_size=1, pool_padding=same")
    assert made.widths == (4, 8, 8, 8, 8, 8)
    assert (made.bn_epsilon, made.pool_size, made.pool_padding) == (1, 1, "same")


@pytest.mark.parametrize(
    ("model", "model_options", "message"),
    [
        (
            "six_conv",
            "widths=3",
            "widths of six_conv must be whole numbers .* widths=16:32; got 3",
        ),
        ("six_conv", "widths=a:2", r"must be whole numbers .* got 'a:2'"),
        ("six_conv", "depth=x", r"depth of six_conv must be a whole number, .* got 'x'"),
        ("six_conv", "depth=true", r"depth of six_conv must be a whole number, .* got True"),
        ("resnet50", "bn_epsilon=x", r"bn_epsilon of resnet50 must be a number, .* got 'x'"),
        ("resnet50", "zero_init_residual=3", "must be true or false, .* got 3"),
        ("resnet50", "stem=3", "stem of resnet50 must be a word, .* got 3"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told(model, model_options, message):
    with pytest.raises(ValueError, match=message):
        network(model_options, model)
