#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's kernel as the root partition (-accel hvtlfs,role=root): it manages processors, device interrupts and power by hypercalls."""
import re

import vm
from vm import equal, expect

ROOT = "Hyper-V: running as root partition"


def calls(e):
    """How often the root made each call, by name."""
    made = {}
    for name, status in re.findall(r"^root/\d+: hypercall 0x[0-9a-f]+ \((\w+)\) .* -> (0x[0-9a-f]+|0)", e.said(), re.M):
        made.setdefault(name, []).append(int(status, 0))
    return made


def check(a, flavour, vps):
    image, initrd = vm.linux(flavour)
    with vm.Emulator(a.program, "-m", "512M", "-smp", vps, "-no-reboot", "-d", "hypercall", "-kernel", image, "-initrd", initrd,
                     "-append", "console=ttyS0 hvt=wait", accel="hvtlfs,role=root") as e:
        e.console.wait("HVT waiting")
        expect(e.console.find(ROOT), f"the log lacks '{ROOT}'")
        equal(e.console.run("grep -c ^processor /proc/cpuinfo"), [str(vps)], "processors")
        equal(e.console.run("echo $((6 * 7))"), ["42"], "answer of the shell")
        e.console.write("poweroff\n")
        equal(vm.guest_warnings(e.console), [], "warnings of the kernel")
        equal(e.wait(120), 0, "exit code")
        made = calls(e)
        for name, count in (("HvGetPartitionId", 1), ("HvAddLogicalProcessor", vps - 1), ("HvCreateVp", vps - 1)):
            equal(len(made.get(name, [])), count, f"times that it called {name}")
        expect(made.get("HvMapDeviceInterrupt"), "it mapped no device interrupt")
        for name, statuses in made.items():
            equal([x & 0xffff for x in statuses if x & 0xffff], [], f"statuses of {name} other than success")


TESTS = []


def add(flavour, vps):
    def test(a):
        check(a, flavour, vps)
    test.__doc__ = f"Debian's {flavour} kernel as root with {vps} VPs"
    test.__name__ = f"{flavour}{vps}"
    TESTS.append(test)


def host(a):
    """Debian's cloud kernel as a host, which it takes for a guest"""
    image, initrd = vm.linux()
    with vm.Emulator(a.program, "-m", "512M", "-smp", 2, "-cpu", "max,hv-partition-id=off", "-no-reboot", "-kernel", image, "-initrd", initrd,
                     "-append", "console=ttyS0 hvt=wait", accel="hvtlfs,role=host") as e:
        e.console.wait("HVT waiting")
        expect(not e.console.find(ROOT), f"the log has '{ROOT}'")
        equal(e.console.run("echo $((6 * 7))"), ["42"], "answer of the shell")
        e.console.write("poweroff\n")
        equal(vm.guest_warnings(e.console), [], "warnings of the kernel")
        equal(e.wait(120), 0, "exit code")


for n in 1, 2, 4:
    add("cloud", n)
add("generic", 2)
vm.main(__doc__, TESTS + [host])
