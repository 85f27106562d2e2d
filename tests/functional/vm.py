# SPDX-License-Identifier: LGPL-2.1-or-later
"""The emulator as a test sees it: a process, its QMP and consoles; small guests; TAP."""
import argparse
import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# A boot takes some seconds; sanitizers and a busy machine may make it minutes.
SLOWER = int(os.environ.get("HVTLFS_TEST_SLOWER", "1"))
BOOT = 600 * SLOWER


class Fail(Exception):
    """Something is not as it must be; the text says what."""


class Skip(Exception):
    """The test cannot run here; the text says why and the way out."""


class Timeout(Fail):
    """What was waited for did not come."""


def expect(condition, text):
    if not condition:
        raise Fail(text)


def equal(have, want, what):
    if have != want:
        raise Fail(f"{what}: {short(have)}, expected {short(want)}")


def short(value):
    text = repr(value)
    return text if len(text) < 600 else f"{text[:300]} ... {text[-300:]}"


def guest_dir():
    return os.environ.get("HVTLFS_GUEST_DIR", os.path.join(ROOT, "build", "guest"))


def linux(flavour="cloud"):
    """(kernel, initrd) as scripts/make-guest makes them."""
    paths = tuple(os.path.join(guest_dir(), flavour, n) for n in ("vmlinuz", "initrd.img"))
    for path in paths:
        if not os.path.exists(path):
            raise Skip(f"no {path}; 'scripts/make-guest -k {flavour}' makes it")
    return paths


# ---- guests of a few bytes ----

LOAD = 0x100000


def elf(code):
    """A 32-bit ELF file with a PVH entry: flat protected mode, paging off, at 1 MiB."""
    note = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", LOAD)
    at_note, at_code = 52 + 2 * 32, 52 + 2 * 32 + len(note)
    head = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, 3, 1, LOAD, 52, 0, 0, 52, 32, 2, 0, 0, 0)
    loads = struct.pack("<IIIIIIII", 1, at_code, LOAD, LOAD, len(code), len(code), 7, 1)
    notes = struct.pack("<IIIIIIII", 4, at_note, 0, 0, len(note), len(note), 4, 4)
    return head + loads + notes + note + code


HALT = bytes.fromhex("fa f4 eb fd")                 # cli; 1: hlt; jmp 1b
SPIN = bytes.fromhex("fa eb fe")                    # cli; 1: jmp 1b
# lidt of an empty table at its end; int3: no handler, no handler for that, shutdown.
TRIPLE = bytes.fromhex("fa 0f 01 1d 0a 00 10 00 cc f4") + bytes(6)
JUMP_OUT = bytes.fromhex("b8 00 00 00 f0 ff e0")    # mov eax, 0xf0000000; jmp eax


def out_text(text):
    """Code that sends @text to the first serial port."""
    return b"".join(bytes([0x66, 0xBA, 0xF8, 0x03, 0xB0, b, 0xEE]) for b in text.encode())


def kernel(folder, code, name="kernel"):
    path = os.path.join(folder, name)
    with open(path, "wb") as f:
        f.write(elf(code))
    return path


# ---- talking to it ----

def connect(path, seconds=20, alive=lambda: True):
    end = time.monotonic() + seconds
    while True:
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(path)
            return s
        except OSError:
            s.close()
            if time.monotonic() > end or not alive():
                raise Fail(f"nothing answers at {path}") from None
            time.sleep(0.02)


class Console:
    """A serial port's socket: a thread gathers its lines, and shows them with a prefix if it is given.

    With @log, a text file that is open, each line is written there as it comes, behind the seconds since the start.
    """

    def __init__(self, path, prefix=None, alive=lambda: True, log=None):
        self.sock = connect(path, alive=alive)
        self.log, self.start = log, time.monotonic()
        self.prefix, self.lines, self.rest, self.open = prefix, [], b"", True
        self.asked = 0
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._gather, daemon=True)
        self.thread.start()

    def _gather(self):
        while True:
            try:
                data = self.sock.recv(65536)
            except OSError:
                data = b""
            with self.changed:
                if not data:
                    self.open = False
                    self.changed.notify_all()
                    return
                *lines, self.rest = (self.rest + data).split(b"\n")
                for line in lines:
                    text = line.decode("utf-8", "replace").rstrip("\r")
                    self.lines.append(text)
                    if self.log:
                        print(f"{time.monotonic() - self.start:9.2f} {text}", file=self.log, flush=True)
                    if self.prefix is not None:
                        print(f"{self.prefix}{text}", flush=True)
                self.changed.notify_all()

    def write(self, text):
        self.sock.sendall(text.encode())

    def find(self, word, start=0):
        """The first line with @word in it, or None."""
        return next((x for x in self.lines[start:] if word in x), None)

    def wait(self, word, seconds=BOOT, start=0):
        """That line, as soon as it is there."""
        with self.changed:
            self.changed.wait_for(lambda: self.find(word, start) is not None or not self.open, seconds)
            line = self.find(word, start)
            if line is None:
                how = f"in {seconds} s" if self.open else "before the console closed"
                raise Timeout(f"no line with '{word}' {how}; the last lines are: " + " | ".join(self.lines[-8:]))
            return line

    def run(self, command, seconds=300):
        """The lines that @command prints in the guest whose init waits (hvt=wait), without the kernel's."""
        start, self.asked = len(self.lines), self.asked + 1
        # The quotes keep the terminal's echo of the command from looking like the end of its output.
        self.write(f'{command}; echo RAN""{self.asked}.\n')
        self.wait(f"RAN{self.asked}.", seconds, start)
        lines = [x for x in self.lines[start:] if not x.startswith("[")]
        first = next((n for n, x in enumerate(lines) if 'RAN""' in x), -1) + 1
        return lines[first:next(n for n, x in enumerate(lines) if f"RAN{self.asked}." in x)]

    def wait_end(self, seconds=60):
        self.thread.join(seconds)
        expect(not self.open, f"the console is still open after {seconds} s")

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(5)
        self.sock.close()


class Qmp:
    """A QMP session; events are kept in the order in which they come."""

    def __init__(self, path, negotiate=True, alive=lambda: True):
        self.sock = connect(path, alive=alive)
        self.sock.settimeout(120)
        self.rest, self.events = b"", []
        self.greeting = self.receive()
        if negotiate:
            self.run("qmp_capabilities")

    def send(self, data):
        self.sock.sendall(data)

    def receive(self):
        """The next value that comes, whatever it is."""
        while b"\n" not in self.rest:
            try:
                data = self.sock.recv(65536)
            except TimeoutError:
                raise Timeout("no answer over QMP in 120 s") from None
            if not data:
                raise Fail("the emulator closed its QMP connection")
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def answer(self):
        """The next value that is no event."""
        while True:
            value = self.receive()
            if "event" not in value:
                return value
            self.events.append(value)

    def raw(self, command, **arguments):
        arguments = {k.replace("_", "-"): v for k, v in arguments.items()}
        request = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        self.send(json.dumps(request).encode() + b"\n")
        return self.answer()

    def run(self, command, **arguments):
        answer = self.raw(command, **arguments)
        if "error" in answer:
            raise Fail(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def error(self, command, **arguments):
        """(class, text) of the error that it must answer."""
        answer = self.raw(command, **arguments)
        if "error" not in answer:
            raise Fail(f"{command} {arguments} worked, an error was expected")
        return answer["error"]["class"], answer["error"]["desc"]

    def hmp(self, line):
        return self.run("human-monitor-command", command_line=line)

    def wait(self, name, seconds=60, **data):
        """The next event @name with these members in its data; takes it and those before it out of the list."""
        end = time.monotonic() + seconds
        seen = []
        while True:
            while self.events:
                e = self.events.pop(0)
                seen.append(e)
                if e["event"] == name and data.items() <= e.get("data", {}).items():
                    return e
            self.sock.settimeout(max(end - time.monotonic(), 0.01))
            try:
                value = self.receive()
            except Timeout:
                raise Timeout(f"no event {name} {data} in {seconds} s; came: {[e['event'] for e in seen]}") from None
            finally:
                self.sock.settimeout(120)
            expect("event" in value, f"an answer nobody asked for: {value}")
            self.events.append(value)

    def close(self):
        self.sock.close()


# ---- the process ----

class Emulator:
    """One run of the emulator, with a folder of its own for sockets and files.

    self.qmp is connected at once; self.console, on the first serial port, if @serial is true.  With @show
    the console's lines are printed behind that prefix; with @log they are written to that open file.
    """

    def __init__(self, program, *options, serial=True, qmp=True, accel="hvtlfs", show=None, log=None):
        self.folder = tempfile.mkdtemp(prefix="hvtlfs-")
        self.errors = open(self.path("stderr"), "w+b")
        # HVTLFS_ENGINE: the engine of every test that does not choose one itself.
        if accel == "hvtlfs" and os.environ.get("HVTLFS_ENGINE"):
            accel += f",engine={os.environ['HVTLFS_ENGINE']}"
        command = [program, "-accel", accel, "-display", "none"]
        if serial:
            command += ["-chardev", f"socket,id=com1,path={self.path('com1')},server=on,wait=off", "-serial", "chardev:com1"]
        if qmp:
            command += ["-qmp", f"unix:{self.path('qmp')},server=on,wait=off"]
        self.command = command + [str(o) for o in options]
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors)
        self.qmp = self.console = None
        self.consoles = []
        try:
            if serial:
                self.console = self.open_console("com1", show, log)
            if qmp:
                self.qmp = Qmp(self.path("qmp"), alive=self.alive)
        except BaseException as e:
            self.end(e)
            raise

    def path(self, name):
        return os.path.join(self.folder, name)

    def alive(self):
        return self.process.poll() is None

    def open_console(self, name, show=None, log=None):
        c = Console(self.path(name), show, alive=self.alive, log=log)
        self.consoles.append(c)
        return c

    def add_console(self, name):
        """A character device @name made at run time; connect with open_console()."""
        self.qmp.run("chardev-add", id=name, backend={"type": "socket", "data": {
            "addr": {"type": "unix", "data": {"path": self.path(name)}}, "server": True, "wait": False}})

    def wait(self, seconds=60):
        """Its exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Timeout(f"the emulator still runs after {seconds} s") from None

    def said(self):
        """What it wrote to standard output and error."""
        with open(self.path("stderr"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def rss(self):
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu(self):
        """Seconds of processor time used so far."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.end(error)

    def end(self, error=None):
        died = self.process.poll()
        if died is None:
            self.process.kill()
            self.process.wait()
        if error is not None and not isinstance(error, Skip):
            state = "ran" if died is None else f"had ended with {died}"
            print(f"# {' '.join(self.command)}\n# it {state} and said: {self.said()[-2000:]!r}", flush=True)
            for c in self.consoles:
                for line in c.lines[-15:] if c.prefix is None else []:
                    print(f"# console: {line}", flush=True)
        for c in self.consoles:
            c.close()
        if self.qmp:
            self.qmp.close()
        self.errors.close()
        subprocess.run(["rm", "-rf", self.folder], check=False)


@contextlib.contextmanager
def freed_at_once():
    """For emulators whose size is watched: builds with AddressSanitizer keep what is freed, 256 MiB of it, and find leaks in another way."""
    kept = os.environ.get("ASAN_OPTIONS", "")
    os.environ["ASAN_OPTIONS"] = f"{kept}:quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
    try:
        yield
    finally:
        os.environ["ASAN_OPTIONS"] = kept


def boot(program, *options, flavour="cloud", append="", **more):
    """An emulator that boots Linux with our init."""
    image, initrd = linux(flavour)
    return Emulator(program, "-kernel", image, "-initrd", initrd, "-append", f"console=ttyS0 {append}", *options, **more)


# Said when the host gave a VP's thread no processor for some milliseconds: whether it does depends on
# what else runs.  So it counts with --long, whose programs run one at a time, and only there.
SLOWNESS = "hrtimer: interrupt took"
ALONE = "--long" in sys.argv and SLOWER == 1


def guest_warnings(console, seconds=BOOT):
    """The warnings that init found in the kernel's log when the guest ended."""
    n = int(console.wait("HVT warnings ", seconds).split()[-1])
    console.wait("HVT done", seconds)
    found = [x.split("HVT warning ", 1)[1] for x in console.lines if "HVT warning " in x]
    equal(len(found), n, "number of warning lines")
    for x in found:
        if SLOWNESS in x and not ALONE:
            diagnose(f"not counted: {x}")
    return [x for x in found if ALONE or SLOWNESS not in x]


# ---- TAP ----

def diagnose(text):
    for line in text.rstrip().splitlines():
        print(f"# {line}", flush=True)


def run_one(n, name, function, a):
    start = time.monotonic()
    try:
        function(a)
        result, note = "ok", ""
    except Skip as e:
        result, note = "ok", f" # SKIP {e}"
    except Exception as e:  # pylint: disable=broad-except
        result, note = "not ok", ""
        diagnose(traceback.format_exc() if not isinstance(e, Fail) else
                 f"{e}\n" + "".join(traceback.format_tb(e.__traceback__)[-2:]))
    print(f"{result} {n} - {name}{note}", flush=True)
    if not note:
        diagnose(f"{time.monotonic() - start:.1f} s")
    return result == "ok"


def main(doc, tests, long_tests=None, times=None):
    """Runs @tests, with --long @long_tests: functions of the arguments, named by their documentation.

    With @times they have `a.times` too: how often to repeat, 1 without --long, @times with it.
    """
    p = argparse.ArgumentParser(description=doc.strip().splitlines()[0])
    p.add_argument("program", nargs="?", default=os.path.join(ROOT, "build", "qemu-system-x86_64"), help="the emulator")
    p.add_argument("-l", "--long", action="store_true", help="many more repetitions")
    p.add_argument("-o", "--only", action="append", default=[], help="only tests whose function has this in its name")
    if times:
        p.add_argument("-t", "--times", type=int, metavar="N", help=f"how often each test repeats (1; {times} with --long)")
    a = p.parse_args()
    if times:
        if a.times is not None and a.times < 1:
            p.error(f"--times {a.times}: must be at least 1")
        a.times = a.times or (times if a.long else 1)
    a.program = os.path.abspath(a.program)
    if a.long and long_tests is not None:
        tests = long_tests
    if a.only:
        tests = [t for t in tests if any(o in t.__name__ for o in a.only)]
    print(f"1..{len(tests)}", flush=True)
    results = [run_one(n, t.__doc__.strip().splitlines()[0].rstrip("."), t, a) for n, t in enumerate(tests, 1)]
    sys.exit(0 if all(results) else 1)
