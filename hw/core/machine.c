/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine: owner of devices, buses and clock, and the door for accesses. */
#include "hw/core/machine.h"

#include <assert.h>

#include "bus.h"
#include "device.h"

struct machine *machine_new(const char *name, enum clock_kind kind)
{
	struct machine *m = g_new0(struct machine, 1);

	device_types_register();
	m->name = g_strdup(name);
	m->object = hvt_container_new();
	lock_init(&m->lock, LOCK_DEVICE, "machine");
	m->clock = clock_new(kind);
	m->io = bus_new("io", LOG_IOPORT);
	m->mmio = bus_new("mmio", LOG_MMIO);
	m->devices = g_ptr_array_new();
	return m;
}

void machine_free(struct machine *m)
{
	if (!m)
		return;
	clock_stop(m->clock);
	while (m->devices->len)
		device_free(g_ptr_array_steal_index(m->devices, m->devices->len - 1));
	g_ptr_array_free(m->devices, TRUE);
	bus_free(m->mmio);
	bus_free(m->io);
	clock_free(m->clock);
	lock_destroy(&m->lock);
	if (hvt_object_parent(m->object))
		hvt_object_unparent(m->object);
	g_object_unref(m->object);
	g_free((char *)m->name);
	g_free(m);
}

void machine_reset(struct machine *m)
{
	lock_acquire(&m->lock);
	for (unsigned i = 0; i < m->devices->len; i++) {
		struct device *d = g_ptr_array_index(m->devices, i);

		if (d->type->reset)
			d->type->reset(d);
	}
	lock_release(&m->lock);
}

void machine_request_reset(struct machine *m)
{
	lock_assert_held(&m->lock);
	log_print(LOG_DEVICE, "%s: reset wanted\n", m->name);
	if (m->events.reset)
		m->events.reset(m->events.opaque);
}

void machine_request_shutdown(struct machine *m, const char *reason)
{
	lock_assert_held(&m->lock);
	log_print(LOG_DEVICE, "%s: shutdown wanted: %s\n", m->name, reason);
	if (m->events.shutdown)
		m->events.shutdown(m->events.opaque, reason);
}

void machine_request_exit(struct machine *m, int code)
{
	lock_assert_held(&m->lock);
	log_print(LOG_DEVICE, "%s: exit wanted: %d\n", m->name, code);
	if (m->events.exit)
		m->events.exit(m->events.opaque, code);
}

struct chardev *machine_chardev(struct machine *m, const char *id)
{
	return m->chardev_find ? m->chardev_find(m->chardev_opaque, id) : NULL;
}

/* ---- interrupt wires ---- */

void isa_pin_init(struct isa_pin *pin, struct machine *m, unsigned n)
{
	assert(n < ISA_IRQS);
	*pin = (struct isa_pin){ .machine = m, .n = n };
}

void isa_pin_set(struct isa_pin *pin, bool level)
{
	struct machine *m = pin->machine;

	lock_assert_held(&m->lock);
	if (pin->level == level)
		return;
	pin->level = level;
	m->isa_high[pin->n] += level ? 1 : -1;
	if (m->isa_high[pin->n] != level)
		return;                 /* another device pulls it as well */
	log_print(LOG_IRQ, "%s: IRQ %u %s\n", m->name, pin->n, level ? "high" : "low");
	irq_set(&m->isa_irq[pin->n], level);
}

/* ---- regions and accesses ---- */

void machine_add_io(struct machine *m, uint16_t base, uint32_t size, const struct region_ops *ops, void *dev, const char *name)
{
	assert(base + size <= 0x10000);
	lock_acquire(&m->lock);
	bus_add(m->io, base, size, ops, dev, name);
	lock_release(&m->lock);
}

void machine_add_mmio(struct machine *m, uint64_t base, uint64_t size, const struct region_ops *ops, void *dev, const char *name)
{
	lock_acquire(&m->lock);
	bus_add(m->mmio, base, size, ops, dev, name);
	lock_release(&m->lock);
}

uint32_t machine_io_read(struct machine *m, uint16_t port, unsigned size)
{
	uint32_t v;

	lock_acquire(&m->lock);
	v = bus_read(m->io, port, size);
	lock_release(&m->lock);
	return v;
}

void machine_io_write(struct machine *m, uint16_t port, unsigned size, uint32_t value)
{
	lock_acquire(&m->lock);
	bus_write(m->io, port, size, value);
	lock_release(&m->lock);
}

uint64_t machine_mmio_read(struct machine *m, uint64_t gpa, unsigned size)
{
	uint64_t v;

	lock_acquire(&m->lock);
	v = bus_read(m->mmio, gpa, size);
	lock_release(&m->lock);
	return v;
}

void machine_mmio_write(struct machine *m, uint64_t gpa, unsigned size, uint64_t value)
{
	lock_acquire(&m->lock);
	bus_write(m->mmio, gpa, size, value);
	lock_release(&m->lock);
}

char *machine_describe(struct machine *m)
{
	GString *s = g_string_new(NULL);

	lock_acquire(&m->lock);
	bus_describe(m->io, s);
	bus_describe(m->mmio, s);
	lock_release(&m->lock);
	return g_string_free(s, FALSE);
}
