"""An animated view of a trajectory, as GIF (by Pillow, which comes with matplotlib)."""
import pathlib

import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.figure import Figure

from .figures import read_map
from .files import write_whole
from .style import BLUE, FIELD, INK, largest, styled
from .trajectory import exponent_of

FRAMES, PER_SECOND = 120, 12


@styled
def draw_frames(data, member=0, exponent=None, frames=FRAMES):
    """(Figure, FuncAnimation): the profile u(x), with the truth of a prediction, beside the map it runs through."""
    x, time, u, reference = read_map(data, member, exponent)
    exponent, scale = exponent_of(data, exponent), 1.05 * largest(u if reference is None else reference)
    figure = Figure(figsize=(8.0, 4.0), constrained_layout=True, dpi=90)
    space_time, profile = figure.subplots(1, 2, gridspec_kw={"width_ratios": (1, 1.6)})
    space_time.imshow(np.ma.masked_invalid(u), extent=(x[0], x[-1], time[0], time[-1]), origin="lower", aspect="auto",
                      cmap=FIELD, vmin=-scale, vmax=scale, interpolation="nearest")
    space_time.set(xlabel="$x$", ylabel="time $t$", title="$u(x, t)$" if reference is None else "prediction")
    now = space_time.axhline(time[0], color="white", linewidth=1.5)
    lines = [profile.plot(x, u[0], color=BLUE, label="prediction" if reference is not None else "$u$")[0]]
    if reference is not None:
        lines.insert(0, profile.plot(x, reference[0], color=INK, linewidth=2.2, alpha=0.7, label="truth")[0])
        profile.legend(loc="upper right")
    profile.set(xlabel="$x$", ylabel="$u$", xlim=(x[0], x[-1]), ylim=(-1.25 * scale, 1.25 * scale))
    profile.grid(True)
    title = profile.set_title("")
    figure.canvas.draw()
    figure.set_layout_engine("none")  # it stays as it is from here on: frames are drawn faster
    shown = np.unique(np.linspace(0, time.size - 1, min(frames, time.size)).round().astype(int))

    def show(index):
        now.set_ydata([time[index]] * 2)
        for line, field in zip(lines, (u,) if reference is None else (reference, u)):
            line.set_ydata(field[index])
        title.set_text(f"$t$ = {time[index]:.1f} = {time[index] * exponent:.1f} Lyapunov times")
        return *lines, now, title

    return figure, FuncAnimation(figure, show, frames=shown, blit=False)


def animate(data, path, member=0, exponent=None, frames=FRAMES, overwrite=False):
    """Writes the animation to a .gif; returns its path."""
    def write(temporary):
        _, animation = draw_frames(data, member, exponent, frames)
        animation.save(str(temporary), writer=_Gif(fps=PER_SECOND))

    write_whole(path, overwrite, write)
    return pathlib.Path(path)


class _Gif(PillowWriter):
    """Says what format it is: the name of an unfinished file does not."""

    def finish(self):
        self._frames[0].save(self.outfile, format="gif", save_all=True, append_images=self._frames[1:],
                             duration=int(1000 / self.fps), loop=0)
