/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A machine: the buses, lines and clock that the devices of one partition stand on.
 *
 * It knows no processor.  Guest memory is reached through struct guest_memory;
 * an accelerator sends accesses in through machine_io_*() and machine_mmio_*().
 * All devices of a machine share one lock (machine->lock, LOCK_DEVICE): the
 * dispatch functions take it, timers and character devices take it themselves.
 */
#ifndef HW_CORE_MACHINE_H
#define HW_CORE_MACHINE_H

#include <glib.h>

#include "hw/core/clock.h"
#include "hw/core/irq.h"
#include "object/object.h"
#include "sync/lock.h"

/* Access to guest physical memory by devices (DMA), loaders, monitors.  Any thread. */
struct guest_memory {
	/* False if any byte is not RAM (nothing is transferred then). */
	bool (*read)(void *o, uint64_t gpa, void *to, size_t n);
	bool (*write)(void *o, uint64_t gpa, const void *from, size_t n);
	void *opaque;
};

struct region_ops {
	uint64_t (*read)(void *dev, uint64_t offset, unsigned size);
	void (*write)(void *dev, uint64_t offset, uint64_t value, unsigned size);
	unsigned min_size, max_size;   /* sizes the device sees; others are split or widened by the bus. 0: 1..8 */
};

struct machine_events {
	/* Called with machine->lock held; they must only record and wake. */
	void (*reset)(void *o);           /* guest asked for a reset */
	void (*shutdown)(void *o, const char *reason);  /* "guest-shutdown", ... */
	void (*exit)(void *o, int code);  /* isa-debug-exit */
	void *opaque;
};

struct machine {
	HvtObject *object;          /* "machine" node: devices are its children */
	const char *name;           /* partition's name, for messages */
	struct lock lock;
	struct clock *clock;
	struct guest_memory memory;
	struct machine_events events;
	struct bus *io, *mmio;      /* private to hw/core */
	GPtrArray *devices;         /* struct device *, in order of creation */
};

struct device;
/* A device type: everything the bus, reset, save and -device need to know. */
struct device_type {
	const char *name;           /* -device name, object class */
	const char *description;
	size_t size;                /* of the state struct, which starts with struct device */
	bool user_creatable;
	const struct device_property *properties;  /* ends with name NULL */
	bool (*init)(struct device *d, GError **error);  /* properties are set */
	void (*reset)(struct device *d);                 /* machine lock held */
	void (*fini)(struct device *d);
	const struct state_field *state;  /* save and load walk it; ends with name NULL */
};
struct device {
	const struct device_type *type;
	struct machine *machine;
	HvtObject *object;
	char *id;
};

enum property_kind { PROPERTY_BOOL, PROPERTY_UINT32, PROPERTY_UINT64, PROPERTY_STRING };
struct device_property {
	const char *name, *help;
	enum property_kind kind;
	size_t offset;             /* in the state struct; STRING is a char * owned by the device */
	uint64_t value;            /* default of numbers and BOOL */
	const char *text;          /* default of STRING */
};

/* Fields that save and load: name, offset, bytes, count. */
struct state_field {
	const char *name;
	size_t offset, size, count;
};

struct machine *machine_new(const char *name, enum clock_kind kind);
void machine_free(struct machine *m);
void machine_reset(struct machine *m);   /* all devices, in order of creation */

/* device_types: all known ones, one line each in hw/core/types.c; NULL-terminated. */
extern const struct device_type *const device_types[];
const struct device_type *device_type_find(const char *name);
/*
 * New device on @m; @id may be NULL.  @set(key, value) pairs end with NULL.
 * The error names the property and what it takes.
 */
struct device *device_new(struct machine *m, const char *type, const char *id, const char *const *set, GError **error);

/* Regions.  Later ones win where they overlap.  @dev goes to the ops. */
void machine_add_io(struct machine *m, uint16_t base, uint32_t size, const struct region_ops *ops, void *dev, const char *name);
void machine_add_mmio(struct machine *m, uint64_t base, uint64_t size, const struct region_ops *ops, void *dev, const char *name);

/* Accesses; they take the machine lock.  Nothing there: reads give all ones, writes vanish (logged as unimp). */
uint32_t machine_io_read(struct machine *m, uint16_t port, unsigned size);
void machine_io_write(struct machine *m, uint16_t port, unsigned size, uint32_t value);
uint64_t machine_mmio_read(struct machine *m, uint64_t gpa, unsigned size);
void machine_mmio_write(struct machine *m, uint64_t gpa, unsigned size, uint64_t value);
/* Prints the region map (HMP info mtree). */
char *machine_describe(struct machine *m);

#endif
