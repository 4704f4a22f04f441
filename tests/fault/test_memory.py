"""One rank that gets no memory, at every place where the program asks for some: all ranks end."""
import faults
import harness

SAMPLE = None if harness.LONG else 1  # places a command and split
CONV = ("model.nonlinear.kind=conv", "model.nonlinear.channels=[2]", "model.nonlinear.kernel=5")
DENSE = ("model.linear.kind=dense", "model.linear.trainable=true")


class Memory(faults.Case):
    def places(self, command, *settings):
        """The calls of rank 1 that ask for memory: all, or some of them at random."""
        self.injected("memory", command, *settings, at=0, rank=1, met=None, options=("--overwrite",))
        calls = range(1, 1 + int(self.mark.read_text()))
        return calls if SAMPLE is None or len(calls) <= SAMPLE else sorted(faults.RANDOM.sample(calls, SAMPLE))

    def ends_everywhere(self, command, *settings, spaces=(2, *harness.more(1))):
        for space in spaces:
            split = (*settings, f"parallel.space={space}")
            places = self.places(command, *split)
            self.assertGreater(len(places), 0)
            for place in places:
                with self.subTest(command=command, settings=split, place=place):
                    result = self.injected("memory", command, *split, at=place, rank=1, options=("--overwrite",))
                    self.assert_error(result, 1, "out of memory")
                    self.assert_nothing_unfinished()

    def test_training(self):
        """no memory for one rank at any place of a training (IMEX, implicit, adaptive; perceptron, convolutions; dense,
        GMRES) -> status 1, "out of memory", no rank waits for it"""
        self.ends_everywhere("train", "train.epochs=1")
        self.ends_everywhere("train", "train.epochs=1", "integrator.scheme=cn", *CONV)
        self.ends_everywhere("train", "train.epochs=1", "integrator.scheme=dopri5-adaptive", "integrator.dt=0.05")
        self.ends_everywhere("train", "train.epochs=1", "integrator.solver.kind=dense", *DENSE)
        self.ends_everywhere("train", "train.epochs=1", "integrator.solver.kind=gmres", *DENSE)

    def test_subdomains(self):
        """... of a training on subdomains, of solves and a generator on them -> the same"""
        long = ("grid.points=1100", "grid.length=378.125", "generate.members=1", "generate.dt=0.1",
                "generate.initial=noise", "integrator.dt=0.1", "train.data=long.h5", *CONV)
        self.sinode("generate", *(word for setting in (*long, "generate.file=long.h5") for word in ("--set", setting)))
        for settings in (("integrator.subdomains.domain=subdomains",),
                         ("integrator.subdomains.domain=whole", "integrator.solver.kind=local")):
            self.ends_everywhere("train", "train.epochs=1", *long, *settings, spaces=(2,))
        self.ends_everywhere("generate", "generate.file=new.h5", "generate.transform=local", "generate.dealias=false",
                             *long, spaces=(2,))

    def test_exponential_schemes(self):
        """... of a training by an exponential scheme, of a stencil or a matrix -> the same"""
        for linear in (DENSE, ("model.linear.trainable=true",)) if harness.LONG else (DENSE,):
            self.ends_everywhere("train", "train.epochs=1", "integrator.scheme=etdrk4", *linear, spaces=(2,))

    def test_optimizers(self):
        """... with L-BFGS, Levenberg-Marquardt, slices -> the same"""
        self.ends_everywhere("train", "train.epochs=1", "train.optimizer.kind=lbfgs")
        self.ends_everywhere("train", "train.epochs=1", "train.optimizer.kind=lm")
        self.ends_everywhere("train", "train.epochs=1", "parallel.reproducible=true", spaces=(1, *harness.more(2)))

    def test_commands(self):
        """... of any other command -> the same"""
        self.ends_everywhere("generate", "generate.file=new.h5")
        self.ends_everywhere("predict", "predict.model=model.h5")
        self.ends_everywhere("gradient", "gradient.model=model.h5")
        self.ends_everywhere("lyapunov", "lyapunov.model=model.h5", "lyapunov.span=2", "lyapunov.transient=1",
                             "lyapunov.exponents=2")
        self.ends_everywhere("check")


if __name__ == "__main__":
    faults.main()
