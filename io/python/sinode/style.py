"""The look of all figures, and how they are written: the same data give the same bytes."""
import io
import pathlib

import matplotlib
import numpy as np

from .files import InputError

# Okabe and Ito's colours, told apart with every kind of colour vision.
ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7"
LINES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 0.5)))  # besides colours, for paper in black and white
INK = "#1a1a1b"  # text, axes and the truth
FIELD, SIGNED, COUNTS = "cividis", "RdBu_r", "cividis"
MOST_CELLS = 1000  # drawn per axis of a map; longer axes are thinned out

STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.grid": False,
    "grid.color": INK,
    "grid.alpha": 0.12,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "pdf.fonttype": 42,
    "savefig.dpi": 160,
}


def styled(draw):
    """Decorates a function that draws a Figure."""
    return matplotlib.rc_context(STYLE)(draw)


def line_of(index):
    """Colour and dashes of the index-th of several lines."""
    return {"color": LINES[index % len(LINES)], "linestyle": DASHES[index % len(DASHES)]}


def thinned(size):
    """The indices of the first `size` along an axis that are drawn in a map."""
    return slice(None, size, max(1, -(-size // MOST_CELLS)))


def largest(*fields):
    """The largest finite magnitude, or 1 if there is none but 0."""
    finite = [np.abs(np.asarray(field)[np.isfinite(field)]) for field in fields if field is not None]
    return max((values.max() for values in finite if values.size), default=0.0) or 1.0


@styled
def save(figure, stem):
    """Writes STEM.png and STEM.pdf with nothing in them that changes from day to day; returns both paths."""
    stem = pathlib.Path(stem)
    written = []
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        for ending, metadata in ((".png", {"Software": None}), (".pdf", {"CreationDate": None})):
            path = stem.with_name(stem.name + ending)
            figure.savefig(path, metadata=metadata)
            written.append(path)
    except OSError as error:
        raise InputError(f"{stem}: cannot be written: {error.strerror}") from None
    return written


def to_svg(figure, name):
    """The figure as an <svg> element in which ink and paper are the page's; name keeps its identifiers apart."""
    file = io.StringIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    return text[text.index("<svg"):].replace(INK, "currentColor")
