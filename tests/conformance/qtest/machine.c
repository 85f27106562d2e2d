/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine through qtest: all is done as a suspended VP of an emulator that this
 * program starts and resets for each rule.
 *
 * usage: conformance-qtest EMULATOR [-m MUTANT] [ROW...]
 */
#include "../machine.h"
#include "parent.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1 << 17, OPTIONS_MAX = 32, MADE_MAX = 512 };

/* What is to go before the next rule. */
struct made {
	uint32_t number[MADE_MAX];
	unsigned count;
};

static struct {
	const char *program, *mutant;
	char **rows;           /* NULL-terminated; none: all */
	char kernel[64];       /* a file with a program that is never run */
	pid_t pid;
	bool plain;            /* it runs without properties */
	enum role role;
	FILE *to, *from;
	char line[LINE_MAX_BYTES];
	unsigned vp, results, failures;
	struct call_row *calls;
	unsigned call_count;
	struct made ports, connections;
} m;

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- the emulator ---- */

static void exec_emulator(const char *properties, const char *smp)
{
	char accel[64], cpu[512];
	const char *argv[OPTIONS_MAX] = { m.program, "-accel", accel, "-display", "none", "-serial", "none", "-monitor", "none",
					  "-m", "128M", "-smp", smp, "-S", "-qtest", "stdio", "-kernel", m.kernel, "-device", "hyperv-testdev" };
	unsigned n = 20;

	snprintf(accel, sizeof accel, "hvtlfs,call-slice=0,role=%s", role_name(m.role));
	snprintf(cpu, sizeof cpu, "max%s%s", *properties ? "," : "", properties);
	argv[n++] = "-cpu";
	argv[n++] = cpu;
	if (m.mutant) {
		argv[n++] = "-mutate";
		argv[n++] = m.mutant;
	}
	execv(m.program, (char **)argv);
	_exit(127);
}

static void stop(void)
{
	if (!m.pid)
		return;
	fclose(m.to);
	fclose(m.from);
	kill(m.pid, SIGKILL);
	waitpid(m.pid, NULL, 0);
	m.pid = 0;
}

/* @errors: a file for what it complains of, or -1. */
static void start_with(const char *properties, const char *smp, int errors)
{
	int to[2], from[2];

	stop();
	m.ports.count = m.connections.count = 0;
	if (pipe(to) || pipe(from))
		die("pipe");
	m.pid = fork();
	if (m.pid < 0)
		die("fork");
	if (!m.pid) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		if (errors >= 0)
			dup2(errors, 2);
		close(to[1]);
		close(from[0]);
		exec_emulator(properties, smp);
	}
	close(to[0]);
	close(from[1]);
	m.to = fdopen(to[1], "w");
	m.from = fdopen(from[0], "r");
}

static void start(const char *properties)
{
	start_with(properties, "2", -1);
}

bool launches(const char *properties, const char *smp, char *said, size_t size)
{
	char path[] = "/tmp/conformance-XXXXXX";
	int errors = mkstemp(path);
	ssize_t n;
	bool runs;

	if (errors < 0)
		die(path);
	unlink(path);
	start_with(properties, smp, errors);
	m.plain = false;
	fputs("hvcall_row 0\n", m.to);
	fflush(m.to);
	runs = fgets(m.line, sizeof m.line, m.from);
	stop();
	n = pread(errors, said, size - 1, 0);
	said[n > 0 ? n : 0] = 0;
	close(errors);
	return runs;
}

/* Sends one line; the reply's words, or NULL if it was refused. */
static const char *ask(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const char *ask(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(m.to, fmt, ap);
	va_end(ap);
	fputc('\n', m.to);
	fflush(m.to);
	do {
		if (!fgets(m.line, sizeof m.line, m.from))
			die("the emulator is gone");
	} while (!strncmp(m.line, "IRQ ", 4));
	m.line[strcspn(m.line, "\n")] = 0;
	if (!strncmp(m.line, "OK", 2))
		return m.line[2] ? m.line + 3 : "";
	return NULL;
}

static const char *must(const char *reply)
{
	if (!reply) {
		fprintf(stderr, "%s\n", m.line);
		die("qtest refused a command");
	}
	return reply;
}

/* ---- verbs ---- */

unsigned rule_way(void) { return BY_QTEST; }
void as_vp(unsigned index) { m.vp = index; }

bool read_msr(uint32_t msr, uint64_t *value)
{
	const char *v = ask("rdmsr root %u %#x", m.vp, msr);

	if (v)
		*value = strtoull(v, NULL, 0);
	return v;
}

bool write_msr(uint32_t msr, uint64_t value)
{
	return ask("wrmsr root %u %#x %#" PRIx64, m.vp, msr, value);
}

struct leaf read_leaf(uint32_t number)
{
	struct leaf l = { 0 };

	if (sscanf(must(ask("cpuid root %u %#x", m.vp, number)), "%x %x %x %x", &l.a, &l.b, &l.c, &l.d) != 4)
		die("cpuid");
	return l;
}

void put_bytes(uint64_t gpa, const void *from, size_t n)
{
	const uint8_t *b = from;
	char *hex = malloc(2 * n + 1);

	if (!hex)
		die("memory");
	for (size_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", b[i]);
	must(ask("write %#" PRIx64 " %zu 0x%s", gpa, n, hex));
	free(hex);
}

void get_bytes(uint64_t gpa, void *to, size_t n)
{
	const char *hex = must(ask("read %#" PRIx64 " %zu", gpa, n)) + 2;

	for (size_t i = 0; i < n; i++)
		sscanf(hex + 2 * i, "%2hhx", (uint8_t *)to + i);
}

struct reply machine_call(uint64_t control, uint64_t in, uint64_t out, const uint8_t xmm[XMM_BYTES], enum call_via via)
{
	struct reply r = { 0 };
	char hex[2 * XMM_BYTES + 1];
	const char *v;

	for (unsigned i = 0; i < XMM_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", xmm[i]);
	v = ask("hvcall root %u %#" PRIx64 " %#" PRIx64 " %#" PRIx64 " 0x%s", m.vp, control, in, out, hex);
	if (!v && strcmp(m.line, "FAIL fault"))
		must(NULL);
	r.fault = !v;
	r.value = v ? strtoull(v, NULL, 0) : 0;
	return r;
}

bool call_once(uint64_t *control, uint64_t in, uint64_t out, struct reply *r)
{
	const char *v = ask("hvcall_once root %u %#" PRIx64 " %#" PRIx64 " %#" PRIx64, m.vp, *control, in, out);
	bool again = v && sscanf(v, "again %" SCNx64, control) == 1;

	if (!v && strcmp(m.line, "FAIL fault"))
		must(NULL);
	*r = (struct reply){ .fault = !v, .value = v && !again ? strtoull(v, NULL, 0) : 0 };
	return again;
}

void out32(uint16_t port, uint32_t value)
{
	must(ask("outl %#x %#x", port, value));
}

/* In x2APIC mode, so that all of it is MSRs. */
void apic_set(bool on)
{
	uint64_t base = msr_of(0x1b);

	set_msr(0x1b, base | 0xc00);
	set_msr(0x80f, on ? 0x1ff : 0xff);
}

bool requested(unsigned vector)
{
	return msr_of(0x820 + vector / 32) >> vector % 32 & 1;
}

/* ---- as the partition's parent ---- */

static uint16_t status_of(const char *reply)
{
	return (uint16_t)strtoul(must(reply), NULL, 0);
}

/* Bytes as the qtest protocol has them. */
static const char *hex_of(const void *bytes, size_t n)
{
	static char hex[2 * 64 + 1];

	for (size_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", ((const uint8_t *)bytes)[i]);
	return hex;
}

static uint16_t remember(struct made *made, uint32_t number, uint16_t status)
{
	if (status == HV_STATUS_SUCCESS && made->count < MADE_MAX)
		made->number[made->count++] = number;
	return status;
}

uint16_t make_port(uint32_t id, const struct hv_port_info *info)
{
	return remember(&m.ports, id, status_of(ask("port_create root %#x 0x%s", id, hex_of(info, sizeof *info))));
}

uint16_t delete_port(uint32_t id)
{
	return status_of(ask("port_delete root %#x", id));
}

uint16_t connect_port(uint32_t connection, uint32_t id, const struct hv_connection_info *info)
{
	return remember(&m.connections, connection,
			status_of(ask("port_connect root %#x %#x 0x%s", connection, id, hex_of(info, sizeof *info))));
}

uint16_t disconnect_port(uint32_t connection)
{
	return status_of(ask("port_disconnect root %#x", connection));
}

uint16_t get_port_property(uint32_t id, uint32_t code, uint64_t *value)
{
	const char *reply = must(ask("port_property root %#x %#x", id, code));
	unsigned status;

	if (sscanf(reply, "%x %" SCNx64, &status, value) != 2)
		die("port_property");
	return (uint16_t)status;
}

uint16_t set_port_property(uint32_t id, uint32_t code, uint64_t value)
{
	return status_of(ask("port_property root %#x %#x %#" PRIx64, id, code, value));
}

static void forget_ports(void)
{
	while (m.connections.count)
		disconnect_port(m.connections.number[--m.connections.count]);
	while (m.ports.count)
		delete_port(m.ports.number[--m.ports.count]);
}

/* ---- the call table ---- */

static void fetch_calls(void)
{
	struct call_row row = { .flags = 0 };
	const char *v;

	m.call_count = 0;
	while ((v = ask("hvcall_row %u", m.call_count))) {
		if (sscanf(v, "%hx %39s %hu %hu %hu %hu %hu %" SCNx64, &row.code, row.name, &row.in, &row.out, &row.in_elem,
			   &row.out_elem, &row.flags, &row.privilege) != 8)
			die("hvcall_row");
		m.calls = realloc(m.calls, (m.call_count + 1) * sizeof row);
		if (!m.calls)
			die("memory");
		m.calls[m.call_count++] = row;
	}
	if (!m.calls)
		die("no hypercall table");
}

unsigned call_count(void) { return m.call_count; }
const struct call_row *call_at(unsigned n) { return &m.calls[n]; }

/* ---- rules ---- */

void machine_say(const char *fmt, va_list *ap)
{
	printf("# ");
	vprintf(fmt, *ap);
	putchar('\n');
}

void machine_result(bool good, const char *row, const char *sentence, const char *skipped)
{
	m.failures += !good;
	printf("%sok %u - %s %s%s%s\n", good ? "" : "not ", ++m.results, row, sentence, skipped ? " # SKIP " : "",
	       skipped ? skipped : "");
	fflush(stdout);
}

static void prepare(void)
{
	m.vp = 0;
	/* HV_X64_MSR_GUEST_OS_ID, HV_X64_MSR_HYPERCALL */
	must(ask("wrmsr root 0 0x40000000 %#llx", TEST_OS_ID));
	must(ask("wrmsr root 0 0x40000001 %#llx", HYPERCALL_PAGE | 1));
}

void restart_with(const char *cpu_properties)
{
	start(cpu_properties);
	prepare();
	m.plain = false;
}

void restart_bare(void)
{
	start("");
	m.vp = 0;
	m.plain = false;
}

void wait_ms(unsigned ms)
{
	usleep(ms * 1000);
}

uint64_t host_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 10000000 + (uint64_t)t.tv_nsec / 100;
}

void let_run(unsigned ms)
{
	must(ask("cont"));
	wait_ms(ms);
	must(ask("stop"));
}

unsigned host_processors(void)
{
	cpu_set_t set;

	/* The emulator inherits it. */
	return sched_getaffinity(0, sizeof set, &set) ? 1 : (unsigned)CPU_COUNT(&set);
}

void reset_machine(void)
{
	must(ask("system_reset"));
}

bool machine_plays(enum role role) { return true; }

/* A reset is much faster than another emulator. */
void machine_fresh(enum role role)
{
	if (m.plain && m.role == role) {
		forget_ports();
		must(ask("system_reset"));
		must(ask("memset %#llx %u 0", TEST_PAGE, TEST_PAGES * 4096));
		prepare();
		if (role != ROLE_GUEST)
			host_clean();
		return;
	}
	m.role = role;
	restart_with("");
	m.plain = true;
	if (!m.calls)
		fetch_calls();
}

bool machine_wants(const char *row)
{
	for (char **r = m.rows; *r; r++)
		if (!strncmp(row, *r, strlen(*r)))
			return true;
	return !*m.rows;
}

static void write_kernel(void)
{
	/* ELF, PVH note, cli; hlt: all that the loader wants. */
	static const uint32_t image[] = {
		0x464c457f, 0x00010101, 0, 0, 0x00030002, 1, 0x100000, 52, 0, 0, 0x00200034, 0x00000002, 0,
		1, 136, 0x100000, 0x100000, 4, 4, 7, 1,
		4, 116, 0, 0, 20, 20, 4, 4,
		4, 4, 18, 0x006e6558, 0x100000,
		0xfdebf4fa,
	};
	int fd;

	strcpy(m.kernel, "/tmp/conformance-XXXXXX");
	fd = mkstemp(m.kernel);
	if (fd < 0 || write(fd, image, sizeof image) != sizeof image)
		die(m.kernel);
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s EMULATOR [-m MUTANT] [ROW...]\n", argv[0]);
		return 2;
	}
	m.program = argv[1];
	m.rows = argv + 2;
	if (argc > 3 && !strcmp(argv[2], "-m")) {
		m.mutant = argv[3];
		m.rows = argv + 4;
	}
	signal(SIGPIPE, SIG_IGN);
	write_kernel();
	rules_run();
	stop();
	unlink(m.kernel);
	printf("1..%u\n", m.results);
	return m.failures != 0;
}
