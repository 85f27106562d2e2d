#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A log of hypercalls is made again on a machine that does not run."""
import os
import subprocess
import tempfile

import vm
from vm import equal, expect

MACHINE = ["-accel", "hvtlfs,role=host", "-m", "256M", "-smp", "2"]
GOOD = 1  # isa-debug-exit: (0 << 1) | 1


def log_of(a, folder, name="guest-partitions"):
    """What this program leaves in its log."""
    program = os.path.join(os.path.dirname(a.program), "tests", "guest", name)
    log = os.path.join(folder, "log")
    if not os.path.exists(program):
        raise vm.Skip(f"{name} is not built for this host")
    r = subprocess.run([a.program, *MACHINE, "-display", "none", "-no-reboot", "-serial", "null", "-monitor", "none", "-device",
                        "isa-debug-exit,iobase=0xf4,iosize=0x4", "-kernel", program, "-append", "rounds=2 many=2", "-d", "replay", "-D", log],
                       stdin=subprocess.DEVNULL, check=False)
    equal(r.returncode, GOOD, "exit code of the program")
    return log


def replay(a, log):
    return subprocess.run([os.path.join(vm.ROOT, "scripts", "replay-hypercalls"), log, a.program, *MACHINE], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)


def same(a):
    """All calls of a program that makes partitions end as they did"""
    with tempfile.TemporaryDirectory(prefix="hvtlfs-") as folder:
        r = replay(a, log_of(a, folder))
    equal([x for x in r.stdout.splitlines() if x.startswith("not ok")], [], "calls that end otherwise")
    equal(r.returncode, 0, "exit code")
    for name in ("HvCreatePartition", "HvMapGpaPages", "HvCreateVp", "HvSetVpRegisters", "HvPostMessage", "HvDeletePartition"):
        expect(f" - {name}\n" in r.stdout, f"no {name} among the calls")


def refused(a):
    """Calls that are refused are so again, be their lists as long as they may"""
    with tempfile.TemporaryDirectory(prefix="hvtlfs-") as folder:
        log = log_of(a, folder, "guest-hypercall")
        with open(log) as f:
            longest = max(len(x) for x in f if x.startswith("write "))
        r = replay(a, log)
    expect(longest < 2 * 4096 + 64, f"a line of {longest} characters is more than a page")
    equal([x for x in r.stdout.splitlines() if x.startswith("not ok")], [], "calls that end otherwise")
    expect(" - unknown\n" in r.stdout, "no unknown call among them")


def other(a):
    """What ends otherwise is told; what is no log is refused"""
    with tempfile.TemporaryDirectory(prefix="hvtlfs-") as folder:
        log = log_of(a, folder)
        with open(log) as f:
            lines = f.readlines()
        at = next(i for i, x in enumerate(lines) if x.endswith("HvInitializePartition\n") and "OK 0x0000000000000000" in x)
        lines[at] = lines[at].replace("OK 0x0000000000000000", "OK 0x0000000000000007")
        with open(log, "w") as f:
            f.writelines(lines)
        r = replay(a, log)
        equal(r.returncode, 1, "exit code")
        expect("want OK 0x0000000000000007" in r.stdout, f"the difference is not told: {r.stdout[-300:]}")
        with open(log, "w") as f:
            f.write("hello\n")
        r = replay(a, log)
        equal(r.returncode, 1, "exit code for no log")
        expect("line 1" in r.stderr, r.stderr)


vm.main(__doc__, [same, refused, other])
