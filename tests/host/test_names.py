from jaxcnn.host.names import nearest_first, unknown_name


def test_the_likeliest_name_comes_first_and_none_is_missing():
    known = ["sgd", "adam", "adamw", "lion"]
    assert nearest_first("Adamm", known)[0] == "adam"
    assert sorted(nearest_first("x", known)) == sorted(known)
    assert str(unknown_name("optimizer", "lionn", known)).index("lion,") < 60
