"""Puts the header of the library, which says what the package finds there, beside the modules."""
import pathlib
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py

HEADER = pathlib.Path(__file__).resolve().parents[2] / "include" / "sinode.h"


class WithHeader(build_py):
    def run(self):
        super().run()
        shutil.copy(HEADER, pathlib.Path(self.build_lib) / "sinode")


setup(cmdclass={"build_py": WithHeader})
