"""What is kept stays within its bound and is forgotten in order of use."""

from jaxcnn.photos.server.cache import Kept


def test_the_longest_unused_is_forgotten_first():
    kept = Kept(10, len)
    kept.put("a", b"aaaa")
    kept.put("b", b"bbbb")
    assert kept.get("a") == b"aaaa"
    kept.put("c", b"cccc")
    assert kept.get("b") is None
    assert kept.get("a") == b"aaaa"
    assert kept.total == 8


def test_a_replaced_value_is_counted_once_and_one_too_large_is_not_kept():
    kept = Kept(10, len)
    kept.put("a", b"aaaa")
    kept.put("a", b"aa")
    assert kept.total == 2
    kept.put("b", b"b" * 11)
    assert kept.get("b") is None
    assert kept.total == 0


def test_a_value_is_made_once():
    made = []
    kept = Kept(10)
    for _ in range(2):
        assert kept.get_or_make("a", lambda: made.append(1) or "A") == "A"
    assert made == [1]
