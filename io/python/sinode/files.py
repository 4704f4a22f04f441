"""What all modules share: wrong input told in a line, files that appear whole or not at all."""
import os
import pathlib


class InputError(Exception):
    """What is wrong with the input, in a line; status is the exit status it leads to."""

    def __init__(self, message, status=3):
        super().__init__(" ".join(message.split()))
        self.status = status


def to_text(value):
    """An attribute as a string."""
    return value.decode() if isinstance(value, bytes) else str(value)


def write_whole(path, overwrite, write):
    """Calls write(temporary name), then gives the file its name: what has the name is whole."""
    path = pathlib.Path(path)
    temporary = path.with_name(path.name + ".tmp")
    if path.is_dir():
        raise InputError(f"{path}: is a directory; the name of a file is wanted")
    if path.exists() and not overwrite:
        raise InputError(f"{path}: is there already; choose another name, or replace it with --overwrite")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(temporary)
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: PyTorch's
        raise InputError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
