"""The benchmark runs, and every contestant answers what it should."""
import json
import subprocess
import sys

from support.gatehouse import ROOT


def test_the_benchmark_measures_every_scenario(tmp_path):
    answer = subprocess.run(
        [sys.executable, ROOT / "Benchmarks/bench.py", "--rounds", "1", "--seconds", "1", "--connections", "4",
         "--json", tmp_path / "figures.json"], capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())["figures"]
    assert set(figures) == {"nginx", "plain", "jwt-same", "session"}
    for row in figures.values():
        assert row["failures"] == 0 and row["cpu_us"] > 0 and row["per_second"] > 100
