"""One picture or several: results of several come as they are asked for, in bounded memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator as AnyIterator
from typing import Any, Callable, Generator, Iterator, List, Tuple, TypeVar, Union

from ..errors import MmlensError
from ..models.inputs import Picture
from ..models.network import Network
from .job import Attributions, Job
from .together import explain_together, go_together

# What front doors take for several pictures.
Pictures = Union[List[Picture], Tuple[Picture, ...], Iterator[Picture]]
Result = TypeVar('Result')


def check_batch_size(batch_size: int) -> None:
    """Check how many pictures are to go through a network together.

    Raises:
        MmlensError: If it is no number from 1 up.
    """
    if batch_size < 1:
        raise MmlensError(f'`batch_size` must be at least 1, not {batch_size}.')


def one_or_each(network: Network, picture: Union[Picture, Pictures], explain: Callable[[Picture], Result]) -> Any:
    """What comes of a picture, or a generator of what comes of each of several, read a little ahead of its turn."""
    if not isinstance(picture, (list, tuple, AnyIterator)):
        return explain(picture)
    return _each(network, picture, explain)


def _each(network: Network, pictures: Pictures, explain: Callable[[Picture], Result]) -> Generator[Result, None, None]:
    with contextlib.closing(network.pipeline.read_ahead(pictures)) as read:
        for picture in read:
            yield explain(picture)


def answers(
    network: Network,
    picture: Union[Picture, Pictures],
    ask: Callable[[Picture], Job],
    answer: Callable[[Job, Attributions], Result],
    batch_size: int = 1,
) -> Any:
    """Explain a picture, or several.

    Args:
        network: The network.
        picture: One picture, or several.
        ask: What is asked of a picture.
        answer: Makes the result of what came of it.
        batch_size: How many pictures go through the network together, at most.

    Returns:
        The result, or a generator of results.
    """

    def explain(picture: Picture) -> Result:
        job = ask(picture)
        return answer(job, job.run())

    if batch_size == 1 or not isinstance(picture, (list, tuple, AnyIterator)):
        return one_or_each(network, picture, explain)
    return _in_batches(network, picture, ask, answer, batch_size)


def _in_batches(
    network: Network,
    pictures: Pictures,
    ask: Callable[[Picture], Job],
    answer: Callable[[Job, Attributions], Result],
    batch_size: int,
) -> Generator[Result, None, None]:
    jobs: List[Job] = []

    def explained() -> Iterator[Result]:
        found = explain_together(jobs)
        for job, one in zip(jobs, found):
            yield answer(job, job.run() if one is None else one)
        jobs.clear()

    with contextlib.closing(network.pipeline.read_ahead(pictures, most=batch_size)) as read:
        for picture in read:
            try:
                job = ask(picture)
                fits = not jobs or go_together(jobs[0], job)  # puts it through the pipeline
            except Exception:
                yield from explained()  # those before it come first
                raise
            if not fits or len(jobs) == batch_size:
                yield from explained()
            jobs.append(job)
    yield from explained()
