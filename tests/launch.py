#!/usr/bin/python3
"""Runs one test so that it shares nothing with another: ctest starts every test through this.

usage: launch.py [--one-core] NAME SECONDS COMMAND...

The test gets a folder of its own for temporary files, its home and caches, the session directories of MPI (names of
Open MPI 4 and 5) and what MPI's ranks share in memory. Nothing that the test has started outlives it, in whatever
session or process group: at the end, after SECONDS, or when this is told to stop, all of it is killed, what it mounted
is unmounted, and the folder is removed. A line on what the test took is added to the file SINODE_TEST_USAGE, for
dearest.py.

--one-core: all of it runs on one core, that which fewest of the tests beside it have. Of ranks that wait and give way
there is then always one that works; spread over cores, they hold cores that others would use, and every message waits
until the scheduler gives one back. SINODE_TEST_CORES=all in the environment: all tests have all cores.
"""
import ctypes
import fcntl
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SET_CHILD_SUBREAPER = 36  # of prctl(2): orphans become children of this process and not of init
TIMED_OUT = 124
MEMORY = "/dev/shm"
LONGEST = 24  # characters of the place of the folder: below it are sockets, whose paths have room for 107


def place():
    """Where the folder is made."""
    chosen = tempfile.gettempdir()
    return chosen if len(chosen) <= LONGEST else "/tmp"


def has_room_for_memory():
    """In a container it may be small, and ranks that cannot have their memory there end by SIGBUS."""
    if not os.access(MEMORY, os.W_OK):
        return False
    found = os.statvfs(MEMORY)
    return found.f_bavail * found.f_frsize > 1 << 29


def environment(folder, shared):
    """The variables that keep a test to its folder; `shared` is for memory that processes share, or None."""
    sessions = os.path.join(folder, "mpi")
    variables = {"TMPDIR": os.path.join(folder, "tmp"), "HOME": os.path.join(folder, "home"),
                 "XDG_CACHE_HOME": os.path.join(folder, "home"), "XDG_CONFIG_HOME": os.path.join(folder, "home"),
                 "MPLCONFIGDIR": os.path.join(folder, "home"), "PYTHONDONTWRITEBYTECODE": "1",
                 "OMPI_MCA_orte_tmpdir_base": sessions, "PRTE_MCA_prte_tmpdir_base": sessions,
                 "PMIX_SYSTEM_TMPDIR": sessions, "PMIX_SERVER_TMPDIR": sessions}
    variables.update((f"OMPI_MCA_{component}_backing_directory", shared or sessions)
                     for component in ("btl_vader", "btl_sm", "osc_sm", "osc_rdma"))
    for name in ("TMPDIR", "HOME", "OMPI_MCA_orte_tmpdir_base"):
        os.mkdir(variables[name], 0o700)
    return variables


def settle_on_a_core():
    """Binds this process, and what it starts, to the core of fewest tests: the first whose lock of this depth is free. The
    file that holds the lock."""
    beside = os.path.dirname(os.environ["SINODE_TEST_USAGE"])
    cores = sorted(os.sched_getaffinity(0))
    for depth, core in ((depth, core) for depth in itertools.count() for core in cores):
        lock = open(os.path.join(beside, f"core-{core}.{depth}.lock"), "a", encoding="utf8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        os.sched_setaffinity(0, {core})
        return lock


def descendants():
    """All processes below this one."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf8", errors="replace") as file:
                    parents[int(entry)] = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                pass
    found, edge = [], {os.getpid()}
    while edge:
        edge = {pid for pid, parent in parents.items() if parent in edge}
        found += edge
    return found


def end_all():
    """Kills and reaps until nothing is left below this process."""
    while True:
        for pid in descendants():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            os.wait()
        except ChildProcessError:
            return


def remove(folder):
    """Removes a folder with what is mounted in it."""
    with open("/proc/self/mounts", encoding="utf8") as file:
        mounted = [line.split()[1] for line in file]
    for point in sorted((point for point in mounted if point.startswith(folder + "/")), reverse=True):
        subprocess.run(["umount", "--lazy", point], check=False)
    shutil.rmtree(folder, ignore_errors=True)


def stopped(number, _):
    raise SystemExit(128 + number)


def out_of_time(*_):
    raise TimeoutError


def run(command, seconds, folders):
    """The status of the command, as a shell has it."""
    variables = environment(*folders)
    try:
        process = subprocess.Popen(command, env={**os.environ, **variables})
    except OSError as error:
        print(f"launch.py: {command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    signal.signal(signal.SIGALRM, out_of_time)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        status = process.wait()
    except TimeoutError:
        print(f"\nlaunch.py: not done after {seconds:g} s: killed, with all that it had started", file=sys.stderr)
        return TIMED_OUT
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return status if status >= 0 else 128 - status


def note_usage(name, status, wall):
    """Seconds of wall, user and system, the last two of everything that the test had started."""
    path, times = os.environ.get("SINODE_TEST_USAGE"), os.times()
    if path:
        with open(path, "a", encoding="utf8") as file:  # one short write: tests that end together do not mix
            file.write(f"{name}\t{status}\t{wall:.2f}\t{times.children_user:.2f}\t{times.children_system:.2f}\n")


def main():
    arguments = sys.argv[1:]
    on_one_core = arguments[:1] == ["--one-core"]
    if len(arguments) < 3 + on_one_core:
        sys.exit(__doc__.split("\n\n")[1])
    name, seconds, *command = arguments[on_one_core:]
    if on_one_core and os.environ.get("SINODE_TEST_CORES") != "all":
        lock = settle_on_a_core()  # until this ends
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stopped)
    started, status, folders = time.monotonic(), 1, []
    try:
        folders.append(tempfile.mkdtemp(prefix="sn", dir=place()))
        folders.append(tempfile.mkdtemp(prefix="sn", dir=MEMORY) if has_room_for_memory() else None)
        status = run(command, float(seconds), folders)
    except SystemExit as stop:
        status = stop.code
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        end_all()
        for folder in filter(None, folders):
            remove(folder)
    note_usage(name, status, time.monotonic() - started)
    sys.exit(status)


if __name__ == "__main__":
    main()
