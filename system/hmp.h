/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The human monitor.  New command: a function and a row in a table of hmp-*.c.
 */
#ifndef SYSTEM_HMP_H
#define SYSTEM_HMP_H

#include <glib.h>
#include <stdbool.h>

struct vmm;
struct hmp;
struct vp;
struct chardev;

/* One command as it runs. */
struct hmp_call {
	struct vmm *vmm;
	unsigned *cpu;        /* index of the current VP; `cpu N` changes it */
	const char *args;     /* what stands behind the name, blanks skipped */
	GString *out;         /* lines end with \n */
};

struct hmp_command {
	const char *name;     /* spellings separated by | */
	const char *args, *help;
	void (*run)(struct hmp_call *c);
};

/* Tables, each ending with name NULL. */
extern const struct hmp_command hmp_commands[], hmp_info[], hmp_cpu_commands[], hmp_cpu_info[], hmp_jit_info[], hmp_hyperv_info[];

struct hmp *hmp_new(struct vmm *v, struct chardev *c, GError **error);
void hmp_free(struct hmp *h);
/* Runs @line for the current VP *@cpu; what it prints, \r\n at line ends; g_free() it. */
char *hmp_run(struct vmm *v, const char *line, unsigned *cpu);
/* The current VP, or NULL with a line said. */
struct vp *hmp_vp(struct hmp_call *c);

#endif
