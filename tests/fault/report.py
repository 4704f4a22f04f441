#!/usr/bin/env python3
"""Runs all faults and prints a table: what was done, what must follow, whether it did.

--long: at all places. --list: prints the faults alone, and runs none.
"""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE]


class Table(unittest.TextTestResult):
    """Keeps the outcome of every test."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.outcomes = []

    def stopTest(self, test):
        bad = {case.id() for case, _ in self.failures + self.errors}
        bad |= {case.test_case.id() for case, _ in self.failures + self.errors if hasattr(case, "test_case")}
        skipped = {case.id(): why for case, why in self.skipped}
        outcome = "FAILED" if test.id() in bad else f"skipped: {skipped[test.id()]}" if test.id() in skipped else "as it must"
        self.outcomes.append((test, outcome))
        super().stopTest(test)


def place(entry):
    """Where a test stands: one may refer to that before it."""
    test, _ = entry
    return type(test).__module__, getattr(test, test._testMethodName).__code__.co_firstlineno


def row(test):
    """What a test does, and what must follow."""
    fault, _, follows = " ".join((test._testMethodDoc or test.id()).split()).partition(" -> ")
    return f"| {fault} | {follows} |"


def cases(tests):
    """Those of a suite of suites."""
    for test in tests:
        yield from cases(test) if isinstance(test, unittest.TestSuite) else (test,)


def main():
    loader = unittest.defaultTestLoader
    tests = loader.discover(HERE, "test_*.py")
    if "--list" in sys.argv:
        print("\n".join((*map(row, cases(tests)), *loader.errors)))
        return bool(loader.errors)
    result = unittest.TextTestRunner(stream=sys.stderr, resultclass=Table, verbosity=1).run(tests)
    print("| fault | what must follow | result |\n|---|---|---|")
    for test, outcome in sorted(result.outcomes, key=place):
        print(f"{row(test)} {outcome} |")
    return not result.wasSuccessful()


if __name__ == "__main__":
    sys.exit(main())
