"""What is cached stays within its bound and is dropped in order of use."""

from jaxcnn.photos.server.cache import Cache


def test_the_longest_unused_is_forgotten_first():
    cache = Cache(10, len)
    cache.put("a", b"aaaa")
    cache.put("b", b"bbbb")
    assert cache.get("a") == b"aaaa"
    cache.put("c", b"cccc")
    assert cache.get("b") is None
    assert cache.get("a") == b"aaaa"
    assert cache.total == 8


def test_a_replaced_value_is_counted_once_and_one_too_large_is_not_cached():
    cache = Cache(10, len)
    cache.put("a", b"aaaa")
    cache.put("a", b"aa")
    assert cache.total == 2
    cache.put("b", b"b" * 11)
    assert cache.get("b") is None
    assert cache.total == 0


def test_a_value_is_made_once():
    made = []
    cache = Cache(10)
    for _ in range(2):
        assert cache.get_or_make("a", lambda: made.append(1) or "A") == "A"
    assert made == [1]
