#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs one bare-metal test program in the emulator and passes its TAP lines on.

usage: run.py EMULATOR IMAGE [-a ACCEL] [-t SECONDS] [-x CODE] [-r SECONDS] [-- emulator options]

The program says all itself; here it only counts that the machine ended through
isa-debug-exit (1: all right, 3: a check failed) and that the plan was printed.
With -x the machine itself must end with this exit code, and says no plan.  Behind the
line "# from here on the machine may end" any orderly end will do, and at the time
limit (or 20 seconds behind that line) the emulator must still obey SIGTERM.
With -r the program runs again and again with seed=1, 2, ... as command line until so
many seconds have passed or a run fails.
"""
import argparse
import os
import subprocess
import sys
import threading
import time

GOOD, FAILED = 1, 3  # (value << 1) | 1
MAY_END = "# from here on the machine may end"
SANITIZER = 98       # exit code of a sanitizer's report: even, isa-debug-exit's are odd
GRACE = 20


def run(a, options):
    command = [a.emulator, "-accel", a.accel, "-m", "128M", "-display", "none", "-no-reboot", "-serial", "stdio", "-monitor", "none",
               "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4", "-kernel", a.image] + options
    planned = may_end = False
    checks = 0
    environment = dict(os.environ)
    for name, words in (("ASAN", f"exitcode={SANITIZER}"), ("UBSAN", f"exitcode={SANITIZER}:halt_on_error=1"), ("TSAN", f"exitcode={SANITIZER}")):
        environment[name + "_OPTIONS"] = f"{words}:{os.environ.get(name + '_OPTIONS', '')}"
    slower = int(os.environ.get("HVTLFS_TEST_SLOWER", "1"))
    timeout = a.timeout * slower
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, text=True, errors="replace") as emulator:
        try:
            alarms = [threading.Timer(timeout, emulator.terminate), threading.Timer(timeout + 15, emulator.kill)]
            for alarm in alarms:
                alarm.start()
            for line in emulator.stdout:
                # What a program in ruins says is no TAP.
                print(("# " if may_end else "") + line.rstrip("\r\n"), flush=True)
                planned |= not may_end and line.startswith("1..")
                if line.startswith(MAY_END):
                    may_end = True
                    alarms.append(threading.Timer(GRACE * slower, emulator.terminate))
                    alarms[-1].start()
                checks += not may_end and line.startswith(("ok ", "not ok "))
            status = emulator.wait()
        finally:
            for alarm in alarms:
                alarm.cancel()
            emulator.kill()
    if a.exit_code is not None:
        good = status == a.exit_code
        print(f"{'' if good else 'not '}ok 1 - the machine ends with {a.exit_code} (ended with {status})")
        print("1..1")
        return 0 if good else 1
    if may_end:
        good = status == 0 or (status > 0 and status % 2 == 1)
        print(f"{'' if good else 'not '}ok {checks + 1} - the machine ends in order (with {status})\n1..{checks + 1}")
        return 0 if good else 1
    if status not in (GOOD, FAILED) or not planned:
        print(f"Bail out! the emulator ended with {status}" + ("" if planned else " before the program did"))
        return 1
    return 0 if status == GOOD else 1


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("emulator")
    p.add_argument("image")
    p.add_argument("-a", "--accel", default="hvtlfs")
    p.add_argument("-t", "--timeout", type=float, default=300)
    p.add_argument("-x", "--exit-code", type=int)
    p.add_argument("-r", "--repeat", type=float)
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    a = p.parse_args(sys.argv[1:split])
    options = sys.argv[split + 1:]
    if not a.repeat:
        sys.exit(run(a, options))
    end, seed, status = time.monotonic() + a.repeat, 0, 0
    while not status and time.monotonic() < end:
        seed += 1
        print(f"# seed {seed}", flush=True)
        status = run(a, options + ["-append", f"seed={seed}"])
    print(f"# {seed} runs")
    sys.exit(status)


main()
