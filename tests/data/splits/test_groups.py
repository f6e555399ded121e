import pytest

from jaxcnn.data.splits.groups import GroupedSource, describe_groups, groups_by_name


def test_the_first_group_or_the_whole_match_names_the_group():
    names = ["cat/rex_1.jpg", "cat/rex_2.jpg", "dog/tim\n3.jpg", "dog/é,1.jpg", "\udcff"]
    assert groups_by_name(names, r"/([^\W\d_]+)") == ["rex", "rex", "tim", "é", ""]
    assert groups_by_name(names, r"^\w+/") == ["cat/", "cat/", "dog/", "dog/", ""]
    assert groups_by_name(["a", "b"], "a|(b)") == ["", "b"]
    assert groups_by_name([], "x") == []


def test_a_pattern_that_cannot_be_used_is_refused():
    with pytest.raises(
        ValueError, match=r"group_by \(=\(a\) must be a regular expression; missing"
    ):
        groups_by_name(["a"], "(a")
    with pytest.raises(ValueError, match=r"group_by \(=x\) matches no name, such as a\.jpg"):
        groups_by_name(["a.jpg"], "x")


def test_each_example_needs_a_group():
    with pytest.raises(ValueError, match="got 1 groups for 0 examples"):
        GroupedSource(type("Empty", (list,), {"class_names": ()})(), ["a"])


def test_groups_are_described():
    assert describe_groups(["a", "a"]) == "1 group, the largest a of 2 photos"
    assert describe_groups(["a", "", ""]).endswith("of 1 photo; 2 photos stand alone")
