"""Allocations a request, counted in a program of its own so that counting costs the measured one nothing."""
import pathlib

from bench.contestants import Ours, World
from bench.load import ask_in_turn
from support.allocations import AllocationCounter

WARM, COUNTED = 300, 1000


def allocations(ours: Ours, world: World, folder: pathlib.Path) -> float:
    """How many allocations a request on a connection that stays makes, once warm."""
    counter = AllocationCounter(folder)
    contestant = ours.start(world, folder / "gatehouse", **counter.environment)
    try:
        ask_in_turn(contestant, WARM)
        before = counter.calls
        if before == 0:
            raise RuntimeError("nothing was counted: the program does not take its memory from libc")
        ask_in_turn(contestant, COUNTED)
        return (counter.calls - before) / COUNTED
    finally:
        contestant.process.stop(5)
