#!/usr/bin/python3
"""The documents name files, functions and other documents that exist.

    tests/structure/test_documentation.py [ROOT]

`path/file.c:function` in docs/developer.md must be a function that the file defines; links between documents must lead
to a file and, where they have an anchor, to a heading.
"""

import re
import sys
import unittest
from pathlib import Path

ROOT = Path(sys.argv.pop(1) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2])
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def defines(text, function):
    """Whether C source defines a function: its name and parameters at the start of a line, then a brace."""
    return re.search(rf"^[a-z][\w \*]*\b{function}\([^;{{}}]*\) \{{", text, re.MULTILINE) is not None


def anchors(document):
    """Anchors of a document's headings, as the usual renderers of Markdown make them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


class Documentation(unittest.TestCase):
    def test_functions_named_exist(self):
        text = (ROOT / "docs/developer.md").read_text()
        named = re.findall(r"`((?:src|io)/[\w/]+\.[ch]):(\w+)`", text)
        self.assertGreater(len(named), 15, "docs/developer.md no longer follows a state vector through the program")
        for path, function in named:
            with self.subTest(path=path, function=function):
                self.assertTrue((ROOT / path).is_file(), f"docs/developer.md names {path}, which does not exist")
                self.assertTrue(
                    defines((ROOT / path).read_text(), function),
                    f"docs/developer.md names {path}:{function}, but {path} defines no such function",
                )

    def test_what_is_not_defined_is_noticed(self):
        source = "/* other(int a) { */\nint other(int);\nstatic int *own(int a,\n                int b) {\n}\n"
        self.assertTrue(defines(source, "own"))
        self.assertFalse(defines(source, "other"))

    def test_links_lead_somewhere(self):
        for document in DOCUMENTS:
            for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
                if re.match(r"[a-z]+:", target):
                    continue
                path, _, anchor = target.partition("#")
                with self.subTest(document=document.name, target=target):
                    found = (document.parent / path) if path else document
                    self.assertTrue(found.exists(), f"{document.name} links to {target}, which does not exist")
                    if anchor and found.suffix == ".md":
                        self.assertIn(anchor, anchors(found), f"{document.name} links to {target}: no such heading")


if __name__ == "__main__":
    unittest.main(verbosity=2)
