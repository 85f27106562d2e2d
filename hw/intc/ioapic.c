/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * I/O APIC.  Intel 82093AA data sheet, with the EOI register of version 0x20.
 * Left out: SMI delivery, and the APIC bus's arbitration (its register reads the id).
 */
#include "hw/intc/ioapic.h"

#include <assert.h>

#include "trace/log.h"

enum { OFFSET_SELECT = 0x00, OFFSET_WINDOW = 0x10, OFFSET_EOI = 0x40, WINDOW_SIZE = 0x1000 };
enum { REG_ID = 0x00, REG_VERSION = 0x01, REG_ARBITRATION = 0x02, REG_ENTRY = 0x10 };
enum { VERSION = 0x20 | (IOAPIC_PINS - 1) << 16, ID_SHIFT = 24, ID_MASK = 0xf << ID_SHIFT };
enum { MODE_FIXED, MODE_LOWEST };
/* Redirection entry. */
enum {
	RTE_VECTOR = 0xff, RTE_MODE_SHIFT = 8, RTE_LOGICAL_SHIFT = 11, RTE_LOW = 1 << 13,
	RTE_REMOTE_IRR = 1 << 14, RTE_LEVEL = 1 << 15, RTE_MASKED = 1 << 16, RTE_DEST_SHIFT = 56,
	RTE_WRITABLE_LOW = 0x1afff,
};
#define RTE_WRITABLE_HIGH UINT32_C(0xff000000)
#define MESSAGE_BASE UINT64_C(0xfee00000)
enum { MESSAGE_ASSERT = 1 << 14, MESSAGE_LEVEL = 1 << 15 };

struct ioapic {
	struct device d;
	/* Machine lock. */
	uint32_t select, id;
	uint64_t entry[IOAPIC_PINS];
	uint32_t level;              /* wires, as the devices drive them */
	uint32_t wired;              /* pins that something is connected to */
	void (*send)(void *o, uint64_t address, uint32_t data);
	void *opaque;
};

static struct ioapic *ioapic_of(struct device *d)
{
	return (struct ioapic *)d;
}

/* A pin that nothing drives is at rest whatever polarity the guest gives it. */
static bool asserted(struct ioapic *s, unsigned n)
{
	bool high = s->level >> n & 1;

	return (s->wired >> n & 1) && high != !!(s->entry[n] & RTE_LOW);
}

static void deliver(struct ioapic *s, unsigned n)
{
	uint64_t e = s->entry[n];
	uint64_t address = MESSAGE_BASE | (e >> RTE_DEST_SHIFT) << 12 | (e >> RTE_LOGICAL_SHIFT & 1) << 2;
	uint32_t data = (e & RTE_VECTOR) | (e >> RTE_MODE_SHIFT & 7) << 8 | MESSAGE_ASSERT;

	if (log_on(LOG_IRQ))
		log_print(LOG_IRQ, "ioapic: pin %u sends 0x%016llx\n", n, (unsigned long long)e);
	if (e & RTE_LEVEL) {
		data |= MESSAGE_LEVEL;
		if ((e >> RTE_MODE_SHIFT & 7) <= MODE_LOWEST)
			s->entry[n] |= RTE_REMOTE_IRR;
	}
	if (s->send)
		s->send(s->opaque, address, data);
}

/* Level pins send while they are asserted and no earlier message waits for its EOI. */
static void look_level(struct ioapic *s, unsigned n)
{
	uint64_t e = s->entry[n];

	if ((e & RTE_LEVEL) && !(e & (RTE_MASKED | RTE_REMOTE_IRR)) && asserted(s, n))
		deliver(s, n);
}

static void set_pin(void *opaque, int n, int level)
{
	struct ioapic *s = opaque;
	bool before = asserted(s, n);

	lock_assert_held(&s->d.machine->lock);
	s->level = (s->level & ~(1u << n)) | (level ? 1u << n : 0);
	if (s->entry[n] & RTE_LEVEL)
		look_level(s, n);
	else if (!before && asserted(s, n) && !(s->entry[n] & RTE_MASKED))
		deliver(s, n);   /* an edge at a masked pin is lost, says the data sheet */
}

static void end(struct ioapic *s, uint8_t vector)
{
	for (unsigned n = 0; n < IOAPIC_PINS; n++) {
		if ((s->entry[n] & RTE_VECTOR) != vector || !(s->entry[n] & RTE_REMOTE_IRR))
			continue;
		s->entry[n] &= ~(uint64_t)RTE_REMOTE_IRR;
		look_level(s, n);
	}
}

static void write_entry(struct ioapic *s, unsigned n, bool upper, uint32_t v)
{
	uint64_t *e = &s->entry[n];

	if (upper) {
		*e = (uint32_t)*e | (uint64_t)(v & RTE_WRITABLE_HIGH) << 32;
		return;
	}
	*e = (*e & ~(uint64_t)RTE_WRITABLE_LOW) | (v & RTE_WRITABLE_LOW);
	/* Linux makes a stuck pin edge-triggered for a moment to get rid of its remote IRR. */
	if (!(*e & RTE_LEVEL))
		*e &= ~(uint64_t)RTE_REMOTE_IRR;
	look_level(s, n);
}

static uint32_t read_register(struct ioapic *s)
{
	unsigned n = (s->select - REG_ENTRY) / 2;

	if (s->select == REG_ID || s->select == REG_ARBITRATION)
		return s->id;
	if (s->select == REG_VERSION)
		return VERSION;
	if (s->select < REG_ENTRY || n >= IOAPIC_PINS)
		return 0;
	return (uint32_t)(s->select & 1 ? s->entry[n] >> 32 : s->entry[n]);
}

static void write_register(struct ioapic *s, uint32_t v)
{
	unsigned n = (s->select - REG_ENTRY) / 2;

	if (s->select == REG_ID)
		s->id = v & ID_MASK;
	else if (s->select >= REG_ENTRY && n < IOAPIC_PINS)
		write_entry(s, n, s->select & 1, v);
}

static uint64_t ioapic_read(void *dev, uint64_t offset, unsigned size)
{
	struct ioapic *s = dev;

	if (offset == OFFSET_SELECT)
		return s->select;
	return offset == OFFSET_WINDOW ? read_register(s) : 0;
}

static void ioapic_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct ioapic *s = dev;

	if (offset == OFFSET_SELECT)
		s->select = value & 0xff;
	else if (offset == OFFSET_WINDOW)
		write_register(s, (uint32_t)value);
	else if (offset == OFFSET_EOI)
		end(s, value & RTE_VECTOR);
	else
		log_print(LOG_GUEST_ERRORS, "ioapic: write to 0x%llx ignored\n", (unsigned long long)offset);
}

static const struct region_ops ioapic_ops = {
	.read = ioapic_read, .write = ioapic_write, .min_size = 4, .max_size = 4,
};

struct irq_line ioapic_input(struct device *d, unsigned n)
{
	assert(n < IOAPIC_PINS);
	ioapic_of(d)->wired |= 1u << n;
	return (struct irq_line){ .set = set_pin, .opaque = d, .n = n };
}

void ioapic_connect(struct device *d, void (*send)(void *o, uint64_t address, uint32_t data), void *o)
{
	ioapic_of(d)->send = send;
	ioapic_of(d)->opaque = o;
}

void ioapic_eoi(struct device *d, uint8_t vector)
{
	lock_acquire(&d->machine->lock);
	end(ioapic_of(d), vector);
	lock_release(&d->machine->lock);
}

static void ioapic_reset(struct device *d)
{
	struct ioapic *s = ioapic_of(d);

	s->select = 0;
	s->id = 0;
	for (unsigned n = 0; n < IOAPIC_PINS; n++)
		s->entry[n] = RTE_MASKED;
}

static bool ioapic_init(struct device *d, GError **err)
{
	machine_add_mmio(d->machine, IOAPIC_BASE, WINDOW_SIZE, &ioapic_ops, d, "ioapic");
	return true;
}

static const struct state_field ioapic_state[] = {
	{ "select", offsetof(struct ioapic, select), sizeof(uint32_t), 1 },
	{ "id", offsetof(struct ioapic, id), sizeof(uint32_t), 1 },
	{ "level", offsetof(struct ioapic, level), sizeof(uint32_t), 1 },
	{ "entry", offsetof(struct ioapic, entry), sizeof(uint64_t), IOAPIC_PINS },
	{ 0 }
};

const struct device_type ioapic_type = {
	.name = "ioapic", .description = "I/O APIC with 24 pins",
	.size = sizeof(struct ioapic), .init = ioapic_init, .reset = ioapic_reset, .state = ioapic_state,
};
