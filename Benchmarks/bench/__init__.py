"""The side-by-side benchmark. Benchmarks/README.md says what is measured and how to read it."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/Support"))
