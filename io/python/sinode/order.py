"""The order of a network's layers. A state_dict has that in which they were declared, and some files sort them."""
import re

from .files import InputError


def _numbers(stem):
    """("net.#", (3,)) of "net.3": what a name is but for its numbers, and these."""
    return re.sub(r"\d+", "#", stem), tuple(int(number) for number in re.findall(r"\d+", stem))


def _are_numbered(stems):
    """Whether names differ by nothing but numbers: of an nn.Sequential, or fc1, fc2."""
    return len({_numbers(stem)[0] for stem in stems}) == 1 and len({_numbers(stem)[1] for stem in stems}) == len(stems)


def _before(stems):
    """For each layer those that come before it: of the same name but for its numbers, with lower ones."""
    keys = [_numbers(stem) for stem in stems]
    return [{j for j, other in enumerate(keys) if other[0] == key[0] and other[1] < key[1]} for key in keys]


def _fits(pairs, inputs, outputs, most):
    """Orders (tuples of indices), at most so many, in which each layer takes what the one before it gives."""
    found, weights, before = [], [weight for _, weight, _ in pairs], _before([stem for stem, _, _ in pairs])

    def go_on(order, width):
        if len(found) == most:
            return
        if len(order) == len(weights):
            found.extend([tuple(order)] if width == outputs else [])
            return
        for k, weight in enumerate(weights):
            if k not in order and weight.shape[1] == width and before[k] <= set(order):
                go_on([*order, k], weight.shape[0])

    go_on([], inputs)
    return found


def _list(pairs, points):
    """Orders that shapes and numbers allow, of perceptrons on any number of points unless told one; two are enough."""
    weights = [weight for _, weight, _ in pairs]
    if {weight.ndim for weight in weights} == {3}:
        return _fits(pairs, 1, 1, 2)
    if {weight.ndim for weight in weights} != {2}:
        return []
    widths = [points] if points else list(dict.fromkeys(weight.shape[1] for weight in weights))
    return [order for width in widths for order in _fits(pairs, width, width, 2)]


def _print(pairs, order):
    widths = [pairs[order[0]][1].shape[1], *(pairs[k][1].shape[0] for k in order)]
    return f"{', '.join(pairs[k][0] for k in order)} ({' -> '.join(map(str, widths))})"


def put_in_order(path, pairs, points=None, wanted=None, is_sorted=False):
    """
    (stem, weight, bias) of all layers in the order in which they are applied: the wanted one (stems); that of their
    numbers; or the only one that the shapes allow on this number of points. Refused where shapes allow several.
    is_sorted: the file has its names sorted, so that 10 comes before 2.
    """
    stems = [stem for stem, _, _ in pairs]
    if wanted:
        if sorted(wanted) != sorted(stems):
            raise InputError(f"--order names {', '.join(wanted)}, but the layers of {path} are {', '.join(stems)}",
                             status=2)
        return [pairs[stems.index(stem)] for stem in wanted]
    if _are_numbered(stems):
        return sorted(pairs, key=lambda pair: _numbers(pair[0])[1]) if is_sorted else pairs
    orders = _list(pairs, points)
    if len(orders) > 1:
        raise InputError(f"{path}: the shapes of its layers allow several orders, such as {_print(pairs, orders[0])} "
                         f"and {_print(pairs, orders[1])}, and their names do not tell which; give "
                         f"{'' if points else '--points or '}--order {','.join(stems)} as they are applied")
    return [pairs[k] for k in orders[0]] if orders else pairs
