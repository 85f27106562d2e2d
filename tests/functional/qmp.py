#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""QMP as a client sees it: wire format, errors, events, queries, the object tree, character devices, monitor commands."""
import json
import os
import re
import socket
import tempfile
import time

import vm
from vm import equal, expect

FOLDER = tempfile.TemporaryDirectory(prefix="hvtlfs-")
# A counter at 2 MiB that runs: mov eax, 0x200000; 1: inc dword [eax]; jmp 1b
COUNT = bytes.fromhex("fa b8 00 00 20 00 ff 00 eb fc")
HALT = vm.kernel(FOLDER.name, vm.HALT, "halt")
COUNTER = vm.kernel(FOLDER.name, COUNT, "count")
LIMIT = 64 << 20


def machine(a, *options, kernel=COUNTER, **more):
    return vm.Emulator(a.program, "-m", "16M", "-smp", "2", "-name", "test machine", "-kernel", kernel, *options, serial=False, **more)


def quit_and_check(e):
    e.qmp.run("quit")
    e.qmp.wait("SHUTDOWN", guest=False, reason="host-qmp-quit")
    equal(e.wait(), 0, "exit code")
    equal(e.said(), "", "output of the emulator")


def greeting(a):
    """greeting and negotiation: nothing before it, once, unknown capabilities are refused"""
    with machine(a) as e:
        q = e.qmp
        version = q.greeting["QMP"]["version"]
        equal(sorted(version["qemu"]), ["major", "micro", "minor"], "members of the version")
        equal(q.greeting["QMP"]["capabilities"], [], "capabilities")
        equal(q.run("query-version"), version, "query-version")
        equal(q.error("qmp_capabilities")[0], "CommandNotFound", "class of a second negotiation")
        q.close()
        q = e.qmp = vm.Qmp(e.path("qmp"), negotiate=False)
        kind, text = q.error("query-status")
        equal(kind, "CommandNotFound", "class before negotiation")
        expect("qmp_capabilities" in text, f"text: {text}")
        kind, text = q.error("qmp_capabilities", enable=["oob"])
        equal(kind, "GenericError", "class of an unknown capability")
        expect("'oob'" in text, f"text: {text}")
        equal(q.run("qmp_capabilities", enable=[]), {}, "answer")
        quit_and_check(e)


def ids(a):
    """the id of a request comes back as it is, whatever its type, also with errors"""
    with machine(a) as e:
        for i in (1, -5, "text", None, True, 1.5, [1, {"a": "b"}], {"x": [None]}, "ü\u0001\"\\"):
            for command, member in (("query-status", "return"), ("no-such", "error")):
                e.qmp.send(json.dumps({"execute": command, "id": i}).encode())
                answer = e.qmp.answer()
                expect(member in answer, f"answer: {answer}")
                equal(answer["id"], i, "id")
        answer = e.qmp.raw("query-status")
        expect("id" not in answer, f"an id that nobody sent: {answer}")


def errors(a):
    """wrong requests: class and a text that names what is wrong"""
    rows = [
        ({"execute": "no-such"}, "CommandNotFound", "no-such"),
        ({"execute": 1}, "GenericError", "'execute'"),
        ({"arguments": {}}, "GenericError", "'execute'"),
        ({"execute": "stop", "foo": 1}, "GenericError", "'foo'"),
        ({"execute": "stop", "arguments": []}, "GenericError", "'arguments'"),
        ({"execute": "stop", "arguments": {"bar": 1}}, "GenericError", "'bar'"),
        ({"execute": "qom-get", "arguments": {"path": "/machine"}}, "GenericError", "'property'"),
        ({"execute": "qom-get", "arguments": {"path": 1, "property": "x"}}, "GenericError", "'path'"),
        ({"execute": "qom-get", "arguments": {"path": "/machine", "property": "x"}}, "GenericError", "x"),
        ({"execute": "qom-list", "arguments": {"path": "/nowhere"}}, "DeviceNotFound", "/nowhere"),
        ({"execute": "device-list-properties", "arguments": {"typename": "foo"}}, "DeviceNotFound", "'foo'"),
        ({"execute": "human-monitor-command", "arguments": {"command-line": "info status", "cpu-index": 99}},
         "GenericError", "'cpu-index'"),
        ({"execute": "chardev-remove", "arguments": {"id": "foo"}}, "GenericError", "'foo'"),
        ({"execute": "hv-partition-create", "arguments": {"id": "x", "memory": "1G"}}, "GenericError", "'memory'"),
        ({"execute": "memsave", "arguments": {"val": 0, "size": 16, "filename": "/nonexistent/x"}}, "GenericError", "/nonexistent/x"),
        ([], "GenericError", "object"), ("x", "GenericError", "object"), (5, "GenericError", "object"),
    ]
    with machine(a) as e:
        for request, kind, word in rows:
            e.qmp.send(json.dumps(request).encode() + b"\n")
            answer = e.qmp.answer()
            expect("error" in answer, f"{request} answers {answer}")
            equal(answer["error"]["class"], kind, f"class for {request}")
            expect(word in answer["error"]["desc"], f"{request} says {answer['error']['desc']}")
        equal(e.qmp.run("query-status")["running"], True, "running")


def malformed(a):
    """text that is no JSON: an error each, then the session goes on with the next line"""
    rows = [b'{"execute": }', b"{'execute': 'query-status'", b"garbage", b"{]", b"}", b'{"a": "\x01"}', b"\x80\x81", b'{"execute" "x"}',
            b"[1,2", b'"unfinished', b"{" * 2000, b"[" * 2000, b'{"execute": "query-status", /* no */ }', b"nul", b'{"a":\\u12}']
    with machine(a) as e:
        for text in rows:
            # 0xff ends what came before, as clients do that want to be in step.
            e.qmp.send(text + b"\n\xff\n")
            e.qmp.send(b'{"execute": "query-name", "id": "after"}\n')
            answers = [e.qmp.answer()]
            while "id" not in answers[-1]:
                answers.append(e.qmp.answer())
            equal(answers[-1].get("return"), {"name": "test machine"}, f"answer after {text[:30]!r}")
            for x in answers[:-1]:
                equal(x["error"]["class"], "GenericError", f"class for {text[:30]!r}")
        # Without the mark an error comes at once where it is plain that it can only be one.
        e.qmp.send(b'{"execute": ]\n')
        expect("JSON" in e.qmp.answer()["error"]["desc"], "no JSON parse error")
        quit_and_check(e)


def oversized(a):
    """a request larger than the limit: an error, the session and the memory live on"""
    with machine(a) as e:
        before = e.rss()
        e.qmp.send(b'{"execute": "query-name", "arguments": {"x": "')
        block = b"x" * (1 << 20)
        refused = None
        for _ in range(2 * LIMIT // len(block)):
            e.qmp.send(block)
        e.qmp.send(b'"}}\n')
        refused = e.qmp.answer()
        expect("limit" in refused["error"]["desc"], f"answer: {refused}")
        equal(e.qmp.run("query-name")["name"], "test machine", "name")
        expect(e.rss() - before < LIMIT, f"{(e.rss() - before) >> 20} MiB more than before")
        quit_and_check(e)


def writes(a):
    """several commands in one write, one command in many, no line ends: the answers in order"""
    with machine(a) as e:
        many = b"".join(json.dumps({"execute": "query-name", "id": i}).encode() for i in range(50))
        e.qmp.send(many)
        equal([e.qmp.answer()["id"] for _ in range(50)], list(range(50)), "order of answers")
        for b in b'{"execute":\n "query-name",\r\n\t"id": "slow"}':
            e.qmp.send(bytes([b]))
        equal(e.qmp.answer()["id"], "slow", "id of the slow one")
        e.qmp.send(b"{'execute': 'query-name', 'id': 'single'}")
        equal(e.qmp.answer()["id"], "single", "id of the one in single quotes")


def two_clients(a):
    """a client that goes away in the middle of a request; the next one starts afresh"""
    with machine(a) as e:
        e.qmp.send(b'{"execute": "quer')
        e.qmp.close()
        e.qmp = vm.Qmp(e.path("qmp"), negotiate=False)
        expect("error" in e.qmp.raw("query-name"), "the second client needs no negotiation")
        e.qmp.run("qmp_capabilities")
        equal(e.qmp.run("query-name")["name"], "test machine", "name")
        quit_and_check(e)


def two_servers(a):
    """two QMP servers at once: each has its own negotiation, both see the events"""
    second = os.path.join(FOLDER.name, "second")
    with machine(a, "-qmp", f"unix:{second},server=on,wait=off") as e:
        q = vm.Qmp(second)
        e.qmp.run("stop")
        q.wait("STOP")
        q.run("cont")
        e.qmp.wait("RESUME")
        q.close()
        quit_and_check(e)


def events(a):
    """STOP, RESUME, RESET, POWERDOWN, SHUTDOWN: when, with what, with a time stamp"""
    with machine(a) as e:
        q = e.qmp
        start = time.time()
        q.run("stop")
        stamp = q.wait("STOP")["timestamp"]
        equal(sorted(stamp), ["microseconds", "seconds"], "members of the time stamp")
        expect(abs(stamp["seconds"] + stamp["microseconds"] / 1e6 - start) < 30, f"time stamp {stamp} at {start}")
        equal(q.run("query-status"), {"status": "paused", "running": False, "singlestep": False}, "query-status")
        q.run("stop")
        q.run("cont")
        q.wait("RESUME")
        expect(not [x for x in q.events if x["event"] == "STOP"], "STOP a second time although it was stopped")
        q.run("cont")
        q.run("system_reset")
        q.wait("RESET", guest=False, reason="host-qmp-system-reset")
        expect(not [x for x in q.events if x["event"] == "RESUME"], "RESUME although it ran")
        q.run("system_powerdown")
        q.wait("POWERDOWN")
        equal(q.run("query-status")["status"], "running", "status")
        quit_and_check(e)


def stopped_start(a):
    """-S: prelaunch until cont"""
    with machine(a, "-S") as e:
        equal(e.qmp.run("query-status"), {"status": "prelaunch", "running": False, "singlestep": False}, "query-status")
        equal(counter(e), 0, "counter before cont")
        e.qmp.run("cont")
        e.qmp.wait("RESUME")
        time.sleep(0.2)
        expect(counter(e) > 0, "the guest does not run after cont")


def counter(e):
    return int(e.qmp.hmp("xp /1wx 0x200000").split()[1], 0)


def stop_holds(a):
    """stop: the guest stands still; cont: it goes on; system_reset: from the beginning"""
    with machine(a) as e:
        e.qmp.run("stop")
        n = counter(e)
        time.sleep(0.2)
        equal(counter(e), n, "counter of a stopped guest")
        e.qmp.run("cont")
        time.sleep(0.2)
        expect(counter(e) > n, "the counter stands after cont")
        e.qmp.run("stop")
        e.qmp.run("system_reset")
        registers = e.qmp.hmp("info registers")
        expect("EIP=00100000" in registers, f"not at the entry after a reset: {registers}")


def queries(a):
    """query-*: members and types"""
    with machine(a) as e:
        q = e.qmp
        commands = {c["name"] for c in q.run("query-commands")}
        for c in ("quit", "stop", "cont", "query-status", "qom-list", "hv-partition-create", "query-hv-partitions", "query-commands"):
            expect(c in commands, f"query-commands lacks {c}")
        equal(q.run("query-name"), {"name": "test machine"}, "query-name")
        equal(q.run("query-kvm"), {"enabled": False, "present": False}, "query-kvm")
        equal(q.run("query-uuid"), {"UUID": "00000000-0000-0000-0000-000000000000"}, "query-uuid")
        cpus = q.run("query-cpus-fast")
        equal([c["cpu-index"] for c in cpus], [0, 1], "cpu-index")
        for c in cpus:
            equal(sorted(c), ["cpu-index", "props", "qom-path", "target", "thread-id"], "members of a CPU")
            expect(os.path.exists(f"/proc/{e.process.pid}/task/{c['thread-id']}"), f"no thread {c['thread-id']}")
            expect(q.run("qom-list", path=c["qom-path"]), f"nothing at {c['qom-path']}")
        partitions = q.run("query-hv-partitions")
        equal(len(partitions), 1, "number of partitions")
        equal({k: partitions[0][k] for k in ("id", "parent-id", "state", "vcpus", "memory")},
              {"id": "root", "parent-id": 0, "state": "running", "vcpus": 2, "memory": partitions[0]["memory"]}, "first partition")
        expect(15 << 20 <= partitions[0]["memory"] <= 16 << 20, f"memory {partitions[0]['memory']}")
        expect(partitions[0]["partition-id"] > 0, "partition-id")
        vps = q.run("query-hv-vp")
        equal([(v["partition"], v["vp-index"]) for v in vps], [("root", 0), ("root", 1)], "VPs of query-hv-vp")
        equal(vps[1]["guest-os-id"], 0, "guest OS id of a guest that has set none")
        expect(vps[0]["counts"]["hypercalls"] == 0 and vps[0]["run-time-ns"] > 0, f"query-hv-vp: {vps[0]}")
        equal([v["vp-index"] for v in q.run("query-hv-vp", id="root", vp_index=1)], [1], "query-hv-vp of one")
        equal(q.error("query-hv-vp", id="nobody")[0], "DeviceNotFound", "query-hv-vp of an unknown partition")
        equal(q.error("query-hv-vp", id="root", vp_index=2)[0], "GenericError", "query-hv-vp of a VP that is not there")
        expect("hypercall-page" in q.hmp("info hyperv root"), "info hyperv")
        chardevs = q.run("query-chardev")
        expect(all(sorted(c) == ["filename", "frontend-open", "label"] for c in chardevs), f"query-chardev: {chardevs}")
        schema = q.run("query-qmp-schema")
        expect({s["name"] for s in schema if s["meta-type"] == "command"} == commands, "query-qmp-schema names other commands")


def objects(a):
    """the composition tree: /machine/partition[0]/vp[1], its properties, the classes"""
    with machine(a) as e:
        q = e.qmp

        def children(path):
            return {p["name"]: p["type"] for p in q.run("qom-list", path=path)}

        expect("machine" in children("/"), "no /machine")
        expect("partition[0]" in children("/machine"), "no partition[0]")
        top = children("/machine/partition[0]")
        for n in ("vp[0]", "vp[1]", "machine", "type"):
            expect(n in top, f"no {n} in partition[0]: {sorted(top)}")
        q.run("hv-partition-create", id="kid", memory=16 << 20, kernel=HALT)
        expect("partition[1]" in children("/machine"), "no partition[1]")
        for path in ("/machine/partition[0]", "/machine/partition[1]/vp[0]", "/machine/partition[0]/vp[1]", "partition[1]"):
            for name, kind in children(path).items():
                if not kind.startswith("child<"):
                    q.run("qom-get", path=path, property=name)
        equal(q.run("qom-get", path="/machine/partition[1]", property="name"), "kid", "name of partition[1]")
        kind = q.run("qom-get", path="/machine/partition[0]/vp[1]", property="type")
        expect(kind in [t["name"] for t in q.run("qom-list-types")], f"type {kind} is not in qom-list-types")
        q.run("hv-partition-delete", id="kid")
        expect("partition[1]" not in children("/machine"), "partition[1] is still there")
        walk(q, "/", 0)


def walk(q, path, depth):
    expect(depth < 12, f"the tree is too deep: {path}")
    for p in q.run("qom-list", path=path):
        if p["type"].startswith("child<"):
            walk(q, path.rstrip("/") + "/" + p["name"], depth + 1)


def classes(a):
    """qom-list-types and device-list-properties"""
    with machine(a) as e:
        types = {t["name"]: t for t in e.qmp.run("qom-list-types", abstract=True)}
        for t in ("isa-serial", "mc146818rtc", "ioapic"):
            expect(t in types, f"no class {t}")
            for parent in [types[t].get("parent")]:
                expect(parent in types, f"the parent {parent} of {t} is not listed")
        properties = {p["name"]: p["type"] for p in e.qmp.run("device-list-properties", typename="isa-serial")}
        expect(properties.get("chardev") == "str" and "iobase" in properties, f"properties of isa-serial: {properties}")
        few = e.qmp.run("qom-list-types", implements="isa-serial")
        equal([t["name"] for t in few], ["isa-serial"], "types that implement isa-serial")
        equal(e.qmp.run("qom-list-types", implements="no-such"), [], "types that implement no-such")


def monitor(a):
    """human-monitor-command: info status, registers, partitions, cpus, x, xp, an unknown one"""
    with machine(a, "-S") as e:
        h = e.qmp.hmp
        equal(h("info status"), "VM status: paused (prelaunch)\r\n", "info status")
        registers = h("info registers")
        for word in ("EAX=", "EIP=00100000", "EFL=", "CR0=", "GDT=", "EFER="):
            expect(word in registers, f"info registers lacks {word}: {registers}")
        expect("root" in h("info partitions"), "info partitions lacks root")
        equal(len(re.findall(r"CPU #\d", h("info cpus"))), 2, "CPUs in info cpus")
        equal(h("xp /4bx 0x100000"), "0000000000100000: 0xfa 0xb8 0x00 0x00\r\n", "xp")
        equal(h("x /2wx 0x100000"), "0000000000100000: 0x0000b8fa 0x00ff0020\r\n", "x")
        expect("0x20000" in h("x /1i 0x100001") or "mov" in h("x /1i 0x100001"), f"x/i: {h('x /1i 0x100001')}")
        equal(h("no-such"), "unknown command: 'no-such'\r\n", "unknown command")
        expect("unknown" in h("info no-such"), "info no-such")
        for line in ("info mem", "info tlb", "info qtree", "info mtree", "info qom-tree", "info version", "info name", "info chardev",
                     "info", "help", "info kvm", "info uuid"):
            expect(h(line), f"{line} says nothing")
        for line in ("x /9999999999wx 0", "xp /q 0", "x", "x /4", "print", "print /x $nope", "cpu 99", "log foo", "info registers -x"):
            h(line)
        equal(h(""), "", "empty line")
        h("quit")
        equal(e.wait(), 0, "exit code")


def memory_files(a):
    """memsave and pmemsave write what is in memory"""
    name = os.path.join(FOLDER.name, "dump")
    with machine(a, "-S") as e:
        for command in ("memsave", "pmemsave"):
            e.qmp.run(command, val=vm.LOAD, size=len(COUNT), filename=name)
            with open(name, "rb") as f:
                equal(f.read(), COUNT, command)


def chardevs(a):
    """chardev-add and chardev-remove of each kind; errors name the device"""
    with machine(a) as e:
        q = e.qmp
        kinds = {
            "null": {}, "file": {"out": os.path.join(FOLDER.name, "out")}, "ringbuf": {"size": 4096}, "pty": {},
            "socket": {"addr": {"type": "unix", "data": {"path": e.path("s")}}, "server": True, "wait": False},
        }
        for kind, data in kinds.items():
            answer = q.run("chardev-add", id=f"c-{kind}", backend={"type": kind, "data": data})
            if kind == "pty":
                expect(answer["pty"].startswith("/dev/"), f"answer for pty: {answer}")
        equal(q.error("chardev-add", id="c-null", backend={"type": "null", "data": {}})[1].count("c-null"), 1, "double id")
        expect("'foo'" in q.error("chardev-add", id="x", backend={"type": "foo", "data": {}})[1], "unknown kind")
        expect("/nonexistent/x" in q.error("chardev-add", id="x", backend={"type": "file", "data": {"out": "/nonexistent/x"}})[1], "path")
        equal(q.run("ringbuf-read", device="c-ringbuf", size=100), "", "ringbuf-read")
        s = socket.socket(socket.AF_UNIX)
        s.connect(e.path("s"))
        s.close()
        for kind in kinds:
            q.run("chardev-remove", id=f"c-{kind}")
        expect(not [c for c in q.run("query-chardev") if c["label"].startswith("c-")], "devices are left")
        expect(not os.path.exists(e.path("s")), "the socket's file is left")


def ring_buffer(a):
    """a serial port on a ring buffer: ringbuf-read gives what the guest wrote, once"""
    k = vm.kernel(FOLDER.name, vm.out_text("hello") + vm.HALT, "hello")
    with machine(a, "-chardev", "ringbuf,id=r,size=1024", "-serial", "chardev:r", kernel=k) as e:
        end, text = time.monotonic() + 30, ""
        while text != "hello" and time.monotonic() < end:
            text += e.qmp.run("ringbuf-read", device="r", size=100)
        equal(text, "hello", "text")
        equal(e.qmp.run("ringbuf-read", device="r", size=100), "", "second read")
        expect("'r'" in e.qmp.error("chardev-remove", id="r")[1], "a used device can be removed")


def power_button(a):
    """system_powerdown reaches Linux as ACPI's fixed power button event"""
    with vm.boot(a.program, "-m", "256M", "-no-reboot", flavour="generic", append="hvt=wait") as e:
        e.console.wait("HVT waiting")
        # The kernel enables the event for its button driver, which is a module; so do it by hand (the cloud kernel has no
        # /dev/port), and ACPI's core complains that nobody wants what comes.
        e.console.run("printf '\\001' | dd of=/dev/port bs=1 count=1 seek=$((0x603)) 2>/dev/null")
        equal(e.console.find("PowerButton"), None, "power button event before it was pressed")
        e.qmp.run("system_powerdown")
        e.qmp.wait("POWERDOWN")
        e.console.wait("No installed handler for fixed event - PowerButton", 120)
        e.qmp.run("inject-nmi")
        e.console.write("poweroff\n")
        e.console.wait("HVT done")
        equal(e.wait(), 0, "exit code")


TESTS = [greeting, ids, errors, malformed, oversized, writes, two_clients, two_servers, events, stopped_start, stop_holds, queries,
         objects, classes, monitor, memory_files, chardevs, ring_buffer, power_button]

if __name__ == "__main__":
    vm.main(__doc__, TESTS)
