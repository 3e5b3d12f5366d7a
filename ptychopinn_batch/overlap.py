"""Reading ahead, writing behind, working side by side: what keeps devices computing.

One thing is read ahead, one written behind and one worked on by each worker, so that memory stays
bounded. What fails in a thread fails in whoever waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")
Args = ParamSpec("Args")

_END: Any = object()


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items, the next one fetched in a thread while the last is being used."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, items, _END)
        while (item := waiting.result()) is not _END:
            waiting = pool.submit(next, items, _END)
            yield item


def side_by_side(
    items: Iterable[Item], workers: Sequence[Callable[[Item], Made]]
) -> Iterator[Made]:
    """What the workers make of the items, each by one of them, in the order they are done in."""
    idle, busy = list(workers), dict[Future[Made], Callable[[Item], Made]]()
    with ThreadPoolExecutor(len(workers)) as pool:
        for item in items:
            if not idle:
                for done in wait(busy, return_when=FIRST_COMPLETED).done:
                    idle.append(busy.pop(done))
                    yield done.result()
            worker = idle.pop()
            busy[pool.submit(worker, item)] = worker
        for done in as_completed(busy):
            yield done.result()


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
