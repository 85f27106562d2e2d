#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What partitions cost their parent: time by the guest's clock, memory by the host's.

usage: partitions.py [--rounds N] [--many N] EMULATOR IMAGE [ACCELERATOR]

Behind them what a root that schedules has, by an accelerator of its own.
"""
import argparse
import subprocess
import sys

GOOD = 1      # isa-debug-exit: (0 << 1) | 1
PARENT = 64   # MiB of the parent itself
SCHEDULER = "hvtlfs,role=root,scheduler=root"
POOLS = 4     # so many partitions' pools take a MiB of the parent, at most


def resident(pid, what="VmRSS"):
    """MiB"""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(what + ":")) / 1024


def positive(text):
    n = int(text)
    if n < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is less than 1")
    return n


def run(a, accelerator, size, words):
    """The program in a machine of @size MiB, and what it tells"""
    command = [a.emulator, "-accel", accelerator, "-m", f"{size}M", "-display", "none", "-no-reboot", "-serial", "stdio", "-monitor", "none",
               "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4", "-kernel", a.image, "-append", words]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as emulator:
        before = None
        for line in emulator.stdout:
            if "MSR, the same" in line:   # the last row before there are many
                before = resident(emulator.pid)
            if line.startswith("# all alive"):
                now = resident(emulator.pid)
                print(f"# {now:.0f} MiB are resident, {(now - before) / a.many:.2f} MiB for a partition, its 1 MiB included as far as it was touched")
            elif line.startswith(("#", "not ok")):
                print(line.rstrip(), flush=True)
        status = emulator.wait()
    if status != GOOD:
        sys.exit(f"partitions.py: the program ended with {status}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("emulator")
    parser.add_argument("image")
    parser.add_argument("accelerator", nargs="?", default="hvtlfs,role=host")
    parser.add_argument("--rounds", type=positive, default=1000)
    parser.add_argument("--many", type=positive, default=1000, help="partitions at once")
    a = parser.parse_args()
    area = PARENT + a.many // POOLS
    words = f"rounds={a.rounds} many={a.many} area={area}"
    run(a, a.accelerator, area + a.many + 16, words)
    run(a, SCHEDULER, PARENT + 16, f"rounds={a.rounds} dispatch=1")


if __name__ == "__main__":
    main()
