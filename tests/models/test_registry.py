import jax
import jax.numpy as jnp
import pytest

from jaxcnn import models
from jaxcnn.models import create_model, list_models, model_options

FIRST = {next(iter(family.MODELS)) for family in models._FAMILIES}


def test_names_are_listed_in_order():
    assert list_models() == sorted(list_models())
    assert set(list_models()) > FIRST


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in FIRST else [pytest.mark.slow])
        for name in list_models()
    ],
)
def test_every_listed_model_is_made_by_its_name_and_maps_images_to_logits(name):
    heads = {"softmax": 2, "sigmoid": 1} if name in ("lenet5", "resnet18") else {"softmax": 2}
    for head, num_logits in heads.items():
        model = create_model(name, 2, head=head)
        images = jax.ShapeDtypeStruct((3, 224, 224, 3), jnp.float32)
        logits, variables = jax.eval_shape(
            lambda key, x, model=model: model.init_with_output(key, x, train=False),
            jax.random.key(0),
            images,
        )
        assert (logits.shape, logits.dtype) == ((3, num_logits), jnp.float32)
        assert set(variables) <= {"params", "batch_stats"}
        assert "head" in variables["params"]


def test_options_reach_the_model():
    model = create_model("six_conv", 5, width_multiplier=0.5, depth=3)
    assert (model.num_classes, model.width_multiplier, model.depth) == (5, 0.5, 3)


def test_model_options_are_the_settable_fields_and_their_defaults():
    options = model_options("six_conv")
    assert options["depth"] == 6
    assert options["dense_widths"] == (128,)
    assert not {"num_classes", "parent", "name", "starts_after"} & set(options)
    for name in list_models():
        create_model(name, 2, **model_options(name))


def test_unknown_model_lists_the_known_nearest_first():
    with pytest.raises(ValueError, match="unknown model 'sixconv'; known, nearest first: six_conv"):
        create_model("sixconv", 2)
    with pytest.raises(ValueError, match="unknown model 'lenet'; known, nearest first: lenet5"):
        model_options("lenet")


@pytest.mark.parametrize(
    ("name", "option", "nearest"),
    [
        ("six_conv", "dropout", "dropout_rate"),
        ("lenet5", "dtyp", "dtype"),
        ("six_conv", "parent", ""),
    ],
)
def test_unknown_option_lists_the_known_nearest_first(name, option, nearest):
    message = f"unknown option of {name} '{option}'; known, nearest first: {nearest}"
    with pytest.raises(ValueError, match=message):
        create_model(name, 2, **{option: 0.1})
