#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Proves that the conformance tests see faults: each mutant of the emulator must turn a test red.

usage: mutate.py [--build FOLDER] [MUTANT...]

The build is one with -Dmutations=true; its list is `qemu-system-x86_64 -mutate list`.
Prints TAP, with the row whose test saw the fault first.
"""
import argparse
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
RED = re.compile(r"not ok \d+ - (T\S+)")


def ways(build):
    """Commands, the fastest first."""
    emulator = os.path.join(build, "qemu-system-x86_64")
    folder = os.path.join(build, "tests", "conformance")
    guest = [sys.executable, os.path.join(HERE, "run-guest.py"), emulator]
    return {"qtest": [os.path.join(folder, "conformance-qtest"), emulator],
            "guest64": guest + [os.path.join(folder, "conformance-guest64")],
            "guest32": guest + [os.path.join(folder, "conformance-guest32")]}


def red(command):
    """The first row that was red, or None.  One is enough: what is left is not run."""
    late = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace", start_new_session=True) as p:

        def end():
            late.append(True)
            os.killpg(p.pid, signal.SIGKILL)

        timer = threading.Timer(300, end)
        timer.start()
        try:
            for line in p.stdout:
                row = RED.match(line)
                if row:
                    os.killpg(p.pid, signal.SIGKILL)
                    return row[1]
        finally:
            timer.cancel()
    if late:
        return "no end"
    return None if p.returncode == 0 else f"exit code {p.returncode}"


def first_red(build, mutant):
    """(way, what was red), or None."""
    for way, command in ways(build).items():
        seen = red(command + (["-m", mutant] if mutant else []))
        if seen:
            return way, seen
    return None


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", default="build-mutate")
    p.add_argument("mutant", nargs="*")
    a = p.parse_args()
    listed = subprocess.run([os.path.join(a.build, "qemu-system-x86_64"), "-mutate", "list"], stdout=subprocess.PIPE, text=True, check=False)
    if listed.returncode:
        sys.exit(f"mutate.py: {a.build} is no build with -Dmutations=true")
    what = dict(line.split("  ", 1) for line in listed.stdout.splitlines())
    names = a.mutant or list(what)
    usual = first_red(a.build, None)
    if usual:
        sys.exit(f"Bail out! without a mutant: {usual[0]}: {usual[1]}")
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for n, (name, seen) in enumerate(zip(names, pool.map(lambda m: first_red(a.build, m), names)), 1):
            missed += not seen
            print(f"{'' if seen else 'not '}ok {n} - {name}: {what.get(name, '?')}" + (f" ({seen[0]}: {seen[1]})" if seen else ""), flush=True)
    print(f"1..{len(names)}")
    sys.exit(bool(missed))


main()
