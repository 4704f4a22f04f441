"""The shared library has the functions of include/sinode.h and no other symbols, and its name says its version."""
import os
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = os.environ["SINODE_SHARED"]


def exported(library):
    listed = subprocess.run([os.environ["SINODE_NM"], "-D", "--defined-only", library], capture_output=True, text=True,
                            check=True).stdout
    return {line.split()[-1].partition("@")[0] for line in listed.splitlines()}


class Symbols(unittest.TestCase):
    def test_what_is_declared_is_what_is_exported(self):
        text = re.sub(r"/\*.*?\*/", "", (ROOT / "include/sinode.h").read_text(), flags=re.DOTALL)
        declared = set(re.findall(r"^[\w \*]*?\b(sinode_\w+)\(", text, re.MULTILINE))
        self.assertGreater(len(declared), 30)
        self.assertEqual(exported(LIBRARY), declared)

    def test_name(self):
        self.assertRegex(pathlib.Path(LIBRARY).name, r"^libsinode\.so\.\d+\.\d+\.\d+$")
        version = ".".join(pathlib.Path(LIBRARY).name.split(".")[2:4])
        self.assertIn(f"libsinode.so.{version}\0".encode(), pathlib.Path(LIBRARY).read_bytes())


if __name__ == "__main__":
    unittest.main()
