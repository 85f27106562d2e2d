#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A parent partition of our own (tests/guest/parent) boots Debian's kernel in its child, in a child of its child, and as a root that schedules it.
Another (guest-chain) makes one in which it runs itself, and so on.

With --long also deeper, and it makes, boots and destroys a child a hundred times.
"""
import os
import subprocess
import sys
import tempfile
import time

import vm
from vm import equal, expect

GOOD = 1  # isa-debug-exit: (0 << 1) | 1
# The machine that the parent makes has two 8259s and no I/O APIC, which Linux calls an error.
HARMLESS = "ACPI: No IOAPIC entries present"
# MiB of the partition that runs Linux, and what each parent has besides its child.
LINUX, PARENT = 256, 320


def parent_program(a):
    return os.path.join(os.path.dirname(a.program), "tests", "guest", "guest-parent")


def words_of(depth):
    """For a parent with @depth partitions below it."""
    return f"child={LINUX + PARENT * (depth - 1)}{' host=1' if depth > 1 else ''}"


def bundle(a, folder, depth, cmdline):
    """What the parent with @depth partitions below it runs at last is Linux."""
    image, initrd = vm.linux()
    make = os.path.join(vm.ROOT, "tests", "guest", "parent", "make-bundle")
    out = os.path.join(folder, "1")
    subprocess.run([sys.executable, make, image, initrd, f"console=ttyS0 {cmdline}", out], check=True)
    for n in range(2, depth + 1):
        inner, out = out, os.path.join(folder, str(n))
        subprocess.run([sys.executable, make, parent_program(a), inner, f"{words_of(n - 1)} plain=1", out], check=True)
    return out


def accelerator(role="host"):
    return f"hvtlfs,role={role}" + (f",engine={os.environ['HVTLFS_ENGINE']}" if os.environ.get("HVTLFS_ENGINE") else "")


def start(a, folder, depth, cmdline, words="", role="host"):
    if not os.path.exists(parent_program(a)):
        raise vm.Skip("the parent program is not built for this host")
    return vm.Emulator(a.program, "-m", f"{LINUX + PARENT * depth}M", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4", "-kernel", parent_program(a),
                       "-initrd", bundle(a, folder, depth, cmdline), "-append", f"{words_of(depth)} {words}", accel=accelerator(role))


def shell(a, depth):
    with tempfile.TemporaryDirectory(prefix="hvtlfs-") as folder, start(a, folder, depth, "hvt=wait", "plain=1") as e:
        e.console.wait("HVT waiting")
        expect(e.console.find("Hypervisor detected: Microsoft Hyper-V"), "the kernel does not say that it found the hypervisor")
        equal(e.console.run("echo $((6 * 7))"), ["42"], "answer of the child's shell")
        ticks = lambda: sum(int(x) for x in e.console.run("grep HVS: /proc/interrupts")[0].split()[1:] if x.isdigit())
        before = ticks()
        e.console.run("sleep 1")
        expect(ticks() > before, "the synthetic timer is not the child's clock")
        equal(e.console.run("cat /sys/devices/system/clocksource/clocksource0/current_clocksource"), ["hyperv_clocksource_tsc_page"], "clock")
        tree = e.qmp.run("query-hv-partitions")
        equal([x["depth"] for x in tree], list(range(depth + 1)), "depths of the partitions")
        for above, child in zip(tree, tree[1:]):
            equal(child["parent-id"], above["partition-id"], "parent")
            equal((child["state"], child["life"], child["vcpus"]), ("running", "active", 1), "child")
            expect(child["pool-in-use"] > 0, f"pool of the child: {child}")
            expect(child["mapped-pages"] >= LINUX << 8, f"pages of the child: {child}")
            equal((child["ports"], child["connections"], child["monitor-pages"]), (0, 0, 0), "ports and connections of the child")
        expect(tree[-1]["id"] in e.qmp.hmp("info partitions"), "info partitions does not list the child")
        e.console.write("poweroff\n")
        equal([x for x in vm.guest_warnings(e.console) if HARMLESS not in x], [], "warnings of the child's kernel")
        equal(e.wait(120), GOOD, "exit code")
        expect(e.console.find("as many as before"), "the parent did not look at its pool")


def depth_1(a):
    """Debian's kernel runs in a child, to a shell"""
    shell(a, 1)


def depth_2(a):
    """Debian's kernel runs in a child's child, to a shell"""
    shell(a, 2)


def scheduled(a):
    """Debian's kernel runs in a child whose processor the root dispatches"""
    with tempfile.TemporaryDirectory(prefix="hvtlfs-") as folder, \
            start(a, folder, 1, "hvt=wait", "plain=1 dispatch=1 stats=1", role="root,scheduler=root") as e:
        e.console.wait("HVT waiting")
        equal(e.console.run("echo $((6 * 7))"), ["42"], "answer of the child's shell")
        before = int(e.console.run("cut -d. -f1 /proc/uptime")[0])
        e.console.run("sleep 2")
        expect(int(e.console.run("cut -d. -f1 /proc/uptime")[0]) >= before + 2, "the child's clock stands while it sleeps")
        child = e.qmp.run("query-hv-vp", id=e.qmp.run("query-hv-partitions")[-1]["id"])[0]
        expect(child["dispatch"]["signals"] > 0, f"signals that query-hv-vp tells of: {child}")
        e.console.write("poweroff\n")
        equal([x for x in vm.guest_warnings(e.console) if HARMLESS not in x], [], "warnings of the child's kernel")
        equal(e.wait(120), GOOD, "exit code")
        expect(e.console.find("as many signals have come as were sent"), "the parent did not look at its signals")


def depth_5(a):
    """Debian's kernel runs five partitions deep, to a shell"""
    shell(a, 5)


LEVELS, LEVEL = 64, 6   # MiB of each


def chain(a):
    """64 partitions, each made by the one above, stop and go on together, and a reset ends them"""
    program = os.path.join(os.path.dirname(a.program), "tests", "guest", "guest-chain")
    if not os.path.exists(program):
        raise vm.Skip("the program is not built for this host")
    run_time = lambda e: e.qmp.run("query-hv-partitions")[-1]["run-time-ns"]
    with vm.freed_at_once(), vm.Emulator(a.program, "-m", f"{LEVEL * (LEVELS + 2)}M", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4", "-kernel", program, "-initrd", program,
                     "-append", f"chain={LEVELS} rounds=1 wait=100000", accel=accelerator()) as e:
        sizes, seen = [], 0
        for _ in range(3):
            e.console.wait("# all alive", 120, seen)
            sizes.append(e.rss())
            tree = e.qmp.run("query-hv-partitions")
            equal([x["depth"] for x in tree], list(range(LEVELS + 1)), "depths of the partitions")
            equal({x["state"] for x in tree}, {"running"}, "states")
            e.qmp.run("stop")
            e.qmp.wait("STOP")
            equal({x["state"] for x in e.qmp.run("query-hv-partitions")}, {"suspended"}, "states of what stands")
            before = run_time(e)
            time.sleep(0.3)
            expect(run_time(e) - before < 5_000_000, "the innermost uses processor time while all stand")
            e.qmp.run("cont")
            e.qmp.wait("RESUME")
            before = run_time(e)
            until = time.monotonic() + 60
            while run_time(e) <= before and time.monotonic() < until:
                time.sleep(0.05)
            expect(run_time(e) > before, "the innermost does not go on")
            seen = len(e.console.lines)
            e.qmp.run("system_reset")
            e.qmp.wait("RESET")
        vm.diagnose(f"resident with {LEVELS} levels, made again and again: {', '.join(f'{s >> 20}' for s in sizes)} MiB")
        expect(sizes[2] < sizes[1] + (8 << 20), f"resident size grew from {sizes[1] >> 20} to {sizes[2] >> 20} MiB")
        e.qmp.run("quit")
        equal(e.wait(), 0, "exit code")


def rounds_of(a, n):
    with tempfile.TemporaryDirectory(prefix="hvtlfs-") as folder, start(a, folder, 1, "hvt=poweroff quiet", f"rounds={n}") as e:
        sizes = []
        for i in range(n):
            e.console.wait(f"ok {3 * i + 3} - ", 200)
            sizes.append(e.rss())
        equal(e.wait(120), GOOD, "exit code")
        vm.diagnose(f"resident after the rounds: {', '.join(f'{s >> 20}' for s in sizes)} MiB")
        # The second round has touched all that the rounds touch.
        expect(sizes[-1] < sizes[1] + (8 << 20), f"resident size grew from {sizes[1] >> 20} to {sizes[-1] >> 20} MiB")


def rounds(a):
    """Four times made, booted and destroyed, a child leaves nothing behind"""
    rounds_of(a, 4)


def hundred_rounds(a):
    """A hundred times made, booted and destroyed, a child leaves nothing behind"""
    rounds_of(a, 100)


vm.main(__doc__, [depth_1, depth_2, scheduled, rounds, chain], [depth_5, hundred_rounds])
