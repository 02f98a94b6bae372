"""What the system knows of a running program: its processes, CPU time and memory."""
import os
import pathlib

TICKS = os.sysconf("SC_CLK_TCK")
CPUS = os.cpu_count() or 1
PROXY_CPU, LOAD_CPU = 0, min(1, CPUS - 1)


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    try:
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
            for child in (task / "children").read_text().split():
                found += tree(int(child))
    except FileNotFoundError:
        pass  # it ended while we looked
    return found


def cpu_seconds(pid: int) -> float:
    """The CPU time that a program and its children have used, in user and kernel."""
    total = 0
    for one in tree(pid):
        values = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(values[11]) + int(values[12])
    return total / TICKS


def busy_seconds(cpus: set[int]) -> float:
    """The busy time of whole CPUs, whoever used them."""
    total = 0
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        if line.startswith("cpu") and line[3].isdigit() and int(line.split()[0][3:]) in cpus:
            values = list(map(int, line.split()[1:9]))
            total += sum(values) - values[3] - values[4]
    return total / TICKS


def pin(pid: int, cpus: set[int]):
    """Keeps a program, its threads and its children on these CPUs."""
    for one in tree(pid):
        for task in pathlib.Path(f"/proc/{one}/task").glob("*"):
            os.sched_setaffinity(int(task.name), cpus)


def memory(pid: int) -> dict[str, int]:
    """Resident and proportional memory of a program and its children, in octets."""
    found = {"rss": 0, "pss": 0}
    for one in tree(pid):
        for line in pathlib.Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.lower() in found:
                found[name.lower()] += int(value.split()[0]) * 1024
    return found
