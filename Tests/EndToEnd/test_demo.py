"""The demos prove what they show, and leave nothing behind."""
import os
import subprocess

import pytest

from support.gatehouse import ROOT, program
from support.processes import accepts, free_port

pytestmark = pytest.mark.alone


def test_the_demo_proves_what_it_shows():
    ports = {f"DEMO_{name}_PORT": str(free_port()) for name in ("GATEWAY", "ISSUER", "API", "STATUS")}
    answer = subprocess.run(
        [ROOT / "scripts/demo", "--once"], capture_output=True, text=True, timeout=180, check=False,
        env={**os.environ, "GATEHOUSE": program(), **ports})
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "all as it should be" in answer.stdout
    assert not any(accepts(int(port)) for port in ports.values())


def test_two_zones_alternate_fail_over_and_come_back():
    ports = {f"DEMO_{name}_PORT": str(free_port()) for name in ("GATEWAY", "STATUS", "A", "B")}
    answer = subprocess.run(
        [ROOT / "scripts/demo", "zones", "--once"], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "GATEHOUSE": program(), **ports})
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "Zone a is killed" in answer.stdout and "all as it should be" in answer.stdout
    assert not any(accepts(int(port)) for port in ports.values())
