"""The rules of the house that no compiler knows (docs/architecture.md). Prints every breach; exits 1 if there is one."""
import pathlib
import re
import sys

MAXIMUM_FILE_LINES = 400
MAXIMUM_FUNCTION_LINES = 40
UNSAFE_ROOMS = {"Cryptography", "Descriptors", "Fetch", "JSON", "Names", "Pattern", "Store"}
WITHOUT_FOUNDATION = {"Cryptography", "Descriptors", "Gateway", "JOSE", "JSON", "Names", "Proxy", "Store"}
FORBIDDEN = {
    r"\btry!": "no `try!`",
    r"\bfatalError\(": "no `fatalError`: a programmer's mistake is a `precondition` with a sentence",
    r"\bas!": "no forced cast",
    r"^\s*(?:@\w+ )*public\b": "`public` nowhere",
    r"\bTODO\b|\bFIXME\b": "an open end is an issue, not a comment",
}
FUNCTION = re.compile(r"^(\s*)(?:@\w+(?:\([^)]*\))?\s+)*(?:[a-z]+(?:\(\w+\))?\s+)*(?:func\s+[\w`<>=+\-*/!&|]|init[?(<]|deinit\b)")
PACKAGE_TYPE = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*package\s+(?:(?:final|indirect)\s+)*(?:struct|enum|class|actor|protocol|typealias)\s+(\w+)")


def code_only(line: str) -> str:
    """The line without its comment and without the inside of strings."""
    line = re.sub(r'"(?:\\.|[^"\\])*"', '""', line)
    return re.sub(r"//.*", "", line)


class File:
    """One Swift file and what is wrong with it."""

    def __init__(self, path: pathlib.Path):
        self.path, self.breaches = path, []
        self.lines = path.read_text().splitlines()
        self.code = self.without_texts()
        self.room = path.parts[1]
        self.is_source = path.parts[0] == "Sources"

    def without_texts(self) -> list[str]:
        """The lines with comments and the insides of strings taken out."""
        code, inside = [], False
        for line in self.lines:
            if line.count('"""') % 2:
                code.append("" if inside else line.split('"""')[0])
                inside = not inside
            else:
                code.append("" if inside else code_only(line))
        return code

    def breach(self, line: int, text: str):
        self.breaches.append(f"{self.path}:{line}: {text}")

    def check(self) -> list[str]:
        self.check_caption_and_size()
        self.check_functions()
        if self.is_source:
            self.check_words()
            self.check_documentation()
        return self.breaches

    def check_caption_and_size(self):
        first = self.lines[0] if self.lines else ""
        if self.path.name != "Package.swift" and not re.match(r"// \S.*", first):
            self.breach(1, "the first line is no caption (`// What is here.`)")
        if len(self.lines) > MAXIMUM_FILE_LINES:
            self.breach(len(self.lines), f"{len(self.lines)} lines; at most {MAXIMUM_FILE_LINES}")

    def check_functions(self):
        """A function's body runs from its brace to the closing brace at the depth where it began."""
        for number, line in enumerate(self.code):
            if FUNCTION.match(line):
                length = self.body_length(number)
                if length > MAXIMUM_FUNCTION_LINES:
                    self.breach(number + 1, f"a function of {length} lines; at most {MAXIMUM_FUNCTION_LINES}")

    def body_length(self, start: int) -> int:
        """The lines from a declaration's opening brace to the closing one; 0 where there is no body."""
        depth, parentheses, opened = 0, 0, None
        for number in range(start, len(self.code)):
            for character in self.code[number]:
                parentheses += {"(": 1, ")": -1}.get(character, 0)
                if character == "{" and (parentheses == 0 or opened is not None):
                    depth, opened = depth + 1, number if opened is None else opened
                elif character == "}" and opened is not None:
                    depth -= 1
                    if depth == 0:
                        return number - opened - 1
            if opened is None and parentheses == 0 and number + 1 < len(self.code):
                following = self.code[number + 1].strip()
                if not re.match(r"[{)\-]|where\b|throws\b|async\b|$", following):
                    return 0
        return 0

    def check_words(self):
        for number, line in enumerate(self.code, 1):
            if re.search(r"\bunsafe\b|\bnonisolated\(unsafe\)", line) and self.room not in UNSAFE_ROOMS:
                self.breach(number, f"`unsafe` may stand only in {', '.join(sorted(UNSAFE_ROOMS))}")
            imported = re.match(r"\s*(?:package |public |internal |@\w+ )*import (?:\w+ )?(Foundation\w*)", line)
            if imported and self.room in WITHOUT_FOUNDATION:
                self.breach(number, f"no {imported[1]} in {self.room}")
            for pattern, text in FORBIDDEN.items():
                if re.search(pattern, line):
                    self.breach(number, text)

    def check_documentation(self):
        for number, line in enumerate(self.code):
            named = PACKAGE_TYPE.match(line)
            if named and not self.documented(number):
                self.breach(number + 1, f"`{named[1]}` has no documentation comment")

    def documented(self, number: int) -> bool:
        above = number - 1
        while above >= 0 and self.lines[above].strip().startswith("@"):
            above -= 1
        return above >= 0 and self.lines[above].strip().startswith("///")


def main() -> int:
    files = [path for folder in ("Sources", "Tests") for path in sorted(pathlib.Path(folder).rglob("*.swift"))
             if "Generated" not in path.parts]
    breaches = [breach for path in files for breach in File(path).check()]
    print("\n".join(breaches) if breaches else f"check: {len(files)} files keep the rules")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
