"""A flag that decides nothing in what is asked for is refused in one line."""

import pytest
from programs import try_words


@pytest.mark.parametrize(
    "words", [["train", "--data_dir="], ["predict", "--csv=", "x.jpg"], ["report", "--workdir="]]
)
def test_an_empty_text_is_refused_and_not_passed_over(words):
    done = try_words(*words)
    assert done.returncode == 2
    (name,) = [word for word in words if word.endswith("=")]
    assert done.stderr == f"error: {name[:-1]} is empty; give a value, or leave it out.\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["train", "--mode=evaluate", "--workdir=x", "--batch_size=3"], "--batch_size"),
        (["train", "--mode=evaluate", "--workdir=x", "--resume"], "--resume"),
        (["train", "--mode=evaluate", "--workdir=x", "--plan_classes=3"], "--plan_classes"),
        (["train", "--plan_classes=3"], "--plan_classes"),
        (["report", "--workdir=x", "--data_dir=photos"], "--data_dir"),
    ],
)
def test_a_flag_without_effect_is_refused(words, named):
    done = try_words(*words)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {named} has no effect")
