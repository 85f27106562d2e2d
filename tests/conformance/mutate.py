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
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
RED = re.compile(r"^not ok \d+ - (T\S+)", re.M)


def ways(build):
    """Commands, the fastest first."""
    emulator = os.path.join(build, "qemu-system-x86_64")
    folder = os.path.join(build, "tests", "conformance")
    guest = [sys.executable, os.path.join(HERE, "run-guest.py"), emulator]
    return {"qtest": [os.path.join(folder, "conformance-qtest"), emulator],
            "guest64": guest + [os.path.join(folder, "conformance-guest64")],
            "guest32": guest + [os.path.join(folder, "conformance-guest32")]}


def red(command):
    """What was red, or None."""
    try:
        p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace", timeout=300, check=False)
    except subprocess.TimeoutExpired:
        return "no end"
    rows = RED.findall(p.stdout)
    if rows:
        return ", ".join(rows[:4]) + (f" and {len(rows) - 4} more" if len(rows) > 4 else "")
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
