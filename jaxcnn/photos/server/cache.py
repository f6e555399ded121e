"""Results that are made once and cached while they are in use, within a bound."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Cache(Generic[T]):
    """A cache that drops what was used least recently; any number of threads may use it.

    Args:
      limit: the greatest sum of sizes, in the unit of `size_of`.
      size_of: measures one result.

    Example:
      >>> cache = Cache(2)
      >>> for name in "abc": cache.put(name, name.upper())
      >>> cache.get("a"), cache.get("c")
      (None, 'C')
    """

    def __init__(self, limit: int, size_of: Callable[[T], int] = lambda value: 1) -> None:
        self._limit = limit
        self._size_of = size_of
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self._total = 0
        self._lock = threading.Lock()

    @property
    def total(self) -> int:
        """The sum of the sizes of what is cached."""
        return self._total

    def get(self, key: Hashable) -> T | None:
        """Return what is cached under a key, and count it as used; None where nothing is."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key]

    def put(self, key: Hashable, value: T) -> None:
        """Cache a value; whatever exceeds the limit is dropped, the value itself included."""
        with self._lock:
            if key in self._values:
                self._total -= self._size_of(self._values.pop(key))
            self._values[key] = value
            self._total += self._size_of(value)
            while self._total > self._limit:
                _, dropped = self._values.popitem(last=False)
                self._total -= self._size_of(dropped)

    def get_or_make(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is cached under a key, made now where nothing is.

        Two threads that ask at once both make it, which is harmless and leaves no lock held.
        """
        if (found := self.get(key)) is not None:
            return found
        made = make()
        self.put(key, made)
        return made
