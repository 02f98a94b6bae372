"""The manual's tables of reasons and metrics name what the sources name, no more and no less."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORD = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
# Where a reason word is written: as the first argument of what makes a cause, or given to a `reason`.
MADE = re.compile(
    rf'(?:\bCause|\.init|\bcause|\bcallbackCause|\bbadCredential|\bbadProof|\bissuerUnavailable|\brefusal|\bforbidden)\(\s*"({WORD})"')
# Rows of tables: a word and its sentence (ID token rules), a word behind its claim's field (`*_required`).
ROW = re.compile(rf'(?:[?:] \(|_claim", )"({WORD})"')
GIVEN = re.compile(rf'\breason(?:\s*=|:|\s*\?\?)\s*(?:[\w.]+\s*\?\?\s*)?"({WORD})"')
COMPUTED = re.compile(r"var reason: String \{(.*?)\n    \}", re.S)
LITERAL = re.compile(rf'"({WORD})"')


def sources(*rooms):
    """The text of each Swift file of these rooms."""
    for room in rooms:
        for path in sorted((ROOT / "Sources" / room).rglob("*.swift")):
            yield path, path.read_text()


def reasons_of_the_code():
    """Every reason word that the rooms which refuse can say."""
    words = set()
    for _, text in sources("Proxy", "JOSE", "Gateway", "OIDC", "Access"):
        words |= set(GIVEN.findall(text)) | set(ROW.findall(text))
        if "Refusal" in text:
            words |= set(MADE.findall(text))
        for body in COMPUTED.findall(text):
            words |= set(LITERAL.findall(body))
    # The request guard names the part that is malformed.
    parts = re.search(
        r"enum MalformedPart.*?\{(.*?)\n\}", (ROOT / "Sources/Proxy/HTTP1/RequestRefusal.swift").read_text(), re.S)
    for name, raw in re.findall(r"case (\w+)(?: = \"([\w-]+)\")?", parts.group(1)):
        words.add("malformed-" + (raw or name))
    # What stands for success in the log of fetches is no reason.
    return words - {"ok"}


def words_of_the_table(page, heading):
    """The first column of the tables below a heading of a page of the manual."""
    text = (ROOT / "docs" / page).read_text().split(heading, 1)[1]
    return re.findall(r"^\| `([^`]+)` \|", text, re.M)


def test_reasons_in_the_manual_are_those_of_the_code():
    table = words_of_the_table("reasons.md", "# Reasons")
    assert len(table) == len(set(table)), "a reason stands twice in docs/reasons.md"
    assert set(table) == reasons_of_the_code()


def test_every_reason_has_a_status_a_meaning_and_a_mend():
    rows = [[cell.strip() for cell in line.strip("|\n ").split(" | ")]
            for line in (ROOT / "docs/reasons.md").read_text().splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows if len(row) != 4 or not all(row)] == []


def test_metrics_in_the_manual_are_those_of_the_code():
    named = set()
    for _, text in sources("Gateway", "Access", "gatehouse"):
        named |= set(re.findall(r'"(gatehouse_[a-z_]+)"', text))
    assert set(words_of_the_table("operations.md", "## Metrics")) == named
