#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's gdb, told what to do by a file of commands, on the gdb stub."""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

import vm
from vm import equal, expect

FOLDER = tempfile.TemporaryDirectory(prefix="hvtlfs-")
# 0x100000: mov eax,1; mov ecx,2; 1: inc eax; add ecx,eax; mov [0x200000],eax; jmp 1b
LOOP = bytes.fromhex("b8 01 00 00 00 b9 02 00 00 00 40 01 c1 a3 00 00 20 00 eb f6")
KERNEL = vm.kernel(FOLDER.name, LOOP, "loop")
TOP, ADD, STORE, JUMP = 0x10000A, 0x10000B, 0x10000D, 0x100012


def machine(a, *options, **more):
    return vm.Emulator(a.program, "-m", "16M", "-kernel", KERNEL, "-gdb", "unix:" + socket_path(), *options, serial=False, **more)


def socket_path():
    return os.path.join(FOLDER.name, "gdb")


def gdb(commands, seconds=120, target=None):
    """What gdb prints for these commands; it must end by itself with code 0."""
    if not shutil.which("gdb"):
        raise vm.Skip("no gdb; ./configure installs it")
    file = os.path.join(FOLDER.name, "commands")
    with open(file, "w", encoding="utf-8") as f:
        f.write("set pagination off\nset confirm off\nset tcp connect-timeout 20\n")
        f.write(f"target remote {target or socket_path()}\n" + "\n".join(commands) + "\n")
    r = subprocess.run(["gdb", "-nx", "-batch", "-x", file], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       timeout=seconds, check=False)
    text = r.stdout + r.stderr
    expect(r.returncode == 0, f"gdb ended with {r.returncode}: {text}")
    for line in text.splitlines():
        bad = re.search(r"[Ee]rror|[Ii]gnoring|Remote connection|[Cc]annot|[Ii]nvalid|[Uu]ndefined", line)
        expect(not bad, f"gdb complains ({line}): {text}")
    return text


def number(text, name):
    """The value of `p/x $NAME` after a line `name:`."""
    found = re.search(rf"^{name}: (0x[0-9a-f]+|-?\d+)", text, re.M)
    expect(found, f"no '{name}:' in {text}")
    return int(found[1], 0)


def attach(a):
    """target remote on a machine that waits (-S): registers, code, memory at the entry; detach lets it run"""
    with machine(a, "-S") as e:
        text = gdb(["info registers", 'printf "pc: %#lx\\n", $pc', "x/4i $pc", "x/2xw $pc", "p/x $eflags", "info registers cr0 efer",
                    "p $xmm0", "p $st0", "detach"])
        equal(number(text, "pc"), vm.LOAD, "pc")
        expect(re.search(r"mov\s+\$0x1,%eax", text), f"x/4i: {text}")
        expect("0x000001b8" in text, f"x/2xw: {text}")
        expect(re.search(r"^rip\s+0x100000\b|^eip\s+0x100000\b", text, re.M), f"info registers: {text}")
        expect(re.search(r"^cr0\s+0x", text, re.M), f"cr0: {text}")
        e.qmp.wait("RESUME")
        equal(e.qmp.run("query-status")["status"], "running", "status after detach")
        expect(counter(e), "it does not run after detach")


def counter(e):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        n = int(e.qmp.hmp("xp /1wx 0x200000").split()[1], 0)
        if n:
            return n
    return 0


def breakpoints(a):
    """break and hbreak, continue, a counter that goes on, delete"""
    with machine(a, "-S") as e:
        text = gdb([f"break *{TOP:#x}", "continue", 'printf "a: %d\\n", $rax', f"hbreak *{JUMP:#x}", "continue",
                    'printf "b: %#lx\\n", $pc', "continue", "continue", 'printf "c: %d\\n", $rax', 'printf "d: %#lx\\n", $pc',
                    "delete", f"tbreak *{ADD:#x}", "continue", 'printf "e: %#lx\\n", $pc', "detach"])
        equal(number(text, "a"), 1, "eax at the first stop")
        equal(number(text, "b"), JUMP, "pc at the second")
        equal((number(text, "c"), number(text, "d")), (3, JUMP), "eax and pc at the fourth")
        equal(number(text, "e"), ADD, "pc at the temporary one")
        e.qmp.wait("RESUME")
        expect(counter(e), "it does not run after detach")


def steps(a):
    """stepi goes one instruction a time, also from a breakpoint; info breakpoints counts"""
    with machine(a, "-S"):
        text = gdb([f"break *{TOP:#x}", "continue", "stepi", 'printf "s1: %#lx\\n", $pc', "stepi", 'printf "s2: %#lx\\n", $pc',
                    "stepi", 'printf "s3: %#lx\\n", $pc', "stepi", "stepi", 'printf "s5: %#lx\\n", $pc', 'printf "ax: %d\\n", $rax',
                    "stepi 100", 'printf "ax100: %d\\n", $rax', "kill"])
        equal([number(text, f"s{n}") for n in (1, 2, 3, 5)], [ADD, STORE, JUMP, ADD], "pc after steps")
        equal(number(text, "ax"), 3, "eax after two rounds")
        # 100 steps stop at the breakpoint on the way.
        expect(number(text, "ax100") == 3, f"eax: {number(text, 'ax100')}")


def many_steps(a):
    """stepi with a count: exactly so many instructions"""
    with machine(a, "-S"):
        text = gdb(["stepi 2", 'printf "start: %#lx\\n", $pc', "stepi 400", 'printf "pc: %#lx\\n", $pc', 'printf "ax: %d\\n", $rax',
                    "kill"])
        equal((number(text, "start"), number(text, "pc"), number(text, "ax")), (TOP, TOP, 101), "start, pc, eax")


def writing(a):
    """registers and memory are written: the guest goes on with the new values"""
    with machine(a, "-S"):
        text = gdb([f"break *{STORE:#x}", "continue", "set $rax = 0x1234", "set $rcx = 7", "stepi",
                    'printf "mem: %#x\\n", *(int *)0x200000', "set *(int *)0x200000 = 0x55aa", 'printf "mem2: %#x\\n", *(int *)0x200000',
                    'printf "cx: %d\\n", $rcx', f"set *(unsigned char *){JUMP:#x} = 0x90", f"x/1i {JUMP:#x}", "delete",
                    "stepi", 'printf "pc: %#lx\\n", $pc', f"set $pc = {TOP:#x}", "stepi", 'printf "pc2: %#lx\\n", $pc', "kill"])
        equal((number(text, "mem"), number(text, "mem2"), number(text, "cx")), (0x1234, 0x55AA, 7), "values")
        expect("nop" in text, f"x/1i after the write: {text}")
        equal(number(text, "pc"), JUMP + 1, "pc after the patched instruction")
        equal(number(text, "pc2"), ADD, "pc after it was set")


def threads(a):
    """a thread per VP, also of children; registers of each"""
    with machine(a, "-S", "-smp", "2") as e:
        e.qmp.run("hv-partition-create", id="kid", memory=16 << 20, kernel=KERNEL)
        text = gdb(["info threads", "thread 2", 'printf "two: %#lx\\n", $pc', "thread 3", 'printf "three: %#lx\\n", $pc', "thread 1",
                    'printf "one: %#lx\\n", $pc', "detach"])
        for word in ("root/VP 0", "root/VP 1", "kid/VP 0"):
            expect(word in text, f"info threads lacks {word}: {text}")
        equal((number(text, "one"), number(text, "three")), (vm.LOAD, vm.LOAD), "pc of the threads that are at the entry")
        expect(number(text, "two") != vm.LOAD, "pc of a VP that has not started")


def interrupt(a):
    """gdb on a running machine stops it; its end with `detach` lets it go on; a second gdb works"""
    with machine(a) as e:
        expect(counter(e), "the guest does not run")
        for _ in range(2):
            text = gdb(['printf "pc: %#lx\\n", $pc', "stepi", 'printf "pc1: %#lx\\n", $pc', "detach"])
            expect(vm.LOAD <= number(text, "pc") <= JUMP, f"pc {number(text, 'pc'):#x}")
            expect(number(text, "pc") != number(text, "pc1"), "stepi did not move")
            e.qmp.wait("STOP")
            e.qmp.wait("RESUME")
        equal(e.qmp.run("query-status")["status"], "running", "status")


def control_c(a):
    """an interrupt while the machine runs under gdb"""
    with machine(a, "-S") as e:
        text = gdb(["python\nimport threading, os, signal, time\n"
                    "threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\nend",
                    "continue", 'printf "pc: %#lx\\n", $pc', "kill"])
        expect("SIGINT" in text, f"how it stopped: {text}")
        expect(vm.LOAD <= number(text, "pc") <= JUMP, f"pc: {text}")
        equal(e.wait(), 0, "exit code after kill")


def monitor(a):
    """monitor commands answer; kill ends the emulator"""
    with machine(a, "-S") as e:
        text = gdb(["monitor info status", "monitor info registers", "kill"])
        expect("VM status" in text and "CR0=" in text, f"monitor: {text}")
        equal(e.wait(), 0, "exit code after kill")


def tcp(a):
    """-gdb tcp::PORT"""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with vm.Emulator(a.program, "-m", "16M", "-kernel", KERNEL, "-S", "-gdb", f"tcp::{port}", serial=False) as e:
        text = gdb(['printf "pc: %#lx\\n", $pc', "kill"], target=f"127.0.0.1:{port}")
        equal(number(text, "pc"), vm.LOAD, "pc")
        equal(e.wait(), 0, "exit code")


def watchpoints(a):
    """a software watchpoint, which single-steps, stops behind the store"""
    with machine(a, "-S"):
        text = gdb(["set can-use-hw-watchpoints 0", "watch *(int *)0x200000", "continue", 'printf "pc: %#lx\\n", $pc',
                    'printf "mem: %d\\n", *(int *)0x200000', "continue", 'printf "mem2: %d\\n", *(int *)0x200000', "kill"])
        equal((number(text, "pc"), number(text, "mem"), number(text, "mem2")), (JUMP, 2, 3), "pc, values")


def linux(a):
    """Linux on 2 VPs: hardware breakpoint at a kernel address, backtrace of both, on it goes to init"""
    image, initrd = vm.linux()
    options = ["-m", "256M", "-smp", "2", "-S", "-gdb", "unix:" + socket_path(), "-kernel", image, "-initrd", initrd, "-append",
               "console=ttyS0 nokaslr hvt=wait"]
    with vm.Emulator(a.program, *options) as e:
        # Where kernel text begins without KASLR; nothing runs there again before the detach.
        text = gdb(['printf "entry: %#lx\\n", $pc', "x/4i $pc", "stepi", "stepi", "stepi", "hbreak *0xffffffff81000000", "detach"])
        expect(number(text, "entry") >= vm.LOAD, "entry")
        e.console.wait("HVT waiting")
        text = gdb(["info threads", "bt 2", "thread 2", "bt 2", "info registers rip cs gs_base cr3", 'printf "pc: %#lx\\n", $pc', "detach"])
        expect("VP 1" in text, f"threads: {text}")
        expect(number(text, "pc") & 0xFFFFFFFF80000000, f"pc {number(text, 'pc'):#x} of an idle VP is not in the kernel")
        pc = number(text, "pc")
        text = gdb([f"hbreak *{pc:#x}", "continue", 'printf "pc: %#lx\\n", $pc', "stepi", "stepi", "delete", "detach"])
        equal(number(text, "pc"), pc, "pc at the breakpoint in the idle loop")
        equal(e.console.run("echo alive"), ["alive"], "answer")
        e.console.write("poweroff\n")
        equal(vm.guest_warnings(e.console), [], "warnings in the kernel's log")


TESTS = [attach, breakpoints, steps, many_steps, writing, threads, interrupt, control_c, monitor, tcp, watchpoints, linux]

if __name__ == "__main__":
    vm.main(__doc__, TESTS)
