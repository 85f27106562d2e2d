#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's kernels boot in the first partition, see the hypervisor, complain of nothing, end as asked.

With --long each kernel boots ten times with 1, 2 and 4 VPs; `make check-boots` makes that a hundred.
"""
import re
import time

import vm
from vm import equal, expect


def boot_once(a, vps, flavour, *options, memory_kb=None):
    with vm.boot(a.program, "-m", "256M", "-smp", vps, "-no-reboot", *options, flavour=flavour, append="hvt=poweroff") as e:
        hello = e.console.wait("HVT init reached")
        found = re.search(r"(\d+) processors, (\d+) kB", hello)
        equal(int(found[1]), vps, "processors that the kernel found")
        if memory_kb:
            least, most = memory_kb
            expect(least <= int(found[2]) <= most, f"MemTotal {found[2]} kB, expected {least} to {most}")
        equal(vm.guest_warnings(e.console), [], "warnings in the kernel's log")
        expect(e.console.find("HVT Hypervisor detected: Microsoft Hyper-V"), "the kernel did not detect Hyper-V")
        expect(e.console.find("HVT clocksource hyperv_clocksource_tsc_page"), "another clocksource is in use")
        equal(e.wait(), 0, "exit code after poweroff")
        equal(e.said(), "", "output of the emulator")


def repeat(a, vps, flavour, *options, **more):
    began = time.monotonic()
    for n in range(1, a.times + 1):
        try:
            boot_once(a, vps, flavour, *options, **more)
        except vm.Skip:
            raise
        except Exception:
            print(f"# {flavour} kernel, {vps} VPs: boot {n} of {a.times} failed", flush=True)
            raise
        if n % 10 == 0:
            print(f"# {flavour} kernel, {vps} VPs: {n} of {a.times} in {time.monotonic() - began:.0f} s", flush=True)


def cloud1(a):
    """cloud kernel, 1 VP, 128 MiB: boots without a warning, sees the memory it should, powers off"""
    repeat(a, 1, "cloud", "-m", "128M", memory_kb=(80000, 131072))


def cloud2(a):
    """cloud kernel, 2 VPs, 1 GiB"""
    repeat(a, 2, "cloud", "-m", "1G", memory_kb=(950000, 1048576))


def cloud4(a):
    """cloud kernel, 4 VPs"""
    repeat(a, 4, "cloud")


def generic1(a):
    """generic kernel, 1 VP"""
    repeat(a, 1, "generic")


def generic2(a):
    """generic kernel, 2 VPs"""
    repeat(a, 2, "generic")


def generic4(a):
    """generic kernel, 4 VPs"""
    repeat(a, 4, "generic")


def memory_5g(a):
    """-m 5G: memory above 4 GiB is there too"""
    boot_once(a, 2, "cloud", "-m", "5G", memory_kb=(4900000, 5242880))


def reboot(a):
    """reboot starts the kernel again; then with poweroff the emulator ends"""
    with vm.boot(a.program, "-m", "256M", "-smp", "2", append="hvt=wait") as e:
        e.console.wait("HVT waiting")
        e.console.write("reboot\n")
        e.console.wait("HVT done")
        first = len(e.console.lines)
        e.qmp.wait("RESET", guest=True, reason="guest-reset")
        e.console.wait("HVT waiting", start=first)
        e.console.write("poweroff\n")
        e.qmp.wait("SHUTDOWN", vm.BOOT, guest=True, reason="guest-shutdown")
        equal(e.wait(), 0, "exit code")


def no_reboot(a):
    """-no-reboot: the emulator ends instead, with code 0"""
    with vm.boot(a.program, "-m", "256M", "-no-reboot", append="hvt=reboot") as e:
        e.console.wait("HVT done")
        e.qmp.wait("SHUTDOWN", guest=True, reason="guest-reset")
        equal(e.wait(), 0, "exit code")


def no_shutdown(a):
    """-no-shutdown: the machine stays, stopped, and a reset boots it again"""
    with vm.boot(a.program, "-m", "256M", "-no-shutdown", append="hvt=poweroff") as e:
        e.console.wait("HVT done")
        e.qmp.wait("SHUTDOWN", guest=True, reason="guest-shutdown")
        e.qmp.wait("STOP")
        equal(e.qmp.run("query-status")["status"], "shutdown", "state")
        first = len(e.console.lines)
        e.qmp.run("system_reset")
        e.qmp.run("cont")
        e.console.wait("Linux version", start=first)
        e.qmp.run("quit")
        equal(e.wait(), 0, "exit code")


def cpu_models(a):
    """-cpu max: all features that are implemented, the kernel takes them without a warning"""
    boot_once(a, 2, "cloud", "-cpu", "max")


def topology(a):
    """-smp 6,sockets=2,cores=3 and 4,threads=2: the kernel finds them so"""
    for smp, want in (
        ("6,sockets=2,cores=3", ["0 0 0", "0 1 1", "0 2 2", "1 0 3", "1 1 4", "1 2 5"]),
        ("4,sockets=1,cores=2,threads=2", ["0 0 0-1", "0 0 0-1", "0 1 2-3", "0 1 2-3"]),
    ):
        with vm.boot(a.program, "-m", "256M", "-smp", smp, append="hvt=wait") as e:
            e.console.wait("HVT waiting")
            files = "physical_package_id core_id thread_siblings_list"
            e.console.write(f'cd /sys/devices/system/cpu; for n in 0 1 2 3 4 5; do cd cpu$n/topology 2>/dev/null && echo "TOPOLOGY $n" $(cat {files}) && cd ../..; done\n')
            for n, line in enumerate(want):
                e.console.wait(f"TOPOLOGY {n} {line}")
            e.console.write("poweroff\n")
            # The second socket's line cuts the kernel's list of processors in two; the rest gets the level of a warning.
            found = [x for x in vm.guest_warnings(e.console) if not re.fullmatch(r"<4>\[ *[\d.]+\] +( #\d+)+", x)]
            equal(found, [], "warnings in the kernel's log")
            equal(e.wait(), 0, "exit code")


SHORT = [cloud1, cloud2, cloud4, generic2, memory_5g, reboot, no_reboot, no_shutdown, cpu_models, topology]
LONG = [cloud1, cloud2, cloud4, generic1, generic2, generic4]

if __name__ == "__main__":
    vm.main(__doc__, SHORT, LONG, times=10)
