#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What partitions cost that lie below each other, by depth: time by the guests' clocks, memory by the host's.

usage: depth.py [--rounds N] [--levels N] EMULATOR IMAGE [ACCELERATOR]
"""
import argparse
import subprocess
import sys

from partitions import GOOD, positive, resident

OWN = 6       # MiB of each level, and of the module
FEW = 1
SHOWN = (0, 1, 2, 3, 4, 8, 16, 24, 32, 48, 64)


def run(a, levels):
    """(MiB that are resident while all run, rows by depth, cycles a us)"""
    command = [a.emulator, "-accel", a.accelerator, "-m", f"{OWN * (levels + 2)}M", "-display", "none", "-no-reboot", "-serial", "stdio", "-monitor", "none",
               "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4", "-kernel", a.image, "-initrd", a.image, "-append", f"chain={levels} rounds={a.rounds} wait=1"]
    rows, cycles, size = [], 1, 0
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as emulator:
        for line in emulator.stdout:
            words = line.split()
            if line.startswith("# all alive"):
                size = resident(emulator.pid)
            elif line.startswith("not ok"):
                sys.exit(f"depth.py: {line.rstrip()}")
            elif line.startswith("# cycles"):
                cycles = int(words[5])
            elif line.startswith("# depth ") and "call" in words:
                rows.append(words[1:])
            elif len(words) > 2 and words[0] == "#" and words[1].isdigit():
                rows.append(words[1:])
        status = emulator.wait()
    if status != GOOD:
        sys.exit(f"depth.py: the program ended with {status}")
    return size, rows, cycles


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("emulator")
    parser.add_argument("image")
    parser.add_argument("accelerator", nargs="?", default="hvtlfs,role=host")
    parser.add_argument("--rounds", type=positive, default=201)
    parser.add_argument("--levels", type=positive, default=64)
    a = parser.parse_args()
    few, _, _ = run(a, FEW)
    size, rows, cycles = run(a, a.levels)
    print("# us, medians:", " ".join(f"{name:>9}" for name in rows[0]))
    for row in rows[1:]:
        if int(row[0]) in SHOWN + (a.levels,):
            print("#             ", f"{row[0]:>9}", " ".join(f"{int(x) / cycles:9.2f}" for x in row[1:]))
    if a.levels > FEW:
        print(f"# {size:.0f} MiB are resident with {a.levels} levels, {(size - few) / (a.levels - FEW):.2f} MiB for one more")


if __name__ == "__main__":
    main()
