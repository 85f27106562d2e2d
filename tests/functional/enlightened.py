#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's kernels find the hypervisor's services, say so, and use them: its own counters tell."""
import struct
import tempfile

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


def interrupts(e, row):
    """The counts of one row of /proc/interrupts, a processor each."""
    line = next(x for x in e.console.run("cat /proc/interrupts") if x.strip().startswith(row + ":"))
    return [int(x) for x in line.split()[1:] if x.isdigit()]


def timers(a, vps):
    with vm.boot(a.program, "-m", "256M", "-smp", vps, append="hvt=wait") as e:
        e.console.wait("HVT waiting")
        before, apic = interrupts(e, "HVS"), interrupts(e, "LOC")
        e.console.run("sleep 2")
        after = interrupts(e, "HVS")
        expect(len(after) == vps and sum(after) > sum(before), f"stimer interrupts: {before}, then {after}")
        equal(interrupts(e, "LOC"), apic, "APIC timer interrupts two seconds later")
        for v in e.qmp.run("query-hv-vp", id="root"):
            expect(v["counts"]["timers-expired"] > 0, f"VP {v['vp-index']}: no timer of it expired")


def timers1(a):
    """synthetic timers are the clock, 1 VP: neither the APIC's timer nor the PIT ticks"""
    timers(a, 1)


def timers2(a):
    """synthetic timers are the clock, 2 VPs"""
    timers(a, 2)


def timers4(a):
    """synthetic timers are the clock, 4 VPs"""
    timers(a, 4)


def spinlocks(a):
    """PV spinlocks are enabled (they need the idle MSR)"""
    with vm.boot(a.program, "-m", "256M", "-smp", "2", append="hvt=wait") as e:
        e.console.wait("HVT waiting")
        expect(e.console.find("PV spinlocks enabled"), "the kernel does not say so")


def wrmsr(msr, value):
    """mov ecx; mov eax; mov edx; wrmsr"""
    return b"".join(bytes([op]) + struct.pack("<I", v & 0xFFFFFFFF) for op, v in ((0xB9, msr), (0xB8, value), (0xBA, value >> 32))) + b"\x0f\x30"


TEXT = b"Oops: \x1b[2J\xff\nat line 2"


def crasher(folder, behind, text_at=None):
    def code(at):
        values = [1, 2, 3, at if text_at is None else text_at, len(TEXT)]
        return b"".join(wrmsr(0x40000100 + n, v) for n, v in enumerate(values)) + wrmsr(0x40000105, 3 << 62) + behind

    return vm.kernel(folder, code(vm.LOAD + len(code(0))) + TEXT, "crasher")


def panicked(a, folder, options, action, **more):
    e = vm.Emulator(a.program, "-S", "-kernel", crasher(folder, vm.HALT, **more), *options, serial=False)
    e.qmp.run("cont")
    info = e.qmp.wait("GUEST_PANICKED", action=action)["data"]["info"]
    equal([info["type"]] + [info[f"arg{n}"] for n in (1, 2, 3, 5)], ["hyper-v", 1, 2, 3, len(TEXT)], "what it tells")
    return e, info


def crash(a):
    """crash MSRs: GUEST_PANICKED with parameters and message, a line on standard error, -action panic=..."""
    with tempfile.TemporaryDirectory() as folder:
        e, info = panicked(a, folder, [], "poweroff")
        with e:
            equal(info["message"], "Oops: ?[2J?\nat line 2", "message")
            e.qmp.wait("SHUTDOWN", guest=True, reason="guest-panic")
            equal(e.wait(), 0, "exit code")
            expect("partition 'root' crashed: 0x1 0x2 0x3" in e.said() and "at line 2" in e.said(), f"it said {e.said()!r}")
        e, info = panicked(a, folder, ["-action", "panic=exit-failure"], "poweroff", text_at=0xFFFFFFFFFFFFFFFF)
        with e:
            expect("message" not in info, "a message where there is no memory")
            equal(e.wait(), 1, "exit code")
        for options in (["-action", "panic=pause"], ["-no-shutdown"]):
            e, info = panicked(a, folder, options, "pause")
            with e:
                e.qmp.wait("STOP")
                equal(e.qmp.run("query-status")["status"], "guest-panicked", "state")


def crash_and_go_on(a):
    """-action panic=none: the guest goes on, and resets itself through the reset MSR"""
    with tempfile.TemporaryDirectory() as folder:
        k = crasher(folder, wrmsr(0x40000003, 1) + vm.HALT)
        with vm.Emulator(a.program, "-S", "-action", "panic=none", "-kernel", k, serial=False) as e:
            e.qmp.run("cont")
            for _ in range(3):
                e.qmp.wait("GUEST_PANICKED", action="run")
                e.qmp.wait("RESET", guest=True, reason="guest-reset")


if __name__ == "__main__":
    vm.main(__doc__, [one, two, four, eight, xapic, generic, switched_off, timers1, timers2, timers4, spinlocks, crash, crash_and_go_on])
