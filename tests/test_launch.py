"""launch.py itself: what a test leaves behind, however it ends, is gone, and two tests share nothing."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

LAUNCH = pathlib.Path(__file__).resolve().with_name("launch.py")
# A daemon: in a session of its own, its parent gone; it holds a pipe whose end says that it has ended.
DAEMON = "setsid sh -c 'trap \"\" TERM; echo begun; exec sleep 1000' & "


class Launch(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.usage = pathlib.Path(folder.name) / "usage.tsv"

    def start(self, script, seconds=60, options=()):
        return subprocess.Popen([sys.executable, LAUNCH, *options, "name", str(seconds), "sh", "-c", script], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                env={**os.environ, "SINODE_TEST_USAGE": str(self.usage), "TMPDIR": tempfile.gettempdir()})

    def finish(self, process):
        """(status, stdout, stderr), once all that holds the pipes has ended."""
        out, err = process.communicate(timeout=240)
        return process.returncode, out, err

    def test_status_is_passed_on(self):
        for status in (0, 1, 77):
            self.assertEqual(self.finish(self.start(f"exit {status}")), (status, "", ""))
        self.assertEqual(self.finish(self.start("kill -9 $$"))[0], 128 + signal.SIGKILL)
        fields = [line.split("\t") for line in self.usage.read_text().splitlines()]
        self.assertEqual([line[:2] for line in fields], [["name", status] for status in ("0", "1", "77", "137")])

    def test_usage_counts_all_processes(self):
        self.finish(self.start(f"{sys.executable} -c 'sum(range(10**7))' & wait"))
        name, status, wall, user, system = self.usage.read_text().split("\t")
        self.assertEqual((name, status), ("name", "0"))
        self.assertGreater(float(user) + float(system), 0.02)
        self.assertGreater(float(wall), 0.02)

    def test_daemons_end_with_the_test(self):
        status, out, _ = self.finish(self.start(DAEMON + "exit 0"))
        self.assertEqual(status, 0)
        self.assertIn(out, ("begun\n", ""))  # the end may come before it has begun

    def test_daemons_end_with_the_time(self):
        status, out, err = self.finish(self.start(DAEMON + "sleep 1000", seconds=1))
        self.assertEqual((status, out), (124, "begun\n"))
        self.assertIn("not done after 1 s", err)

    def test_daemons_end_with_the_launcher(self):
        process = self.start(DAEMON + "sleep 1000")
        self.assertEqual(process.stdout.readline(), "begun\n")
        process.terminate()
        self.assertEqual(self.finish(process)[0], 128 + signal.SIGTERM)

    def folders(self):
        """The folders that a test is given, in which it leaves a file."""
        script = "import json, os; names = ('TMPDIR', 'HOME', 'OMPI_MCA_orte_tmpdir_base'); " \
                 "found = [os.environ[name] for name in names]; " \
                 "[open(path + '/left', 'w') for path in found]; print(json.dumps(found))"
        status, out, err = self.finish(self.start(f'{sys.executable} -c "{script}"'))
        self.assertEqual((status, err), (0, ""))
        return json.loads(out)

    def test_folders_are_its_own_and_short_lived(self):
        one, other = self.folders(), self.folders()
        self.assertEqual(len({*one, *other}), len(one) + len(other))
        for path in (*one, *other):
            self.assertFalse(os.path.exists(path))
            self.assertLess(len(path), 40)

    def test_one_core_is_that_of_fewest_tests(self):
        cores = os.sched_getaffinity(0)
        script = f"{sys.executable} -c 'import os; print(*os.sched_getaffinity(0), flush=True); input()'"
        processes = [subprocess.Popen(
            [sys.executable, LAUNCH, "--one-core", "name", "60", "sh", "-c", script], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env={**os.environ, "SINODE_TEST_USAGE": str(self.usage)}) for _ in range(2 * len(cores))]
        found = [int(process.stdout.readline()) for process in processes]
        for process in processes:
            process.communicate("\n")
        self.assertEqual(sorted(found), sorted([*cores, *cores]))

    @unittest.skipUnless(os.geteuid() == 0 and
                         subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0,
                         "needs root, to mount a file system")
    def test_what_is_mounted_is_unmounted(self):
        status, out, err = self.finish(self.start('mount -t tmpfs -o size=64k tmpfs "$TMPDIR" && echo "$TMPDIR"'))
        self.assertEqual(status, 0, err)
        self.assertNotIn(out.strip(), pathlib.Path("/proc/self/mounts").read_text())
        self.assertFalse(os.path.exists(out.strip()))


if __name__ == "__main__":
    unittest.main()
