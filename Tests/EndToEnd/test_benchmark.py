"""The benchmark runs, every contestant answers what it should, and its sums are right."""
import json
import os
import subprocess
import sys

import pytest

from support.gatehouse import ROOT

sys.path.insert(0, str(ROOT / "Benchmarks"))

from bench.figures import reached, verdict  # noqa: E402
from bench.rows import ROWS, Goal  # noqa: E402

pytestmark = pytest.mark.alone


def test_the_benchmark_measures_every_row(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-B", "-m", "bench", "--rounds", "1", "--seconds", "1", "--warm-up", "0", "--connections", "4",
         "--tokens", "300", "--routes", "500", "--idle", "50", "--peers", "", "--json", tmp_path / "figures.json"],
        capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "PYTHONPATH": str(ROOT / "Benchmarks")})
    assert answer.returncode == 0, answer.stdout + answer.stderr
    rows = json.loads((tmp_path / "figures.json").read_text())["rows"]
    assert set(rows) == {row.name for row in ROWS}
    for row in ROWS:
        found = rows[row.name]
        assert set(found["contestants"]) == {"nginx", *(ours.name for ours in row.ours)}
        # A goal beside a peer needs the peer.
        assert [goal["goal"] for goal in found["goals"]] == [
            goal.goal for goal in row.goals if goal.to in found["contestants"]]
        for one in found["contestants"].values():
            assert one["failures"] == 0 and one["pss"] > 1_000_000
            assert row.idle or (one["cpu_us"] > 0 and one["per_second"] > 50)
    assert rows["jwt-same"]["contestants"]["gatehouse"]["hit_rate"] > 0.9
    assert rows["jwt-distinct"]["contestants"]["gatehouse"]["hit_rate"] < 0.05
    assert rows["plain"]["contestants"]["gatehouse"]["allocations"] > 0
    assert "| plain | CPU, × nginx | 1.00 | 1.05 |" in answer.stdout


@pytest.mark.parametrize("value, said", [(1.0, "met"), (1.01, "least met"), (1.05, "least met"), (1.06, "missed")])
def test_a_goal_is_met_up_to_its_bound_and_its_least_after_it(value, said):
    assert verdict(Goal(1.0, 1.05), value) == said


def test_a_goal_without_a_least_is_met_or_missed():
    assert [verdict(Goal(4096, figure="octets"), value) for value in (4096, 4097)] == ["met", "missed"]


class Measured:
    """A contestant as its rounds left it."""

    def __init__(self, *cpu: float, verify: float = 10.0, octets: int = 0):
        self.rounds = [{"cpu_us": value, "verify_us": verify} for value in cpu]
        self.facts = {"octets_each": octets}


def test_a_ratio_is_the_median_of_what_each_round_gave():
    found = {"gatehouse": Measured(30, 20, 90), "nginx": Measured(10, 20, 30)}
    assert reached(Goal(1.0), found) == 3


def test_verifications_are_what_lies_above_nginx():
    found = {"gatehouse": Measured(31, verify=10), "nginx": Measured(20, verify=10)}
    assert reached(Goal(1.1, figure="verifications"), found) == pytest.approx(1.1)


def test_an_unknown_row_or_peer_is_refused():
    for option in ("--only", "--peers"):
        answer = subprocess.run(
            [sys.executable, "-B", "-m", "bench", option, "plain,nobody"], capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT / "Benchmarks")})
        assert answer.returncode == 2 and "nobody" in answer.stderr and "there are" in answer.stderr
