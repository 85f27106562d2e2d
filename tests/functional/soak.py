#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's Linux under mixes of stress-ng with verification for an hour, then under comparison with the interpreter.

A mix fails if stress-ng says so, if the kernel's log has a warning or worse, if nothing comes from the guest
for a long time; a stage fails, too, if the emulator's memory grows or it does not end well.
"""
import argparse
import itertools
import os
import re
import sys
import threading
import time

import vm
from vm import Fail, equal, expect

# Stressors of one mix run together, @T seconds long.  {cpu} and the like stand for one of the stressor's methods;
# each use takes the next one, so that all have their turn.
MIXES = {
    "float": "--cpu 2 --cpu-method {cpu} --fp 1 --fp-method {fp} --vecfp 1 --vecfp-method {vecfp} --vecmath 1 --matrix 1 --matrix-method {matrix}"
             " --fp-error 1 --sparsematrix 1",
    "integer": "--cpu 2 --cpu-method {cpu} --str 1 --str-method {str} --wcs 1 --wcs-method {wcs} --hash 1 --hash-method {hash} --qsort 1 --bsearch 1"
               " --zlib 1 --zlib-method {zlib} --crypt 1",
    "vector": "--cpu 1 --cpu-method {cpu} --vecwide 1 --vecshuf 1 --vecshuf-method {vecshuf} --ipsec-mb 1 --memcpy 1 --memcpy-method {memcpy} --jpeg 1"
              " --matrix-3d 1 --stream 1 --stream-l3-size 1m --misaligned 1",
    "memory": "--vm 2 --vm-bytes 128m --vm-method {vm} --mmap 1 --mmap-bytes 32m --mremap 1 --mremap-bytes 8m --mprotect 1 --madvise 1 --munmap 1"
              " --malloc 1 --malloc-bytes 4m --malloc-max 64 --pagemove 1 --userfaultfd 1",
    "processes": "--fork 2 --vfork 1 --exec 1 --clone 1 --spawn 1 --pthread 1 --exit-group 1 --session 1 --daemon 1 --vm-addr 1 --vm-addr-method all",
    "signals": "--signal 1 --sigfd 1 --sigq 1 --sigsegv 1 --sigfpe 1 --sigtrap 1 --sigsuspend 1 --sigchld 1 --sigpending 1 --signest 1 --bad-altstack 1"
               " --priv-instr 1 --fault 1 --longjmp 1",
    "wait": "--futex 1 --sem 1 --sem-sysv 1 --mutex 1 --pipe 1 --switch 1 --eventfd 1 --poll 1 --epoll 1 --mq 1 --msg 1 --sockpair 1 --yield 1 --membarrier 1",
    "share": "--atomic 1 --dekker 1 --peterson 1 --lockbus 1 --locka 1 --mcontend 1 --rseq 1 --cacheline 2 --cacheline-method {cacheline} --syncload 1"
             " --tlb-shootdown 1 --memthrash 1 --memthrash-method all",
    "code": "--icache 1 --branch 1 --goto 1 --far-branch 1 --funccall 1 --funccall-method {funccall} --funcret 1 --nop 1 --opcode 1 --opcode-method text"
            " --x86cpuid 1 --x86syscall 1 --dynlib 1 --mprotect 1 --usersyscall 1 --vm-segv 1",
    "clocks": "--clock 1 --timer 1 --timer-freq 1000 --timerfd 1 --timerfd-freq 1000 --itimer 1 --itimer-freq 500 --nanosleep 1 --alarm 1 --tsc 1"
              " --vdso 1 --hrtimers 1 --hrtimers-adjust --rdrand 1 --cpu 1 --cpu-method {cpu}",
    "files": "--dentry 1 --dentries 512 --filename 1 --flock 1 --open 1 --seek 1 --copy-file 1 --copy-file-bytes 128m --sendfile 1 --splice 1 --memfd 1"
             " --memfd-bytes 16m --shm 1 --shm-bytes 8m --getdent 1 --rename 1",
    "network": "--sock 2 --udp 1 --sockfd 1 --sockmany 1 --vm 1 --vm-bytes 64m --vm-method {vm} --cpu 1 --cpu-method {cpu} --fork 1 --access 1",
}
# exec and spawn refuse to run as root.
AS_USER = ("processes",)
SHORT = ("float", "memory", "processes", "signals", "code")
T = 15

# Warnings of the guest's kernel that tell of the stressor or of a host with other work, not of the emulator.
KNOWN = (
    (vm.SLOWNESS, "the host gave a VP's thread no processor for some milliseconds"),
    ("sched: RT throttling activated", "hrtimers run in a real-time class"),
    ("Attempt to set a LOCK_MAND lock", "flock tries all kinds of locks"),
    ("Unexpected rseq signature", "rseq tries what happens with a wrong one"),
    ("comm: stress-ng-opcod, no enough memory", "opcode runs any bytes, so also system calls that ask for more memory than there is"),
    ("rseq_get_rseq_cs: ", "how often the kernel did not say the same"),
)
# What stress-ng says of itself; its exit code stays 0.
HARMLESS = (
    ("execs failed", "exec runs a file of garbage from a second thread and then looks at the first one's errno"),
)
# From the second quarter of a stage, when all memory has been touched and caches are full, to the last one.
# Judged only if each mix has had its turn in each quarter.
GROWTH = 0.03
SAMPLE = 2


def methods(e, stressor):
    """All that --STRESSOR-method takes, from what stress-ng says to a wrong one."""
    said = " ".join(e.console.run(f"stress-ng --{stressor} 1 --{stressor}-method none-such 2>&1"))
    expect("must be one of:" in said, f"stress-ng does not list the methods of {stressor}: {said}")
    return [x for x in said.split("must be one of:")[1].split() if x != "all"]


class Memory(threading.Thread):
    """Samples the emulator's resident bytes until it is stopped: pairs of time and bytes."""

    def __init__(self, e):
        super().__init__(daemon=True)
        self.e, self.samples, self.ended = e, [], threading.Event()
        self.start()

    def run(self):
        while self.e.alive() and not self.ended.wait(SAMPLE):
            try:
                self.samples.append((time.monotonic(), self.e.rss()))
            except OSError:
                return

    def quarters(self):
        """The largest sample of each quarter of the time so far."""
        self.ended.set()
        self.join()
        first, last = self.samples[0][0], self.samples[-1][0] + 0.001
        out = [0] * 4
        for t, size in self.samples:
            out[int(4 * (t - first) / (last - first))] = max(out[int(4 * (t - first) / (last - first))], size)
        return out


class Soak:
    """A guest with stress-ng that is @vps wide; @say is given lines for the user."""

    def __init__(self, program, accel, vps, memory, log=None, say=vm.diagnose):
        image, initrd = vm.linux()
        initrd = os.path.join(os.path.dirname(initrd), "soak.img")
        if not os.path.exists(initrd):
            raise vm.Skip(f"no {initrd}; 'scripts/make-guest -s' makes it")
        self.say, self.known, self.ran = say, {}, []
        self.e = vm.Emulator(program, "-kernel", image, "-initrd", initrd, "-append", "console=ttyS0 hvt=wait", "-m", f"{memory}M",
                             "-smp", vps, "-cpu", "max", "-no-reboot", accel=accel, log=log)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.e.end(error)

    def prepare(self):
        """Waits for the guest and makes it ready."""
        run = self.e.console.run
        self.e.console.wait("HVT waiting")
        # Errors still go to the console at once, warnings are read by kernel_log(): both together would mix lines.
        run("mkdir -p /etc; echo root::0:0::/:/bin/sh >/etc/passwd; echo user::1000:1000::/tmp:/bin/sh >>/etc/passwd;"
            "dmesg -n 4; mkdir -p /dev/shm /dev/mqueue; mount -t tmpfs -o size=25% none /dev/shm; mount -t tmpfs -o size=25% none /tmp;"
            "mount -t mqueue none /dev/mqueue; chmod 1777 /dev/mqueue; ip link set lo up; cd /tmp; export GLIBC_TUNABLES=glibc.pthread.rseq=0")
        names = sorted(set(re.findall(r"{(\w+)}", " ".join(MIXES.values()))))
        self.methods = {n: itertools.cycle(methods(self.e, n)) for n in names}
        self.kernel_log()

    def is_known(self, line, table):
        """Whether @table has the line; then it is counted."""
        known = next((k for k, _ in table if k in line), None)
        if known:
            self.known[known] = self.known.get(known, 0) + 1
        return known is not None

    def report_known(self):
        """Says what was seen and not taken for a failure."""
        for text, why in KNOWN + HARMLESS:
            if text in self.known:
                self.say(f"not counted, {self.known[text]} times: '{text}' ({why})")

    def kernel_log(self):
        """Fails if the kernel has warned since the last call."""
        lines = self.e.console.run("dmesg -r -c | awk -F'[<>]' '$2 % 8 <= 4 { print \"LOG\", $0 }'")
        bad = []
        for x in lines:
            if x.startswith("LOG "):
                if not self.is_known(x, KNOWN):
                    bad.append(x[4:])
        equal(bad, [], "warnings in the kernel's log")

    def touch(self):
        """Writes to as much of the guest's memory as it can give."""
        self.stress("touch", "--vm 4 --vm-bytes 90% --vm-method zero-one --vm-ops 8", 600)

    def mix(self, name, seconds):
        """Runs one mix; returns the time that it took."""
        return self.stress(name, re.sub(r"{(\w+)}", lambda m: next(self.methods[m[1]]), MIXES[name]), seconds)

    def stress(self, name, options, seconds):
        start, command = time.monotonic(), f"stress-ng --verify -t {seconds} {options}"
        if name in AS_USER:
            command = f'su -s /bin/sh user -c "{command}"'
        said = self.e.console.run(f'{command} 2>&1; echo "CODE $?"', vm.BOOT + 20 * seconds)
        bad = [x for x in said if re.search(r"stress-ng: (fail|error)|caught signal", x) and not self.is_known(x, HARMLESS)]
        expect("CODE 0" in said and not bad, f"mix {name}: stress-ng {options}\n" + "\n".join(bad or said[-8:]))
        self.kernel_log()
        self.ran.append(name)
        return time.monotonic() - start

    def finish(self):
        """Powers it off."""
        self.e.console.write("poweroff\n")
        equal(vm.guest_warnings(self.e.console), [], "warnings in the kernel's log")
        equal(self.e.wait(), 0, "exit code")
        equal(self.e.said(), "", "output of the emulator")


def report_failure(soak, log):
    """What a stalled guest is at, into the log, then the relevant part of it to the user."""
    e = soak.e
    print("\n==== the emulator", file=log)
    if e.alive():
        for line in ("info registers -a", "info jit", "info engine"):
            try:
                print(f"-- {line}\n{e.qmp.hmp(line)}", file=log)
            except (Fail, OSError) as x:
                print(f"-- {line}: {x}", file=log)
    print(f"-- it said:\n{e.said()}", file=log, flush=True)
    soak.say("the end of the console:")
    for line in e.console.lines[-40:]:
        soak.say(f"  {line}")
    if e.said():
        soak.say(f"the end of what the emulator said:\n{e.said()[-3000:]}")
    soak.say(f"the whole log: {log.name}")


def stage(a, number, accel, seconds):
    """Mixes for @seconds under @accel; true if all went well."""
    clock = time.monotonic()

    def say(text):
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    os.makedirs(a.log, exist_ok=True)
    path = os.path.abspath(os.path.join(a.log, f"console-{number}.log"))
    say(f"stage {number}: {accel}, {a.vps} VPs, {a.memory} MiB, {seconds} s of stress-ng; console in {path}")
    with open(path, "w", encoding="utf-8") as log, Soak(a.program, accel, a.vps, a.memory, log, say) as soak:
        try:
            soak.prepare()
            say(f"the guest is up after {time.monotonic() - clock:.0f} s")
            soak.touch()
            sampler, clock = Memory(soak.e), time.monotonic()
            for name in itertools.cycle(a.mixes):
                took = soak.mix(name, T)
                done = time.monotonic() - clock
                say(f"{done:6.0f} s  {name:10} passed in {took:5.1f} s, {soak.e.rss() >> 20} MiB resident")
                if done >= seconds:
                    break
            quarters = sampler.quarters()
            work = soak.e.cpu()
            counts = soak.e.qmp.run("x-query-jit")["total"] if "engine=jit" in accel else {}
            soak.finish()
            soak.report_known()
            sizes = " ".join(f"{q >> 20}" for q in quarters)
            say(f"stage {number}: {len(soak.ran) - 1} mixes in {done:.0f} s, {work:.0f} s of processor time, resident by quarter {sizes} MiB")
            if counts:
                say("  " + ", ".join(f"{n} {counts[n]}" for n in ("blocks", "flushes", "checked") if n in counts))
            judged = len(soak.ran) > 4 * len(a.mixes)
            if not judged:
                say("  too short to judge the growth of memory")
            expect(not judged or quarters[3] <= quarters[1] * (1 + GROWTH),
                   f"resident memory grew from {quarters[1] >> 20} to {quarters[3] >> 20} MiB, {GROWTH:.0%} are allowed")
        except (Fail, OSError) as x:
            say(f"FAILED after {time.monotonic() - clock:.0f} s: {x}")
            report_failure(soak, log)
            return False
    return True


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("program", nargs="?", default=os.path.join(vm.ROOT, "build", "qemu-system-x86_64"), help="the emulator")
    p.add_argument("--secs", type=int, default=3600, help="length of the first stage (3600); 0: none")
    p.add_argument("--check-secs", type=int, default=600, help="length of the stage with check=N (600); 0: none")
    p.add_argument("--check", type=int, default=1000, metavar="N", help="compare each N-th block there (1000)")
    p.add_argument("--engine", default="jit", help="engine of the first stage (jit)")
    p.add_argument("--vps", type=int, default=4)
    p.add_argument("--memory", type=int, default=1024, help="MiB of guest memory (1024)")
    p.add_argument("--mixes", type=lambda x: x.split(","), default=list(MIXES), help=f"some of {','.join(MIXES)}")
    p.add_argument("--log", default=os.path.join(vm.ROOT, "build", "soak"), help="folder for the consoles' logs (build/soak)")
    a = p.parse_args()
    a.program = os.path.abspath(a.program)
    stages = [(f"hvtlfs,engine={a.engine}", a.secs), (f"hvtlfs,engine=jit,check={a.check}", a.check_secs)]
    good = all([stage(a, n, accel, seconds) for n, (accel, seconds) in enumerate(stages, 1) if seconds])
    print("soak passed" if good else "soak FAILED", flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    try:
        main()
    except vm.Skip as x:
        sys.exit(f"soak: {x}")
