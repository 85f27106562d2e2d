/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control state of one emulator: what the command line, QMP and HMP act on.
 *
 * Everything here runs on the event-loop thread.  Requests of guests come from
 * any thread and are posted to the loop.
 */
#ifndef SYSTEM_VMM_H
#define SYSTEM_VMM_H

#include <json-glib/json-glib.h>

#include "backends/chardev.h"
#include "hw/i386/pc.h"

struct options;

enum run_state {
	RUN_PRELAUNCH,        /* -S */
	RUN_RUNNING,
	RUN_PAUSED,
	RUN_SHUTDOWN,         /* guest powered off, -no-shutdown */
	RUN_GUEST_PANICKED,
	RUN_DEBUG,            /* stopped by gdb */
};
const char *run_state_name(enum run_state s);   /* QMP's names */

/* One partition with its machine, as the user sees it. */
struct guest {
	struct vmm *vmm;
	char *id;             /* "root", or as given to hv-partition-create */
	struct pc *pc;
	bool running;         /* started and not suspended */
	bool held;            /* was running when the whole machine was stopped */
	unsigned crashes;     /* reports through the crash MSRs */
	bool ended;           /* shut down or crashed */
};

struct vmm {
	struct options *options;
	GMainContext *context;
	GMainLoop *loop;
	struct chardev_set *chardevs;
	struct x86_model *model;
	struct hv_features features;   /* hv-* of -cpu; for all partitions */
	struct hv *hv;            /* NULL: -accel qtest */
	HvtObject *tree;          /* root of the composition tree */
	GPtrArray *guests;        /* struct guest *, first is root */
	GPtrArray *qmp;           /* struct qmp * */
	GPtrArray *hmp;           /* struct hmp * */
	struct qtest *qtest;
	void *gdb;                /* of the gdb stub */
	/* The gdb stub's: a guest stopped at a breakpoint or step.  NULL without gdb. */
	void (*on_debug)(struct vmm *v, struct guest *g);
	enum run_state state;
	bool quitting;
	bool pid_written;         /* the -pidfile is ours to remove */
	int exit_code;
};

/* Everything from the command line; runs the loop.  The process's exit code. */
int vmm_main(int argc, char **argv);

struct guest *vmm_root(struct vmm *v);
struct guest *vmm_guest(struct vmm *v, const char *id);   /* NULL if there is none */

/* The whole machine, all partitions: STOP and RESUME events.  No effect if in that state already. */
void vmm_stop(struct vmm *v, enum run_state why);
bool vmm_cont(struct vmm *v, GError **error);
void vmm_reset(struct vmm *v, bool by_guest, const char *reason);
/* SHUTDOWN event; the loop ends soon. */
void vmm_shutdown(struct vmm *v, bool by_guest, const char *reason, int code);
void vmm_powerdown(struct vmm *v);
/* Emits a QMP event; takes @data (may be NULL). */
void vmm_event(struct vmm *v, const char *name, JsonObject *data);

struct guest_config {
	const char *id;
	uint64_t memory;
	uint32_t vcpus;
	const char *kernel, *initrd, *cmdline;
	const char *console;      /* id of a character device, NULL none */
};
struct guest *vmm_guest_new(struct vmm *v, const struct guest_config *config, GError **error);
bool vmm_guest_start(struct vmm *v, const char *id, GError **error);
bool vmm_guest_suspend(struct vmm *v, const char *id, GError **error);
bool vmm_guest_resume(struct vmm *v, const char *id, GError **error);
bool vmm_guest_delete(struct vmm *v, const char *id, GError **error);
/* A VP of the machine counted through all partitions in order; NULL if there is none. */
struct vp *vmm_vp(struct vmm *v, unsigned index);

#endif
