"""Ranks: the processes that ``mpiexec`` starts, each of which trains on a share of every batch.

Knows parameters, and mpi4py, which is imported only where ``mpiexec`` started the process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np

from ..engine.arguments import number
from ..engine.gradients import replace_data
from ..engine.tensor import Tensor
from ..errors import ArgumentError, PackageError
from ..optim.options import parameters as checked

# what MPICH, Open MPI, and Intel's and Slurm's launchers set
LAUNCHED = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK")


@cache
def _ranks() -> Any:
    """Return mpi4py's communicator of all ranks, or None for a process alone.

    Raises
    ------
    PackageError
        If ``mpiexec`` started this process, and mpi4py is not installed.
    """
    if not any(name in os.environ for name in LAUNCHED):
        return None
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise PackageError(
            "parallel: several processes need mpi4py and an MPI library: pip install "
            f"'tinygrad-lstm[mpi]' ({error})"
        ) from None
    return MPI.COMM_WORLD if MPI.COMM_WORLD.size > 1 else None


def size() -> int:
    """Return the number of ranks; 1 for a process alone."""
    return 1 if _ranks() is None else int(_ranks().size)


def rank() -> int:
    """Return the number of this process, from 0."""
    return 0 if _ranks() is None else int(_ranks().rank)


def average(parameters: Iterable[Tensor], weight: float = 1.0) -> None:
    """Replace the gradients of parameters by their mean over all ranks.

    All ranks get the same numbers to the last bit. A process alone keeps its gradients.

    Parameters
    ----------
    parameters : iterable of Tensors
        The same on all ranks. A gradient that is missing on a rank counts as 0.
    weight : float, at least 0
        How much this rank counts: the number of its items, where the loss is a mean of them.

    Raises
    ------
    ArgumentError
        If the weights of all ranks are 0, or the ranks have parameters of different sizes.

    Examples
    --------
    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> average([w])  # of one process
    >>> w.grad
    array([2., 4.])
    """
    leaves = checked("average", parameters)
    weight = number("average: weight", weight, 0.0)
    if _ranks() is None:
        return
    count = sum(x.size for x in leaves)
    counts, squares = total([count, count**2])
    if counts**2 != squares * size():  # MPI would wait for the numbers that are missing
        raise ArgumentError(
            f"average: found {count} numbers on rank {rank()}, and another count on another rank; "
            "give all ranks the same parameters"
        )
    own = [np.zeros(x.shape) if x.grad is None else weight * x.grad for x in leaves]
    sums = total(np.concatenate([*(array.ravel() for array in own), [weight]]))
    if not sums[-1]:
        raise ArgumentError("average: the weights of all ranks are 0")
    start = 0
    for x in leaves:
        mean = sums[start : start + x.size] / sums[-1]
        x.grad, start = mean.reshape(x.shape).astype(x.dtype), start + x.size


def total(numbers: Any) -> np.ndarray:
    """Return the sums of float64 numbers over all ranks, the same to the last bit on each."""
    own = np.asarray(numbers, np.float64)
    comm = _ranks()
    if comm is None:
        return own
    sums = np.zeros_like(own)
    comm.Reduce(own, sums)
    comm.Bcast(sums)
    return sums


def take_over(tensors: Iterable[Tensor]) -> None:
    """Give Tensors the numbers that they have on rank 0."""
    comm = _ranks()
    if comm is not None:
        replace_data({x: comm.bcast(x.numpy()) for x in tensors})


def at_first(work: Callable[[], Any]) -> None:
    """Let rank 0 do a piece of work, for which the others wait; what it raises, all raise."""
    comm = _ranks()
    if comm is None:
        work()
        return
    failure = None
    if comm.rank == 0:
        try:
            work()
        except Exception as error:
            failure = error
    failure = comm.bcast(failure)
    if failure is not None:
        raise failure


def end_all(error: BaseException) -> None:
    """End all ranks, which would wait for this one for ever; a process alone goes on."""
    comm = _ranks()
    if comm is not None:
        sys.stderr.write(f"tinygrad-lstm: rank {comm.rank} ends all: {error}\n")
        sys.stderr.flush()
        comm.Abort(1)


__all__ = ["average", "rank", "size"]


def __dir__() -> list[str]:
    return sorted(__all__)
