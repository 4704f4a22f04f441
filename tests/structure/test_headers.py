#!/usr/bin/python3
"""Every function in a header that can fail is declared so that the compiler warns where its status is ignored.

    tests/structure/test_headers.py [ROOT]
"""

import re
import sys
import unittest
from pathlib import Path

ROOT = Path(sys.argv.pop(1) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2])


def unmarked(text):
    """Functions of a header that return sn_status and are not marked; members of tables and types are no functions."""
    return re.findall(r"^(?!typedef)(?!.*SN_MUST_CHECK)[\w ]*\bsn_status (sn_\w+)\(", text, re.MULTILINE)


class Headers(unittest.TestCase):
    def test_status_must_be_checked(self):
        headers = [header for folder in ("include", "src", "io") for header in sorted((ROOT / folder).rglob("*.h"))]
        self.assertGreater(len(headers), 50)
        for header in headers:
            with self.subTest(header=str(header.relative_to(ROOT))):
                self.assertEqual(unmarked(header.read_text()), [], "declare with SN_MUST_CHECK")

    def test_an_unmarked_function_is_noticed(self):
        self.assertEqual(unmarked("SN_MUST_CHECK sn_status sn_a(int x);\nsn_status sn_b(int x);\n"), ["sn_b"])
        self.assertEqual(unmarked("static inline sn_status sn_c(void) {\n"), ["sn_c"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
