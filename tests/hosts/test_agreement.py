"""Jobs on two hosts of two ranks each, over TCP, against the same on one host."""
import jobs
from form import LONG, main, more

setUpModule = jobs.skip_where_impossible


class Agreement(jobs.Case):
    def setUp(self):
        super().setUp()
        self.start_hosts(2)

    def pipeline(self, name, *options, space=1, **variables):
        """Generate, train and predict, whose files begin with the name."""
        keys = (f"parallel.space={space}", f"run.directory={name}", f"generate.file={name}-data.h5",
                f"train.data={name}-data.h5", f"predict.model={name}/model.h5", f"predict.data={name}-data.h5",
                f"predict.file={name}-prediction.h5")
        return self.submit("pipeline.sh", *options, *(word for key in keys for word in ("--set", key)), **variables)

    def assert_agree(self, one, other, tolerance=0.0):
        for file in ("-data.h5", "/model.h5", "-prediction.h5"):
            self.assert_same_data(self.folder / f"{one}{file}", self.folder / f"{other}{file}", tolerance)

    def test_two_hosts_agree_with_one(self):
        """To the bit where ranks and split are the same, else to round-off; started by srun and, in the long form, by
        mpirun."""
        before = [self.sent(host) for host in self.slurm.nodes]
        last, spaces = {}, (2, *more(1, 4))
        for space in spaces:
            last[space] = self.pipeline(f"two{space}", "--nodes=2", "--ntasks-per-node=2", space=space)[-1]
        if LONG:
            last["mpirun"] = self.pipeline("mpirun", "--nodes=2", space=2, SINODE_LAUNCH="mpirun")[-1]  # --mincpus=2
        last["one"] = self.pipeline("one", "--nodes=1", "--ntasks-per-node=4", space=2)[-1]
        last["single"] = self.pipeline("single", "--nodes=1", "--ntasks-per-node=1")[-1]
        for job in last.values():
            self.assert_completes(job, 600)
        for host, start in zip(self.slurm.nodes, before):
            self.assertGreater(self.sent(host) - start, (len(last) - 2) * 250000, f"{host} has sent no data")
        self.assertIn("4 ranks on n[1-2]", self.log(last[2]))
        self.assert_agree("one", "two2")
        if LONG:
            self.assert_agree("one", "mpirun")
        for space in spaces:
            self.assert_agree("single", f"two{space}", tolerance=1e-9)


if __name__ == "__main__":
    main()
