"""Weights in the layouts that people have: layers in any order, kernels of several widths, .safetensors."""
import dataclasses
import json
import unittest

import numpy as np

from test_weights import KS, POINTS, TorchTest, conv_state, mlp_state, numpy_network
from sinode.model import read_model, write_model  # noqa: E402
from sinode.weights import read_state, write_state  # noqa: E402


class Layouts(TorchTest):
    def test_order(self):
        """Layers that were declared in another order than they are applied, or whose file has them sorted by name."""
        state = mlp_state(widths=(48, 32, 48))
        right = self.model(state, *KS, "--activation", "tanh", name="right.h5")
        parts = {"dec.weight": "2.weight", "dec.bias": "2.bias", "enc.weight": "0.weight", "enc.bias": "0.bias"}
        declared = {name: state[part] for name, part in parts.items()}
        self.model(declared, *KS, "--activation", "tanh", "--points", 48, name="points.h5")
        self.model(declared, *KS, "--activation", "tanh", "--order", "enc,dec", name="order.h5")
        for name in ("points.h5", "order.h5"):
            self.assert_same_model(self.folder / name, right)
        out = self.done("import", self.npz(declared), *KS, "--activation", "tanh", "--points", 32, "-o",
                        self.folder / "other.h5")
        self.assertIn("in the order in which they are applied: dec, enc\n", out)
        self.assertIn("Sequential(Linear(32, 48), Tanh(), Linear(48, 32))", out)
        out = self.done("import", self.npz(declared), "--like", right, "-o", self.folder / "like.h5")
        self.assert_same_model(self.folder / "like.h5", right)
        partly = mlp_state(widths=(32, 32, 32, 20, 32))
        stems = {"out": "6", "f1": "0", "f2": "2", "f3": "4"}
        named = {stem + part: partly[number + part] for stem, number in stems.items() for part in (".weight", ".bias")}  # by their shapes f2 could come before f1
        self.model(named, *KS, "--activation", "tanh", "--points", 32, name="named.h5")
        self.assert_same_model(self.folder / "named.h5", self.model(partly, name="partly.h5"))
        self.assert_error(2, "the layers of", "import", self.npz(declared), *KS, "--order", "enc,mid", "-o", "n.h5")
        many = mlp_state(widths=[8] * 8)  # 0, 2, ... 12, which sorted by name is 0, 10, 12, 2, ...
        write_state(self.folder / "many.safetensors", dict(sorted(many.items())))
        self.done("import", self.folder / "many.safetensors", *KS, "--activation", "tanh", "-o",
                  self.folder / "many.h5")
        self.assert_same_model(self.folder / "many.h5", self.model(many, name="direct.h5"))

    def test_kernels_of_different_widths(self):
        """The narrower are widened by zeros: to the bit what the widened network is."""
        state, wide = conv_state(), conv_state()
        state["2.weight"] = state["2.weight"][:, :, 1:4]
        wide["2.weight"] = np.pad(state["2.weight"], ((0, 0), (0, 0), (1, 1)))
        more = (*KS, "--activation", "tanh", "--points", POINTS)
        out = self.done("import", self.npz(state), *more, "-o", self.folder / "m.h5")
        self.assertIn("1 kernel(s) widened by zeros to 5", out)
        self.assert_same_model(self.folder / "m.h5", self.model(wide, *more, name="wide.h5"))
        state["0.weight"] = state["0.weight"][:, :, 2:3]
        self.model(state, *more, name="narrow.h5")
        u = np.random.default_rng(1).normal(size=(2, POINTS))  # numpy_network takes every kernel as it is
        stored = self.datasets(self.folder / "narrow.h5")
        read = {f"{2 * k}.{part}": stored[f"nonlinear/layer_{k}/{part}"] for k in range(3)
                for part in ("weight", "bias")}
        np.testing.assert_allclose(numpy_network(read)(u), numpy_network(state)(u), rtol=1e-14)

    def test_like_a_model_of_derivatives(self):
        """Their coefficients, orders and parameter stay."""
        path = self.model(mlp_state(), *KS, "--activation", "tanh", name="stencil.h5")
        about = {"linear_derivatives": "2 4", "linear_parameter": "u_xxxx", "parameter_least": 0.5, "parameter_most": 2.0}
        old = dataclasses.replace(read_model(path), linear_kind="derivatives", linear=np.array([-1.0, -0.5]),
                                  derivatives=about)
        write_model(self.folder / "old.h5", old)
        self.done("import", self.npz(mlp_state()), "--like", self.folder / "old.h5", "-o", self.folder / "new.h5")
        new = read_model(self.folder / "new.h5")
        self.assertEqual((new.linear_kind, new.derivatives), ("derivatives", about))
        np.testing.assert_array_equal(new.linear, old.linear)

    def test_safetensors(self):
        """As the format's own library lays them out, of every type that weights have."""
        state, tensors, header, begin = mlp_state(), b"", {"__metadata__": {"format": "pt"}}, 0
        kinds = {"0.weight": "F32", "2.weight": "F16", "4.weight": "BF16"}
        for name in sorted(state):
            kind = kinds.get(name, "F64")
            if kind == "BF16":  # the upper half of a float32
                state[name] = (state[name].astype("<f4").view("<u4") & 0xffff0000).view("<f4")
                raw = (state[name].view("<u4") >> 16).astype("<u2").tobytes()
            else:
                state[name] = state[name].astype({"F64": "<f8", "F32": "<f4", "F16": "<f2"}[kind])
                raw = state[name].tobytes()
            header[name] = {"dtype": kind, "shape": list(state[name].shape), "data_offsets": [begin, begin + len(raw)]}
            tensors, begin = tensors + raw, begin + len(raw)
        path = self.folder / "w.safetensors"

        def write(header, tensors=tensors):
            text = json.dumps(header).encode()
            path.write_bytes(len(text).to_bytes(8, "little") + text + tensors)

        write(header)
        found, types = read_state(path)
        self.assertEqual(types, {"float64", "float32", "float16", "bfloat16"})
        for name, value in state.items():
            self.assertEqual(found[name].tobytes(), value.astype("f8").tobytes(), name)
        import_it = ("import", path, *KS, "--activation", "tanh", "-o", self.folder / "m.h5")
        out = self.done(*import_it)
        self.assertIn("bfloat16, float16, float32 converted to float64, which is exact", out)
        bad = header["2.bias"]
        for entry, words in ((bad | {"data_offsets": [0, 1 << 40]}, "2.bias of shape (10,) in F64 is said to be in"),
                             (bad | {"shape": [9]}, "2.bias of shape (9,)"), (bad | {"shape": [-10]}, "no dtype"),
                             (bad | {"dtype": "Q4"}, "2.bias holds Q4"), ([], "the header of 2.bias"),
                             (bad | {"dtype": "I64"}, "2.bias holds int64")):
            write(header | {"2.bias": entry})
            self.assert_error(3, words, *import_it, "--overwrite")
        for content, words in ((b"", "cut off"), (b"\xff" * 20, "cut off"),
                               ((2).to_bytes(8, "little") + b"[]", "no table"),
                               ((4).to_bytes(8, "little") + b"{{{{", "no JSON")):
            path.write_bytes(content)
            self.assert_error(3, words, *import_it, "--overwrite")


if __name__ == "__main__":
    unittest.main()
