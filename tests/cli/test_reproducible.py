"""parallel.reproducible: the same bits on any number of replicas, over fifty iterations, stopped and resumed or not."""

import numpy as np

import harness

EPOCHS = 13  # of four batches


class Reproducible(harness.Case):
    def setUp(self):
        super().setUp()
        self.sinode("generate", "--quiet")

    def train(self, directory, ranks, space, *more, epochs=EPOCHS):
        settings = ("parallel.reproducible=true", "parallel.slice=2", f"run.directory={directory}",
                    f"train.epochs={epochs}", *more)
        self.sinode("train", "--quiet", *(word for value in settings for word in ("--set", value)), ranks=ranks,
                    space=space)

    def assert_same_run(self, one, other):
        for name in ("model.h5", "best.h5"):
            self.assert_same_data(self.folder / one / name, self.folder / other / name)
        a, b = harness.history(self.folder / one), harness.history(self.folder / other)
        np.testing.assert_array_equal(a[:, [0, 1, 3, 4, 5]], b[:, [0, 1, 3, 4, 5]])

    def test_any_number_of_replicas(self):
        for replicas in (1, 3, 4, *harness.more(2)):
            self.train(f"run{replicas}", replicas, 1, "train.optimizer.clip=0.001")
            self.assert_same_run("run1", f"run{replicas}")
        self.assertGreaterEqual(harness.history(self.folder / "run1")[-1, 1], 50)

    def test_of_a_split_grid(self):
        more = ("model.linear.trainable=true", "train.window=2", "integrator.scheme=ars343")
        for ranks in (2, 4, *harness.more(6)):
            self.train(f"run{ranks}", ranks, 2, *more)
            self.assert_same_run("run2", f"run{ranks}")

    def test_resumed_on_other_replicas(self):
        self.train("whole", 1, 1)
        for ranks, epochs in ((4, 4), (1, 8), (3, EPOCHS)):
            self.train("broken", ranks, 1, epochs=epochs)
        self.assert_same_run("whole", "broken")

    def test_close_to_the_usual_order(self):
        """The slices are those of the batch: only round-off differs."""
        self.train("run", 2, 1, epochs=2)
        self.train("usual", 2, 1, "parallel.reproducible=false", epochs=2)
        self.assert_same_data(self.folder / "usual/model.h5", self.folder / "run/model.h5", tolerance=1e-9)

    def test_slice_is_part_of_the_run(self):
        self.train("run", 1, 1, epochs=2)
        _, err = self.sinode("train", "--set", "parallel.reproducible=true", "--set", "parallel.slice=4", "--set",
                             "train.epochs=3", status=2)
        self.assertIn("parallel.slice", err[0])


if __name__ == "__main__":
    harness.main()
