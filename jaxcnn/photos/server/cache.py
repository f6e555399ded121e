"""Results that are made once and kept while they are asked for, within a bound."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """A store that forgets what was not asked for longest; any number of threads may use it.

    Args:
      limit: the greatest sum of sizes, in the unit of `size_of`.
      size_of: measures one result.

    Example:
      >>> kept = Kept(2)
      >>> for name in "abc": kept.put(name, name.upper())
      >>> kept.get("a"), kept.get("c")
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
        """The sum of the sizes of what is kept."""
        return self._total

    def get(self, key: Hashable) -> T | None:
        """Return what is kept under a key, and count it as asked for; None where nothing is."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key]

    def put(self, key: Hashable, value: T) -> None:
        """Keep a value; whatever exceeds the limit is forgotten, the value itself included."""
        with self._lock:
            if key in self._values:
                self._total -= self._size_of(self._values.pop(key))
            self._values[key] = value
            self._total += self._size_of(value)
            while self._total > self._limit:
                _, forgotten = self._values.popitem(last=False)
                self._total -= self._size_of(forgotten)

    def get_or_make(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is kept under a key, made now where nothing is.

        Two threads that ask at once both make it, which is harmless and leaves no lock held.
        """
        if (found := self.get(key)) is not None:
            return found
        made = make()
        self.put(key, made)
        return made
