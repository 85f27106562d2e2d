/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The PC: the devices around a partition, its ACPI tables, and direct boot of
 * kernels.  It is the *machine* kind of stack.
 */
#ifndef HW_I386_PC_H
#define HW_I386_PC_H

#include "accel/hvtlfs/hv.h"
#include "backends/chardev.h"
#include "hw/core/machine.h"

struct pc;

enum { PC_SERIAL_MAX = 4 };

struct pc_config {
	const char *name;             /* partition's name */
	struct hv *hv;                /* NULL: -accel qtest, no processor */
	struct partition *parent;     /* NULL: first */
	const struct x86_model *model;
	const struct hv_features *features;  /* for the partition; copied; NULL: the usual */
	uint64_t memory;              /* bytes, 1 MiB at least, multiple of 4 KiB */
	uint32_t vps, max_vps;
	struct x86_topology topology; /* zeros: all processors are cores of one package */
	const char *kernel, *initrd, *cmdline;  /* paths; NULL none */
	const char *firmware;         /* -bios */
	bool allow_empty;             /* neither kernel nor firmware is fine: a tool fills memory and registers */
	struct chardev *serial[PC_SERIAL_MAX];
	/*
	 * Called on any thread; must only record and wake (system/ posts to its loop).  "crash":
	 * a VP cannot go on; after pc_stop() the caller marks the partition (partition_set_stopped).
	 * "panic": the guest told of its crash (partition_crash()); partition_resume() lets it go on.
	 * A triple fault is "reset" in the first partition, as on a PC, and "crash" in others.
	 */
	void (*request)(void *o, struct pc *pc, const char *what);  /* "reset", "shutdown", "exit", "crash", "debug" */
	void *opaque;
};

/*
 * Builds machine, partition and devices, loads the kernel.  Not started.  The machine's
 * object becomes child "machine" of the partition's object; without hv it is the caller's
 * to place.
 */
struct pc *pc_new(const struct pc_config *config, GError **error);
/* Deletes partition and machine. */
void pc_free(struct pc *pc);
void pc_start(struct pc *pc);          /* first start, and after suspend: clock and VPs */
void pc_stop(struct pc *pc);           /* VPs and clock stand still on return */
/* Devices and VPs to their reset state, kernel loaded again; must be stopped. */
bool pc_reset(struct pc *pc, GError **error);
void pc_power_button(struct pc *pc);   /* ACPI power button: system_powerdown */
/*
 * @changed is told of each change of the interrupt wires into @d or out of it, all low
 * at first: the I/O APIC's pins, the 8259 pair's IR0..IR15, its INTR (0).  Called with
 * the machine lock held, on any thread; NULL ends it.  False: no wires are known there.
 */
enum pc_wires { PC_WIRES_IN, PC_WIRES_OUT };
bool pc_watch_wires(struct pc *pc, const struct device *d, enum pc_wires wires,
		    void (*changed)(void *o, int n, int level), void *o);
int pc_exit_code(struct pc *pc);       /* isa-debug-exit */
struct machine *pc_machine(struct pc *pc);
struct partition *pc_partition(struct pc *pc);   /* NULL without hv */

#endif
