"""What the tests know to be secret, and where programs wrote: the last test looks for the one in the other."""
import json
import os
import pathlib

secrets: dict[str, str] = {}
places: set[pathlib.Path] = set()


def keep(value: str | None, kind: str) -> str | None:
    """Remembers a secret and returns it; what is short could stand anywhere by chance and is left out."""
    if value and len(value) >= 8:
        secrets[value] = kind
    return value


def watch(path) -> None:
    """Remembers a file, or a folder's `*.log` and `*.jsonl`, as a place where no secret may stand."""
    places.add(pathlib.Path(path))


def hand_over(folder: str) -> None:
    """Leaves all that is known in `folder`, for the run that looks for it."""
    known = {"secrets": secrets, "places": [str(place) for place in places]}
    file = os.open(pathlib.Path(folder) / f"{os.getpid()}.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(file, "w", encoding="utf-8") as text:
        json.dump(known, text)


def take_over(folder: str) -> None:
    """Learns what other runs have left in `folder`."""
    for file in pathlib.Path(folder).glob("*.json"):
        known = json.loads(file.read_text(encoding="utf-8"))
        secrets.update(known["secrets"])
        places.update(pathlib.Path(place) for place in known["places"])


def found() -> list[str]:
    """Where secrets stand that must not: kind and file, never the secret."""
    hits = []
    for place in sorted(places):
        files = [place] if place.is_file() else [*place.rglob("*.log"), *place.rglob("*.jsonl")]
        for file in files:
            text = file.read_text(errors="replace")
            hits += [f"{kind} in {file}" for value, kind in secrets.items() if value in text]
    return hits
