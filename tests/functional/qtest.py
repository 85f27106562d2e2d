#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The qtest protocol, without a processor and beside one; hypercalls, MSRs and CPUID leaves executed as a VP."""
import base64
import struct
import tempfile

import vm
from vm import equal, expect

FOLDER = tempfile.TemporaryDirectory(prefix="hvtlfs-")
HALT = vm.kernel(FOLDER.name, vm.HALT, "halt")
SPIN = vm.kernel(FOLDER.name, vm.SPIN, "spin")
RAM = 0x300000


class Session:
    """A qtest session; self.irqs has the IRQ lines that came meanwhile."""

    def __init__(self, path, e):
        self.sock = vm.connect(path, alive=e.alive)
        self.sock.settimeout(60)
        self.file = self.sock.makefile("rb")
        self.irqs = []

    def line(self):
        while True:
            text = self.file.readline().decode().rstrip("\n")
            expect(text, "the emulator closed the qtest connection")
            if not text.startswith("IRQ "):
                return text
            self.irqs.append(text[4:])

    def ok(self, command):
        self.sock.sendall(command.encode() + b"\n")
        answer = self.line()
        expect(answer == "OK" or answer.startswith("OK "), f"{command[:100]}: {answer}")
        return answer[3:]

    def fail(self, command):
        self.sock.sendall(command.encode() + b"\n")
        answer = self.line()
        expect(answer.startswith("FAIL"), f"{command[:100]}: {answer}")
        return answer

    def number(self, command):
        return int(self.ok(command), 0)

    def numbers(self, command):
        return [int(x, 0) for x in self.ok(command).split()]


def start(a, accel, *options):
    if accel == "hvtlfs" and "-kernel" not in options:
        options += ("-kernel", HALT, "-S")
    e = vm.Emulator(a.program, "-m", "64M", "-qtest", f"unix:{FOLDER.name}/qtest,server=on,wait=off", *options, accel=accel, serial=False)
    return e, Session(f"{FOLDER.name}/qtest", e)


def each(function):
    """The test for both accelerators."""
    def both(a):
        for accel in ("qtest", "hvtlfs"):
            e, q = start(a, accel)
            with e:
                function(q)
                e.qmp.run("quit")
                equal(e.wait(), 0, f"exit code, {accel}")
                equal(e.said(), "", f"output, {accel}")
    both.__doc__, both.__name__ = function.__doc__, function.__name__
    return both


@each
def memory_sizes(q):
    """read and write of 1, 2, 4 and 8 bytes, aligned and not"""
    equal(q.ok("endianness"), "little", "endianness")
    for at in (RAM, RAM + 0xFFD, RAM + 1):
        for letter, n in (("b", 1), ("w", 2), ("l", 4), ("q", 8)):
            value = 0xFEDCBA9876543210 & (1 << 8 * n) - 1
            q.ok(f"memset {at:#x} 16 0xaa")
            q.ok(f"write{letter} {at:#x} {value:#x}")
            equal(q.number(f"read{letter} {at:#x}"), value, f"read{letter} at {at:#x}")
            equal(q.ok(f"read {at:#x} {n + 1}"), "0x" + value.to_bytes(n, "little").hex() + "aa", f"bytes of write{letter}")
    equal(q.ok(f"readw {RAM:#x}"), "0x000000000000" + q.ok(f"readw {RAM:#x}")[-4:], "form of a value")


@each
def memory_blocks(q):
    """read, write, b64read, b64write, memset of blocks"""
    data = bytes(range(256)) * 40
    q.ok(f"write {RAM:#x} {len(data):#x} 0x{data.hex()}")
    equal(q.ok(f"read {RAM:#x} {len(data)}"), "0x" + data.hex(), "read")
    equal(base64.b64decode(q.ok(f"b64read {RAM:#x} {len(data)}")), data, "b64read")
    q.ok(f"b64write {RAM + 5:#x} 300 {base64.b64encode(data[100:400]).decode()}")
    equal(q.ok(f"read {RAM + 5:#x} 300"), "0x" + data[100:400].hex(), "after b64write")
    q.ok(f"memset {RAM:#x} 0x10000 0x5a")
    equal(q.ok(f"read {RAM + 0xfff0:#x} 16"), "0x" + "5a" * 16, "after memset")
    for wrong in ("read", "read 0", "read 0 0", "write 0 4 zz", "memset 0 5", "readb x", "foo", "b64write 0 4", f"read 0 {1 << 40}"):
        q.fail(wrong)
    equal(q.number(f"readb {RAM:#x}"), 0x5A, "after wrong commands")


@each
def ports(q):
    """in and out: the clock chip's memory, the PIT, a port where nothing is, sizes"""
    q.ok("outb 0x70 0x50")
    q.ok("outb 0x71 0xa5")
    q.ok("outb 0x70 0x50")
    equal(q.number("inb 0x71"), 0xA5, "CMOS byte")
    equal(q.number("inb 0x1234"), 0xFF, "inb of nothing")
    equal(q.number("inw 0x1234"), 0xFFFF, "inw of nothing")
    equal(q.number("inl 0x1234"), 0xFFFFFFFF, "inl of nothing")
    q.ok("outw 0x1234 1")
    q.ok("outl 0x1234 1")
    q.ok("outl 0xcf8 0x80000000")
    equal(q.number("inl 0xcf8"), 0x80000000, "configuration address")
    equal(q.number("readl 0xfec00000"), 0, "I/O APIC select")
    q.ok("writel 0xfec00000 1")
    equal(q.number("readl 0xfec00010") >> 16 & 0xFF, 23, "last pin of the I/O APIC")


@each
def wires(q):
    """irq_intercept_in and _out: a timer's line at the 8259 pair and the I/O APIC"""
    for command in ("irq_intercept_in ioapic", "irq_intercept_in isa-i8259", "irq_intercept_out isa-i8259"):
        q.ok(command)
    q.fail("irq_intercept_in")
    q.fail("irq_intercept_in /nowhere")
    q.fail("irq_intercept_in isa-pit")
    # The power button: SCI is level-triggered, IRQ 9.
    q.ok("outw 0x604 1")
    q.ok("outw 0x602 0x100")
    expect(q.irqs == [], f"lines moved too early: {q.irqs}")


def wires_at_work(a):
    """a wire that is watched: the SCI of the power button goes up, and down when it is acknowledged"""
    for accel in ("qtest", "hvtlfs"):
        e, q = start(a, accel)
        with e:
            q.ok("irq_intercept_in ioapic")
            q.ok("outw 0x604 1")
            q.ok("outw 0x602 0x100")
            e.qmp.run("system_powerdown")
            equal(q.number("inw 0x600") & 0x100, 0x100, "power button status")
            equal(q.irqs, ["raise 9"], "lines")
            q.ok("outw 0x600 0x100")
            equal(q.irqs, ["raise 9", "lower 9"], "lines after it is acknowledged")


def clock(a):
    """clock_step and clock_set: time stands still between, timers fire on the way; refused beside a processor"""
    e, q = start(a, "qtest")
    with e:
        q.ok("irq_intercept_in ioapic")
        now = q.number("clock_step 0")
        equal(q.number("clock_step 1000000"), now + 1000000, "after 1 ms")
        equal(q.number("clock_step 0"), now + 1000000, "later")
        # The PIT, counter 0, mode 2, 1193 ticks: about a millisecond.
        q.ok("outb 0x43 0x34")
        q.ok("outb 0x40 0xa9")
        q.ok("outb 0x40 0x04")
        q.irqs.clear()
        q.ok("clock_step 10500000")
        expect(10 <= q.irqs.count("raise 2") <= 11, f"timer interrupts in 10.5 ms: {q.irqs}")
        equal(q.number(f"clock_set {now + 500000000}"), now + 500000000, "clock_set")
        q.irqs.clear()
        before = q.number("clock_step 0")
        after = q.number("clock_step")
        expect(0 < after - before <= 1000100, f"clock_step without a number went on {after - before} ns")
        expect(q.irqs, "no timer fired")
    e, q = start(a, "hvtlfs")
    with e:
        q.fail("clock_step 100")


def as_vp(a):
    """cpuid, rdmsr, wrmsr and hvcall as a VP that does not run; refusals name the reason"""
    e, q = start(a, "hvtlfs", "-smp", "2")
    with e:
        maximum, *vendor = q.numbers("cpuid root 0 0x40000000")
        equal(struct.pack("<III", *vendor), b"Microsoft Hv", "vendor of the hypervisor")
        expect(maximum >= 0x40000005, f"highest leaf {maximum:#x}")
        equal(q.numbers("cpuid root 1 0x40000001")[0], int.from_bytes(b"Hv#1", "little"), "interface")
        equal([q.number(f"rdmsr root {n} 0x40000002") for n in (0, 1)], [0, 1], "VP index of both VPs")
        q.ok("wrmsr root 0 0x40000000 0x8100000000000001")
        equal(q.number("rdmsr root 1 0x40000000"), 0x8100000000000001, "guest OS id, as the other VP sees it")
        q.ok(f"wrmsr root 0 0x40000001 {RAM | 1:#x}")
        equal(q.number("rdmsr root 0 0x40000001"), RAM | 1, "hypercall page")
        code = q.ok(f"read {RAM:#x} 16")
        expect("0f01c1" in code or "0f01d9" in code, f"no VMCALL or VMMCALL in the hypercall page: {code}")
        status = q.number("hvcall root 0 0xffff 0 0")
        equal(status & 0xFFFF, 2, "status of an unknown call: HV_STATUS_INVALID_HYPERCALL_CODE")
        expect("#GP" in q.fail("rdmsr root 0 0x12345"), "an MSR that does not exist")
        expect("#GP" in q.fail("wrmsr root 0 0x40000002 1"), "a read-only MSR")
        q.fail("cpuid root 2 0")
        q.fail("cpuid nobody 0 0")
        q.fail("cpuid root")
        e.qmp.run("hv-partition-create", id="kid", memory=16 << 20, kernel=SPIN)
        equal(q.number("rdmsr kid 0 0x40000002"), 0, "VP index of the child's VP")
        e.qmp.run("hv-partition-start", id="kid")
        e.qmp.run("cont")
        expect("suspend" in q.fail("rdmsr kid 0 0x40000002"), "a running VP")
        e.qmp.run("hv-partition-suspend", id="kid")
        equal(q.number("rdmsr kid 0 0x40000002"), 0, "after it was suspended")


def requested(q, vp, vector):
    """Is it in the IRR of the VP's APIC, which is in x2APIC mode?"""
    return bool(q.number(f"rdmsr root {vp} {0x820 + vector // 32:#x}") >> vector % 32 & 1)


def synic_on(q, vp, sint, vector):
    """APIC, SynIC and its pages of a VP that stands still"""
    q.ok(f"wrmsr root {vp} 0x1b {0xfee00c00 | (0x100 if vp == 0 else 0):#x}")
    q.ok(f"wrmsr root {vp} 0x80f 0x1ff")
    q.ok(f"wrmsr root {vp} 0x40000083 {RAM + 0x2000 * vp | 1:#x}")
    q.ok(f"wrmsr root {vp} 0x40000082 {RAM + 0x2000 * vp + 0x1000 | 1:#x}")
    q.ok(f"wrmsr root {vp} {0x40000090 + sint:#x} {vector:#x}")
    q.ok(f"wrmsr root {vp} 0x40000080 1")


def testdev(q, what, vp=0, sint=0, connection=0):
    """hyperv-testdev's protocol, as QEMU's kvm-unit-tests use it"""
    q.ok(f"outl 0x3000 {connection << 24 | what << 16 | vp << 8 | sint:#x}")


def test_device(a):
    """hyperv-testdev: routes, message and event connections of each VP; what makes no sense is ignored"""
    create, destroy, set_sint, messages, messages_gone, events, events_gone = range(1, 8)
    e, q = start(a, "hvtlfs", "-smp", "2", "-device", "hyperv-testdev")
    with e:
        q.ok("wrmsr root 0 0x40000000 0x8100000000000001")
        q.ok("wrmsr root 0 0x40000001 0x200001")
        for vp in (0, 1):
            synic_on(q, vp, 8, 0x61)
        testdev(q, set_sint, 1, 8)
        expect(not requested(q, 1, 0x61), "a route that is not there")
        testdev(q, create, 1, 8)
        testdev(q, set_sint, 1, 8)
        expect(requested(q, 1, 0x61) and not requested(q, 0, 0x61), "the route's interrupt")
        testdev(q, destroy, 1, 8)
        # Messages and events have numbers of their own.
        testdev(q, messages, 1, 8, 0x10)
        testdev(q, events, 0, 8, 0x10)
        equal(q.number("hvcall root 0 0x1005d 0x10 0"), 0, "HvSignalEvent by the number of a message connection")
        equal(q.number(f"readb {RAM + 0x1000 + 8 * 256 + 0x10 // 8:#x}"), 1, "the event's flag on VP 0")
        testdev(q, events, 1, 8, 0x20)
        q.ok(f"write 0x210000 24 0x{struct.pack('<IIIIQ', 0x10, 0, 0x12345678, 8, 0xabcd).hex()}")
        equal(q.number("hvcall root 0 0x5c 0x210000 0"), 0, "HvPostMessage")
        equal(q.ok(f"read {RAM + 0x2000 + 8 * 256:#x} 24"),
              "0x" + struct.pack("<IBBHQQ", 0x12345678, 8, 0, 0, 0x10, 0xabcd).hex(), "the message on VP 1")
        equal(q.number("hvcall root 0 0x1005d 0x20 0"), 0, "HvSignalEvent")
        equal(q.number(f"readb {RAM + 0x3000 + 8 * 256 + 0x20 // 8:#x}"), 1, "the event's flag on VP 1")
        testdev(q, events_gone, connection=0x10)
        equal(q.number("hvcall root 0 0x1005d 0x10 0") & 0xFFFF, 0x11, "HV_STATUS_INVALID_PORT_ID")
        equal(q.number("hvcall root 0 0x5c 0x210000 0") & 0xFFFF, 0, "still a message connection")
        testdev(q, messages_gone, connection=0x10)
        equal(q.number("hvcall root 0 0x5c 0x210000 0") & 0xFFFF, 0x12, "HV_STATUS_INVALID_CONNECTION_ID")
        for command in (0, 8, 0xFF):
            testdev(q, command, 0xFF, 0xFF, 0xFF)
        for command in range(1, 8):
            for vp, sint in ((0xFF, 8), (0, 0), (0, 16), (0, 0xFF)):
                testdev(q, command, vp, sint, 0x33)
        equal(q.number("inl 0x3000"), 0, "a read")
        q.ok("system_reset")
        for vp in (0, 1):
            synic_on(q, vp, 8, 0x61)
        q.ok("wrmsr root 0 0x40000000 0x8100000000000001")
        q.ok("wrmsr root 0 0x40000001 0x200001")
        equal(q.number("hvcall root 0 0x1005d 0x20 0") & 0xFFFF, 0x12, "a connection behind a reset")


def parent_lines(a):
    """port_* lines: what they take, what they refuse"""
    e, q = start(a, "hvtlfs")
    with e:
        message = "0x" + struct.pack("<IIIIQ", 1, 0, 5, 0, 0).hex()
        connection = "0x" + struct.pack("<IIQ", 1, 0, 0).hex()
        equal(q.number(f"port_create root 7 {message}"), 0, "port_create")
        equal(q.number(f"port_create root 7 {message}"), 0x11, "its number again")
        equal(q.number(f"port_connect root 9 7 {connection}"), 0, "port_connect")
        equal(q.numbers("port_property root 7 0"), [0, 0], "count of posts")
        equal(q.number("port_property root 7 1 0"), 0, "port_property sets")
        equal(q.numbers("port_property root 7 1"), [0, 0], "preferred VP")
        equal(q.number("port_disconnect root 9"), 0, "port_disconnect")
        equal(q.number("port_delete root 7"), 0, "port_delete")
        equal(q.number("port_delete root 7"), 0x11, "port_delete again")
        for wrong in ("port_create", "port_create root", "port_create root 7", "port_create root 7 1", "port_create nobody 7 0x",
                      "port_delete root 0x100000000", "port_connect root 9 7", "port_property root 7", "port_property root 7 x"):
            q.fail(wrong)
    e, q = start(a, "qtest")
    with e:
        q.fail(f"port_create root 7 {message}")


def no_kernel(a):
    """-qtest without a kernel: the machine waits, empty, for the tool"""
    e = vm.Emulator(a.program, "-m", "64M", "-qtest", f"unix:{FOLDER.name}/qtest,server=on,wait=off", serial=False)
    with e:
        q = Session(f"{FOLDER.name}/qtest", e)
        equal(q.ok(f"read {RAM:#x} 4"), "0x00000000", "memory")
        equal(q.number("rdmsr root 0 0x40000002"), 0, "VP index")


def second_client(a):
    """a client that goes away in the middle of a line; the next one starts afresh"""
    e, q = start(a, "qtest")
    with e:
        q.sock.sendall(b"writeb 0x300000")
        q.file.close()
        q.sock.close()
        q = Session(f"{FOLDER.name}/qtest", e)
        equal(q.number(f"readb {RAM:#x}"), 0, "byte")


def log(a):
    """-qtest-log has the commands and the answers"""
    e, q = start(a, "qtest", "-qtest-log", f"{FOLDER.name}/log")
    with e:
        q.number("inb 0x1234")
        e.qmp.run("quit")
        e.wait()
    with open(f"{FOLDER.name}/log", encoding="utf-8") as f:
        text = f.read()
    expect("inb 0x1234" in text and "OK 0x00ff" in text, f"log: {text}")


TESTS = [memory_sizes, memory_blocks, ports, wires, wires_at_work, clock, as_vp, test_device, parent_lines, no_kernel, second_client, log]

if __name__ == "__main__":
    vm.main(__doc__, TESTS)
