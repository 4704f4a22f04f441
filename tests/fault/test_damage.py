"""Files that have been damaged: a byte changed in each of their regions, or cut off."""
import shutil

import h5py

import faults
import harness

REGIONS = 256 if harness.LONG else 12


class Damage(faults.Case):
    def places(self, size):
        """One place in each of the regions, the same in every run."""
        return sorted({k * size // REGIONS + faults.RANDOM.randrange(max(1, size // REGIONS)) for k in range(REGIONS)})

    def attempt(self, path, content, command, *settings):
        path.write_bytes(content)
        words = [word for setting in settings for word in ("--set", setting)]
        status, out, err = harness.run(self.folder, command, "c.yaml", *words)
        return status, out, "\n".join(harness.without_launcher(err))

    def flipped(self, whole, place):
        return whole[:place] + bytes([whole[place] ^ faults.RANDOM.randrange(1, 256)]) + whole[place + 1:]

    def cuts(self, size):
        return sorted({0, 1, 8, 95, 96, 500, size - 1, *(k * size // 8 for k in range(1, 8))})

    def resumes_all_the_same(self, content, what):
        """With the newest checkpoint like this, the run goes on to the same bits, from that before it if need be."""
        newest = max((self.folder / "run/checkpoints").iterdir())
        saved = {path: path.read_bytes() for path in (self.folder / "run").rglob("*") if path.is_file()}
        status, out, err = self.attempt(newest, content, "train", "train.epochs=4")
        self.assertEqual(status, 0, f"{what}: {out}{err}")
        if err:
            self.assertIn(newest.name, err)
            self.assertIn("the checkpoint before it is taken", err)
        self.assert_same_run(self.folder / "whole", self.folder / "run")
        for path, bytes_before in saved.items():
            path.write_bytes(bytes_before)
        (self.folder / "run/checkpoints/checkpoint-000016.h5").unlink()
        return bool(err)

    def test_checkpoint_flipped(self):
        """a byte of the newest checkpoint changed, in every region -> it is reported and the one before it taken, or what
        is changed bears no meaning; the run ends with the same bits"""
        self.sinode("train", "--set", "run.directory=whole", "--set", "train.epochs=4")
        newest = max((self.folder / "run/checkpoints").iterdir())
        whole = newest.read_bytes()
        seen = sum(self.resumes_all_the_same(self.flipped(whole, place), place) for place in self.places(len(whole)))
        self.assertGreater(seen, REGIONS // 3)

    def test_checkpoint_cut(self):
        """the newest checkpoint cut off, at every eighth and in its head -> the same"""
        self.sinode("train", "--set", "run.directory=whole", "--set", "train.epochs=4")
        newest = max((self.folder / "run/checkpoints").iterdir())
        whole = newest.read_bytes()
        for length in self.cuts(len(whole)):
            self.assertTrue(self.resumes_all_the_same(whole[:length], length))

    def test_checkpoint_of_another_run(self):
        """the newest checkpoint names other data or parameters than those before it -> it is taken for damaged, the same;
        where all do, it is refused: status 2, names what differs"""
        def other_data(file):
            file["progress/data_checksum"][...] += 1

        def other_seed(file):
            file.attrs["config"] = file.attrs["config"].replace(b"seed: 3", b"seed: 2")

        def change(path):
            with h5py.File(path, "r+") as file:
                edit(file)
        self.sinode("train", "--set", "run.directory=whole", "--set", "train.epochs=4")
        *older, newest = sorted((self.folder / "run/checkpoints").iterdir())
        saved = {path: path.read_bytes() for path in (*older, newest)}
        for edit, words in ((other_data, "checksum"), (other_seed, "run.seed is 3")):
            change(newest)
            self.assertTrue(self.resumes_all_the_same(newest.read_bytes(), words))
            for path in older:
                change(path)
            before = harness.tree(self.folder)
            for ranks, space in faults.SPLITS:
                _, err = self.sinode("train", "--set", "train.epochs=4", ranks=ranks, space=space, status=2)
                self.assertIn(words, err[-1])
                self.assertEqual(harness.tree(self.folder), before)
            for path, content in saved.items():
                path.write_bytes(content)

    def test_all_checkpoints(self):
        """all checkpoints damaged -> status 3, names the file; nothing is changed"""
        def edit(folder):
            for path in (folder / "run/checkpoints").iterdir():
                path.write_bytes(path.read_bytes()[:3000])
        for ranks, space in faults.SPLITS:
            edit(self.folder)
            before = harness.tree(self.folder)
            _, err = self.sinode("train", "--set", "train.epochs=4", ranks=ranks, space=space, status=3)
            self.assertIn("checkpoint-000004.h5", err[-1])
            self.assertEqual(harness.tree(self.folder), before)

    def test_model_of_a_checkpoint(self):
        """a weight of a checkpoint changed, from which a prediction starts -> status 3, names the file and its checksum"""
        path = max((self.folder / "run/checkpoints").iterdir())
        with h5py.File(path, "r+") as file:
            file["model/nonlinear/layer_0/weight"][0, 0] += 1e-12
        for ranks, space in faults.SPLITS:
            _, err = self.sinode("predict", "--set", f"predict.model={path}", ranks=ranks, space=space, status=3)
            self.assertIn(f"{path}: the checksum of the contents", err[0])

    def test_folder_that_cannot_be_read(self):
        """the folder of checkpoints cannot be read -> status 3, says so; the run does not begin anew"""
        (self.folder / "run/model.h5").unlink()
        shutil.rmtree(self.folder / "run/checkpoints")
        (self.folder / "run/checkpoints").symlink_to("checkpoints")
        before = harness.tree(self.folder)
        for ranks, space in faults.SPLITS:
            _, err = self.sinode("train", ranks=ranks, space=space, status=3)
            self.assertIn("checkpoints", err[0])
            self.assertEqual(harness.tree(self.folder), before)

    def test_trajectory_flipped(self):
        """a byte of a trajectory file changed, in every region -> status 3, names the file, or what is changed bears no
        meaning and the trained model is the same to the bit"""
        path = self.folder / "data.h5"
        whole, seen = path.read_bytes(), 0
        for place in self.places(len(whole)):
            status, out, err = self.attempt(path, self.flipped(whole, place), "train", f"run.directory=run{place}",
                                            "train.epochs=3")
            if status:
                self.assertEqual(status, 3, f"{place}: {out}{err}")
                self.assertIn("data.h5", err)
                seen += 1
            else:
                self.assert_same_data(self.folder / "run/model.h5", self.folder / f"run{place}/model.h5")
        self.assertGreater(seen, REGIONS // 8)  # where u is; most of the rest is empty room for attributes

    def test_trajectory_cut(self):
        """a trajectory file cut off, at every eighth and in its head -> status 3, names the file"""
        path = self.folder / "data.h5"
        whole = path.read_bytes()
        for length in self.cuts(len(whole)):
            status, out, err = self.attempt(path, whole[:length], "train", "run.directory=other")
            self.assertEqual(status, 3, f"{length}: {out}{err}")
            self.assertIn("data.h5", err)

    def test_model_cut(self):
        """a model file cut off -> status 3, names the file"""
        path = self.folder / "model.h5"
        whole = path.read_bytes()
        for length in self.cuts(len(whole)):
            status, out, err = self.attempt(path, whole[:length], "predict", "predict.model=model.h5")
            self.assertEqual(status, 3, f"{length}: {out}{err}")
            self.assertIn("model.h5", err)


if __name__ == "__main__":
    faults.main()
