"""Reading ahead and writing behind: what keeps a device computing while files are worked on.

One thing is read ahead and one written behind, so that memory stays bounded. Order is kept, and
what fails in a thread fails in whoever waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, ParamSpec, Self, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")
Args = ParamSpec("Args")


def ahead(items: Iterable[Item], make: Callable[[Item], Made]) -> Iterator[Made]:
    """What `make` makes of each item, the next one in a thread while the last is being used."""
    with ThreadPoolExecutor(1) as pool:
        waiting: Future[Made] | None = None
        for item in items:
            done, waiting = waiting, pool.submit(make, item)
            if done is not None:
                yield done.result()
        if waiting is not None:
            yield waiting.result()


class Behind(Generic[Args]):
    """Calls a function in a thread; the next call, and the end of the block, wait for the last."""

    def __init__(self, function: Callable[Args, object]) -> None:
        self._function = function
        self._pool = ThreadPoolExecutor(1)
        self._last: Future[object] | None = None

    def __enter__(self) -> Self:
        return self

    def __call__(self, *args: Args.args, **kwargs: Args.kwargs) -> None:
        """Begin a call; what the one before raised is raised here."""
        self._wait()
        self._last = self._pool.submit(self._function, *args, **kwargs)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()
        if error is None:
            self._wait()

    def _wait(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            last.result()
