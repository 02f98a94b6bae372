"""The tables for a reader."""

COLUMNS = ("CPU µs a request", "requests a second", "p99 ms", "RSS MB", "PSS MB", "allocations a request", "failures")
SCALES = {"rss": 1 / 1e6, "pss": 1 / 1e6}


def cell(figures: dict, name: str, form: str) -> str:
    """A figure, with its ratio to nginx in brackets."""
    value = figures.get(name)
    if value is None:
        return "–"
    ratio = figures.get(f"{name}_to_nginx")
    said = form.format(value * SCALES.get(name, 1))
    return f"{said} ({ratio:.2f})" if ratio is not None else said


def measured_table(figures: dict) -> list[str]:
    """Every contestant of every row that was put under load."""
    lines = ["| row | | " + " | ".join(COLUMNS) + " |", "| --- | --- |" + " ---: |" * len(COLUMNS)]
    for name, row in figures.items():
        for who, one in row["contestants"].items():
            if "cpu_us" in one:
                lines.append(f"| {name} | {who} | " + " | ".join([
                    cell(one, "cpu_us", "{:.1f}"), cell(one, "per_second", "{:,.0f}"), cell(one, "p99_ms", "{:.2f}"),
                    cell(one, "rss", "{:.1f}"), cell(one, "pss", "{:.1f}"), cell(one, "allocations", "{:.1f}"),
                    str(one["failures"])]) + " |")
    return lines if len(lines) > 2 else []


def idle_table(figures: dict) -> list[str]:
    """Memory of connections that only stay."""
    lines = ["| row | | connections | octets each | RSS MB | PSS MB | lost |", "| --- | --- |" + " ---: |" * 5]
    for name, row in figures.items():
        for who, one in row["contestants"].items():
            if "octets_each" in one:
                lines.append(f"| {name} | {who} | {one['connections']:,} | {cell(one, 'octets_each', '{:,.0f}')}"
                             f" | {cell(one, 'rss', '{:.1f}')} | {cell(one, 'pss', '{:.1f}')} | {one['failures']} |")
    return lines if len(lines) > 2 else []


def goal_text(row: dict, goal: dict) -> tuple[str, str]:
    """What a goal asks for, and a form for its numbers."""
    if goal["figure"] == "octets":
        return "memory of an idle connection, octets", "{:,.0f}"
    if goal["figure"] == "verifications":
        microseconds = row["contestants"][goal["of"]]["verify_us"]
        return f"CPU above {goal['to']}, in RSA-2048 verifications by openssl ({microseconds:.1f} µs)", "{:.2f}"
    who = "" if goal["of"] == "gatehouse" else f"{goal['of']}: "
    return f"{who}CPU, × {goal['to']}", "{:.2f}"


def goal_table(figures: dict) -> list[str]:
    """What became of each goal."""
    lines = ["| row | goal | at most | least | measured | |", "| --- | --- | ---: | ---: | ---: | --- |"]
    for name, row in figures.items():
        for goal in row["goals"]:
            what, form = goal_text(row, goal)
            least = "–" if goal["least"] is None else form.format(goal["least"])
            lines.append(f"| {name} | {what} | {form.format(goal['goal'])} | {least}"
                         f" | {form.format(goal['measured'])} | {goal['verdict']} |")
    return lines if len(lines) > 2 else []


def notes(figures: dict) -> list[str]:
    """What stands beside the tables: cache hits, verification, time to ready, noise."""
    lines = []
    for name, row in figures.items():
        for who, one in row["contestants"].items():
            if "hit_rate" in one:
                lines.append(f"- {name}, {who}: {one['hit_rate']:.1%} of look-ups hit the cache of what was proven before.")
            if "verify_us" in one:
                lines.append(f"- {name}: `openssl speed` verifies in {one['verify_us']:.1f} µs.")
            if one.get("ready_seconds", 0) > 1:
                lines.append(f"- {name}, {who}: ready after {one['ready_seconds']:.1f} s.")
        loaded = [one for one in row["contestants"].values() if "cpu_us" in one]
        if loaded:
            others = max(one["others_percent"] for one in loaded)
            apart = max(one["spread_percent"] for one in loaded)
            lines.append(f"- {name}: others took at most {others:.0f} % of the proxy's CPU (median of the rounds);"
                         f" rounds lay at most {apart:.0f} % apart.")
    return lines


def report(figures: dict, versions: dict[str, str]) -> str:
    """All of it in Markdown."""
    programs = [", ".join(f"{name} {version}" for name, version in sorted(versions.items())) + "."]
    parts = [measured_table(figures), idle_table(figures), goal_table(figures), notes(figures), programs]
    return "\n\n".join("\n".join(part) for part in parts if part)
