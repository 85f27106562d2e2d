/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gdb stub on this machine: its character device, run control, who stopped. */
#include "system/gdbstub.h"

#include <string.h>

#include "gdb-protocol.h"
#include "vmm-internal.h"

static void stop(void *o)
{
	vmm_stop(o, RUN_DEBUG);
}

static void resume(void *o)
{
	vmm_cont(o, NULL);
}

static bool running(void *o)
{
	return ((struct vmm *)o)->state == RUN_RUNNING;
}

static char *monitor(void *o, const char *command)
{
	unsigned cpu = 0;

	return hmp_run(o, command, &cpu);
}

static void end(void *o)
{
	vmm_shutdown(o, false, "host-signal", 0);
}

static const struct gdbstub_ops ops = { stop, resume, running, monitor, end };

static bool at_breakpoint(const struct x86_cpu *c)
{
	uint64_t at = c->rip + (c->mode & X86_MODE_CS64 ? 0 : c->seg[X86_CS].base);

	for (uint32_t i = 0; i < c->debug_break_count; i++) {
		if (c->debug_break[i] == at)
			return true;
	}
	return false;
}

/* The request does not say which VP it was, but the stopped processors do. */
static struct vp *who(struct guest *g)
{
	struct partition *p = pc_partition(g->pc);
	struct vp *found = NULL;

	for (uint32_t i = 0; i < partition_vp_count(p); i++) {
		struct vp *vp = partition_vp(p, i);

		if (vp_cpu(vp)->debug_step)
			return vp;
		if (!found && at_breakpoint(vp_cpu(vp)))
			found = vp;
	}
	return found;
}

static void on_debug(struct vmm *v, struct guest *g)
{
	vmm_stop(v, RUN_DEBUG);
	gdbstub_stopped(v->gdb, who(g));
}

/* Sockets serve, and the machine does not wait for gdb. */
static char *served(const char *spec)
{
	bool socket = g_str_has_prefix(spec, "tcp:") || g_str_has_prefix(spec, "unix:");

	if (!socket || strstr(spec, ",server"))
		return g_strdup(spec);
	return g_strconcat(spec, ",server=on,wait=off", NULL);
}

bool gdbstub_start(struct vmm *v, const char *chardev_spec, GError **error)
{
	char *spec = served(chardev_spec);
	struct chardev *c;

	if (!v->hv) {
		g_free(spec);
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "there is no processor under -accel qtest");
		return false;
	}
	c = chardev_new_legacy(v->chardevs, "gdb", spec, error);
	g_free(spec);
	if (!c)
		return false;
	v->gdb = gdbstub_new(c, v->hv, &ops, v, error);
	v->on_debug = v->gdb ? on_debug : NULL;
	return v->gdb;
}

void gdbstub_stop(struct vmm *v)
{
	gdbstub_free(v->gdb);
	v->gdb = NULL;
	v->on_debug = NULL;
}
