#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's kernels find the hypervisor's services, say so, and use them: its own counters tell."""
import vm
from vm import equal, expect


def counts(e):
    """The counters of all VPs added up."""
    total = {}
    for vp in e.qmp.run("query-hv-vp"):
        for name, value in vp["counts"].items():
            total[name] = total.get(name, 0) + value
    return total


def run(a, vps, cpu, lines, used, flavour="cloud", append=""):
    with vm.boot(a.program, "-m", "256M", "-smp", vps, "-cpu", cpu, flavour=flavour, append="hvt=wait" + append) as e:
        e.console.wait("HVT waiting")
        # Threads of one process on several processors: what is unmapped must be flushed on all of them.
        if "flush-calls" in used:
            equal(e.console.run("stress 3 && echo passed")[-1:], ["passed"], "result of the stress program")
        for line in lines:
            expect(e.console.find(line), f"the kernel does not say {line!r}")
        have = counts(e)
        for name in used:
            expect(have[name] > 0, f"{name} is 0")
        # Without an EOI for each: most come alone.
        if "eois-avoided" in used:
            expect(have["eois-avoided"] > have["eoi-msrs"], f"{have['eois-avoided']} EOIs avoided, {have['eoi-msrs']} made")
        e.console.write("poweroff\n")
        equal(vm.guest_warnings(e.console), [], "warnings in the kernel's log")
        equal(e.wait(), 0, "exit code after poweroff")


FLUSH = "Hyper-V: Using hypercall for remote TLB flush"
IPI = "Hyper-V: Using IPI hypercalls"
X2APIC = "Hyper-V: Using enlightened APIC (x2apic mode)"
XAPIC = "Hyper-V: Using enlightened APIC (xapic mode)"


def one(a):
    """1 VP: EOIs by the assist page"""
    run(a, 1, "max", [X2APIC], ["eois-avoided"])


def two(a):
    """2 VPs: flushes, interrupts, EOIs"""
    run(a, 2, "max", [FLUSH, IPI, X2APIC], ["ipi-calls", "eois-avoided"])


def four(a):
    """4 VPs: flushes, interrupts, EOIs"""
    run(a, 4, "max", [FLUSH, IPI, X2APIC], ["ipi-calls", "flush-calls", "flushes-taken", "eois-avoided"])


def eight(a):
    """8 VPs: flushes, interrupts, EOIs"""
    run(a, 8, "max", [FLUSH, IPI, X2APIC], ["ipi-calls", "flush-calls", "flushes-taken", "eois-avoided"])


def xapic(a):
    """4 VPs without x2APIC: the APIC's registers as MSRs"""
    # No leaf 0xb, so each processor is a package of its own; on a busy host not each finds its loops per jiffy.
    run(a, 4, "max,x2apic=off", [FLUSH, IPI, XAPIC], ["ipi-calls", "eois-avoided"], append=" lpj=4000000")


def generic(a):
    """generic kernel, 2 VPs"""
    run(a, 2, "max", [FLUSH, IPI, X2APIC], ["ipi-calls", "eois-avoided"], flavour="generic")


def switched_off(a):
    """hv-tlbflush, hv-ipi, hv-vapic off: none of it is told or used"""
    with vm.boot(a.program, "-m", "256M", "-smp", 2, "-cpu", "max,hv-tlbflush=off,hv-ipi=off,hv-vapic=off", append="hvt=wait") as e:
        e.console.wait("HVT waiting")
        for line in (FLUSH, IPI, X2APIC):
            expect(not e.console.find(line), f"the kernel says {line!r}")
        have = counts(e)
        for name in ("flush-calls", "ipi-calls", "eoi-msrs", "eois-avoided"):
            equal(have[name], 0, name)
        e.console.write("poweroff\n")
        equal(e.wait(), 0, "exit code after poweroff")


if __name__ == "__main__":
    vm.main(__doc__, [one, two, four, eight, xapic, generic, switched_off])
