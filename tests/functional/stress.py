#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""fork, exec, pipes, signals, mmap and threads in the guest, each checked: 8 seconds, with --long 300.

Besides, some of the mixes of stress-ng that `make soak` runs for an hour.
"""
import soak
import vm
from vm import equal


def stress(a):
    """two VPs, the stress program without an error, no warning in the kernel's log"""
    seconds = 300 if a.long else 8
    with vm.boot(a.program, "-m", "512M", "-smp", "2", "-no-reboot", append=f"hvt=stress secs={seconds}") as e:
        result = e.console.wait("HVT stress ", vm.BOOT + 2 * seconds)
        equal(result, "HVT stress passed", "result")
        vm.diagnose(e.console.find("stress: ") or "")
        equal(vm.guest_warnings(e.console), [], "warnings in the kernel's log")
        equal(e.wait(), 0, "exit code")


def stress_in_child(a):
    """the same in a child partition while the first one runs it too"""
    image, initrd = vm.linux()
    seconds = 60 if a.long else 4
    with vm.boot(a.program, "-m", "256M", append="hvt=wait") as e:
        e.add_console("child")
        e.qmp.run("hv-partition-create", id="child", memory=256 << 20, kernel=image, initrd=initrd, console="child",
                  cmdline=f"console=ttyS0 hvt=stress secs={seconds}")
        child = e.open_console("child")
        e.qmp.run("hv-partition-start", id="child")
        e.console.wait("HVT waiting")
        child.wait("HVT clocksource")
        said = e.console.run(f"stress {seconds} && echo passed", vm.BOOT + 2 * seconds)
        equal(said[-1:], ["passed"], "result in the first partition")
        equal(child.wait("HVT stress ", vm.BOOT), "HVT stress passed", "result in the child")
        for c in (child, e.console):
            if c == e.console:
                c.write("poweroff\n")
            equal(vm.guest_warnings(c), [], "warnings in the kernel's log")
        equal(e.wait(), 0, "exit code")


def mixes(a):
    """two VPs, all features, mixes of stress-ng with verification, no warning in the kernel's log"""
    with soak.Soak(a.program, "hvtlfs", 2, 512) as s:
        s.prepare()
        for name in soak.MIXES if a.long else soak.SHORT:
            s.mix(name, soak.T if a.long else 4)
        s.finish()
        s.report_known()


if __name__ == "__main__":
    vm.main(__doc__, [stress, stress_in_child, mixes])
