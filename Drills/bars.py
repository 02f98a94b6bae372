"""What a drill must hold to, as data, beside what was measured."""
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """One figure of a drill and its bound."""

    name: str
    what: str
    at_most: float | None = None
    at_least: float | None = None
    unit: str = ""
    # Judged in a full run only: a figure of speed, or one that needs its time.
    full_only: bool = False

    def bound(self) -> str:
        """The bound for a reader."""
        sign, value = ("<=", self.at_most) if self.at_least is None else (">=", self.at_least)
        return f"{self.what}: {sign} {shown(value)}{self.unit}"

    def held(self, value: float) -> bool:
        """Whether a measured value keeps to the bound."""
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)


class NotHere(str):
    """Stands in the place of a figure that this machine or this version cannot give: the reason."""


def most(name: str, what: str, value: float, unit: str = "", full_only: bool = False) -> Bar:
    """A figure that may not be greater."""
    return Bar(name, what, at_most=value, unit=unit, full_only=full_only)


def least(name: str, what: str, value: float, unit: str = "", full_only: bool = False) -> Bar:
    """A figure that may not be smaller."""
    return Bar(name, what, at_least=value, unit=unit, full_only=full_only)


def shown(value: float) -> str:
    """A figure as short as it can be said."""
    if math.isinf(value):
        return "never"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"


@dataclass
class Judged:
    """A bar, what was measured against it, and the verdict: `held`, `broken`, or why it was not judged."""

    bar: Bar
    measured: float | str
    verdict: str


def judge(bars: list[Bar], figures: dict, quick: bool) -> list[Judged]:
    """Holds figures against bars; a figure that is missing is a broken bar."""
    judged = []
    for bar in bars:
        value = figures.get(bar.name, "not measured")
        if isinstance(value, NotHere):
            judged.append(Judged(bar, str(value), "not here"))
        elif isinstance(value, str):
            judged.append(Judged(bar, value, "broken"))
        elif bar.full_only and quick:
            judged.append(Judged(bar, value, "not judged"))
        else:
            judged.append(Judged(bar, value, "held" if bar.held(value) else "broken"))
    return judged
