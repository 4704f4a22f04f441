#!/usr/bin/env python3
"""The order of the rooms, from the #include lines: none runs upward or sideways in the table of docs/developer.md.

  tests/structure/rooms.py          lists what is wrong, as FILE:LINE: RULE
"""
import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Public headers belong to the room of the .c of their name; these have none.
HEADERS = {"stop_request": "base", "version": "base", "network_shell": "network", "trajectory_file": "io",
           "gradient": "parallel"}


def read_table(root):
    """{room: the rooms it uses, directly or not} out of the table "| folder | uses | ..."."""
    used, inside = {}, False
    for line in (root / "docs/developer.md").read_text(encoding="utf8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if cells[:2] == ["folder", "uses"]:
            inside = True
        elif inside and not cells:
            break
        elif inside and not cells[0].startswith("-"):
            rooms = [path.rpartition("/")[2] for path in re.findall(r"`([\w/]+)`", cells[0])]
            direct = set(re.findall(r"`(\w+)`", cells[1]))
            unknown = direct - set(used)
            if not rooms or unknown:
                raise ValueError(f"docs/developer.md: '{line}': a room uses those above it, not {', '.join(unknown)}")
            every = direct.union(*(used[room] for room in direct))
            used.update((room, every) for room in rooms)
    return used


def home_of(root, header):
    """The room of a public header."""
    stem = pathlib.PurePath(header).stem
    found = [path.parent.name for folder in ("src/*", "io") for path in root.glob(f"{folder}/{stem}.c")]
    return HEADERS.get(stem) or (found[0] if len(found) == 1 else None)


def judge(root, used, file, room, target):
    """What is wrong with an include, or None."""
    public = file.parent == root / "include/sinode"
    if target.startswith("../") or "/../" in target:
        return "headers of other rooms are named from src on, not by ../"
    folder, _, name = target.rpartition("/")
    if target == "sinode.h":  # the interface of the shared library, which nobody within uses
        there = "api"
    elif folder == "sinode":
        there = home_of(root, name)
        if not there:
            return f"not exactly one room has a .c of the name of {target}"
    elif public:
        return f"a public header includes public headers alone, not {target}"
    elif folder:
        there = folder
        if not (root / "src" / target).is_file():
            return f"there is no src/{target}"
    else:
        return None if (file.parent / name).is_file() else f"there is no {name} in {room}"
    if there == room or there in used[room]:
        return None
    return f"{room} may include headers of {', '.join(sorted(used[room])) or 'no other room'}, but {target} is of {there}"


def check(root):
    """["FILE:LINE: rule", ...]"""
    used, found = read_table(root), []
    for folder in sorted(path.name for path in (root / "src").iterdir() if path.is_dir()):
        if folder not in used:
            found.append(f"src/{folder}:1: is not in the table of rooms in docs/developer.md")
    files = [file for pattern in ("src/*/*.[ch]", "io/*.[ch]", "include/sinode/*.h") for file in root.glob(pattern)]
    for file in sorted(files):
        room = home_of(root, file.name) if file.parent.name == "sinode" else file.parent.name
        if room not in used:
            if file.parent.name == "sinode":
                found.append(f"{file.relative_to(root)}:1: not exactly one room has a .c of this name")
            continue
        for number, line in enumerate(file.read_text(encoding="utf8").splitlines(), 1):
            include = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            wrong = include and judge(root, used, file, room, include[1])
            if wrong:
                found.append(f"{file.relative_to(root)}:{number}: {wrong}")
    return found


class Rooms(unittest.TestCase):
    def test_no_include_runs_upward_or_sideways(self):
        self.assertEqual(check(ROOT), [])

    def test_the_table_is_the_order_that_is_meant(self):
        used = read_table(ROOT)
        chain = ["base", "parallel", "linear", "time", "learn", "config", "run", "commands", "api"]
        for low, high in zip(chain, chain[1:]):
            self.assertIn(low, used[high])
            self.assertNotIn(high, used[low])
        for one, other in (("linear", "network"), ("ks", "learn"), ("bench", "commands"), ("manual", "api"), ("io", "time")):
            self.assertNotIn(one, used[other])
            self.assertNotIn(other, used[one])
        self.assertEqual(used["io"], {"base", "parallel", "linear", "network"})


class Faults(unittest.TestCase):
    """That faults are found, in a tree of three rooms."""

    def found(self, **lines):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            files = {"docs/developer.md": "| folder | uses | |\n|---|---|---|\n| `src/base` | | x |\n"
                                          "| `src/low`, `src/beside` | `base` | x |\n\n",
                     "src/base/memory.c": "", "include/sinode/memory.h": "", "src/low/low.c": "", "src/low/part.h": "",
                     "include/sinode/low.h": "", "src/beside/other.h": "", "src/beside/beside.c": "", **lines}
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf8")
            return check(root)

    def test_what_is_allowed(self):
        self.assertEqual(self.found(**{"src/low/low.c": '#include "part.h"\n#include "sinode/low.h"\n'
                                                        '#include "sinode/memory.h"\n#include <yaml.h>\n'}), [])

    def test_what_is_not(self):
        for file, line, words in (
                ("src/base/memory.c", '#include "sinode/low.h"', "base may include headers of no other room"),
                ("src/low/low.c", '#include "beside/other.h"', "low may include headers of base, but beside/other.h is of"),
                ("src/low/low.c", '#include "../base/memory.h"', "not by ../"),
                ("src/low/low.c", '#include "nothing.h"', "there is no nothing.h in low"),
                ("src/low/low.c", '#include "sinode/nothing.h"', "not exactly one room has a .c of the name"),
                ("include/sinode/memory.h", '#include "sinode/low.h"', "base may include headers of no other room"),
                ("include/sinode/low.h", '#include "low/part.h"', "a public header includes public headers alone")):
            with self.subTest(line=line):
                found = self.found(**{file: f"\n{line}\n"})
                self.assertEqual(len(found), 1, found)
                self.assertTrue(found[0].startswith(f"{file}:2: "), found)
                self.assertIn(words, found[0])
        self.assertEqual(self.found(**{"src/new/new.c": ""}),
                         ["src/new:1: is not in the table of rooms in docs/developer.md"])


if __name__ == "__main__":
    if "--test" in sys.argv:
        unittest.main(argv=[word for word in sys.argv if word != "--test"])
    wrong_includes = check(ROOT)
    print("\n".join(wrong_includes))
    sys.exit(bool(wrong_includes))
