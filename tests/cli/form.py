"""The two forms of a test: the usual one, and with --long, by the ctest label of that name, the one with all cases."""
import sys
import unittest

LONG = "--long" in sys.argv


def more(*cases):
    """Cases that the long form has beside those of both."""
    return cases if LONG else ()


def long(test):
    """Decorates a test, or a class of them, of the long form alone."""
    return unittest.skipUnless(LONG, "in the long form")(test)


def main():
    unittest.main(argv=[word for word in sys.argv if word != "--long"])
