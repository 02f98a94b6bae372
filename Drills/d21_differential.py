"""D21 differential: the same raw requests to us and to four other proxies; what only we let through has a reason."""
import collections
import contextlib
import json
import pathlib
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "Tests/Support"), str(ROOT / "Tests/EndToEnd")]

from Drills.bars import NotHere, least, most  # noqa: E402
from Drills.differential import mutations, peers, reasons  # noqa: E402
from Drills.differential.asking import Outcome, ask  # noqa: E402
from Drills.site import Site  # noqa: E402
from support.gatehouse import route, service  # noqa: E402
from support.origin import StrictOrigin  # noqa: E402

COUNT, QUICK_COUNT = 1600, 200
BARS = [
    least("requests", "requests that each of the five was sent", 1500, full_only=True),
    most("unexplained", "forwarded by us, refused by another, and no reason written", 0),
    most("bodies", "forwarded by us and another, with unlike bodies, and no reason written", 0),
    most("faults", "heads and bodies of ours that the strict origin refuses", 0),
    most("unused", "reasons that explain nothing", 0, full_only=True)]


def all_outcomes(site: Site, count: int) -> tuple[list[bytes], dict[str, list[Outcome]]]:
    """What each of the five made of each request."""
    raw = mutations.requests(count)
    own = site.ending.enter_context(StrictOrigin())
    gatehouse = site.gatehouse({"services": [service(own.url, route("all", "/"))]})
    doors = {"gatehouse": (gatehouse.port, own)}
    for name in peers.PEERS:
        doors[name] = peers.start(name, site.folder, site.ending)
    with ThreadPoolExecutor(len(doors)) as threads:
        answers = threads.map(lambda door: [ask(*door, octets) for octets in raw], doors.values())
        return raw, dict(zip(doors, answers))


def drill(site: Site) -> dict:
    """Asks all five, and looks for a reason wherever ours lets through what another does not."""
    if missing := peers.missing():
        return {bar.name: NotHere(f"not installed: {', '.join(missing)}") for bar in BARS}
    raw, outcomes = all_outcomes(site, site.pick(COUNT, QUICK_COUNT))
    used, unexplained, bodies = collections.Counter(), [], []
    for index, octets in enumerate(raw):
        ours = outcomes["gatehouse"][index]
        for name in peers.PEERS:
            theirs = outcomes[name][index]
            if len(ours.seen) > len(theirs.seen):
                found = reasons.of(octets, name, theirs.statuses)
                used.update(found)
                unexplained += [] if found else [(name, octets, ours, theirs)]
            elif [body for _, body in ours.seen] != [body for _, body in theirs.seen][:len(ours.seen)]:
                bodies.append((name, octets, ours, theirs))
    report(site, raw, outcomes, used, unexplained, bodies)
    return {
        "requests": len(raw), "unexplained": len(unexplained), "bodies": len(bodies),
        "faults": sum(len(outcome.faults) for outcome in outcomes["gatehouse"]),
        "unused": len(set(reasons.REASONS) - set(used))}


def report(site: Site, raw, outcomes, used, unexplained, bodies):
    """The figures of each, and what has no reason."""
    for name, made in outcomes.items():
        words = collections.Counter(outcome.word.split(" ")[0] for outcome in made)
        faults = sum(len(outcome.faults) for outcome in made)
        site.note(f"{name}: " + ", ".join(f"{word} {count}" for word,
            count in sorted(words.items())) + f", faults {faults}")
    for reason, count in used.most_common():
        site.note(f"{count} by {reason}")
    for name, octets, ours, theirs in (unexplained + bodies)[:20]:
        site.note(f"{name} {theirs.word}, ours {ours.word}: {octets[:200]!r}")
    with open(site.folder / "differential.jsonl", "w", encoding="utf-8") as file:
        for kind, rows in (("refused", unexplained), ("bodies", bodies)):
            for name, octets, ours, theirs in rows:
                file.write(json.dumps([kind, name, octets.decode("latin-1"), ours.word, theirs.word]) + "\n")


def main() -> int:
    """Runs it alone: `python -m Drills.d21_differential [--quick]`."""
    from Drills.__main__ import show
    from Drills.bars import judge
    quick = "--quick" in sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="drill-d21-") as folder:
        site = Site(pathlib.Path(folder), quick)
        with contextlib.closing(site):
            judged = judge(BARS, drill(site), quick)
        print("| drill | bar | measured | held |\n| --- | --- | --- | --- |")
        show("d21", judged, site.notes)
    return 1 if any(one.verdict == "broken" for one in judged) else 0


if __name__ == "__main__":
    sys.exit(main())
