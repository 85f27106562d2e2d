# SPDX-License-Identifier: LGPL-2.1-or-later
"""The translator as its users see it: options, what it counts, what it lists, and its comparison with the interpreter."""
import os
import re
import subprocess
import tempfile

import vm

CHECK = 1999


def counts(e):
    """Counters of all processors together."""
    return e.qmp.run("x-query-jit")["total"]


def check_boot(a):
    """Linux boots with blocks compared with the interpreter."""
    with vm.boot(a.program, "-smp", "1", "-cpu", "max", append="hvt=wait", accel=f"hvtlfs,engine=jit,check={CHECK}") as e:
        e.console.wait("HVT waiting")
        vm.equal(e.console.run("echo $((6 * 7))"), ["42"], "the shell's sum")
        n = counts(e)
        vm.expect(n["checked"] > 10000, f"only {n['checked']} blocks were compared")
        vm.expect(n["checked"] > 10 * sum(v for k, v in n.items() if k.startswith("skip-")), f"too many were not: {n}")


def check_two(a):
    """The same with two processors that share memory."""
    with vm.boot(a.program, "-smp", "2", append="hvt=poweroff", accel=f"hvtlfs,engine=jit,check={CHECK}") as e:
        vm.equal(vm.guest_warnings(e.console), [], "warnings")
        vm.equal(e.wait(), 0, "exit code")


def query(a):
    """info jit and x-query-jit agree, by processor and in all."""
    with vm.boot(a.program, "-smp", "2", append="hvt=wait", accel="hvtlfs,engine=jit,tb-size=8") as e:
        e.console.wait("HVT waiting")
        answer = e.qmp.run("x-query-jit")
        vm.equal([p["vp-index"] for p in answer["processors"]], [0, 1], "processors")
        vm.equal(sum(p["blocks"] for p in answer["processors"]), answer["total"]["blocks"], "blocks in all")
        vm.equal([p["cache-size"] for p in answer["processors"]], [8 << 20] * 2, "tb-size")
        vm.expect(answer["total"]["flushes"] > 0, "a cache of 8 MiB was never full")
        vm.expect(answer["stepped"][0]["count"] >= answer["stepped"][-1]["count"], "the rows are not in order")
        for text in (answer["human-readable-text"], e.qmp.hmp("info jit")):
            vm.expect("all processors:" in text and "blocks translated" in text, text)


def no_translator(a):
    """Without the translator they say so."""
    with vm.Emulator(a.program, "-S", "-kernel", vm.linux()[0], accel="hvtlfs,engine=interp", serial=False) as e:
        vm.expect("engine=jit" in e.qmp.error("x-query-jit")[1], "the error does not name the way out")
        vm.expect("engine=jit" in e.qmp.hmp("info jit"), "info jit does not name the way out")


def lists(a):
    """-d op and out_asm list a block, perf-map names it."""
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log")
        with vm.Emulator(a.program, "-kernel", vm.linux()[0], "-d", "op,out_asm", "-D", log, "-append", "console=ttyS0",
                         accel="hvtlfs,engine=jit,perf-map=on") as e:
            e.console.wait("Linux version")
            path = f"/tmp/perf-{e.process.pid}.map"
            with open(path, encoding="ascii") as f:
                names = f.read().splitlines()[:-1]
            os.unlink(path)
            with open(f"/proc/{e.process.pid}/maps", encoding="utf-8") as f:
                code = [x for x in f if x.split()[1] == "r-xs"]
        # perf looks names up only for what is no file to it: /dev/zero is what shared memory without one is called.
        vm.expect(code and all("/dev/zero" in x for x in code), f"mappings of code: {code}")
        vm.expect(all(re.fullmatch("[0-9a-f]+ [0-9a-f]+ guest_(user|kernel)_[0-9a-f]+", x) for x in names), str(names[:3]))
        with open(log, encoding="ascii") as f:
            text = f.read()
        vm.expect(re.search("^0x[0-9a-f]{16}:  mov +native$", text, re.M), "no native mov")
        vm.expect(re.search("step: system instruction$", text, re.M), "no step")
        vm.expect(re.search("^0x[0-9a-f]+:  0x[0-9a-f]{16} +([0-9a-f]{2} )+$", text, re.M), "no host code")


def bad_options(a):
    """Bad options are refused by name."""
    for text, word in (("tb-size=3", "tb-size=3"), ("tb-size=many", "tb-size"), ("check=-1", "check"), ("perf-map=perhaps", "perf-map"),
                       ("tb-size=5000", "1024")):
        p = subprocess.run([a.program, "-accel", f"hvtlfs,engine=jit,{text}"], capture_output=True, text=True, check=False, timeout=60)
        vm.equal(p.returncode, 1, f"exit code of {text}")
        vm.expect(word in p.stderr and p.stderr.count("\n") == 1, p.stderr)
    p = subprocess.run([a.program, "-accel", "hvtlfs,engine=interp,check=5"], capture_output=True, text=True, check=False, timeout=60)
    vm.expect(p.returncode == 1 and "engine=jit" in p.stderr, p.stderr)


if __name__ == "__main__":
    vm.main(__doc__, [bad_options, no_translator, lists, query, check_boot, check_two])
