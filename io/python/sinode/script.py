"""What the scripts under jobs/ have in common: the words behind their name, and errors told in a line."""
import pathlib
import sys

from .files import InputError


def run(text, forms):
    """
    Calls the function whose form the command line has, and exits: 0 done, 2 bad usage, else an InputError's status.

    text: the script's help. forms: {"draw DIRECTORY": function}: words with capitals stand for what the function gets.
    """
    name, words = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
    if words[:1] in (["-h"], ["--help"]):
        print(text.strip())
        sys.exit(0)
    for form, function in forms.items():
        wanted = form.split()
        values = [word for word, want in zip(words, wanted) if want != want.lower()]
        fixed = [word for word, want in zip(words, wanted) if want == want.lower()]
        if len(words) == len(wanted) and fixed == [want for want in wanted if want == want.lower()]:
            try:
                function(*values)
            except InputError as error:
                print(f"{name}: error: {error}", file=sys.stderr)
                sys.exit(error.status)
            sys.exit(0)
    print("usage:", "\n       ".join(f"{name} {form}" for form in forms), file=sys.stderr)
    sys.exit(2)
