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
	/* Sizes the device sees, always aligned; others are split or widened by the bus. 0: 1..8 */
	unsigned min_size, max_size;
};

enum { ISA_IRQS = 16 };
struct partition;

/*
 * A device's end of one of the machine's ISA interrupt wires.  Several devices
 * may pull the same wire: it is high while any of them does.  Part of the
 * device's state; isa_pin_init() in its init function.
 */
struct isa_pin {
	struct machine *machine;
	unsigned n;
	bool level;
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
	struct partition *partition;  /* for devices that talk to the hypervisor; NULL: there is no processor */
	struct machine_events events;
	/*
	 * Where the ISA wires end; the machine type fills them in (8259 pair, I/O
	 * APIC).  Looked at when a wire changes, so devices may be older than them.
	 */
	struct irq_line isa_irq[ISA_IRQS];
	uint16_t isa_high[ISA_IRQS];  /* devices that pull the wire; private to hw/core */
	/* Character device by id, for properties of -device; NULL: none are known. */
	struct chardev *(*chardev_find)(void *o, const char *id);
	void *chardev_opaque;
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
	bool (*init)(struct device *d, GError **error);  /* properties are set; machine lock not held */
	void (*reset)(struct device *d);                 /* machine lock held */
	/* The machine lock is not held: timers and character devices may be waited for. */
	void (*fini)(struct device *d);
	const struct state_field *state;  /* save and load walk it; ends with name NULL */
	void (*loaded)(struct device *d);                /* after load, machine lock held: arm timers again */
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

/*
 * The clock stands still until clock_start() (CLOCK_STEPPED: for good).  The
 * caller sets memory, events and lines before the first access and puts
 * m->object into the composition tree.
 */
struct machine *machine_new(const char *name, enum clock_kind kind);
/* Devices in reverse order, then buses and clock.  No lock held, no access under way. */
void machine_free(struct machine *m);
/* Takes the machine lock. */
void machine_reset(struct machine *m);   /* all devices, in order of creation */

/* device_types: all known ones, one line each in hw/core/types.c; NULL-terminated. */
extern const struct device_type *const device_types[];
const struct device_type *device_type_find(const char *name);
/* Makes the object classes of all device types known (qom-list-types); machine_new() does it too. */
void device_types_register(void);
/*
 * New device on @m, in its reset state; @id may be NULL.  @set(key, value) pairs end with NULL.
 * The error names the property and what it takes.
 */
struct device *device_new(struct machine *m, const char *type, const char *id, const char *const *set, GError **error);

/* Character device @id for a device's property; NULL if there is none of that name. */
struct chardev *machine_chardev(struct machine *m, const char *id);

void isa_pin_init(struct isa_pin *pin, struct machine *m, unsigned n);
/* Locks: machine lock held. */
void isa_pin_set(struct isa_pin *pin, bool level);

/* What a device asks of its owner: machine_events.  Locks: machine lock held. */
void machine_request_reset(struct machine *m);
void machine_request_shutdown(struct machine *m, const char *reason);
void machine_request_exit(struct machine *m, int code);

/* Regions; from a device's init, machine lock not held.  @ops and @name must stay.  Later ones win where they overlap.  @dev goes to the ops. */
void machine_add_io(struct machine *m, uint16_t base, uint32_t size, const struct region_ops *ops, void *dev, const char *name);
void machine_add_mmio(struct machine *m, uint64_t base, uint64_t size, const struct region_ops *ops, void *dev, const char *name);

/*
 * Accesses of 1, 2, 4 (MMIO: 8) bytes; they take the machine lock.  An access is
 * cut at region borders and to the sizes that the device declares; a read below
 * min_size takes its part of the aligned min_size bytes, a write below it sends
 * zeros for the rest.  Nothing there: reads give all ones, writes vanish (logged as unimp). */
uint32_t machine_io_read(struct machine *m, uint16_t port, unsigned size);
void machine_io_write(struct machine *m, uint16_t port, unsigned size, uint32_t value);
uint64_t machine_mmio_read(struct machine *m, uint64_t gpa, unsigned size);
void machine_mmio_write(struct machine *m, uint64_t gpa, unsigned size, uint64_t value);
/* Prints the region map (HMP info mtree). */
char *machine_describe(struct machine *m);

#endif
