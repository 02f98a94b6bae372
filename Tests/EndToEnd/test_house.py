"""The rules that scripts/check holds the house to are held: each breach is found."""
import subprocess
import sys

import pytest

from support.gatehouse import ROOT

CAPTION = "// A caption.\n"
BREACHES = {
    "no caption": ("JOSE", "import JSON\n", "caption"),
    "too many lines": ("JOSE", CAPTION + "\n" * 400, "401 lines"),
    "unsafe in the wrong room": ("Proxy", CAPTION + "let a = unsafe b()\n", "`unsafe`"),
    "Foundation in a pure room": ("JSON", CAPTION + "internal import Foundation\n", "Foundation"),
    "a forced try": ("Access", CAPTION + "let a = try! b()\n", "try!"),
    "a fatal error": ("Access", CAPTION + "func a() { fatalError() }\n", "fatalError"),
    "a public name": ("Access", CAPTION + "public struct A {}\n", "public"),
    "a type without documentation": ("Access", CAPTION + "package struct A {}\n", "`A`"),
    "a function of 41 lines": (
        "Access", CAPTION + "func a(\n    b: Int = { 1 }()\n) {\n" + "    b()\n" * 41 + "}\n", "41 lines"),
}


def check(folder) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, ROOT / "scripts/architecture.py"], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_is_found(tmp_path, name):
    room, text, word = BREACHES[name]
    file = tmp_path / "Sources" / room / "File.swift"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    answer = check(tmp_path)
    assert answer.returncode == 1 and word in answer.stdout, answer.stdout


def test_what_keeps_the_rules_passes(tmp_path):
    file = tmp_path / "Sources/Cryptography/File.swift"
    file.parent.mkdir(parents=True)
    file.write_text(
        CAPTION + "/// Something.\npackage struct A {\n    func a() {\n" + "        unsafe b() // no try!\n" * 40
        + '    }\n    let text = "fatalError("\n}\n')
    answer = check(tmp_path)
    assert answer.returncode == 0, answer.stdout
