#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The conformance table: rows of docs/spec by chapter, and what the tests say of them.

usage: conformance.py [--build FOLDER] [--document FILE]   runs all, prints the table, writes the document
       conformance.py --check                              only: is each row that is cited a row? (TAP)
"""
import argparse
import collections
import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ROW = re.compile(r"^- \[(T(\d+)[0-9a-z.]*)\] (.*)$")
CHAPTER = re.compile(r"^#+ (?:Chapter )?(\d+)[.:]? \(?([^0-9].*?)\)?$")
APPENDIX = re.compile(r"Appendix ([A-Z]): ([^()]*) \(section (\d+)\)")
CITED = re.compile(r"^RULE(?:_[A-Z]+)*\((T\w+),", re.M)
RESULT = re.compile(r"^(not )?ok \d+ - (T[0-9a-z.]+) (.*?)(?: # SKIP (.*))?$", re.M)
UNIT = re.compile(r"\bT\d+(?:\.\d+)+\.[a-z]+\b")
STATES = ("passed", "unit", "failed", "superseded", "parent", "untested")


class Wrong(Exception):
    """The lists or the tests contradict each other; the text says how."""


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def spec():
    """{row: text} in the order of the lists, {chapter: title}."""
    rows, chapters = {}, {0: "conventions of parts B and C"}
    for path in sorted(glob.glob(os.path.join(ROOT, "docs", "spec", "tlfs-*.md"))):
        for line in read(path).splitlines():
            row, chapter = ROW.match(line), CHAPTER.match(line)
            if row:
                if row[1] in rows:
                    raise Wrong(f"{row[1]} is there twice")
                rows[row[1]] = row[3]
            elif line.startswith("#") and "Appendix" in line:
                chapters.update({int(n): f"appendix {letter}: {title}" for letter, title, n in APPENDIX.findall(line)})
            elif chapter and int(chapter[1]) and int(chapter[1]) not in chapters:
                chapters[int(chapter[1])] = chapter[2]
    return rows, chapters


def number(row):
    return int(re.match(r"T(\d+)", row)[1])


def reasons(name, rows):
    """{row: reason} of the list @name."""
    result = {}
    for line in read(os.path.join(HERE, name)).splitlines():
        row, _, reason = line.partition("  ")
        if row not in rows:
            raise Wrong(f"{name}: {row} is no row of docs/spec")
        if row in result:
            raise Wrong(f"{name}: {row} is there twice")
        if not reason:
            raise Wrong(f"{name}: {row} has no reason")
        result[row] = reason
    return result


def lists(rows):
    """Rows that need no test: {row: reason} of those superseded, {row: reason} of those that need a parent."""
    over, parent = reasons("superseded", rows), reasons("parent", rows)
    for row in over.keys() & parent.keys():
        raise Wrong(f"{row} is in both lists")
    return over, parent


def cited(rows):
    """{row: files that have a test of it}"""
    result = collections.defaultdict(list)
    for path in sorted(glob.glob(os.path.join(HERE, "**", "*.c"), recursive=True)):
        for name in CITED.findall(read(path)):
            row = name.replace("_", ".")
            if row not in rows:
                raise Wrong(f"{os.path.relpath(path, ROOT)}: {row} is no row of docs/spec")
            result[row].append(os.path.relpath(path, HERE))
    return result


def cited_by_unit_tests(rows):
    """{row: names of unit tests}: their comments name the rows that a check is for."""
    result = collections.defaultdict(set)
    for path in sorted(glob.glob(os.path.join(ROOT, "tests", "unit", "*.c"))):
        for row in UNIT.findall(read(path)):
            if row not in rows:
                raise Wrong(f"{os.path.relpath(path, ROOT)}: {row} is no row of docs/spec")
            result[row].add(os.path.basename(path)[:-2])
    return result


def unit_results(build, tests):
    """{name of a unit test: is it good?}"""
    good = {}
    for name in sorted(set().union(*tests.values())):
        program = os.path.join(build, "tests", "unit", f"test-{name}")
        p = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
        good[name] = p.returncode == 0
        if not good[name]:
            print(f"test-{name} failed:\n{p.stdout[-3000:]}")
    return good


def programs(build):
    """{way: command}"""
    emulator = os.path.join(build, "qemu-system-x86_64")
    folder = os.path.join(build, "tests", "conformance")
    result = {"qtest": [os.path.join(folder, "conformance-qtest"), emulator]}
    for bits in ("64", "32"):
        image = os.path.join(folder, f"conformance-guest{bits}")
        if os.path.exists(image):
            result[f"guest{bits}"] = [sys.executable, os.path.join(HERE, "run-guest.py"), emulator, image]
    return result


def run(command):
    """[(row, good, sentence, why skipped)], what else was said."""
    p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    plan = re.search(r"^1\.\.(\d+)$", p.stdout, re.M)
    results = [(row, not no, sentence, skip) for no, row, sentence, skip in RESULT.findall(p.stdout)]
    if not plan or int(plan[1]) != len(results):
        raise Wrong(f"{' '.join(command)} did not end in order:\n{p.stdout[-3000:]}")
    return results, [line for line in p.stdout.splitlines() if line.startswith("#")]


def states(rows, over, parent, results):
    """{row: state}; @results has (way, row, good, sentence, skip)."""
    state = {row: "superseded" if row in over else "parent" if row in parent else "untested" for row in rows}
    for _, row, good, _, skip in results:
        if not good:
            state[row] = "failed"
        elif not skip and state[row] != "failed":
            state[row] = "passed"
    return state


def add_unit_tests(state, tests, good):
    """Rows that only unit tests cite, which see the inside and run no guest; a failed one counts as such."""
    for row, names in tests.items():
        if not all(good[n] for n in names):
            state[row] = "failed"
        elif state[row] in ("untested", "parent"):
            state[row] = "unit"


def table(rows, chapters, state):
    """Lines of a table in markdown, with a sum."""
    lines = ["| chapter | rows | " + " | ".join(STATES) + " |", "| --- | ---: |" + " ---: |" * len(STATES)]
    total = collections.Counter(state.values())
    for n in sorted({number(r) for r in rows}):
        count = collections.Counter(s for r, s in state.items() if number(r) == n)
        lines.append(f"| {n} {chapters.get(n, '')} | {count.total()} | " + " | ".join(str(count[s]) for s in STATES) + " |")
    lines.append(f"| all | {total.total()} | " + " | ".join(str(total[s]) for s in STATES) + " |")
    return lines


def listed(rows, state, wanted):
    """Rows of one state, a line for each chapter."""
    by_chapter = collections.defaultdict(list)
    for row in rows:
        if state[row] == wanted:
            by_chapter[number(row)].append(row)
    return by_chapter


def document(rows, chapters, state, over, parent, tests):
    begun = {number(r) for r in rows if state[r] in ("passed", "unit", "failed")}
    text = ["# Conformance", "",
            "Written by `make conformance`. A row is one statement of the specification, listed in `docs/spec`; it has passed if each test of",
            "`tests/conformance` that cites it is good, by qtest, in a 64-bit and in a 32-bit guest, where it can run there. `unit`: only",
            "unit tests (`tests/unit`) cite it, at a check. Superseded rows are those that shipping software overrules, `parent` those",
            "that only a partition which made another one can show.",
            f"{tests} rows have a test of `tests/conformance`.", ""]
    text += table(rows, chapters, state)
    text += ["", "## Superseded", ""] + [f"- {row}: {reason}" for row, reason in over.items()]
    text += ["", "## Needs a parent", ""] + [f"- {row}: {reason}" for row, reason in parent.items() if state[row] == "parent"]
    for title, wanted in (("Failed", "failed"), ("Untested in chapters with tests", "untested")):
        text += ["", f"## {title}", ""]
        lines = [f"- {n}: {', '.join(r)}" for n, r in sorted(listed(rows, state, wanted).items()) if n in begun]
        text += lines or ["None."]
    return "\n".join(text) + "\n"


def write_list(path, rows, state, results):
    """What the table was made of: one line for each row, one behind it for each result."""
    by_row = collections.defaultdict(list)
    for way, row, good, sentence, skip in results:
        by_row[row].append("\t".join(("", way, "skipped" if skip else "ok" if good else "not ok", sentence)))
    with open(path, "w", encoding="utf-8") as f:
        for row in rows:
            print("\n".join([f"{row}\t{state[row]}"] + by_row[row]), file=f)


def check():
    try:
        rows, _ = spec()
        lists(rows)
        cited(rows)
        cited_by_unit_tests(rows)
    except Wrong as e:
        print(f"# {e}\nnot ok 1 - tests cite rows that exist\n1..1")
        sys.exit(1)
    print("ok 1 - tests cite rows that exist\n1..1")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", default="build")
    p.add_argument("--document")
    p.add_argument("--check", action="store_true")
    a = p.parse_args()
    if a.check:
        check()
        return
    rows, chapters = spec()
    over, parent = lists(rows)
    tests = cited(rows)
    results = []
    for way, command in programs(a.build).items():
        got, said = run(command)
        results += [(way, *r) for r in got]
        print("\n".join(f"{way}: {line}" for line in said), end="\n" if said else "")
    for row in {r[1] for r in results} - set(tests):
        raise Wrong(f"{row} was tested by no RULE line")
    state = states(rows, over, parent, results)
    unit = cited_by_unit_tests(rows)
    add_unit_tests(state, unit, unit_results(a.build, unit))
    write_list(os.path.join(a.build, "conformance.tsv"), rows, state, results)
    print("\n".join(table(rows, chapters, state)))
    for row, s in state.items():
        if s == "failed":
            print(f"failed: {row} {rows[row]}")
    if a.document:
        with open(a.document, "w", encoding="utf-8") as f:
            f.write(document(rows, chapters, state, over, parent, len(tests)))
    sys.exit("failed" in state.values())


if __name__ == "__main__":
    try:
        main()
    except Wrong as error:
        sys.exit(f"conformance.py: {error}")
