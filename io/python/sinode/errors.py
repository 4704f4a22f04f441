"""Errors of the library, with its text."""


class Error(Exception):
    """What the library refuses or could not do, in a line. code: the exit status of the program in the same case."""

    code = 1


class RunError(Error, RuntimeError):
    """The computation failed: it blew up, a solver did not converge, there was no memory."""


class UsageError(Error, ValueError):
    """An argument or a parameter is not what it must be."""

    code = 2


class FileError(Error, OSError):
    """A file cannot be read or written, or is not what it should be."""

    code = 3

    def __str__(self):
        return self.args[0]


class Stopped(Error):
    """Stopped by a signal or the time limit after a checkpoint: the same call goes on from it."""

    code = 75


BY_CODE = {kind.code: kind for kind in (RunError, UsageError, FileError, Stopped)}
