"""The drills run: some of them whole in their quick form, and what judges them finds what is broken."""
import importlib
import json
import re
import subprocess
import sys

import pytest

from support.gatehouse import ROOT

sys.path.insert(0, str(ROOT))

from Drills.__main__ import drills  # noqa: E402
from Drills.bars import NotHere, judge, least, most  # noqa: E402
from Drills.crosstalk import Crosstalk, Talker  # noqa: E402
from Drills.crowd import Crowd, Member  # noqa: E402
from Drills.d20_secrets import found  # noqa: E402
from Drills.d4_origin_kill import at_the_origin, is_whole, last_failure  # noqa: E402
from Drills.paced import Asked  # noqa: E402

pytestmark = pytest.mark.alone


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-B", "-m", "Drills", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)


@pytest.mark.parametrize("name", ["d4", "d6", "d7", "d8", "d9", "d13", "d15", "d17", "d20", "d22", "d23", "e7"])
def test_a_quick_drill_holds(tmp_path, name):
    answer = run("--quick", "--json", str(tmp_path / "figures.json"), name)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.splitlines()[-1] == "1 passed, 0 failed"
    bars = json.loads((tmp_path / "figures.json").read_text())["drills"][name]["bars"]
    assert sum(bar["verdict"] == "held" for bar in bars) >= 3
    assert {bar["verdict"] for bar in bars} <= {"held", "not judged", "not here"}


def test_a_drill_that_is_not_there_is_an_error():
    answer = run("d99")
    assert answer.returncode == 2 and "no such drill: d99" in answer.stderr


def test_every_drill_has_bars_and_a_row_in_the_manual():
    """Each bar has a name of its own and exactly one bound."""
    text = (ROOT / "docs/operations.md").read_text()
    rows = set(re.findall(r"^\| ([DE]\d+) \|", text, re.MULTILINE))
    for name, file in drills().items():
        module = importlib.import_module(f"Drills.{file}")
        assert len({bar.name for bar in module.BARS}) == len(module.BARS) > 0, name
        assert all((bar.at_most is None) != (bar.at_least is None) for bar in module.BARS), name
        assert callable(module.drill) and name.upper() in rows, name


def verdict(bar, value, quick: bool = False) -> str:
    return judge([bar], {bar.name: value}, quick)[0].verdict


def test_a_bar_breaks_just_outside_its_bound():
    assert verdict(most("a", "", 2), 2) == "held" and verdict(most("a", "", 2), 2.01) == "broken"
    assert verdict(least("a", "", 99), 99) == "held" and verdict(least("a", "", 99), 98.9) == "broken"
    assert verdict(most("a", "", 2), float("inf")) == "broken"
    assert judge([most("a", "", 2)], {}, quick=False)[0].verdict == "broken"


def test_what_is_for_a_full_run_is_judged_there_alone():
    bar = most("a", "", 2, full_only=True)
    assert verdict(bar, 3, quick=True) == "not judged" and verdict(bar, 3) == "broken"
    assert verdict(bar, NotHere("no root")) == "not here"


def test_another_users_answer_is_found():
    """D22: a wrong subject, a wrong request, an identity in a refusal, and a refusal of a right token."""
    talk = Crosstalk(0, [], 0, 0, 0)
    for expected, status, body in [
            ((b"1", b"user-1"), b"200", b"1 user-2"), ((b"1", b"user-1"), b"200", b"2 user-1"),
            ((b"1", None), b"200", b"1 "), ((b"1", b"user-1"), b"401", b""), ((b"1", None), b"401", b"user-3")]:
        before = len(talk.wrong)
        talk.judge(expected, status, body)
        assert len(talk.wrong) == before + 1, (expected, status, body)
    talk.judge((b"1", b"user-1"), b"200", b"1 user-1")
    talk.judge((b"1", None), b"401", b"{}")
    talk.judge((b"1", b"user-1"), b"503", b"")
    assert len(talk.wrong) == 5 and talk.failures == {"503": 1}


def test_answers_are_told_apart_however_they_come():
    talk, talker = Crosstalk(0, [], 0, 0, 0), Talker()
    talk.rest = lambda talker, stays: None
    talker.expected.extend([(b"1", b"user-1"), (b"2", b"user-2")])
    whole = b"".join(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n%d user-%d" % (number, number) for number in (1, 2))
    for octet in whole:
        talker.heard += bytes([octet])
        talk.check(talker)
    assert talk.answers == 2 and talk.wrong == [] and not talker.expected


def test_half_an_answer_is_not_taken_for_a_whole_one():
    """D4."""
    assert is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nxxxx")
    assert not is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nxxx")
    assert is_whole(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nxxxx\r\n0\r\n\r\n")
    assert not is_whole(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nxxxx\r\n")


def test_a_post_that_came_twice_or_never_is_found():
    """D4."""
    asked = [Asked(number, "POST", 0.0, status=200) for number in (1, 2)]
    assert at_the_origin(asked, "post 1\npost 2\nget 7\nget 7\n") == {"twice": 0, "unseen": 0}
    assert at_the_origin(asked, "post 1\npost 1\n") == {"twice": 1, "unseen": 1}
    assert last_failure([Asked(1, "GET", 5.0, status=502), Asked(2, "GET", 6.0, status=200)], 4.0) == 1.0


def test_slow_clients_that_stay_are_counted():
    """D1: of three, one was thrown out in time, one late, and one is still there."""
    crowd = Crowd(0, 0)
    crowd.lifetimes = [1.0, 20.0]
    with crowd:
        member = crowd.members[-1] = Member.__new__(Member)
        member.opened = 0.0
        assert crowd.closed_within(15) == pytest.approx(100 / 3)
        crowd.members.clear()


def test_a_secret_that_stands_somewhere_is_found_and_not_shown():
    """D20."""
    secrets = {"token-of-somebody": "access token", "word-of-somebody": "password"}
    assert found('{"path":"/?a=token-of-somebody"}', secrets) == ["access token"]
    assert found("token-of-nobody", secrets) == []
