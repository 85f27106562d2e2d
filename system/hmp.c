/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The human monitor: sessions with a small line editor, dispatch, commands on the whole machine. */
#include "hmp.h"

#include <inttypes.h>
#include <string.h>

#include "system/vmm.h"
#include "trace/log.h"
#include "vmm-internal.h"

enum { LINE_MAX_LENGTH = 4096 };

struct hmp {
	struct vmm *vmm;
	struct chardev *chardev;
	GString *line;
	char *last;          /* the line before, for cursor up; may be NULL */
	unsigned cpu;
	unsigned escape;     /* bytes of an escape sequence seen */
	bool greeted, after_cr;
};

static void say(GString *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(GString *out, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	g_string_append_vprintf(out, format, ap);
	va_end(ap);
}

/* Prints and frees an error, if there is one. */
static void say_error(GString *out, GError *e)
{
	if (e)
		say(out, "Error: %s\n", e->message);
	g_clear_error(&e);
}

struct vp *hmp_vp(struct hmp_call *c)
{
	struct vp *vp = vmm_vp(c->vmm, *c->cpu);

	if (!vp)
		say(c->out, "No CPU available\n");
	return vp;
}

/* ---- dispatch ---- */

static bool spelled(const char *names, const char *word, size_t n)
{
	while (*names) {
		size_t k = strcspn(names, "|");

		if (k == n && !memcmp(names, word, n))
			return true;
		names += k + (names[k] == '|');
	}
	return false;
}

static const struct hmp_command *find(const struct hmp_command *table, const char *word, size_t n)
{
	for (; table->name; table++) {
		if (spelled(table->name, word, n))
			return table;
	}
	return NULL;
}

/* Length of the command word: x/4xb is the command x. */
static size_t word_length(const char *s)
{
	return strcspn(s, " \t/");
}

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

static void dispatch(struct hmp_call *c, const char *line, const struct hmp_command *const *tables,
		     const char *whole)
{
	size_t n = word_length(line);

	for (; *tables; tables++) {
		const struct hmp_command *found = find(*tables, line, n);

		if (!found)
			continue;
		c->args = skip_blanks(line + n);
		found->run(c);
		return;
	}
	say(c->out, "unknown command: '%s'\n", whole);
}

static char *to_terminal(const GString *text)
{
	GString *s = g_string_sized_new(text->len);

	for (gsize i = 0; i < text->len; i++) {
		if (text->str[i] == '\n')
			g_string_append_c(s, '\r');
		g_string_append_c(s, text->str[i]);
	}
	return g_string_free(s, FALSE);
}

char *hmp_run(struct vmm *v, const char *line, unsigned *cpu)
{
	static const struct hmp_command *const tables[] = { hmp_commands, hmp_cpu_commands, NULL };
	struct hmp_call c = { .vmm = v, .cpu = cpu, .out = g_string_new(NULL) };
	char *text = g_strstrip(g_strdup(line)), *answer;

	if (*text)
		dispatch(&c, text, tables, text);
	answer = to_terminal(c.out);
	g_string_free(c.out, TRUE);
	g_free(text);
	return answer;
}

static void info(struct hmp_call *c)
{
	static const struct hmp_command *const tables[] = { hmp_info, hmp_cpu_info, hmp_jit_info, hmp_hyperv_info, NULL };
	char *whole = g_strdup_printf("info %s", c->args);

	if (!*c->args) {
		for (const struct hmp_command *const *t = tables; *t; t++) {
			for (const struct hmp_command *k = *t; k->name; k++)
				say(c->out, "info %s %s -- %s\n", k->name, k->args, k->help);
		}
	} else {
		dispatch(c, c->args, tables, whole);
	}
	g_free(whole);
}

static void help(struct hmp_call *c)
{
	static const struct hmp_command *const tables[] = { hmp_commands, hmp_cpu_commands, NULL };
	bool found = false;

	for (const struct hmp_command *const *t = tables; *t; t++) {
		for (const struct hmp_command *k = *t; k->name; k++) {
			if (*c->args && !spelled(k->name, c->args, strlen(c->args)))
				continue;
			say(c->out, "%s %s -- %s\n", k->name, k->args, k->help);
			found = true;
		}
	}
	if (!found)
		say(c->out, "unknown command: '%s'\n", c->args);
}

/* ---- commands ---- */

static void quit(struct hmp_call *c)
{
	vmm_shutdown(c->vmm, false, "host-qmp-quit", 0);
}

static void stop(struct hmp_call *c)
{
	if (c->vmm->state == RUN_RUNNING || c->vmm->state == RUN_DEBUG)
		vmm_stop(c->vmm, RUN_PAUSED);
}

static void cont(struct hmp_call *c)
{
	GError *e = NULL;

	vmm_cont(c->vmm, &e);
	say_error(c->out, e);
}

static void system_reset(struct hmp_call *c)
{
	vmm_reset(c->vmm, false, "host-qmp-system-reset");
}

static void system_powerdown(struct hmp_call *c)
{
	vmm_powerdown(c->vmm);
}

static void nmi(struct hmp_call *c)
{
	struct vp *vp = hmp_vp(c);

	if (vp)
		partition_nmi(vp_partition(vp));
}

static void set_log(struct hmp_call *c)
{
	const char *unknown = *c->args ? log_set_items(c->args) : NULL;

	if (!*c->args || unknown)
		say(c->out, "log expects a comma list of items as -d, or none\n");
}

static void partition_command(struct hmp_call *c, bool (*f)(struct vmm *v, const char *id, GError **error))
{
	GError *e = NULL;

	f(c->vmm, c->args, &e);
	say_error(c->out, e);
}

static void partition_start_command(struct hmp_call *c) { partition_command(c, vmm_guest_start); }
static void partition_suspend_command(struct hmp_call *c) { partition_command(c, vmm_guest_suspend); }
static void partition_resume_command(struct hmp_call *c) { partition_command(c, vmm_guest_resume); }
static void partition_delete_command(struct hmp_call *c) { partition_command(c, vmm_guest_delete); }

static void send_break(struct hmp_call *c)
{
	struct chardev *k = chardev_find(c->vmm->chardevs, c->args);

	if (k)
		chardev_send_break(k);
	else
		say(c->out, "Error: Chardev '%s' not found\n", c->args);
}

const struct hmp_command hmp_commands[] = {
	{ "help|?", "[cmd]", "show the help", help },
	{ "info", "[subcommand]", "show various information about the system state", info },
	{ "quit|q", "", "quit the emulator", quit },
	{ "stop|s", "", "stop emulation", stop },
	{ "cont|c", "", "resume emulation", cont },
	{ "system_reset", "", "reset the system", system_reset },
	{ "system_powerdown", "", "send system power down event", system_powerdown },
	{ "nmi", "", "inject an NMI into the current CPU's partition", nmi },
	{ "log", "item1[,...]", "activate logging of the specified items", set_log },
	{ "chardev-send-break", "id", "send a break on chardev", send_break },
	{ "hv-partition-start", "id", "start a partition", partition_start_command },
	{ "hv-partition-suspend", "id", "suspend a partition", partition_suspend_command },
	{ "hv-partition-resume", "id", "resume a partition", partition_resume_command },
	{ "hv-partition-delete", "id", "delete a partition", partition_delete_command },
	{ NULL },
};

/* ---- info ---- */

static void info_status(struct hmp_call *c)
{
	enum run_state s = c->vmm->state;

	say(c->out, "VM status: %s", s == RUN_RUNNING ? "running" : "paused");
	if (s != RUN_RUNNING && s != RUN_PAUSED)
		say(c->out, " (%s)", run_state_name(s));
	say(c->out, "\n");
}

static void info_version(struct hmp_call *c)
{
	say(c->out, "hvtlfs " HVTLFS_VERSION "\n");
}

static void info_name(struct hmp_call *c)
{
	if (c->vmm->options->name)
		say(c->out, "%s\n", c->vmm->options->name);
}

static void info_uuid(struct hmp_call *c)
{
	const char *uuid = c->vmm->options->uuid;

	say(c->out, "%s\n", uuid ? uuid : "00000000-0000-0000-0000-000000000000");
}

static void info_kvm(struct hmp_call *c)
{
	say(c->out, "kvm support: not compiled\n");
}

static void info_cpus(struct hmp_call *c)
{
	struct vp *vp;

	for (unsigned i = 0; (vp = vmm_vp(c->vmm, i)); i++)
		say(c->out, "%c CPU #%u: thread_id=%d partition=%s%s\n", i == *c->cpu ? '*' : ' ', i,
		    vp_thread_id(vp), partition_name(vp_partition(vp)), vp_halted(vp) ? " (halted)" : "");
}

static void one_chardev(struct chardev *k, void *o)
{
	char *name = chardev_describe(k);

	say(o, "%s: filename=%s\n", chardev_id(k), name);
	g_free(name);
}

static void info_chardev(struct hmp_call *c)
{
	chardev_foreach(c->vmm->chardevs, one_chardev, c->out);
}

/* Of @all, those below @parent, each before its own children. */
static void say_partitions(struct hmp_call *c, GPtrArray *all, uint64_t parent)
{
	for (guint i = 0; i < all->len; i++) {
		struct partition *p = g_ptr_array_index(all, i);
		struct guest *g = vmm_guest(c->vmm, partition_name(p));
		struct partition_look look;
		char *name;

		if (partition_parent_id(p) != parent)
			continue;
		partition_look(p, &look);
		name = g_strdup_printf("%*s%s", (int)look.depth, "", partition_name(p));
		say(c->out, "%-16s %4" PRIu64 " %6" PRIu64 " %-10s %-13s %3u %8" PRIu64 " M %7" PRIu64 " %7" PRIu64 " %9" PRIu64 " %5u %5u %5u %10.3f s\n", name,
		    partition_id(p), parent, g ? guest_state(g) : partition_state_name(partition_state(p)), look.life, partition_vp_count(p),
		    (partition_memory(p) + (1 << 19)) >> 20, look.pool_available, look.pool_in_use, look.mapped, look.ports,
		    look.connections, look.intercepts, (double)partition_run_time_ns(p) / 1e9);
		g_free(name);
		say_partitions(c, all, partition_id(p));
	}
}

static void info_partitions(struct hmp_call *c)
{
	GPtrArray *all;

	say(c->out, "%-16s %4s %6s %-10s %-13s %3s %10s %7s %7s %9s %5s %5s %5s %12s\n", "name", "id", "parent", "state", "life", "VPs", "memory", "pool",
	    "in use", "mapped", "ports", "conn.", "icpt.", "run time");
	if (!c->vmm->hv)
		return;
	all = hv_partitions(c->vmm->hv);
	say_partitions(c, all, 0);
	g_ptr_array_free(all, TRUE);
}

struct tree_walk {
	GString *out;
	int depth;
};

static void one_node(HvtObject *o, const char *name, gpointer data)
{
	struct tree_walk *w = data;

	say(w->out, "%*s/%s (%s)\n", 2 * w->depth, "", name, G_OBJECT_TYPE_NAME(o));
	w->depth++;
	hvt_object_foreach(o, one_node, w);
	w->depth--;
}

static void info_qom_tree(struct hmp_call *c)
{
	struct tree_walk w = { c->out, 0 };

	hvt_object_foreach(c->vmm->tree, one_node, &w);
}

static void one_property(GString *out, struct device *d, const struct device_property *p)
{
	const char *at = (const char *)d + p->offset;

	switch (p->kind) {
	case PROPERTY_BOOL:
		say(out, "    %s = %s\n", p->name, *(const bool *)at ? "true" : "false");
		break;
	case PROPERTY_UINT32:
		say(out, "    %s = %u (0x%x)\n", p->name, *(const uint32_t *)at, *(const uint32_t *)at);
		break;
	case PROPERTY_UINT64:
		say(out, "    %s = %" PRIu64 " (0x%" PRIx64 ")\n", p->name, *(const uint64_t *)at,
		    *(const uint64_t *)at);
		break;
	case PROPERTY_STRING:
		say(out, "    %s = \"%s\"\n", p->name, *(char *const *)at ? *(char *const *)at : "");
		break;
	}
}

static void info_qtree(struct hmp_call *c)
{
	for (guint i = 0; i < c->vmm->guests->len; i++) {
		struct guest *g = g_ptr_array_index(c->vmm->guests, i);
		GPtrArray *devices = pc_machine(g->pc)->devices;

		say(c->out, "machine: %s\n", g->id);
		for (guint k = 0; k < devices->len; k++) {
			struct device *d = g_ptr_array_index(devices, k);

			say(c->out, "  dev: %s, id \"%s\"\n", d->type->name, d->id ? d->id : "");
			for (const struct device_property *p = d->type->properties; p && p->name; p++)
				one_property(c->out, d, p);
		}
	}
}

static void info_mtree(struct hmp_call *c)
{
	for (guint i = 0; i < c->vmm->guests->len; i++) {
		struct guest *g = g_ptr_array_index(c->vmm->guests, i);
		char *text = machine_describe(pc_machine(g->pc));

		say(c->out, "machine: %s\n%s", g->id, text);
		g_free(text);
	}
}

const struct hmp_command hmp_info[] = {
	{ "status", "", "show the current VM status", info_status },
	{ "version", "", "show the version", info_version },
	{ "name", "", "show the current VM name", info_name },
	{ "uuid", "", "show the current VM UUID", info_uuid },
	{ "kvm", "", "show KVM information", info_kvm },
	{ "cpus", "", "show infos for each CPU", info_cpus },
	{ "chardev", "", "show the character devices", info_chardev },
	{ "partitions", "", "show the partitions", info_partitions },
	{ "qom-tree", "", "show the composition tree", info_qom_tree },
	{ "qtree", "", "show the devices", info_qtree },
	{ "mtree", "", "show the region maps", info_mtree },
	{ NULL },
};

/* ---- sessions ---- */

static const char prompt[] = "(qemu) ";

static void put(struct hmp *h, const char *text)
{
	chardev_write(h->chardev, text, strlen(text));
}

static void run_line(struct hmp *h)
{
	char *line = g_strdup(h->line->str), *answer;

	g_string_truncate(h->line, 0);
	put(h, "\r\n");
	if (*line) {
		g_free(h->last);
		h->last = g_strdup(line);
	}
	answer = hmp_run(h->vmm, line, &h->cpu);
	put(h, answer);
	if (!h->vmm->quitting)
		put(h, prompt);
	g_free(answer);
	g_free(line);
}

static void erase(struct hmp *h)
{
	if (!h->line->len)
		return;
	g_string_truncate(h->line, h->line->len - 1);
	put(h, "\b \b");
}

static void replace_line(struct hmp *h, const char *text)
{
	while (h->line->len)
		erase(h);
	g_string_assign(h->line, text);
	put(h, text);
}

/* ESC [ A is cursor up; other sequences do nothing. */
static void in_escape(struct hmp *h, uint8_t b)
{
	if (h->escape == 1) {
		h->escape = b == '[' || b == 'O' ? 2 : 0;
		return;
	}
	if (b < 0x40)
		return;
	h->escape = 0;
	if (b == 'A' && h->last)
		replace_line(h, h->last);
}

static void type_byte(struct hmp *h, uint8_t b)
{
	bool after_cr = h->after_cr;

	h->after_cr = b == '\r';
	if (h->escape) {
		in_escape(h, b);
	} else if (b == 0x1b) {
		h->escape = 1;
	} else if (b == '\r' || b == '\n') {
		if (b == '\r' || !after_cr)
			run_line(h);
	} else if (b == 8 || b == 0x7f) {
		erase(h);
	} else if (b == 0x15 || b == 3) {   /* Ctrl-u, Ctrl-c */
		replace_line(h, "");
	} else if (b >= 0x20 && h->line->len < LINE_MAX_LENGTH) {
		g_string_append_c(h->line, b);
		chardev_write(h->chardev, &b, 1);
	}
}

static size_t can_receive(void *o)
{
	return 4096;
}

static void receive(void *o, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		type_byte(o, data[i]);
}

static void greet(struct hmp *h)
{
	if (!h->greeted)
		put(h, "hvtlfs " HVTLFS_VERSION " monitor - type 'help' for more information\r\n");
	h->greeted = true;
	put(h, prompt);
}

static void event(void *o, enum chardev_event e)
{
	struct hmp *h = o;

	if (e == CHARDEV_CLOSED) {
		g_string_truncate(h->line, 0);
		h->greeted = false;
	} else if (e == CHARDEV_OPENED && !chardev_is_mux(h->chardev)) {
		greet(h);
	}
}

/* On a mux the prompt waits until the monitor is asked for. */
static void focus(void *o, bool has)
{
	struct hmp *h = o;

	if (has && h->line) {
		put(h, "\r\n");
		greet(h);
		put(h, h->line->str);
	}
}

static const struct chardev_front front = { can_receive, receive, event, focus };

struct hmp *hmp_new(struct vmm *v, struct chardev *c, GError **error)
{
	struct hmp *h = g_new0(struct hmp, 1);

	h->vmm = v;
	h->chardev = c;
	/* The focus that comes with attaching to a mux is not the user's wish: `line` tells. */
	if (!chardev_attach(c, &front, h, error)) {
		g_free(h);
		return NULL;
	}
	h->line = g_string_new(NULL);
	return h;
}

void hmp_free(struct hmp *h)
{
	chardev_detach(h->chardev, h);
	g_string_free(h->line, TRUE);
	g_free(h->last);
	g_free(h);
}
