#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Child partitions over QMP: boot, suspend, resume, crash, delete; their memory comes back.

With --long 200 rounds of create and delete.
"""
import tempfile
import time

import vm
from vm import equal, expect

MIB = 1 << 20
NAMES = ["c0", "c1", "c2", "c3"]


def idle_root(a, *options):
    """An emulator whose first partition does nothing: children need none of it."""
    return vm.Emulator(a.program, "-m", "16M", "-kernel", KERNELS.halt, *options, serial=False)


class Kernels:
    """Files of small kernels, made once."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="hvtlfs-")
        self.halt = vm.kernel(self.folder.name, vm.out_text("up\n") + vm.HALT, "halt")
        self.spin = vm.kernel(self.folder.name, vm.out_text("up\n") + vm.SPIN, "spin")
        self.triple = vm.kernel(self.folder.name, vm.TRIPLE, "triple")
        self.jump_out = vm.kernel(self.folder.name, vm.JUMP_OUT, "jump-out")


KERNELS = Kernels()


def partitions(e):
    return {p["id"]: p for p in e.qmp.run("query-hv-partitions")}


def state(e, name):
    return partitions(e)[name]["state"]


def create(e, name, kernel=None, memory=16 * MIB, **more):
    return e.qmp.run("hv-partition-create", id=name, memory=memory, kernel=kernel or KERNELS.halt, **more)["partition-id"]


def start_linux(e, name, **more):
    image, initrd = vm.linux()
    e.add_console(name)
    create(e, name, image, 192 * MIB, initrd=initrd, cmdline=f"console=ttyS0 hvt=wait name={name}", console=name, **more)
    console = e.open_console(name)
    e.qmp.run("hv-partition-start", id=name)
    return console


def run_time(e, name):
    return partitions(e)[name]["run-time-ns"]


def answers(console, word):
    """The guest runs: it answers on its console."""
    equal(console.run(f"echo {word}"), [word], "answer")


def check_suspend(e, name, console):
    e.qmp.run("hv-partition-suspend", id=name)
    e.qmp.wait("HV_PARTITION_STATE_CHANGED", id=name, state="suspended")
    equal(state(e, name), "suspended", "state")
    before, lines = run_time(e, name), len(console.lines)
    console.write("echo si''lent\n")
    time.sleep(0.5)
    equal(len(console.lines), lines, "lines on the console of a suspended partition")
    expect(run_time(e, name) - before < 5_000_000, "a suspended partition uses processor time")
    e.qmp.run("hv-partition-resume", id=name)
    e.qmp.wait("HV_PARTITION_STATE_CHANGED", id=name, state="running")
    console.wait("silent", 120, lines)


def four_children(a):
    """four children boot Linux side by side, are suspended, resumed, powered off and deleted"""
    with idle_root(a) as e:
        consoles = {n: start_linux(e, n, vcpus=1 + (n == "c1")) for n in NAMES}
        for n, c in consoles.items():
            c.wait("HVT waiting")
        table = partitions(e)
        equal(sorted(table), NAMES + ["root"], "partitions")
        equal([table[n]["state"] for n in NAMES], ["running"] * 4, "states")
        equal([table[n]["parent-id"] for n in NAMES], [table["root"]["partition-id"]] * 4, "parents")
        equal(table["c1"]["vcpus"], 2, "VPs of c1")
        expect(processors(consoles["c1"]) == 2, "c1's Linux does not see its 2 processors")
        for n in NAMES:
            check_suspend(e, n, consoles[n])
        for n in NAMES:
            answers(consoles[n], "after")
        end_four(e, consoles)


def processors(console):
    return int(console.find("HVT init reached").split(" processors")[0].split()[-1])


def end_four(e, consoles):
    for n in NAMES[:3]:
        consoles[n].write("poweroff\n")
        e.qmp.wait("HV_PARTITION_STATE_CHANGED", 120, id=n, state="shut-down")
        equal(vm.guest_warnings(consoles[n]), [], f"warnings of {n}")
    answers(consoles["c3"], "alone")
    e.qmp.run("hv-partition-suspend", id="c3")
    for n in NAMES:
        e.qmp.run("hv-partition-delete", id=n)
        e.qmp.wait("HV_PARTITION_STATE_CHANGED", id=n, state="deleted")
        e.qmp.run("chardev-remove", id=n)
    equal(list(partitions(e)), ["root"], "partitions at the end")
    e.qmp.run("quit")
    equal(e.wait(), 0, "exit code")


def crashing_child(a):
    """a child that crashes, one way or another, leaves the others running"""
    image, _ = vm.linux()
    with idle_root(a) as e:
        good = start_linux(e, "good")
        good.wait("HVT waiting")
        for name, k in (("triple", KERNELS.triple), ("void", KERNELS.jump_out)):
            create(e, name, k)
            e.qmp.run("hv-partition-start", id=name)
            e.qmp.wait("HV_PARTITION_STATE_CHANGED", id=name, state="crashed")
            equal(state(e, name), "crashed", "state")
            answers(good, name)
        e.add_console("panic")
        create(e, "panic", image, 192 * MIB, cmdline="console=ttyS0 panic=-1", console="panic")
        console = e.open_console("panic")
        e.qmp.run("hv-partition-start", id="panic")
        console.wait("Kernel panic")
        # panic=-1 resets at once: it begins again.
        console.wait("Linux version", start=console.lines.index(console.find("Kernel panic")))
        e.qmp.run("hv-partition-suspend", id="panic")
        answers(good, "panic")
        for name in ("triple", "void", "panic"):
            e.qmp.run("hv-partition-delete", id=name)
        answers(good, "end")
        e.qmp.run("quit")
        equal(e.wait(), 0, "exit code")


def child_shutdown_states(a):
    """a crashed child can neither be resumed nor started, only deleted"""
    with idle_root(a) as e:
        create(e, "x", KERNELS.triple)
        e.qmp.run("hv-partition-start", id="x")
        e.qmp.wait("HV_PARTITION_STATE_CHANGED", id="x", state="crashed")
        for command in ("start", "resume", "suspend"):
            text = e.qmp.error(f"hv-partition-{command}", id="x")[1]
            expect("'x'" in text and "crashed" in text, f"text of {command}: {text}")
        e.qmp.run("hv-partition-delete", id="x")


def rounds(a):
    """rounds of create, start and delete leave the resident size as it was"""
    image, initrd = vm.linux()
    n = 200 if a.long else 40
    with vm.freed_at_once(), idle_root(a) as e:
        sizes = []
        for i in range(n):
            e.qmp.run("hv-partition-create", id="c", memory=128 * MIB, vcpus=2, kernel=image, initrd=initrd, cmdline="quiet")
            if i % 2:
                e.qmp.run("hv-partition-start", id="c")
                if i % 4 == 1:
                    time.sleep(0.05)
                e.qmp.run("hv-partition-suspend", id="c")
            e.qmp.run("hv-partition-delete", id="c")
            e.qmp.events.clear()
            sizes.append(e.rss())
        # The allocator settles in the first rounds.
        grown = (max(sizes[-4:]) - max(sizes[8:16])) / MIB
        vm.diagnose(f"resident {sizes[0] / MIB:.1f} MiB after the first of {n} rounds, {sizes[-1] / MIB:.1f} after the last")
        expect(grown < 2 + n / 100, f"{grown:.1f} MiB more after {n} rounds")


def too_much_memory(a):
    """a child that asks for more memory than is left: an error that names both, then a smaller one works"""
    with idle_root(a, "-accel", "hvtlfs,memory=256M") as e:
        kind, text = e.qmp.error("hv-partition-create", id="big", memory=512 * MIB, kernel=KERNELS.halt)
        equal(kind, "GenericError", "class")
        expect("big" in text and "512" in text, f"text: {text}")
        equal(list(partitions(e)), ["root"], "partitions")
        create(e, "fits", memory=200 * MIB)
        e.qmp.error("hv-partition-create", id="second", memory=100 * MIB, kernel=KERNELS.halt)
        e.qmp.run("hv-partition-delete", id="fits")
        create(e, "second", memory=100 * MIB)


def wrong_arguments(a):
    """duplicate and unknown ids, bad numbers, running ones: one clear error each, nothing else changes"""
    with idle_root(a) as e:
        create(e, "one", KERNELS.spin)
        e.qmp.run("hv-partition-start", id="one")
        bad = [
            ("create", {"id": "one"}, "GenericError", "'one' exists"),
            ("create", {"id": "root"}, "GenericError", "'root' exists"),
            ("create", {"id": "a/b"}, "GenericError", "a/b"),
            ("create", {"id": ""}, "GenericError", "id"),
            ("create", {"id": "two", "vcpus": 0}, "GenericError", "vcpus"),
            ("create", {"id": "two", "vcpus": 65}, "GenericError", "vcpus"),
            ("create", {"id": "two", "memory": 4097}, "GenericError", "memory"),
            ("create", {"id": "two", "memory": -4096}, "GenericError", "memory"),
            ("create", {"id": "two", "kernel": "/nonexistent"}, "GenericError", "/nonexistent"),
            ("create", {"id": "two", "initrd": "/nonexistent"}, "GenericError", "/nonexistent"),
            ("create", {"id": "two", "console": "none"}, "GenericError", "'none'"),
            ("delete", {"id": "one"}, "GenericError", "'one' is running"),
            ("delete", {"id": "root"}, "GenericError", "'root'"),
            ("delete", {"id": "two"}, "DeviceNotFound", "'two'"),
            ("start", {"id": "one"}, "GenericError", "'one'"),
            ("start", {"id": "two"}, "DeviceNotFound", "'two'"),
            ("suspend", {"id": "two"}, "DeviceNotFound", "'two'"),
            ("resume", {"id": "one"}, "GenericError", "'one'"),
            ("resume", {"id": "two"}, "DeviceNotFound", "'two'"),
        ]
        for verb, arguments, kind, word in bad:
            if verb == "create":
                arguments = {"memory": 16 * MIB, "kernel": KERNELS.halt, **arguments}
            have, text = e.qmp.error(f"hv-partition-{verb}", **arguments)
            equal(have, kind, f"class for {verb} {arguments}")
            expect(word in text, f"{verb} {arguments} says: {text}")
            expect("\n" not in text, f"{verb} {arguments} says more than a line: {text}")
        equal(sorted(partitions(e)), ["one", "root"], "partitions")
        equal(state(e, "one"), "running", "state")


def console_comes_back(a):
    """a console whose client goes away: the guest runs on, the next client sees what comes then"""
    with idle_root(a) as e:
        console = start_linux(e, "c")
        console.wait("HVT init reached")
        console.close()
        # Output meanwhile goes nowhere and stops nothing.
        time.sleep(1)
        again = e.open_console("c")
        answers(again, "again")
        again.write("for i in 1 2 3 4 5 6 7 8 9; do dmesg; done\n")
        again.wait("Linux version")
        again.close()
        third = e.open_console("c")
        third.asked = again.asked
        equal(third.run("echo third")[-1:], ["third"], "answer")
        equal(state(e, "c"), "running", "state")


def console_in_use(a):
    """a character device that has a partition on it: no second one, and it cannot be removed"""
    with idle_root(a) as e:
        e.add_console("k")
        create(e, "one", console="k")
        _, text = e.qmp.error("hv-partition-create", id="two", memory=16 * MIB, kernel=KERNELS.halt, console="k")
        expect("'k'" in text, f"text: {text}")
        _, text = e.qmp.error("chardev-remove", id="k")
        expect("'k'" in text, f"text: {text}")
        e.qmp.run("hv-partition-delete", id="one")
        e.qmp.run("chardev-remove", id="k")


def stop_and_cont(a):
    """stop holds all partitions, cont lets those run that ran"""
    with idle_root(a) as e:
        for n in ("runs", "stands"):
            create(e, n, KERNELS.spin)
            e.qmp.run("hv-partition-start", id=n)
        e.qmp.run("hv-partition-suspend", id="stands")
        e.qmp.run("stop")
        e.qmp.wait("STOP")
        before = run_time(e, "runs")
        time.sleep(0.3)
        expect(run_time(e, "runs") - before < 5_000_000, "a stopped partition uses processor time")
        e.qmp.run("cont")
        e.qmp.wait("RESUME")
        time.sleep(0.5)
        expect(run_time(e, "runs") > before, "the partition does not run after cont")
        equal((state(e, "runs"), state(e, "stands")), ("running", "suspended"), "states after cont")


SHORT = [four_children, crashing_child, child_shutdown_states, rounds, too_much_memory, wrong_arguments,
         console_comes_back, console_in_use, stop_and_cont]

if __name__ == "__main__":
    vm.main(__doc__, SHORT, [rounds])
