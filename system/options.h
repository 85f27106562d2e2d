/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line, read and checked as far as it can be without a machine. */
#ifndef SYSTEM_OPTIONS_H
#define SYSTEM_OPTIONS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "accel/engine/engine.h"
#include "accel/hvtlfs/hv.h"

enum accel { ACCEL_HVTLFS, ACCEL_QTEST };

struct options {
	char *program;              /* for messages */
	enum accel accel;
	char *engine;
	const char *engine_lacks;   /* why the default is not a faster one; NULL: it is the fastest, or was chosen */
	struct engine_options engine_options;
	enum hv_role role;
	bool root_scheduler;        /* with HV_ROLE_ROOT */
	uint32_t call_slice;        /* ns */
	uint64_t hv_memory;         /* bytes of the whole machine; 0: chosen */
	char *cpu, *name, *uuid;
	uint64_t cpus, max_cpus;
	uint64_t cores, threads;      /* of a socket, of a core */
	uint64_t memory;            /* of the first partition, bytes */
	char *kernel, *initrd, *append, *bios;
	GPtrArray *firmware_dirs;   /* -L */
	bool nographic, nodefaults;
	GPtrArray *serial, *monitor, *qmp, *qmp_pretty;   /* in the legacy spelling */
	GPtrArray *chardev, *mon, *device, *object, *global;
	bool no_reboot, no_shutdown, stopped;
	char *panic;              /* -action panic=...; NULL: shutdown */
	char *gdb, *qtest, *qtest_log;
	char *log_items, *log_file, *pidfile;
	bool timestamps;
	bool done;                  /* help or version was printed: nothing to run */
};

/*
 * Never NULL; with @error set (and the option named) if the command line is bad.
 * Help goes to @out.
 */
struct options *options_parse(int argc, char **argv, FILE *out, GError **error);
void options_free(struct options *o);
void options_help(FILE *out);

#endif
