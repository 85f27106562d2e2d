#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line: help texts, and for each kind of wrong input one clear line and exit code 1."""
import os
import re
import signal
import subprocess
import tempfile

import vm
from vm import equal, expect

FOLDER = tempfile.TemporaryDirectory(prefix="hvtlfs-")
HALT = vm.kernel(FOLDER.name, vm.HALT, "halt")


def path(name):
    return os.path.join(FOLDER.name, name)


def write(name, data, mode=0o644):
    with open(path(name), "wb") as f:
        f.write(data)
    os.chmod(path(name), mode)
    return path(name)


def run(a, *options, seconds=60):
    return subprocess.run([a.program, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds,
                          check=False)


def refuse(a, options, *words):
    """These options end it with code 1 and one line that has @words in it."""
    r = run(a, *options)
    what = " ".join(options)[:200]
    equal(r.returncode, 1, f"exit code of: {what}; it said {r.stderr!r}")
    equal(r.stdout, "", f"standard output of: {what}")
    expect(r.stderr.count("\n") == 1 and r.stderr.endswith("\n"), f"not one line for: {what}: {r.stderr!r}")
    expect(r.stderr.startswith("qemu-system-x86_64: "), f"does not begin with the program's name: {r.stderr!r}")
    for w in words:
        expect(w in r.stderr, f"'{w}' is missing for: {what}: {r.stderr!r}")


def refuse_all(a, rows):
    for options, *words in rows:
        refuse(a, options.split(), *words)


def helps(a):
    """-help, -version and the help of each option that has one: text, exit code 0, nothing on standard error"""
    rows = [("-help", "-kernel FILE"), ("-h", "-kernel FILE"), ("--help", "-kernel FILE"), ("-version", "version"),
            ("-cpu help", "qemu64"), ("-cpu ?", "x86-64-v3"), ("-machine help", "pc"), ("-M help", "pc"), ("-accel help", "hvtlfs"),
            ("-device help", "isa-serial"), ("-device isa-serial,help", "chardev="), ("-d help", "hypercall"),
            ("-chardev help", "socket"), ("-object help", "objects"), ("-display help", "none")]
    for options, word in rows:
        r = run(a, *options.split())
        equal((r.returncode, r.stderr), (0, ""), f"exit code and standard error of {options}")
        expect(word in r.stdout, f"'{word}' is missing in the text of {options}")


def help_is_complete(a):
    """each option that -help names is one that is taken"""
    names = re.findall(r"^-([a-zA-Z][\w-]*)( \S+)?", run(a, "-help").stdout, re.M)
    expect(len(names) > 35, f"-help names {len(names)} options")
    for name, argument in names:
        if name in ("help", "h", "version"):
            continue
        r = run(a, f"-{name}", *(["garbage!"] if argument else []), "-version")
        expect("invalid option" not in r.stderr, f"-{name} is in -help but unknown")


def kernels(a):
    """files that are not there, cannot be read, are no kernel or are cut off"""
    write("text", b"hello\n" * 1000)
    write("empty", b"")
    write("short-elf", vm.elf(vm.HALT)[:60])
    write("no-note", vm.elf(vm.HALT).replace(b"Xen\0", b"xEN\0"))
    refuse_all(a, [
        ("-kernel /nonexistent", "/nonexistent", "No such file"),
        (f"-kernel {FOLDER.name}", FOLDER.name, "directory"),
        (f"-kernel {path('text')}", path("text"), "not a kernel"),
        (f"-kernel {path('empty')}", path("empty"), "not a kernel"),
        (f"-kernel {path('short-elf')}", path("short-elf"), "cut off"),
        (f"-kernel {path('no-note')}", path("no-note"), "PVH"),
        (f"-kernel {HALT} -initrd /nonexistent", "/nonexistent", "No such file"),
        (f"-kernel {HALT} -initrd {FOLDER.name}", FOLDER.name, "directory"),
        ("-bios /nonexistent", "/nonexistent", "No such file"),
        (f"-bios {path('text')}", path("text"), "4 KiB"),
        ("-initrd x", "-initrd", "-kernel"), ("-append x", "-append", "-kernel"),
        ("", "nothing to boot", "-kernel"),
    ])
    if os.getuid():
        write("secret", vm.elf(vm.HALT), 0)
        refuse_all(a, [(f"-kernel {path('secret')}", path("secret"), "Permission denied")])


def linux_memory(a):
    """too little memory for Linux and its initrd; a command line that is too long"""
    image, initrd = vm.linux()
    refuse_all(a, [
        (f"-m 8M -kernel {image} -initrd {initrd}", image, "needs", "the guest has 8 MiB"),
        (f"-m 16M -kernel {image}", image, "needs", "the guest has 16 MiB"),
    ])
    with open(path("big"), "wb") as f:
        f.truncate(200 << 20)
    refuse_all(a, [(f"-m 128M -kernel {image} -initrd {path('big')}", image, "initrd", "needs", "128 MiB")])
    refuse(a, ["-kernel", image, "-append", "x" * 4000], image, "4000 bytes", "2047")
    with open(image, "rb") as f:
        write("cut", f.read(2 << 20))
    refuse_all(a, [(f"-kernel {path('cut')}", path("cut"), "cut off")])


def numbers(a):
    """-smp and -m"""
    refuse_all(a, [
        ("-smp 0", "-smp 0", "zero"), ("-smp 65", "-smp 65", "64"), ("-smp garbage", "-smp garbage", "number"),
        ("-smp -1", "-smp -1", "number"), ("-smp 2,cores=3", "-smp 2,cores=3", "cores (3)"), ("-smp 2,foo=1", "'foo'", "cores"),
        ("-smp 4,maxcpus=2", "maxcpus (2)"), ("-smp 99999999999999999999", "number"), ("-smp cores=0x", "cores"),
        ("-m garbage", "-m garbage", "number"), ("-m 0", "-m 0", "too little"), ("-m -5", "-m -5", "number"),
        ("-m 1Q", "-m 1Q", "suffix"), ("-m 512K", "-m 512K", "too little"), ("-m 1G,slots=2", "slots", "leave"),
        ("-m 99999999999999999999", "number"), (f"-m 100000T -kernel {HALT}", "64 TiB"), (f"-m 2T -kernel {HALT}", "40 bits"),
        (f"-m 1G -accel hvtlfs,memory=512M -kernel {HALT}", "memory=", "-m"),
    ])


def names(a):
    """unknown options, devices, properties, processors, machines, accelerators, log items"""
    refuse_all(a, [
        ("-foo", "-foo", "invalid option", "-help"), ("--foo", "--foo", "-help"), ("foo.img", "foo.img", "-kernel"),
        ("-drive file=x", "-drive", "-kernel"), ("-enable-kvm", "-enable-kvm", "-accel"), ("-vnc :0", "-vnc", "-nographic"),
        ("-device foo", "'foo'", "-device help"), (f"-device isa-serial,foo=1 -kernel {HALT}", "isa-serial.foo", "isa-serial,help"),
        (f"-device isa-debug-exit,iobase=zz -kernel {HALT}", "iobase", "'zz'", "number"),
        (f"-device ioapic -kernel {HALT}", "ioapic", "part of the machine"),
        (f"-device isa-serial,chardev=none -kernel {HALT}", "isa-serial", "'none'"),
        (f"-global foo.bar=1 -kernel {HALT}", "'foo'", "-device help"),
        (f"-global isa-serial.bar=1 -kernel {HALT}", "isa-serial.bar", "isa-serial,help"),
        (f"-global garbage -kernel {HALT}", "garbage", "TYPE.PROPERTY=VALUE"),
        (f"-object foo,id=x -kernel {HALT}", "foo", "-object help"),
        (f"-cpu foo -kernel {HALT}", "'foo'", "qemu64"), (f"-cpu qemu64,foo=on -kernel {HALT}", "'foo'", "sse2"),
        (f"-cpu qemu64,+foo -kernel {HALT}", "'foo'"), (f"-cpu qemu64,sse2=maybe -kernel {HALT}", "sse2", "maybe", "on or off"),
        (f"-cpu qemu64,phys-bits=99 -kernel {HALT}", "phys-bits", "99"),
        (f"-cpu qemu64,hv-foo=on -kernel {HALT}", "hv-foo"),
        ("-machine q35", "'q35'", "-machine help"), ("-machine pc,foo=bar", "'foo'"), ("-machine pc,accel=kvm", "kvm", "hvtlfs"),
        ("-accel kvm", "kvm", "hvtlfs"), ("-accel hvtlfs,engine=foo", "'foo'", "jit", "interp"), ("-accel hvtlfs,foo=1", "'foo'", "engine"),
        ("-accel hvtlfs,role=foo", "role=foo", "root"), ("-accel hvtlfs,role=root,scheduler=foo", "scheduler=foo", "classic"),
        ("-accel hvtlfs,role=host,scheduler=root", "scheduler=root", "role=root"),
        ("-d foo", "'foo'", "-d help"), ("-d int,foo", "'foo'"), ("-uuid x", "'x'"), ("-display sdl", "'sdl'", "none"),
        ("-vga std", "'std'", "none"), ("-rtc base=localtime", "localtime", "utc"), ("-boot c", "'c'", "-kernel"),
        ("-action reboot=never", "never", "reset"), ("-name a,foo=b", "'foo'", "guest"), ("-msg foo=on", "'foo'", "timestamp"),
    ])


def missing_arguments(a):
    """an option at the end that lacks its argument"""
    for name in ("kernel", "initrd", "append", "m", "smp", "cpu", "machine", "accel", "serial", "qmp", "chardev", "device", "d", "D"):
        refuse(a, [f"-{name}"], f"-{name}", "requires an argument")


def character_devices(a):
    """character devices: wrong kinds, missing and double ids, places that cannot be, two users of one"""
    refuse_all(a, [
        ("-chardev foo,id=a", "'foo'", "-chardev help"), ("-chardev null", "'id'"), ("-chardev null,id=a/b", "a/b"),
        ("-chardev null,id=a -chardev null,id=a", "'a'", "exists"), ("-chardev null,id=a,foo=1", "'foo'", "-chardev help"),
        ("-chardev socket,id=a", "path=", "host="), ("-chardev file,id=a", "path"),
        ("-chardev file,id=a,path=/nonexistent/x", "/nonexistent/x", "No such file"),
        ("-chardev socket,id=a,path=/nonexistent/x", "/nonexistent/x", "No such file"),
        ("-chardev socket,id=a,path=/nonexistent/x,server=on,wait=off", "/nonexistent/x", "No such file"),
        ("-chardev socket,id=a,host=127.0.0.1,port=99999", "99999"), ("-chardev socket,id=a,path=x,server=maybe", "server", "'on' or 'off'"),
        (f"-serial foo -kernel {HALT}", "'foo'", "unix:PATH"), (f"-serial tcp: -kernel {HALT}", "tcp"),
        (f"-serial chardev:nope -kernel {HALT}", "'nope'", "-chardev"),
        (f"-serial null -serial null -serial null -serial null -serial null -kernel {HALT}", "at most 4"),
        (f"-chardev null,id=a -serial chardev:a -serial chardev:a -kernel {HALT}", "'a'", "mux=on"),
        (f"-chardev null,id=a -serial chardev:a -qmp chardev:a -kernel {HALT}", "'a'", "mux=on"),
        ("-qmp foo", "-qmp foo", "unix:PATH"), ("-monitor foo", "-monitor foo"), ("-mon nope", "nope"),
        ("-chardev null,id=a -mon a,mode=foo", "foo", "control"), (f"-gdb foo -kernel {HALT}", "-gdb foo"),
        (f"-gdb tcp::99999 -kernel {HALT}", "99999"), (f"-qtest foo -kernel {HALT}", "-qtest foo"),
    ])


def unwritable(a):
    """files that cannot be written: log, pid file"""
    refuse_all(a, [
        (f"-D /nonexistent/log -d int -kernel {HALT}", "/nonexistent/log", "No such file"),
        (f"-pidfile /nonexistent/pid -kernel {HALT}", "/nonexistent/pid", "No such file"),
        (f"-qtest unix:{path('q')},server=on,wait=off -qtest-log /nonexistent/log -kernel {HALT}", "/nonexistent/log"),
    ])


def leaves_nothing(a):
    """what fails leaves no socket and no pid file behind; a pid file of somebody else stays"""
    write("other-pid", b"1\n")
    refuse(a, ["-qmp", f"unix:{path('s')},server=on,wait=off", "-pidfile", path("pid"), "-kernel", "/nonexistent"], "/nonexistent")
    refuse(a, ["-pidfile", path("other-pid"), "-foo"], "-foo")
    expect(not os.path.exists(path("pid")), "the pid file is still there")
    expect(not os.path.exists(path("s")), "the socket is still there")
    expect(os.path.exists(path("other-pid")), "a pid file that it did not write is gone")


def signals(a):
    """SIGTERM and SIGINT end it in order: code 0, SHUTDOWN event, one line that says why, pid file gone"""
    for number in (signal.SIGTERM, signal.SIGINT):
        with vm.Emulator(a.program, "-kernel", HALT, "-pidfile", path("pid"), serial=False) as e:
            with open(path("pid"), encoding="ascii") as f:
                equal(int(f.read()), e.process.pid, "pid file")
            e.process.send_signal(number)
            e.qmp.wait("SHUTDOWN", guest=False, reason="host-signal")
            equal(e.wait(), 0, f"exit code after signal {number}")
            expect(e.said().count("\n") == 1 and f"signal {int(number)}" in e.said(), f"it said {e.said()!r}")
            expect(not os.path.exists(path("pid")), "the pid file is still there")


def root_crash(a):
    """a first partition that runs where nothing is meets #UD, and the log says where; a triple fault is a reset"""
    away = vm.kernel(FOLDER.name, vm.JUMP_OUT, "away")
    triple = vm.kernel(FOLDER.name, vm.TRIPLE, "triple")
    r = run(a, "-kernel", away, "-display", "none", "-no-reboot", "-d", "int,guest_errors", "-D", path("away-log"))
    equal((r.returncode, r.stdout, r.stderr), (0, "", ""), "no IDT for #UD, so a triple fault, with -no-reboot")
    with open(path("away-log"), encoding="utf-8") as f:
        log = f.read()
    expect("where there is no memory" in log and "vector 06" in log, f"the log has {log!r}")
    r = run(a, "-kernel", triple, "-display", "none", "-no-reboot")
    equal((r.returncode, r.stdout, r.stderr), (0, "", ""), "triple fault with -no-reboot")


def debug_exit(a):
    """isa-debug-exit: the guest chooses the exit code"""
    code = bytes.fromhex("66 ba f4 00 b0 15 ee") + vm.HALT   # out 0xf4, 0x15
    k = vm.kernel(FOLDER.name, code, "exit")
    r = run(a, "-kernel", k, "-display", "none", "-device", "isa-debug-exit,iobase=0xf4,iosize=1")
    equal((r.returncode, r.stderr), (0x15 << 1 | 1, ""), "exit code")
    r = run(a, "-kernel", k, "-vnc", "none", "-global", "kvm-pit.lost_tick_policy=discard", "-global", "isa-debug-exit.iobase=0xf4", "-device",
            "isa-debug-exit")
    equal(r.returncode, 0x15 << 1 | 1, "exit code, port by -global")


def log_file(a):
    """-d and -D: the log has what was asked for"""
    k = vm.kernel(FOLDER.name, bytes.fromhex("66 ba f4 00 31 c0 ee") + vm.HALT, "logged")
    r = run(a, "-kernel", k, "-display", "none", "-device", "isa-debug-exit,iobase=0xf4", "-d", "in_asm,exec,cpu_reset,exits",
            "-D", path("log"))
    equal((r.returncode, r.stderr), (1, ""), "exit code")
    with open(path("log"), encoding="utf-8") as f:
        text = f.read()
    expect("100000" in text, f"the kernel's address is not in the log: {text[:300]!r}")


def monitor_on_stdio(a):
    """-nographic: serial port and monitor share standard input and output"""
    code = vm.out_text("hello from the guest\n") + vm.HALT
    k = vm.kernel(FOLDER.name, code, "hello")
    with subprocess.Popen([a.program, "-kernel", k, "-nographic"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as p:
        text = b""
        while b"hello from the guest" not in text:
            more = os.read(p.stdout.fileno(), 4096)
            expect(more, f"it ended: {text!r}")
            text += more
        p.stdin.write(b"\x01cinfo status\nquit\n")
        p.stdin.flush()
        text = p.communicate(timeout=60)[0].decode()
        equal(p.returncode, 0, "exit code")
        expect("(qemu)" in text and "VM status: running" in text, f"monitor said: {text!r}")


TESTS = [helps, help_is_complete, kernels, linux_memory, numbers, names, missing_arguments, character_devices, unwritable,
         leaves_nothing, signals, root_crash, debug_exit, log_file, monitor_on_stdio]

if __name__ == "__main__":
    vm.main(__doc__, TESTS)
