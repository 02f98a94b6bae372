"""docs/standards.md tells the truth: its places and tests are there, its tests name their rows, and no row is missing."""
import re

import pytest

from support.gatehouse import ROOT

LINES = [[cell.strip() for cell in line.strip("|\n ").split(" | ")]
         for line in (ROOT / "docs/standards.md").read_text().splitlines() if re.match(r"\| (?!row|section|---)", line)]
HELD = ("P1-P8 H1-H6 S1-S9 J1-J12 B1-B11 A1-A20 I1-I13 K1-K9 V1-V18 E1-E6 E8 E9 E10 X1-X22 D9 D15 D20")


def rows(text: str) -> set[str]:
    """The rows that a text names; a range such as `A1–A5` or `I1 to I12` names all between its ends."""
    named = set(re.findall(r"\b[A-Z]\d+\b", text))
    for letter, first, other, last in re.findall(r"\b([A-Z])(\d+)(?:-|–| to )([A-Z]?)(\d+)\b", text):
        if other in ("", letter):
            named |= {f"{letter}{number}" for number in range(int(first), int(last) + 1)}
    return named


def swift_tests() -> dict[str, str]:
    """`File: name` of every Swift test, and what is written about it: comments, attributes and name."""
    found = {}
    for file in ROOT.glob("Tests/*Tests/**/*.swift"):
        text = file.read_text()
        caption, end = text.split("\n", 1)[0], 0
        for test in re.finditer(r"func `([^`]+)`", text):
            written = text[max(end, text.rfind("@Test", 0, test.start()) - 200):test.end()]
            # What stands within the braces before this test belongs to the last one.
            before = written.rpartition("\n    }\n")[2]
            body = text[test.end():text.find("\n    }\n", test.end())]
            found[f"{file.stem}: {test[1]}"] = caption + before + body
            end = test.end()
    return found


def python_tests() -> dict[str, str]:
    """`file.py::name` of every end-to-end test, and what is written about it."""
    found = {}
    for file in (ROOT / "Tests/EndToEnd").glob("test_*.py"):
        text = file.read_text()
        for test in re.finditer(r"^def (test_\w+)\(.*?(?=^(?:def|@|[A-Z#])|\Z)", text, re.M | re.S):
            found[f"{file.name}::{test[1]}"] = text.split("\n", 1)[0] + test[0]
    return found


TESTS = {**swift_tests(), **python_tests()}


def spans(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_row_is_there_once():
    said = [line[0] for line in LINES if re.fullmatch(r"[A-Z]\d+", line[0])]
    assert len(said) == len(set(said))
    assert rows(HELD) - set(said) == set()


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[0])
def test_places_and_tests_are_there(line):
    assert len(line) == 4, line
    row, _, places, tests = line
    for place in spans(places):
        assert (ROOT / "Sources" / f"{place}.swift").is_file(), place
    assert spans(tests), "no test shows it"
    for test in spans(tests):
        assert test in TESTS, test
        if re.fullmatch(r"[A-Z]\d+", row):
            assert row in rows(TESTS[test]), f"{test} does not name {row}"
