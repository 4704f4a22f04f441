"""What a step costs: messages and bytes, exact, and from them seconds. docs/scaling.md derives the formulas.

Counts are those of `sinode benchmark`: what the largest rank sends in a call, for grids whose points are a multiple of
the square of the space ranks.
"""
import csv
import dataclasses
import functools
import math
import pathlib
import statistics

DOUBLE, HALF_WIDTH = 8, 2  # bytes; of the 5-tap stencil
STAGES = {"ars111": 1, "l2": 2}  # network evaluations, and solves, of a step of schemes where they are as many
DIRECT = 16  # replicas at most that send their parts to everyone
LOSS = 4  # numbers that are summed with the gradient: the loss, and what ranks wish to do next
SHORT = 1024  # numbers of the short transforms that `sinode benchmark --machine` times
SWEEPS = 512  # bytes a mode that a step of the generator reads and writes beside its transforms
OPTIMIZER = 7 * DOUBLE  # bytes a parameter: value, gradient and two moments read, all but the gradient written


@dataclasses.dataclass
class Traffic:
    """What a rank sends."""
    messages: int = 0
    bytes: int = 0

    def __add__(self, other):
        return Traffic(self.messages + other.messages, self.bytes + other.bytes)

    def __sub__(self, other):
        return self + -1 * other

    def __rmul__(self, count):
        return Traffic(count * self.messages, count * self.bytes)


@dataclasses.dataclass
class Machine:
    """What `sinode benchmark --machine` finds on each rank, all at work."""
    products: float  # multiply-adds a second, of matrices
    bandwidth: float  # bytes a second
    strips: float  # bytes a second, of columns out of an array by lines
    transform: float  # seconds of one real transform of as many points as the rank has
    transform_points: int
    line: float  # seconds a complex number and factor of two of its length, of short transforms in the cache
    latency: float = 0.0  # seconds a message
    byte: float = 0.0  # seconds a byte of a message
    reduced_byte: float = 0.0  # seconds a byte of an array summed over two ranks

    @classmethod
    def read(cls, paths):
        """From the files of several rounds: the medians."""
        rows = {}
        for line in (line for path in paths for line in read_rows(path)):
            rows.setdefault(line["name"], []).append({key: float(line[key]) for key in ("batch", "seconds_median", "bytes")})
        row = {name: {key: statistics.median(found[key] for found in every) for key in every[0]}
               for name, every in rows.items()}
        rate = lambda name: row[name]["batch"] / row[name]["seconds_median"]
        found = cls(products=rate("machine_product"), bandwidth=rate("machine_triad"), strips=rate("machine_strips"),
                    transform=row["machine_transform"]["seconds_median"] / 2,
                    transform_points=int(row["machine_transform"]["batch"]),
                    line=1 / rate("machine_lines") / math.log2(SHORT))
        if "machine_message" in row:
            found.latency = row["machine_message"]["seconds_median"]
            found.byte = row["machine_bulk"]["seconds_median"] / row["machine_bulk"]["bytes"]
            found.reduced_byte = row["machine_reduction"]["seconds_median"] / row["machine_reduction"]["bytes"]
        return found

    def transform_of(self, points):
        """Seconds of a transform of so many of a rank's points: N log N from the one measured."""
        work = lambda n: n * math.log2(max(n, 2))
        return self.transform * work(points) / work(self.transform_points)


@dataclasses.dataclass
class Case:
    """What is run: as in the parameter file, with parallel.space = space and replicas = ranks / space."""
    ranks: int
    space: int
    points: int
    batch: int = 1
    window: int = 1
    scheme: str = "l2"
    network: str = "mlp"  # mlp | conv | none
    widths: tuple = ()  # hidden units or channels
    kernel: int = 5

    @property
    def replicas(self):
        return self.ranks // self.space

    @property
    def samples(self):
        """Of the replica with the largest share of a batch."""
        return -(-self.batch // self.replicas)

    def layers(self):
        """(in, out) of every layer: units or channels."""
        if self.network == "none":
            return []
        ends = self.points if self.network == "mlp" else 1
        return list(zip((ends, *self.widths), (*self.widths, ends)))


def read_rows(path):
    with open(path, encoding="utf8", newline="") as file:
        return list(csv.DictReader(file))


# What is sent

def halo(case, rows, width):
    if case.space == 1 or width == 0:
        return Traffic()
    return Traffic(1 if case.space == 2 else 2, 2 * width * rows * DOUBLE)


def share(size, ranks):
    """The largest part of an array over so many ranks."""
    return -(-size // ranks)


def part(size, ranks, rank):
    """The parts themselves, the longer ones first: their lengths."""
    return size // ranks + (rank < size % ranks)


@functools.lru_cache(maxsize=None)
def factors(points, ranks):
    """points = n1 n2 with the least to transform and to send on the rank with most."""
    best, least = 0, math.inf
    for small in (number for number in range(1, math.isqrt(points) + 1) if points % number == 0):
        for n1, n2 in ((small, points // small), (points // small, small)):
            rows = n1 // 2 + 1
            if rows >= ranks and n2 >= ranks:
                work = (share(rows, ranks) * n2 + share(n2, ranks) * rows) * math.log2(max(n1, n2))
                if work < least:
                    best, least = n1, work
    if not best:
        raise ValueError(f"{points} points have no two factors for {ranks} ranks")
    return best, points // best


def transforms(case, fields):
    """There and back: of n1 / 2 + 1 rows of n2 wave numbers and n2 columns, a rank has some; one transposition each."""
    if case.space == 1:
        return Traffic()
    n1, n2 = factors(case.points, case.space)
    rows, most = n1 // 2 + 1, 0
    for rank in range(case.space):
        row, column = part(rows, case.space, rank), part(n2, case.space, rank)
        most = max(most, (rows - row) * column + row * (n2 - column))
    return Traffic(2 * (case.space - 1), 2 * DOUBLE * fields * most)


def redistributions(case, fields):
    """Blocks of points to columns and back; whole lines in a block, so each rank sends what is not its column's."""
    if case.space == 1:
        return Traffic()
    n1, n2 = factors(case.points, case.space)
    if n1 % case.space or n2 % case.space:
        raise ValueError(f"{case.points} points do not divide evenly over {case.space} ranks")
    own = case.points // case.space
    return Traffic(2 * (case.space - 1), 2 * DOUBLE * fields * own * (case.space - 1) // case.space)


def solve_fft(case, samples):
    return transforms(case, samples) + redistributions(case, samples)


def evaluation(case, samples, backward):
    """Of the network, or of its transposed Jacobian."""
    found = Traffic()
    for number, (given, made) in enumerate(case.layers()):
        sums, last = number % 2 == 0, number == len(case.widths)
        if case.network == "conv":
            found += halo(case, samples * (made if backward else given), case.kernel // 2)
        elif case.space == 1:
            continue
        elif backward and not sums:
            found += Traffic(1, DOUBLE * samples * given)
        elif backward and last:  # gathered: a rank's own points
            found += Traffic(1, DOUBLE * samples * case.points // case.space)
        elif not backward and sums:  # summed, in the last layer each rank its own points
            found += Traffic(1, DOUBLE * samples * made)
    return found


def blocks(case):
    """(elements on a rank, whether every space rank has all of them) of every block of the network, in order."""
    for number, (given, made) in enumerate(case.layers()):
        sums, last = number % 2 == 0, number == len(case.widths)
        if case.network == "conv":
            yield made * given * case.kernel, True
            yield made, True
        else:
            yield (made * share(given, case.space) if sums else share(made, case.space) * given), False
            yield (made if sums and not last else share(made, case.space)), sums and not last


def parameters(case):
    return sum(size for size, _ in blocks(case))


def padded(size):
    """Blocks start on 64 bytes."""
    return -(-size // 8) * 8


def buckets(case):
    """Elements of the pieces in which a gradient is summed over the replicas: whole blocks, from the last to the first."""
    sizes = [padded(size) for size, _ in blocks(case)]
    least, found, under_way = max(2**15, (sum(sizes) + padded(5)) // 16), [], 0
    for number, size in reversed(list(enumerate(sizes))):
        under_way += size
        if under_way >= least or number == 0:
            found.append(under_way)
            under_way = 0
    return found


def lines_of(count, replicas, replica):
    """The elements of a bucket that a replica completes: whole cache lines."""
    lines = -(-count // 8)
    start = replica * (lines // replicas) + min(replica, lines % replicas)
    return max(0, min((start + part(lines, replicas, replica)) * 8, count) - start * 8)


def groups_of(case):
    """In which replicas sum; as many as these where parts go from everyone to everyone."""
    return round(math.sqrt(case.replicas)) if case.replicas > DIRECT else case.replicas


def range_of(size, ranks, rank):
    start = rank * (size // ranks) + min(rank, size % ranks)
    return range(start, start + part(size, ranks, rank))


def sent_by(case, group, member):
    """Of the sums over the replicas: to each other member of the group what it collects and to each owner its part of
    that; back from the owner to its collector in each group, and from the collector to the group."""
    count, groups = case.replicas, groups_of(case)
    members = range_of(count, groups, group)
    owners, replica = range_of(count, len(members), member), members[member]
    elsewhere = [owner for owner in owners if owner != replica]
    collectors = groups - (len(elsewhere) < len(owners))
    found = Traffic()
    for bucket in buckets(case):
        own = sum(lines_of(bucket, count, owner) for owner in owners)
        numbers = bucket - own + sum(lines_of(bucket, count, owner) for owner in elsewhere)
        numbers += collectors * lines_of(bucket, count, replica) + (len(members) - 1) * own
        found += Traffic(2 * (len(members) - 1) + len(elsewhere) + collectors, DOUBLE * numbers)
    return found


def shared_out(case):
    """Of the sums over the replicas, by those who send most: first parts are longest, and so are first groups; where
    groups are smaller by one, a member collects for more owners."""
    if case.replicas == 1:
        return Traffic()
    groups = groups_of(case)
    found = [sent_by(case, group, member) for group in {0, groups - 1}
             for member in range(part(case.replicas, groups, group))]
    return Traffic(max(one.messages for one in found), max(one.bytes for one in found))


def reduction(case, numbers=0):
    """Of the gradient: shared out over the replicas; in one message over all ranks what space ranks have in common, some
    numbers and whether all is finite."""
    if case.ranks == 1:
        return Traffic()
    common = sum(size for size, replicated in blocks(case) if replicated) if case.space > 1 else 0
    return shared_out(case) + Traffic(1, DOUBLE * (common + numbers + 1))


def train_iteration(case):
    """Forward and back; of the very first stage no derivative by the initial state is wanted: a solve less, and in
    convolutions the halo of the first layer."""
    stages = case.window * STAGES[case.scheme]
    solve = solve_fft(case, case.samples)
    step = evaluation(case, case.samples, False) + evaluation(case, case.samples, True) + 2 * solve
    unwanted = solve
    if case.network == "conv":
        unwanted += halo(case, case.samples * case.layers()[0][1], case.kernel // 2)
    return stages * step - unwanted + reduction(case, numbers=LOSS)


TRAFFIC = {
    "generate_step": lambda case: 4 * transforms(case, 1),
    "halo": lambda case: halo(case, case.samples, HALF_WIDTH),
    "reduction": reduction,
    "solve_fft": lambda case: solve_fft(case, case.samples),
    "predict_step": lambda case: STAGES[case.scheme] * (evaluation(case, 1, False) + solve_fft(case, 1)),
    "train_iteration": train_iteration,
}


# How long that takes

def transform_seconds(case, machine, fields):
    """There and back. Over several ranks rows of complex numbers and columns of real ones, half the work, are
    transformed in the cache; in memory the pieces and the twiddle factors are read, and the pieces written, before the
    columns' transforms or after them, and the same for the rows with what multiplies them: seven times."""
    if case.space == 1:
        return 2 * fields * machine.transform_of(case.points)
    n1, n2 = factors(case.points, case.space)
    rows, columns = share(n1 // 2 + 1, case.space), share(n2, case.space)
    lines = rows * n2 * math.log2(n2) + columns * n1 / 2 * math.log2(n1)
    sent, moved = transforms(case, fields), 7 * 2 * DOUBLE * fields * rows * n2
    return (2 * fields * lines * machine.line + moved / machine.bandwidth +
            sent.messages * machine.latency + sent.bytes * machine.byte)


def solve_seconds(case, machine):
    """Two transforms; on one rank also coefficients read and written and the symbol; over several the way to the columns
    and back, into buffers and out of them, and the columns from lines and back."""
    own, sent = DOUBLE * case.samples * case.points // case.space, redistributions(case, case.samples)
    moved = 3 * own / machine.bandwidth if case.space == 1 else 4 * own / machine.bandwidth + 2 * own / machine.strips
    return (transform_seconds(case, machine, case.samples) + moved + sent.messages * machine.latency +
            sent.bytes * machine.byte)


def generate_seconds(case, machine):
    """Over several ranks, the squares and the rows that are transformed next are in the cache already."""
    swept = SWEEPS if case.space == 1 else SWEEPS // 2
    return 4 * transform_seconds(case, machine, 1) + swept * case.points / 2 / case.space / machine.bandwidth


def reduction_seconds(case, machine):
    """Messages as they are; the sums of the replicas' parts, seen to be finite; a tree for what goes over all ranks."""
    sent, groups, all_buckets = shared_out(case), groups_of(case), sum(buckets(case))
    members = case.replicas / groups
    numbers = all_buckets / case.replicas * (groups + 1 if groups > 1 else 1)
    numbers += all_buckets / members * (members + 1) if members > 1 else 0
    sums = DOUBLE * numbers / machine.bandwidth
    if case.ranks == 1:
        return sums
    levels = math.ceil(math.log2(case.ranks))
    whole = reduction(case).bytes - sent.bytes
    return (sent.messages * machine.latency + sent.bytes * machine.byte + sums +
            2 * levels * machine.latency + 2 * (case.ranks - 1) / case.ranks * whole * machine.reduced_byte)


def train_seconds(case, machine):
    """Three products a layer and stage, the solves, the optimizer's share, reductions; nothing overlapped."""
    if case.network != "mlp":
        raise ValueError("the model knows the seconds of perceptrons alone; of convolutions, messages and bytes")
    stages = case.window * STAGES[case.scheme]
    weights = parameters(case)
    found = 3 * stages * case.samples * weights / machine.products
    found += OPTIMIZER * weights / case.replicas / machine.bandwidth
    found += (2 * stages - 1) * solve_seconds(case, machine) + reduction_seconds(case, machine)
    if case.space > 1:
        sent = stages * (evaluation(case, case.samples, False) + evaluation(case, case.samples, True))
        found += sent.messages * math.ceil(math.log2(case.space)) * machine.latency
        found += sent.bytes * 2 * (case.space - 1) / case.space * machine.reduced_byte
    return found


SECONDS = {"generate_step": generate_seconds, "solve_fft": solve_seconds, "reduction": reduction_seconds,
           "train_iteration": train_seconds}


def seconds(name, case, machine):
    """Predicted; NaN where there is no prediction."""
    if name not in SECONDS or (name == "train_iteration" and case.network != "mlp"):
        return math.nan
    return SECONDS[name](case, machine) or math.nan  # 0: nothing to do


def case_of(row, settings):
    """The case of a row of benchmark.csv; settings: those of the parameter file that the row does not tell."""
    return Case(ranks=int(row["ranks"]), space=int(row["space"]), points=int(row["points"]),
                batch=int(settings["batch"]), window=int(settings["window"]), scheme=settings["scheme"],
                network=settings["network"], widths=tuple(settings["widths"]), kernel=int(settings["kernel"]))


def directory_of(root, ranks, space):
    """Holds a folder a round, with one of the benchmark's for each of --of."""
    return pathlib.Path(root) / f"{ranks:05d}_{space:05d}"


def machine_of(directory, of="*"):
    """In turn with these steps, or with any."""
    return Machine.read(sorted(directory.glob(f"*/{of}/benchmark.csv")))
