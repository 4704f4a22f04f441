#!/usr/bin/env python3
"""The model's communication against SimGrid's SMPI, which simulates the network, at 64 to 4096 ranks.

  jobs/scaling/simgrid/run.py [FOLDER]        wants the Debian package libsimgrid-dev; a minute or two

Every rank is a node behind a link of its own to one switch. What is compared is communication alone: the halo, the overlaps
of subdomains, a sum over all ranks by recursive doubling, and a transposition (to 1024 ranks). Writes FOLDER/simgrid.csv (default runs/simgrid); status 1 if the
model is off by more than a tenth.
"""
import math
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
LATENCY, RATE = 1e-6, 10e9  # of a link; a message passes two
ALPHA, BETA = 2 * LATENCY, 1 / RATE
PLATFORM = f"""\
<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="c" prefix="node-" suffix="" radical="0-4095" speed="10Gf" bw="{RATE:.0f}Bps" lat="{LATENCY * 1e6:g}us"/>
</platform>
"""
# The network as the platform says, without SMPI's corrections for one cluster's Ethernet; computing costs nothing.
PLAIN = ("smpi/simulate-computation:no", "network/latency-factor:1", "network/bandwidth-factor:1", "network/weight-S:0",
         "smpi/bw-factor:0:1", "smpi/lat-factor:0:1", "smpi/allreduce:rdb")
POINTS, GRADIENT, OVERLAP = 2**20, 2**10, 128


def simulate(folder, ranks):
    """Seconds of halo, overlaps, sum and, to 1024 ranks, transposition."""
    points = POINTS if ranks <= 1024 else 0
    found = subprocess.run(["smpirun", "-np", str(ranks), "-platform", "platform.xml", "-hostfile", "hosts",
                            *(f"--cfg={setting}" for setting in PLAIN), "./patterns", str(points), str(GRADIENT),
                            str(OVERLAP)],
                           cwd=folder, capture_output=True, text=True, timeout=600, check=True)
    return [float(word) for word in found.stdout.strip().splitlines()[-1].split(",")[3:]]


def predict(ranks):
    levels = math.ceil(math.log2(ranks))
    return [2 * (ALPHA + 16 * BETA), 2 * (ALPHA + 8 * OVERLAP * BETA), levels * (ALPHA + 8 * GRADIENT * BETA),
            (ranks - 1) * (ALPHA + 16 * POINTS / ranks**2 * BETA)]


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "runs/simgrid")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "platform.xml").write_text(PLATFORM, encoding="utf8")
    (folder / "hosts").write_text("".join(f"node-{rank}\n" for rank in range(4096)), encoding="utf8")
    subprocess.run(["smpicc", "-O2", str(HERE / "patterns.c"), "-o", "patterns"], cwd=folder, check=True)
    lines, worst = ["ranks,pattern,simulated,model,error"], 0.0
    for ranks in (64, 256, 1024, 4096):
        names = ("halo", "overlaps", "sum", "transposition") if ranks <= 1024 else ("halo", "overlaps", "sum")
        for name, simulated, model in zip(names, simulate(folder, ranks), predict(ranks)):
            lines.append(f"{ranks},{name},{simulated:.6g},{model:.6g},{model / simulated - 1:+.3f}")
            worst = max(worst, abs(model / simulated - 1))
            print(lines[-1], flush=True)
    (folder / "simgrid.csv").write_text("\n".join(lines) + "\n", encoding="utf8")
    sys.exit(worst > 0.1)


if __name__ == "__main__":
    main()
