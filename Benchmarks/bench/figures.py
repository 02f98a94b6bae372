"""From rounds to figures: medians, ratios within a round, and what became of each goal."""
import statistics
from collections.abc import Iterable

from bench.contestants import Contestant
from bench.rows import Goal, Row

RATIOS = ("cpu_us", "per_second", "p99_ms")
MEDIANS = ("cpu_us", "per_second", "p50_ms", "p99_ms", "others_percent")
FACTS = ("rss", "pss", "octets_each", "connections", "hit_rate", "allocations", "ready_seconds", "verify_us")


def median(values: Iterable[float]) -> float:
    return statistics.median(list(values))


def within(mine: Contestant, theirs: Contestant, figure) -> float:
    """The median over the rounds of a figure that two contestants' results of one round give."""
    return median(figure(one, other) for one, other in zip(mine.rounds, theirs.rounds))


def contestant_figures(one: Contestant, reference: Contestant) -> dict:
    """All figures of one contestant in one row."""
    found: dict = {name: one.facts[name] for name in FACTS if name in one.facts}
    found["failures"] = sum(result["failures"] for result in one.rounds)
    for name in MEDIANS:
        if name in one.rounds[0]:
            found[name] = median(result[name] for result in one.rounds)
    for name in RATIOS:
        if name in found:
            found[f"{name}_to_nginx"] = within(one, reference, lambda mine, theirs, name=name: mine[name] / theirs[name])
    for name in ("rss", "pss", "octets_each"):
        if found.get(name) and reference.facts.get(name):
            found[f"{name}_to_nginx"] = found[name] / reference.facts[name]
    found["spread_percent"] = spread(one)
    return found


def spread(one: Contestant) -> float:
    """How far apart the rounds' CPU times a request lie, as a share of their median."""
    values = [result["cpu_us"] for result in one.rounds if "cpu_us" in result]
    return (max(values) - min(values)) / median(values) * 100 if values else 0.0


def reached(goal: Goal, found: dict[str, Contestant]) -> float:
    """What was measured of a goal."""
    mine = found[goal.of]
    if goal.figure == "octets":
        return mine.facts["octets_each"]
    if goal.figure == "verifications":
        return within(mine, found[goal.to], lambda one, other: (one["cpu_us"] - other["cpu_us"]) / one["verify_us"])
    return within(mine, found[goal.to], lambda one, other: one["cpu_us"] / other["cpu_us"])


def verdict(goal: Goal, value: float) -> str:
    """Met, the least of it met, or missed."""
    if value <= goal.goal:
        return "met"
    return "least met" if goal.least is not None and value <= goal.least else "missed"


def row_figures(row: Row, contestants: list[Contestant]) -> dict:
    """All of a row; the first contestant is the reference."""
    found = {one.name: one for one in contestants}
    goals = []
    for goal in row.goals:
        if goal.to not in found:
            continue
        value = reached(goal, found)
        goals.append({
            "figure": goal.figure, "of": goal.of, "to": goal.to, "goal": goal.goal, "least": goal.least,
            "measured": value, "verdict": verdict(goal, value)})
    return {
        "what": row.what, "goals": goals,
        "contestants": {one.name: contestant_figures(one, contestants[0]) for one in contestants}}
