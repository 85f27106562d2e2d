#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A booted guest that waits uses next to no processor time of the host."""
import time

import vm
from vm import expect

SETTLE, MEASURE, LIMIT = 5, 10, 3.0


def share(e):
    time.sleep(SETTLE)
    start, before = time.monotonic(), e.cpu()
    time.sleep(MEASURE)
    return 100 * (e.cpu() - before) / (time.monotonic() - start)


def measure(a, what, *options, **more):
    with vm.boot(a.program, "-m", "256M", *options, append="hvt=wait", **more) as e:
        e.console.wait("HVT waiting")
        percent = share(e)
    vm.diagnose(f"{what}: {percent:.2f} % of a core")
    expect(percent < LIMIT, f"an idle guest uses {percent:.2f} % of a core over {MEASURE} s, {LIMIT} % are allowed")


def one(a):
    """cloud kernel, 1 VP: under 3 % of a core"""
    measure(a, "cloud, 1 VP", "-smp", "1")


def two(a):
    """cloud kernel, 2 VPs"""
    measure(a, "cloud, 2 VPs", "-smp", "2")


def four(a):
    """cloud kernel, 4 VPs"""
    measure(a, "cloud, 4 VPs", "-smp", "4")


def generic(a):
    """generic kernel, 2 VPs"""
    measure(a, "generic, 2 VPs", "-smp", "2", flavour="generic")


if __name__ == "__main__":
    vm.main(__doc__, [one, two, four, generic])
