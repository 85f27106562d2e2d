#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Timers and the reference clock against the host's clocks: a measurement, not a test.

usage: clocks.py [--secs N] [--rounds N] EMULATOR IMAGE

Runs tests/guest/timebench.c: first how late timers are; then, side by side, two guests that take a tick each
millisecond in both ways for N seconds and tell the time when asked.  The second is stopped and continued again and
again.  Run it with real-time priority (chrt -f 10) where the host has other work.
"""
import argparse
import os
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "functional"))
import vm  # noqa: E402  pylint: disable=wrong-import-position

CLOCKS = {"CLOCK_MONOTONIC_RAW": time.CLOCK_MONOTONIC_RAW, "CLOCK_TAI": time.CLOCK_TAI}
RAW = 0                      # place of the first of them
TRIES = 40                   # questions for one moment; the one answered fastest counts
STOP_EVERY, STOP = 120, 2.0   # seconds
MACHINE = ("-cpu", "max", "-smp", 1, "-m", "128M", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4")


def host():
    return [time.clock_gettime_ns(c) for c in CLOCKS.values()]


class Moment:
    """The guest's clocks (units of 100 ns) and the host's (ns) at one time; in doubt by `doubt` ns at most."""

    def __init__(self, before, after, page, msr):
        self.host = [(b + a) / 2 for b, a in zip(before, after)]
        self.doubt = (after[RAW] - before[RAW]) / 2
        self.guest = {"TSC page": page, "MSR": msr}


class Guest:
    """A guest that serves.  Its spans are pairs of moments between which it ran."""

    def __init__(self, a, folder, name, stops):
        path = os.path.join(folder, name)
        self.name, self.stops, self.spans, self.stood, self.apart, self.rest = name, stops, [], [], 0, b""
        self.e = vm.Emulator(a.emulator, *MACHINE, "-kernel", a.image, "-append", "serve=1", "-S", "-chardev",
                             f"socket,id=com1,path={path},server=on,wait=off", "-serial", "chardev:com1", serial=False)
        self.sock = vm.connect(path)
        self.sock.settimeout(60)
        self.e.qmp.run("cont")
        while self.line() != "serving":
            pass
        self.begun, self.stop_at = self.moment(), time.monotonic() + STOP_EVERY

    def line(self):
        while b"\n" not in self.rest:
            data = self.sock.recv(4096)
            vm.expect(data, f"{self.name}: the serial port is closed")
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode().strip()

    def ask(self):
        before = host()
        self.sock.sendall(b"t")
        self.rest = self.sock.recv(1)
        after = host()
        word, page, msr, _ = self.line().split()
        vm.equal(word, "!time", "answer")
        self.apart = max(self.apart, int(msr, 16) - int(page, 16))
        vm.expect(int(msr, 16) >= int(page, 16), f"{self.name}: the MSR is behind the page")
        return Moment(before, after, int(page, 16), int(msr, 16))

    def moment(self):
        return min((self.ask() for _ in range(TRIES)), key=lambda m: m.doubt)

    def stop(self):
        """Its time must stand meanwhile: by how many us more or less than the bounds that the host has of it?"""
        end = self.moment()
        self.spans.append((self.begun, end))
        asked = host()[RAW]
        self.e.qmp.run("stop")
        stood = host()[RAW]
        time.sleep(STOP)
        again = host()[RAW]
        self.e.qmp.run("cont")
        goes = host()[RAW]
        self.begun = self.moment()
        most = stood - end.host[RAW] + self.begun.host[RAW] - again + end.doubt + self.begun.doubt
        least = asked - end.host[RAW] + self.begun.host[RAW] - goes - end.doubt - self.begun.doubt
        for clock, units in self.begun.guest.items():
            ran = (units - end.guest[clock]) * 100
            vm.expect(least <= ran <= most, f"{self.name}: {clock} went on by {ran} ns over a stop, {least} to {most} are right")
        self.stood.append((most - least) / 1000)
        self.stop_at = time.monotonic() + STOP_EVERY

    def step(self):
        if self.stops and time.monotonic() >= self.stop_at:
            self.stop()
        else:
            self.ask()

    def finish(self):
        self.spans.append((self.begun, self.moment()))
        self.sock.sendall(b"q")
        line = self.line()
        while not line.startswith("ticks "):
            line = self.line()
        self.e.process.wait(60)
        self.report(line.split())

    def report(self, words):
        said = {words[1]: [int(x, 16) for x in words[2:4]], words[4]: [int(x, 16) for x in words[5:7]]}
        print(f"# {self.name}: ticks of 1 ms, " + ", ".join(f"{k}: {n} came, {lost} lost" for k, (n, lost) in said.items()) +
              f"; the latest message {int(words[8], 16) / 10:.0f} us late")
        for clock in self.begun.guest:
            parts = []
            for n, name in enumerate(CLOCKS):
                took = sum(b.host[n] - a.host[n] for a, b in self.spans)
                doubt = sum(a.doubt + b.doubt for a, b in self.spans)
                ran = sum(b.guest[clock] - a.guest[clock] for a, b in self.spans) * 100
                parts.append(f"{(ran / took - 1) * 1e6:+.3f} ppm by {name} (in doubt by {doubt / took * 1e6:.3f})")
            print(f"# {self.name}: {clock} over {took / 1e9:.0f} s: " + ", ".join(parts))
        print(f"# {self.name}: page and MSR at most {self.apart / 10:.1f} us apart, read one behind the other")
        if self.stops:
            print(f"# {self.name}: {len(self.stood)} stops of {STOP} s, in each the clocks stood (known to {max(self.stood, default=0):.0f} us)")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--secs", type=float, default=600)
    p.add_argument("--rounds", type=int, default=2000)
    p.add_argument("emulator")
    p.add_argument("image")
    a = p.parse_args()
    with vm.Emulator(a.emulator, *MACHINE, "-kernel", a.image, "-append", f"rounds={a.rounds}", qmp=False) as e:
        e.console.wait_end(600)
        print("\n".join(line for line in e.console.lines if not line.startswith(("ok", "1.."))), flush=True)
    with tempfile.TemporaryDirectory(prefix="hvtlfs-") as folder:
        guests = [Guest(a, folder, "undisturbed", False), Guest(a, folder, "stopped and continued", True)]
        end = time.monotonic() + a.secs
        while time.monotonic() < end:
            time.sleep(1)
            for g in guests:
                g.step()
        for g in guests:
            g.finish()
            g.e.end()


main()
