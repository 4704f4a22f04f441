"""sinode check --io: files of the run's shape go out and come back; nothing of them stays."""
import os
import unittest
import unittest.mock

import harness

LIBRARY = harness.mpi_library()


class CheckIo(harness.Case):
    def test_files_come_back(self):
        for ranks, space in ((1, 1), (2, 2), (4, 2)):
            with self.subTest(ranks=ranks, space=space):
                out, err = self.sinode("check", "--io", "--set", "generate.file=new/data.h5", ranks=ranks, space=space)
                self.assertEqual(err, [])
                for name, size in (("new/data.h5.io-check", "0.0 MiB"), ("run/io-check.h5", "0.0 MiB")):
                    self.assertRegex(out, rf"io: {name}: {size} written and synced in .* MiB/s\), read back in .* MiB/s\), "
                                     "every byte as it was written")
                # Of Open MPI not vulcan, though nobody chose.
                part = "ompio (dynamic_gen2)" if LIBRARY.startswith("Open MPI") else "romio"
                self.assertIn(f"io: MPI-IO of {LIBRARY}: {part}\n", out)
                self.assertFalse(any(path.is_file() for path in self.folder.rglob("*") if path.name != "c.yaml"))

    @unittest.skipUnless(LIBRARY.startswith("Open MPI"), "there is a choice only in Open MPI")
    def test_a_choice_of_the_user_is_left_and_named(self):
        with unittest.mock.patch.dict(os.environ, {"OMPI_MCA_fcoll": "vulcan"}):
            out, err = self.sinode("check", "--io", ranks=2)
        self.assertIn("ompio (vulcan)", out)
        self.assertIn("vulcan", err[0])
        self.assertIn("dynamic_gen2", err[0])

    def test_a_place_that_cannot_be_written(self):
        _, err = self.sinode("check", "--io", "--set", "generate.file=c.yaml/data.h5", status=3)
        self.assertIn("c.yaml", err[0])
        _, err = self.sinode("train", "--io", status=2)
        self.assertIn("--io belongs to the command check", err[0])


if __name__ == "__main__":
    # The program makes this choice by itself; the other tests only share it.
    os.environ.pop("OMPI_MCA_fcoll", None)
    unittest.main()
