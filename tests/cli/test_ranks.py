"""The same results on every number of ranks, to round-off; the same bits on the same number."""
import pathlib
import shutil
import tempfile

import harness

# (ranks, space ranks)
SPLITS = [(1, 1), (3, 3), (4, 2), *harness.more((2, 1), (2, 2), (3, 1), (4, 1), (4, 4))]
POINTS = ("--set", "grid.points=21", "--set", "generate.members=3")  # nothing divides evenly

VARIANTS = {
    "conv": ("model.nonlinear.kind=conv", "model.nonlinear.channels=[3, 2]", "model.nonlinear.kernel=5"),
    "dense": ("model.linear.kind=dense", "model.linear.trainable=true", "integrator.solver.kind=dense"),
    "narrow": ("model.nonlinear.hidden=[3, 1, 4]", "train.batch=1"),  # than the ranks, and one sample on a replica
    "implicit": ("integrator.scheme=cn", "integrator.newton.tolerance=1e-13"),
    "revolve": ("adjoint.storage=revolve", "adjoint.snapshots=2", "train.window=4", "integrator.dt=0.1"),
    "adaptive": ("integrator.scheme=dopri5-adaptive", "integrator.dt=0.05", "train.window=2"),
}
GOLDEN = ("conv", "dense", "implicit")  # of which there are golden files, too: in the long form


class Ranks(harness.Case):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.shared = pathlib.Path(folder.name)

    def job(self, split, folder, variant=(), data=None):
        """Data, if there are none yet, training, prediction and gradient on one split of the ranks, in a folder of their
        own."""
        folder.mkdir()
        (folder / "c.yaml").write_text(harness.CONFIG)
        settings = [*POINTS, *(word for setting in variant for word in ("--set", setting))]
        if data:
            shutil.copy(data, folder / "data.h5")
        for command in ("train", "predict", "gradient") if data else ("generate", "train", "predict", "gradient"):
            self.sinode(command, "--quiet", *settings, ranks=split[0], space=split[1], folder=folder)

    def plain(self, split):
        """The folder of the job without variants, which all tests share."""
        folder = self.shared / f"{split[0]}-{split[1]}"
        if not folder.exists():
            self.job(split, folder)
        return folder

    def test_all_splits_agree(self):
        for split in SPLITS[1:]:
            for name in ("data.h5", "run/model.h5", "run/best.h5", "prediction.h5", "gradient.h5"):
                self.assert_same_data(self.plain((1, 1)) / name, self.plain(split) / name, tolerance=1e-9)

    def test_variants_agree(self):
        for variant, settings in VARIANTS.items():
            if variant in GOLDEN and not harness.LONG:
                continue
            for split in ((1, 1), (4, 2)):
                self.job(split, self.folder / f"{variant}-{split[0]}", settings, data=self.plain(split) / "data.h5")
            for name in ("run/model.h5", "prediction.h5", "gradient.h5"):
                with self.subTest(variant=variant, file=name):
                    self.assert_same_data(self.folder / f"{variant}-1" / name, self.folder / f"{variant}-4" / name,
                                          tolerance=1e-9)

    def test_subdomains_agree_with_the_whole_grid(self):
        """A whole job on a long domain, where steps reach a small part of it; also one that is stopped and goes on."""
        settings = ("grid.points=1031", "grid.length=354.0", "generate.members=1", "generate.dt=0.1", "train.batch=4",
                    "integrator.dt=0.1", "train.epochs=2", "model.nonlinear.kind=product", "model.nonlinear.products=2",
                    "model.nonlinear.kernel=5", "model.linear.trainable=true")
        words = [word for setting in settings for word in ("--set", setting)]
        self.sinode("generate", "--quiet", *words)
        for split, domain in (((1, 1), "whole"), *harness.more(((1, 1), "subdomains"), ((3, 3), "subdomains")),
                              ((4, 2), "subdomains")):
            folder = self.folder / f"{domain}{split[0]}"
            folder.mkdir()
            (folder / "c.yaml").write_text(harness.CONFIG)
            shutil.copy(self.folder / "data.h5", folder)
            for command in ("train", "predict", "gradient"):
                self.sinode(command, "--quiet", *words, "--set", f"integrator.subdomains.domain={domain}",
                            ranks=split[0], space=split[1], folder=folder)
            if domain == "subdomains":
                for name in ("run/model.h5", "prediction.h5", "gradient.h5"):
                    with self.subTest(split=split, file=name):
                        self.assert_same_data(self.folder / "whole1" / name, folder / name, tolerance=1e-9)
        (folder / "run/model.h5").rename(folder / "unbroken.h5")
        shutil.rmtree(folder / "run")
        for epochs in (1, 2):
            self.sinode("train", "--quiet", *words, "--set", "integrator.subdomains.domain=subdomains", "--set",
                        f"train.epochs={epochs}", "--set", "train.schedule.kind=constant", ranks=4, space=2, folder=folder)
        self.assert_same_data(folder / "unbroken.h5", folder / "run/model.h5")

    def test_tapes_suit_transforms(self):
        """The nonlinear term by transforms, on a prime number of points and an odd number of them on a rank."""
        settings = ("--quiet", "--overwrite", "--set", "grid.points=13", "--set", "generate.members=1", "--set",
                    "model.nonlinear.kind=ks", "--set", "predict.model=none")
        self.sinode("generate", *settings)
        for scheme in ("cn", "beuler", "l2", "dopri5-adaptive"):
            for ranks in (1, 3, *harness.more(2)):
                self.sinode("predict", *settings, "--set", f"integrator.scheme={scheme}", "--set",
                            f"predict.file={scheme}{ranks}.h5", ranks=ranks, space=ranks)
                self.assert_same_data(self.folder / f"{scheme}1.h5", self.folder / f"{scheme}{ranks}.h5", tolerance=1e-9)

    def test_a_run_repeats_to_the_bit(self):
        for split in ((1, 1), (3, 3), (4, 2)):
            again = self.folder / f"again{split[0]}"
            self.job(split, again)
            for name in ("data.h5", "run/model.h5", "run/best.h5", "prediction.h5", "gradient.h5"):
                self.assert_same_data(self.plain(split) / name, again / name)


if __name__ == "__main__":
    harness.main()
