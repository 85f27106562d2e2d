#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's kernels find the hypervisor's services, say so, and use them: its own counters tell."""
import os
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


FLUSH = "Hyper-V: Using hypercall for remote TLB flush"
IPI = "Hyper-V: Using IPI hypercalls"
X2APIC = "Hyper-V: Using enlightened APIC (x2apic mode)"
XAPIC = "Hyper-V: Using enlightened APIC (xapic mode)"
SPINLOCKS = "PV spinlocks enabled"
# What each kernel says, whatever the number of processors.
ALWAYS = (
    "Hypervisor detected: Microsoft Hyper-V",
    "Hyper-V: privilege flags low 0x",
    "Hyper-V: Host Build ",
    "Hyper-V: LAPIC Timer Frequency: 0x",
    "Hyper-V: enabling crash_kexec_post_notifiers",
    "clocksource: Switched to clocksource hyperv_clocksource_tsc_page",
)
# Newer kernels say so where VPs wait for one another on one processor of the host, as wait_for_locks() has it.
LATE = "sched: DL replenish lagged too much"
FREQUENCIES = ("HV_X64_MSR_TSC_FREQUENCY", "HV_X64_MSR_APIC_FREQUENCY")


def interrupts(e, row):
    """The counts of one row of /proc/interrupts, a processor each; none if the kernel has not set the interrupt up."""
    line = next((x for x in e.console.run("cat /proc/interrupts") if x.strip().startswith(row + ":")), "")
    return [int(x) for x in line.split()[1:] if x.isdigit()]


def check_timers(e, vps):
    """Synthetic timers are the clock: neither the APIC's timer nor the PIT ticks."""
    before, apic, pit = interrupts(e, "HVS"), interrupts(e, "LOC"), interrupts(e, "0")
    e.console.run("sleep 2")
    after = interrupts(e, "HVS")
    expect(len(after) == vps and sum(after) > sum(before), f"stimer interrupts: {before}, then {after}")
    equal(interrupts(e, "LOC"), apic, "APIC timer interrupts two seconds later")
    equal(interrupts(e, "0"), pit, "PIT interrupts two seconds later")
    for v in e.qmp.run("query-hv-vp", id="root"):
        expect(v["counts"]["timers-expired"] > 0, f"VP {v['vp-index']}: no timer of it expired")


def wait_for_locks(e):
    """The kernel's threads wait for a spinlock whose owner does not run: its VP gives its processor back by HV_X64_MSR_GUEST_IDLE."""
    # All VPs on one processor of the host: an owner is interrupted now and then, and who spins meanwhile does so for long.
    tasks = [int(t) for t in os.listdir(f"/proc/{e.process.pid}/task")]
    all_of_them = os.sched_getaffinity(0)
    for t in tasks:
        os.sched_setaffinity(t, {min(all_of_them)})
    for _ in range(30):
        equal(e.console.run("stress locks 1 && echo passed")[-1:], ["passed"], "result of the stress program")
        if counts(e)["idles"]:
            break
    for t in tasks:
        os.sched_setaffinity(t, all_of_them)


def check_counts(e, vps):
    """The hypervisor's own counters: what the kernel has found is in use."""
    have = counts(e)
    # EOIs of most interrupts need no exit: those that come alone.
    used = ["eois-avoided", "timers-expired"] + (["ipi-calls", "flush-calls", "flushes-taken", "idles"] if vps > 1 else [])
    for name in used:
        expect(have[name] > 0, f"{name} is 0")
    expect(have["eois-avoided"] > have["eoi-msrs"], f"{have['eois-avoided']} EOIs avoided, {have['eoi-msrs']} made")
    for v in e.qmp.run("query-hv-vp", id="root"):
        for page in ("hypercall-page", "reference-tsc-page", "assist-page"):
            expect(v[page] & 1, f"VP {v['vp-index']}: {page} is {v[page]:#x}, not enabled")


def run(a, vps, cpu="max", flavour="cloud", apic=X2APIC, append=""):
    """A kernel says all that it should have found, and uses it."""
    with vm.boot(a.program, "-m", "256M", "-smp", vps, "-cpu", cpu, "-d", "msr", flavour=flavour, append="hvt=wait" + append) as e:
        e.console.wait("HVT waiting")
        for line in (*ALWAYS, apic, *((FLUSH, IPI, SPINLOCKS) if vps > 1 else ())):
            expect(e.console.find(line), f"the kernel does not say {line!r}")
        said = e.said()
        for msr in FREQUENCIES:
            expect(msr in said, f"the kernel has not read {msr}")
        # Threads of one process on several processors: what is unmapped must be flushed on all of them, and they wait for locks.
        equal(e.console.run("stress 3 && echo passed")[-1:], ["passed"], "result of the stress program")
        check_timers(e, vps)
        if vps > 1:
            wait_for_locks(e)
        check_counts(e, vps)
        e.console.write("poweroff\n")
        equal([w for w in vm.guest_warnings(e.console) if LATE not in w], [], "warnings in the kernel's log")
        equal(e.wait(), 0, "exit code after poweroff")


def test(flavour, vps):
    """One of the tests that differ by kernel and number of processors alone."""
    def f(a):
        run(a, vps, flavour=flavour)
    f.__name__ = f"{flavour}{vps}"
    f.__doc__ = f"{flavour} kernel, {vps} VP{'s' if vps > 1 else ''}: all is found and in use"
    return f


NEWER = "linux-image-6.12-cloud-amd64"
KERNELS = [test(flavour, vps) for flavour, processors in (("cloud", (1, 2, 4, 8)), ("generic", (1, 2, 4, 8)), (NEWER, (1, 4))) for vps in processors]


def xapic(a):
    """4 VPs without x2APIC: the APIC's registers as MSRs"""
    # No leaf 0xb, so each processor is a package of its own; on a busy host not each finds its loops per jiffy.
    run(a, 4, "max,x2apic=off", apic=XAPIC, append=" lpj=4000000")


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


def panic(a):
    """Linux 6.12 panics: its log comes through the crash MSRs"""
    with vm.boot(a.program, "-m", "256M", "-smp", 2, flavour=NEWER, append="hvt=wait") as e:
        e.console.wait("HVT waiting")
        e.console.write("echo c > /proc/sysrq-trigger\n")
        info = e.qmp.wait("GUEST_PANICKED", action="poweroff")["data"]["info"]
        e.qmp.wait("SHUTDOWN", guest=True, reason="guest-panic")
        equal(e.wait(), 0, "exit code")
        for word in ("sysrq: Trigger a crash", "Kernel panic - not syncing: sysrq triggered crash"):
            expect(word in info["message"], f"no {word!r} in {info['message']!r}")
            expect(word in e.said(), f"no {word!r} in what the emulator said")


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
    vm.main(__doc__, [*KERNELS, xapic, switched_off, crash, panic, crash_and_go_on])
