#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Control paths under odd input: each QMP command with odd arguments, odd monitor lines, clients that leave at any byte.

The input is random but always the same.
"""
import json
import random
import socket

import vm
from vm import equal, expect

NAMES = ["id", "memory", "vcpus", "kernel", "initrd", "cmdline", "console", "path", "property", "value", "typename", "implements",
         "device", "size", "data", "format", "backend", "command-line", "cpu-index", "val", "filename", "abstract", "zz"]
ODD = [None, True, -1, 0, 1, 2 ** 31, 2 ** 63 - 1, -2 ** 63, 1.5, "", "x", "root", "/", "/machine", "/machine/partition[0]", "com1", "a" * 5000,
       "\u0000", "%s%n", "\ud83d\ude00", [], [[]], {}, {"type": "null"}, {"type": "null", "data": {}}, {"type": "socket", "data": {}},
       {"type": "ringbuf", "data": {"size": 3}}, {"type": "file", "data": {"out": "/nowhere/x"}}, 1 << 24]
# These end it or write files.
NOT_THESE = {"quit", "memsave", "pmemsave", "system_powerdown", "system_reset"}
LINES = ["info", "info registers", "info mem", "info tlb", "info partitions", "info qtree", "x", "x /", "x/99999999x 0", "x/4i 0xfffffffffffffff0",
         "xp/8gx 0xffffffffffffffff", "xp /3c", "x/s 0", "print 1/0", "p $rip", "sum", "help", "help x", "info " + "a" * 2000, "\t", "%n%s", "cpu 99"]


def start(a):
    with vm.tempfile.TemporaryDirectory(prefix="hvtlfs-") as folder:
        return vm.Emulator(a.program, "-m", "16M", "-smp", "2", "-kernel", vm.kernel(folder, vm.SPIN))


def alive(e):
    equal(e.qmp.run("query-status")["status"] in ("running", "paused"), True, "running or paused")
    expect(e.alive(), "the emulator ended")


def finish(e):
    alive(e)
    e.qmp.run("quit")
    equal(e.wait(), 0, "exit code")
    equal(e.said(), "", "what it said")


def arguments(a):
    """each QMP command with odd arguments: an answer each, and it goes on"""
    r = random.Random(1)
    with start(a) as e:
        commands = sorted({c["name"] for c in e.qmp.run("query-commands")} - NOT_THESE)
        for _ in range(40 if a.long else 8):
            for c in commands:
                values = {n: r.choice(ODD) for n in r.sample(NAMES, r.randrange(8))}
                request = {"execute": c, "arguments": values, "id": 7}
                e.qmp.send(json.dumps(request).encode() + b"\n")
                answer = e.qmp.answer()
                expect(answer.get("id") == 7 and ("error" in answer) != ("return" in answer), f"{request}: {answer}")
                e.qmp.events.clear()
        finish(e)


def lines(a):
    """odd monitor lines: an answer each"""
    with start(a) as e:
        for line in LINES:
            expect(isinstance(e.qmp.hmp(line), str), f"answer to '{line}'")
        finish(e)


def leaving(a):
    """QMP and console clients that go away in the middle of anything"""
    r = random.Random(2)
    text = b'{"execute":"qmp_capabilities"}\n{"execute":"query-commands"}\n{"execute":"qom-list-types","id":"' + b"y" * 3000 + b'"}\n'
    with start(a) as e:
        e.qmp.close()
        e.console.close()
        for _ in range(60):
            for name, data in (("qmp", text), ("com1", b"z" * 500)):
                s = vm.connect(e.path(name), alive=e.alive)
                s.sendall(data[:r.randrange(len(data))])
                if r.randrange(2):
                    s.shutdown(r.choice((socket.SHUT_RD, socket.SHUT_WR)))
                s.close()
        e.qmp = vm.Qmp(e.path("qmp"), alive=e.alive)
        finish(e)


def children(a):
    """partitions created, started and deleted without a pause between"""
    r = random.Random(3)
    with vm.tempfile.TemporaryDirectory(prefix="hvtlfs-") as folder, start(a) as e:
        codes = [vm.kernel(folder, c, str(n)) for n, c in enumerate((vm.HALT, vm.SPIN, vm.TRIPLE, vm.JUMP_OUT))]
        for _ in range(300 if a.long else 60):
            name = f"c{r.randrange(4)}"
            command = r.choice(("create", "create", "start", "suspend", "resume", "delete"))
            more = {"memory": 4 << 20, "vcpus": r.randrange(1, 4), "kernel": r.choice(codes)} if command == "create" else {}
            answer = e.qmp.raw(f"hv-partition-{command}", id=name, **more)
            expect("return" in answer or "'" in answer["error"]["desc"], f"answer to {command}: {answer}")
        e.qmp.run("query-hv-partitions")
        finish(e)


if __name__ == "__main__":
    vm.main(__doc__, [arguments, lines, leaving, children])
