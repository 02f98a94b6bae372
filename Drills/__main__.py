"""Runs drills and says what held: see scripts/drills."""
import argparse
import importlib
import json
import os
import pathlib
import re
import signal
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests/Support"))

from Drills.bars import Judged, judge, shown  # noqa: E402
from Drills.site import LOAD_CORE, Site  # noqa: E402
from support.gatehouse import program, run  # noqa: E402


def drills() -> dict[str, str]:
    """Every drill's short name and its module, by number, D before E."""
    found = {}
    for file in (ROOT / "Drills").glob("*.py"):
        if named := re.match(r"([de])(\d+)_\w+\.py$", file.name):
            found[(named[1], int(named[2]))] = file.stem
    return {f"{letter}{number}": found[letter, number] for letter, number in sorted(found)}


def hold(name: str, module, quick: bool) -> tuple[list[Judged], list[str], float]:
    """Holds one drill; what it raises breaks every bar."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"drill-{name}-") as folder:
        site = Site(pathlib.Path(folder), quick)
        try:
            figures = module.drill(site)
        except Exception as error:  # noqa: BLE001 - a drill that fails must not hide the others
            traceback.print_exc()
            figures = {bar.name: f"{type(error).__name__}: {error}"[:120] for bar in module.BARS}
        finally:
            site.close()
    return judge(module.BARS, figures, quick), site.notes, time.monotonic() - began


def show(name: str, judged: list[Judged], notes: list[str]):
    """The rows of one drill."""
    for one in judged:
        value = one.measured if isinstance(one.measured, str) else shown(one.measured) + one.bar.unit
        print(f"| {name.upper()} | {one.bar.bound()} | {value} | {one.verdict} |")
    for note in notes:
        print(f"| {name.upper()} | note | {note} | |")
    sys.stdout.flush()


def main() -> int:
    known = drills()
    parser = argparse.ArgumentParser(prog="scripts/drills", description="Holds the program's drills.")
    parser.add_argument("names", nargs="*", metavar="drill", help=f"of {', '.join(known)}; default: all")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes; figures of speed are not judged")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="writes what was measured")
    arguments = parser.parse_args()
    names = [name.lower() for name in arguments.names] or list(known)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no such drill: {', '.join(unknown)}; there are {', '.join(known)}")
    if not pathlib.Path(program()).exists():
        parser.error(f"no program at {program()}: build it (scripts/build) or say where it is (GATEHOUSE)")
    os.sched_setaffinity(0, {LOAD_CORE})
    # Whoever ends the run ends what it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results, failed = {}, 0
    print("| drill | bar | measured | held |\n| --- | --- | --- | --- |", flush=True)
    for name in names:
        module = importlib.import_module(f"Drills.{known[name]}")
        judged, notes, seconds = hold(name, module, arguments.quick)
        show(name, judged, notes)
        failed += any(one.verdict == "broken" for one in judged)
        results[name] = {
            "seconds": round(seconds, 1), "notes": notes, "bars": [
                {"bar": one.bar.bound(), "measured": one.measured, "verdict": one.verdict} for one in judged]}
    if arguments.json:
        arguments.json.write_text(json.dumps({
            "program": pathlib.Path(program()).name, "version": run("--version").stdout.strip(),
            "when": time.strftime("%Y-%m-%d"), "cores": os.cpu_count(), "quick": arguments.quick,
            "drills": results}, indent=2) + "\n")
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
