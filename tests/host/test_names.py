from jaxcnn.host.names import nearest_first, unknown_name


def test_the_likeliest_name_comes_first_and_none_is_missing():
    known = ["sgd", "adam", "adamw", "lion"]
    assert nearest_first("Adamm", known)[0] == "adam"
    assert sorted(nearest_first("x", known)) == sorted(known)
    assert str(unknown_name("optimizer", "lionn", known)).index("lion,") < 60


def test_of_many_names_the_nearest_few_are_listed():
    error = unknown_name("model", "m07", [f"m{i:02d}" for i in range(50)], all_by="list_models()")
    assert str(error).count("m0") < 7
    assert str(error).endswith(" and 45 more; list_models() lists all.")
    assert "lists all" not in str(unknown_name("model", "m", ["a", "b"], all_by="list_models()"))
