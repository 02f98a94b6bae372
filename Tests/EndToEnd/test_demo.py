"""The demo proves every way in, and leaves nothing behind."""
import os
import subprocess

from support.gatehouse import ROOT, program
from support.processes import accepts, free_port


def test_the_demo_proves_what_it_shows():
    ports = {f"DEMO_{name}_PORT": str(free_port()) for name in ("GATEWAY", "ISSUER", "API", "STATUS")}
    answer = subprocess.run(
        [ROOT / "scripts/demo", "--once"], capture_output=True, text=True, timeout=180, check=False,
        env={**os.environ, "GATEHOUSE": program(), **ports})
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "all as it should be" in answer.stdout
    assert not any(accepts(int(port)) for port in ports.values())
