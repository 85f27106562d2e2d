/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The qtest protocol: a line in, a line out ("OK ..." or "FAIL ...").  Memory and
 * ports are the first partition's.  Our own lines run as a VP of a named partition
 * that does not run: hvcall, hvcall_once, rdmsr, wrmsr, cpuid; hvcall_row tells the hypercall table,
 * port_* make ports as a partition's parent does, system_reset, stop and cont are the
 * monitor's.  Interrupt wires can be watched at the I/O APIC and the 8259 pair; what they
 * carry still arrives.
 */
#include "qtest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "accel/hvtlfs/call.h"
#include "hw/hyperv/port.h"
#include "target/i386/cpu.h"
#include "vmm-internal.h"

enum { LINE_LIMIT = 1 << 26, TRANSFER_LIMIT = 1 << 25, WORDS_MAX = 8 };
/* Of hvcall: what a fast call's input has in XMM0 to XMM5. */
enum { XMM_BYTES = HV_CALL_XMM_BYTES - HV_CALL_FAST_BYTES };

struct qtest {
	struct vmm *vmm;
	struct chardev *chardev;
	GString *line;
	FILE *log;             /* NULL: none */
	gint64 start;          /* of the session, for the log's times */
};

/* One line as it is worked on. */
struct call {
	struct qtest *q;
	struct machine *machine;
	char **word;           /* arguments, without the command */
	unsigned words;
	GString *reply;
};

static bool fail(struct call *c, const char *why)
{
	g_string_printf(c->reply, "FAIL %s", why);
	return false;
}

static bool number(struct call *c, unsigned i, uint64_t *v)
{
	char *end;

	if (i >= c->words)
		return fail(c, "too few arguments");
	*v = g_ascii_strtoull(c->word[i], &end, 0);
	return (end != c->word[i] && !*end) || fail(c, "an argument is no number");
}

static void ok(struct call *c)
{
	g_string_assign(c->reply, "OK");
}

static void ok_value(struct call *c, uint64_t v)
{
	g_string_printf(c->reply, "OK 0x%016" PRIx64, v);
}

/* ---- memory: RAM, or a device where there is none ---- */

static void store(struct machine *m, uint64_t at, const uint8_t *from, size_t n)
{
	if (m->memory.write(m->memory.opaque, at, from, n))
		return;
	for (size_t i = 0; i < n; i++) {
		if (!m->memory.write(m->memory.opaque, at + i, from + i, 1))
			machine_mmio_write(m, at + i, 1, from[i]);
	}
}

static void load(struct machine *m, uint64_t at, uint8_t *to, size_t n)
{
	if (m->memory.read(m->memory.opaque, at, to, n))
		return;
	for (size_t i = 0; i < n; i++) {
		if (!m->memory.read(m->memory.opaque, at + i, to + i, 1))
			to[i] = machine_mmio_read(m, at + i, 1);
	}
}

static void write_sized(struct call *c, unsigned size)
{
	uint64_t at, v;

	if (!number(c, 0, &at) || !number(c, 1, &v))
		return;
	if (!c->machine->memory.write(c->machine->memory.opaque, at, &v, size))
		machine_mmio_write(c->machine, at, size, v);
	ok(c);
}

static void read_sized(struct call *c, unsigned size)
{
	uint64_t at, v = 0;

	if (!number(c, 0, &at))
		return;
	if (!c->machine->memory.read(c->machine->memory.opaque, at, &v, size))
		v = machine_mmio_read(c->machine, at, size);
	ok_value(c, v);
}

static bool range(struct call *c, uint64_t *at, uint64_t *n)
{
	return number(c, 0, at) && number(c, 1, n) &&
	       ((*n && *n <= TRANSFER_LIMIT) || fail(c, "size is out of range"));
}

static void read_hex(struct call *c, unsigned unused)
{
	uint64_t at, n;
	uint8_t *bytes;

	if (!range(c, &at, &n))
		return;
	bytes = g_malloc(n);
	load(c->machine, at, bytes, n);
	g_string_assign(c->reply, "OK 0x");
	for (uint64_t i = 0; i < n; i++)
		g_string_append_printf(c->reply, "%02x", bytes[i]);
	g_free(bytes);
}

/* Argument @i, 0x and digits; short data is filled up with zeros. */
static bool hex_bytes(struct call *c, unsigned i, uint8_t *bytes, uint64_t n)
{
	const char *digits;

	if (c->words <= i || strncmp(c->word[i], "0x", 2))
		return fail(c, "data must be 0x and hexadecimal digits");
	digits = c->word[i] + 2;
	memset(bytes, 0, n);
	for (uint64_t b = 0; b < n && g_ascii_isxdigit(digits[0]) && g_ascii_isxdigit(digits[1]); b++, digits += 2)
		bytes[b] = g_ascii_xdigit_value(digits[0]) << 4 | g_ascii_xdigit_value(digits[1]);
	return true;
}

static void write_hex(struct call *c, unsigned unused)
{
	uint64_t at, n;
	uint8_t *bytes;

	if (!range(c, &at, &n))
		return;
	bytes = g_malloc(n);
	if (!hex_bytes(c, 2, bytes, n)) {
		g_free(bytes);
		return;
	}
	store(c->machine, at, bytes, n);
	g_free(bytes);
	ok(c);
}

static void read_base64(struct call *c, unsigned unused)
{
	uint64_t at, n;
	uint8_t *bytes;
	char *text;

	if (!range(c, &at, &n))
		return;
	bytes = g_malloc(n);
	load(c->machine, at, bytes, n);
	text = g_base64_encode(bytes, n);
	g_string_printf(c->reply, "OK %s", text);
	g_free(text);
	g_free(bytes);
}

static void write_base64(struct call *c, unsigned unused)
{
	uint64_t at, n;
	gsize got;
	uint8_t *bytes;

	if (!range(c, &at, &n))
		return;
	if (c->words < 3) {
		fail(c, "too few arguments");
		return;
	}
	bytes = g_base64_decode(c->word[2], &got);
	store(c->machine, at, bytes, MIN(got, n));
	g_free(bytes);
	ok(c);
}

static void fill(struct call *c, unsigned unused)
{
	uint64_t at, n, v;
	uint8_t *bytes;

	if (!range(c, &at, &n) || !number(c, 2, &v))
		return;
	bytes = g_malloc(n);
	memset(bytes, v, n);
	store(c->machine, at, bytes, n);
	g_free(bytes);
	ok(c);
}

/* ---- ports ---- */

static void out(struct call *c, unsigned size)
{
	uint64_t port, v;

	if (!number(c, 0, &port) || !number(c, 1, &v))
		return;
	machine_io_write(c->machine, port, size, v);
	ok(c);
}

static void in(struct call *c, unsigned size)
{
	uint64_t port;

	if (number(c, 0, &port))
		g_string_printf(c->reply, "OK 0x%04x", machine_io_read(c->machine, port, size));
}

/* ---- clock ---- */

static void step_to(struct call *c, int64_t to)
{
	if (c->q->vmm->hv)
		fail(c, "the clock runs by itself; it can be stepped under -accel qtest");
	else
		g_string_printf(c->reply, "OK %" PRId64, clock_step_to(c->machine->clock, to));
}

static void clock_step(struct call *c, unsigned unused)
{
	int64_t now = clock_now(c->machine->clock), next = clock_next_deadline(c->machine->clock);
	uint64_t ns;

	if (!c->words)
		step_to(c, next == INT64_MAX ? now : next);
	else if (number(c, 0, &ns))
		step_to(c, ns > (uint64_t)(INT64_MAX - now) ? INT64_MAX : now + (int64_t)ns);
}

static void clock_set(struct call *c, unsigned unused)
{
	uint64_t to;

	if (number(c, 0, &to))
		step_to(c, MIN(to, (uint64_t)INT64_MAX));
}

/* ---- as a VP ---- */

/* The VP named by the first two words, if it stands still. */
static struct vp *named_vp(struct call *c)
{
	struct guest *g = c->words >= 2 ? vmm_guest(c->q->vmm, c->word[0]) : NULL;
	uint64_t index;
	struct vp *vp;

	if (c->words < 2)
		fail(c, "wants PARTITION VP ...");
	else if (!g || !pc_partition(g->pc))
		fail(c, "no such partition");
	else if (g->running)
		fail(c, "the partition runs; suspend it first");
	else if (number(c, 1, &index)) {
		vp = index < UINT32_MAX ? partition_vp(pc_partition(g->pc), index) : NULL;
		if (vp)
			return vp;
		fail(c, "no such VP");
	}
	return NULL;
}

/* The optional sixth argument: the fast input beyond two registers. */
static bool set_xmm(struct call *c, struct vp *vp)
{
	uint8_t xmm[XMM_BYTES];

	if (c->words <= 5)
		return true;
	if (!hex_bytes(c, 5, xmm, sizeof xmm))
		return false;
	for (unsigned i = 0; i < XMM_BYTES / 16; i++)
		memcpy(vp_cpu(vp)->ymm[i].b, xmm + 16 * i, 16);
	return true;
}

static void hvcall(struct call *c, unsigned unused)
{
	struct vp *vp = named_vp(c);
	uint64_t control, input, output, value;

	if (!vp || !number(c, 2, &control) || !number(c, 3, &input) || !number(c, 4, &output) || !set_xmm(c, vp))
		return;
	value = vp_hypercall(vp, control, input, output);
	if (value == UINT64_MAX)
		fail(c, "fault");
	else
		ok_value(c, value);
}

/* One execution: "again CONTROL" if it gave way, else as hvcall. */
static void hvcall_once(struct call *c, unsigned unused)
{
	struct vp *vp = named_vp(c);
	uint64_t control, input, output, value;
	bool again;

	if (!vp || !number(c, 2, &control) || !number(c, 3, &input) || !number(c, 4, &output))
		return;
	value = vp_hypercall_once(vp, &control, input, output, &again);
	if (value == UINT64_MAX)
		fail(c, "fault");
	else if (again)
		g_string_printf(c->reply, "OK again 0x%016" PRIx64, control);
	else
		ok_value(c, value);
}

/* Row N of the hypercall table: code, name, fixed input and output, elements, CALL_* flags, privileges. */
static void hvcall_row(struct call *c, unsigned unused)
{
	const struct hv *hv = c->q->vmm->hv;
	const struct hv_call *row;
	uint64_t n;

	if (!number(c, 0, &n))
		return;
	row = hv && n <= UINT32_MAX ? hv_call_row(hv, (unsigned)n) : NULL;
	if (!row)
		fail(c, "no such row");
	else
		g_string_printf(c->reply, "OK 0x%04x %s %u %u %u %u %u 0x%016" PRIx64, row->code, row->name, row->in, row->out,
				row->in_elem, row->out_elem, row->flags, row->privilege);
}

/* ---- as a partition's parent: each answers with a status ---- */

static struct partition *named_partition(struct call *c)
{
	struct guest *g = c->words ? vmm_guest(c->q->vmm, c->word[0]) : NULL;

	if (!c->words)
		fail(c, "wants PARTITION ...");
	else if (!g || !pc_partition(g->pc))
		fail(c, "no such partition");
	else
		return pc_partition(g->pc);
	return NULL;
}

static bool number32(struct call *c, unsigned i, uint32_t *v)
{
	uint64_t wide;

	if (!number(c, i, &wide) || (wide > UINT32_MAX && !fail(c, "number is out of range")))
		return false;
	*v = (uint32_t)wide;
	return true;
}

static void ok_status(struct call *c, hv_status s)
{
	g_string_printf(c->reply, "OK 0x%04x", s);
}

/* PARTITION PORT INFO: struct hv_port_info in bytes. */
static void make_port(struct call *c, unsigned unused)
{
	struct partition *p = named_partition(c);
	struct hv_port_info info;
	uint32_t id;

	if (p && number32(c, 1, &id) && hex_bytes(c, 2, (uint8_t *)&info, sizeof info))
		ok_status(c, port_create(p, id, &info));
}

/* PARTITION PORT */
static void delete_port(struct call *c, unsigned unused)
{
	struct partition *p = named_partition(c);
	uint32_t id;

	if (p && number32(c, 1, &id))
		ok_status(c, port_remove(p, id));
}

/* PARTITION CONNECTION PORT INFO: struct hv_connection_info in bytes. */
static void connect_port(struct call *c, unsigned unused)
{
	struct partition *p = named_partition(c);
	struct hv_connection_info info;
	uint32_t connection, id;

	if (p && number32(c, 1, &connection) && number32(c, 2, &id) && hex_bytes(c, 3, (uint8_t *)&info, sizeof info))
		ok_status(c, port_connect_id(p, connection, id, &info));
}

/* PARTITION CONNECTION */
static void disconnect_port(struct call *c, unsigned unused)
{
	struct partition *p = named_partition(c);
	uint32_t connection;

	if (p && number32(c, 1, &connection))
		ok_status(c, port_disconnect(p, connection, NULL));
}

/* PARTITION PORT CODE [VALUE]: sets it; the status, and the value if it reads it. */
static void port_property(struct call *c, unsigned unused)
{
	struct partition *p = named_partition(c);
	uint32_t id, code;
	uint64_t value = 0;

	if (!p || !number32(c, 1, &id) || !number32(c, 2, &code) || (c->words > 3 && !number(c, 3, &value)))
		return;
	if (c->words > 3) {
		ok_status(c, port_set_property(p, id, code, value));
		return;
	}
	ok_status(c, port_get_property(p, id, code, &value));
	g_string_append_printf(c->reply, " 0x%016" PRIx64, value);
}

static void system_reset(struct call *c, unsigned unused)
{
	vmm_reset(c->q->vmm, false, "host-qmp-system-reset");
	ok(c);
}

static void stop(struct call *c, unsigned unused)
{
	vmm_stop(c->q->vmm, RUN_PAUSED);
	ok(c);
}

static void cont(struct call *c, unsigned unused)
{
	if (vmm_cont(c->q->vmm, NULL))
		ok(c);
	else
		fail(c, "cannot go on");
}

static void rdmsr(struct call *c, unsigned unused)
{
	struct vp *vp = named_vp(c);
	uint64_t msr, v;

	if (!vp || !number(c, 2, &msr))
		return;
	if (vp_rdmsr(vp, msr, &v))
		ok_value(c, v);
	else
		fail(c, "#GP");
}

static void wrmsr(struct call *c, unsigned unused)
{
	struct vp *vp = named_vp(c);
	uint64_t msr, v;

	if (!vp || !number(c, 2, &msr) || !number(c, 3, &v))
		return;
	if (vp_wrmsr(vp, msr, v))
		ok(c);
	else
		fail(c, "#GP");
}

static void cpuid(struct call *c, unsigned unused)
{
	struct vp *vp = named_vp(c);
	uint64_t leaf, subleaf = 0;
	uint32_t r[4];

	if (!vp || !number(c, 2, &leaf) || (c->words > 3 && !number(c, 3, &subleaf)))
		return;
	vp_cpuid(vp, leaf, subleaf, r);
	g_string_printf(c->reply, "OK 0x%08x 0x%08x 0x%08x 0x%08x", r[0], r[1], r[2], r[3]);
}

/* ---- dispatch ---- */

static void endianness(struct call *c, unsigned unused)
{
	g_string_assign(c->reply, "OK little");
}

static void wire_changed(void *o, int n, int level)
{
	struct qtest *q = o;
	char line[32];
	int size = g_snprintf(line, sizeof line, "IRQ %s %d\n", level ? "raise" : "lower", n);

	chardev_write(q->chardev, line, (size_t)size);
}

/* By path, or by type: what QEMU's tests call "ioapic". */
static struct device *device_at(struct call *c, const char *path)
{
	HvtObject *o = hvt_object_resolve(c->q->vmm->tree, path, NULL);

	for (guint i = 0; i < c->machine->devices->len; i++) {
		struct device *d = g_ptr_array_index(c->machine->devices, i);

		if (d->object == o || !strcmp(d->type->name, path))
			return d;
	}
	return NULL;
}

static void intercept(struct call *c, unsigned wires)
{
	struct device *d = c->words ? device_at(c, c->word[0]) : NULL;

	if (!c->words)
		fail(c, "too few arguments");
	else if (!d)
		fail(c, "no such device");
	else if (!pc_watch_wires(vmm_root(c->q->vmm)->pc, d, wires, wire_changed, c->q))
		fail(c, "no interrupt wires of this device can be watched");
	else
		ok(c);
}

static const struct {
	const char *name;
	void (*run)(struct call *c, unsigned size);
	unsigned size;
} commands[] = {
	{ "outb", out, 1 }, { "outw", out, 2 }, { "outl", out, 4 },
	{ "inb", in, 1 }, { "inw", in, 2 }, { "inl", in, 4 },
	{ "writeb", write_sized, 1 }, { "writew", write_sized, 2 }, { "writel", write_sized, 4 },
	{ "writeq", write_sized, 8 },
	{ "readb", read_sized, 1 }, { "readw", read_sized, 2 }, { "readl", read_sized, 4 },
	{ "readq", read_sized, 8 },
	{ "read", read_hex }, { "write", write_hex }, { "b64read", read_base64 }, { "b64write", write_base64 },
	{ "memset", fill }, { "endianness", endianness },
	{ "clock_step", clock_step }, { "clock_set", clock_set },
	{ "irq_intercept_in", intercept, PC_WIRES_IN }, { "irq_intercept_out", intercept, PC_WIRES_OUT },
	{ "hvcall", hvcall }, { "hvcall_once", hvcall_once }, { "hvcall_row", hvcall_row }, { "rdmsr", rdmsr }, { "wrmsr", wrmsr }, { "cpuid", cpuid },
	{ "port_create", make_port }, { "port_delete", delete_port }, { "port_connect", connect_port },
	{ "port_disconnect", disconnect_port }, { "port_property", port_property },
	{ "system_reset", system_reset }, { "stop", stop }, { "cont", cont },
};

static void dispatch(struct call *c, const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
		if (!strcmp(commands[i].name, name)) {
			commands[i].run(c, commands[i].size);
			return;
		}
	}
	g_string_printf(c->reply, "FAIL Unknown command '%s'", name);
}

static void note(struct qtest *q, char what, const char *text)
{
	if (q->log)
		fprintf(q->log, "[%c +%.6f] %s\n", what, (double)(g_get_monotonic_time() - q->start) / 1e6, text);
}

/* Splits in place; blanks between words. */
static void run_line(struct qtest *q, char *line)
{
	struct call c = { .q = q, .machine = pc_machine(vmm_root(q->vmm)->pc), .reply = g_string_new(NULL) };
	char *word[WORDS_MAX + 1], *save = NULL;
	unsigned n = 0;

	note(q, 'R', line);
	for (char *w = strtok_r(line, " \t\r", &save); w && n <= WORDS_MAX; w = strtok_r(NULL, " \t\r", &save))
		word[n++] = w;
	if (n) {
		c.word = word + 1;
		c.words = n - 1;
		dispatch(&c, word[0]);
		note(q, 'S', c.reply->str);
		g_string_append_c(c.reply, '\n');
		chardev_write(q->chardev, c.reply->str, c.reply->len);
	}
	g_string_free(c.reply, TRUE);
}

static size_t can_receive(void *o)
{
	return 4096;
}

static void receive(void *o, const uint8_t *data, size_t n)
{
	struct qtest *q = o;

	for (size_t i = 0; i < n; i++) {
		if (data[i] != '\n') {
			if (q->line->len < LINE_LIMIT)
				g_string_append_c(q->line, data[i]);
			continue;
		}
		run_line(q, q->line->str);
		g_string_truncate(q->line, 0);
	}
}

static void event(void *o, enum chardev_event e)
{
	struct qtest *q = o;

	g_string_truncate(q->line, 0);
	q->start = g_get_monotonic_time();
	note(q, 'I', e == CHARDEV_OPENED ? "OPENED" : "CLOSED");
}

static const struct chardev_front front = { can_receive, receive, event, NULL };

struct qtest *qtest_new(struct vmm *v, struct chardev *c, const char *log, GError **error)
{
	struct qtest *q = g_new0(struct qtest, 1);

	q->vmm = v;
	q->chardev = c;
	q->line = g_string_new(NULL);
	q->start = g_get_monotonic_time();
	if (log && strcmp(log, "none"))
		q->log = fopen(log, "we");
	if (log && strcmp(log, "none") && !q->log)
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "cannot write the log '%s'", log);
	else if (chardev_attach(c, &front, q, error))
		return q;
	if (q->log)
		fclose(q->log);
	g_string_free(q->line, TRUE);
	g_free(q);
	return NULL;
}

static void watch_no_wires(struct qtest *q)
{
	struct pc *pc = vmm_root(q->vmm)->pc;
	GPtrArray *devices = pc_machine(pc)->devices;

	for (guint i = 0; i < devices->len; i++) {
		pc_watch_wires(pc, g_ptr_array_index(devices, i), PC_WIRES_IN, NULL, NULL);
		pc_watch_wires(pc, g_ptr_array_index(devices, i), PC_WIRES_OUT, NULL, NULL);
	}
}

void qtest_free(struct qtest *q)
{
	watch_no_wires(q);
	chardev_detach(q->chardev, q);
	if (q->log)
		fclose(q->log);
	g_string_free(q->line, TRUE);
	g_free(q);
}
