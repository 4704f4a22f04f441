#!/usr/bin/python3
"""The tests that take most, by the seconds of processor of all that they start, from what launch.py notes.

usage: dearest.py [FILE] [COUNT]     default: build/release/Testing/usage.tsv, 20
"""
import pathlib
import sys

USAGE = pathlib.Path(__file__).resolve().parents[1] / "build/release/Testing/usage.tsv"


def read(path):
    """(wall, user, system) by test, as each was when it ran last."""
    rows = (line.split("\t") for line in pathlib.Path(path).read_text(encoding="utf8").splitlines())
    return {name: tuple(map(float, seconds)) for name, _, *seconds in rows}


def main():
    found = read(sys.argv[1] if len(sys.argv) > 1 else USAGE)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    print("| test | wall, s | user, s | system, s |\n|---|---|---|---|")
    dearest = sorted(found.items(), key=lambda item: -sum(item[1][1:]))
    for name, seconds in dearest[:count]:
        print("| {} | {:.1f} | {:.1f} | {:.1f} |".format(name, *seconds))
    print("| all {} | {:.1f} | {:.1f} | {:.1f} |".format(len(found), *map(sum, zip(*found.values()))))


if __name__ == "__main__":
    main()
