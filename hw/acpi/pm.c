/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ACPI fixed hardware: PM1a event and control block, power management timer,
 * one general purpose event block.  ACPI specification 6.4, chapter 4.8.
 *
 * Left out: sleep states other than S5, legacy mode (SCI_EN reads 1 always), the
 * sleep button, bus master and global lock bits (kept, without effect).
 */
#include "hw/acpi/pm.h"

#include <stddef.h>

#include "trace/log.h"

enum { STS_TIMER = 1 << 0, STS_POWER_BUTTON = 1 << 8, STS_WRITABLE = 0xdf31 };
enum { CNT_SCI_EN = 1 << 0, CNT_SLEEP_TYPE = 7 << 10, CNT_SLEEP_ENABLE = 1 << 13 };
enum { EN_TIMER = STS_TIMER, GPE_BYTES = ACPI_GPE0_LEN / 2 };

struct pm {
	struct device device;      /* machine lock: everything below */
	uint32_t base, sci;        /* properties */
	bool wide;                 /* property: 32-bit timer */
	uint16_t status, enable, control;
	uint8_t gpe_status[GPE_BYTES], gpe_enable[GPE_BYTES];
	int64_t half;              /* half-period of the timer up to which TMR_STS is worked out */
	struct isa_pin irq;
	struct clock_timer *timer;
};

/* ---- timer ---- */

static int64_t ticks(struct pm *p)
{
	return (int64_t)((__int128)clock_now(p->device.machine->clock) * ACPI_PM_TIMER_HZ / 1000000000);
}

/* The highest bit changes once in that many ticks, as a shift. */
static unsigned half_shift(const struct pm *p)
{
	return p->wide ? 31 : 23;
}

static void settle(struct pm *p)
{
	int64_t half = ticks(p) >> half_shift(p);

	if (half != p->half)
		p->status |= STS_TIMER;
	p->half = half;
}

/* Machine time of the highest bit's next change. */
static int64_t next_change(struct pm *p)
{
	__int128 tick = ((__int128)p->half + 1) << half_shift(p);
	__int128 ns = (tick * 1000000000 + ACPI_PM_TIMER_HZ - 1) / ACPI_PM_TIMER_HZ;

	return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

/* ---- system control interrupt ---- */

static void update(struct pm *p)
{
	bool sci = p->status & p->enable & (STS_TIMER | STS_POWER_BUTTON);
	bool wake = (p->enable & EN_TIMER) && !(p->status & STS_TIMER);

	for (unsigned i = 0; i < GPE_BYTES; i++)
		sci |= p->gpe_status[i] & p->gpe_enable[i];
	isa_pin_set(&p->irq, sci);
	clock_timer_arm(p->timer, wake ? next_change(p) : INT64_MAX);
}

/* Locks: takes the machine's. */
static void timer_fired(void *opaque)
{
	struct pm *p = opaque;

	lock_acquire(&p->device.machine->lock);
	settle(p);
	update(p);
	lock_release(&p->device.machine->lock);
}

void acpi_pm_power_button(struct device *d)
{
	struct pm *p = (struct pm *)d;

	lock_acquire(&d->machine->lock);
	p->status |= STS_POWER_BUTTON;
	update(p);
	lock_release(&d->machine->lock);
}

void acpi_pm_gpe(struct device *d, unsigned n)
{
	struct pm *p = (struct pm *)d;

	if (n >= 8 * GPE_BYTES)
		return;
	lock_acquire(&d->machine->lock);
	p->gpe_status[n / 8] |= 1 << n % 8;
	update(p);
	lock_release(&d->machine->lock);
}

/* ---- registers, byte by byte: no bit has a partner in another byte ---- */

static void write_control_high(struct pm *p, uint8_t v)
{
	unsigned type = (v << 8 & CNT_SLEEP_TYPE) >> 10;

	p->control = (p->control & 0xff) | (v << 8 & ~CNT_SLEEP_ENABLE);
	if (!(v << 8 & CNT_SLEEP_ENABLE))
		return;
	if (type == ACPI_PM_S5_TYPE)
		machine_request_shutdown(p->device.machine, "guest-shutdown");
	else
		log_print(LOG_UNIMP, "acpi-pm: sleep type %u\n", type);
}

static uint64_t pm1_read(void *dev, uint64_t offset, unsigned size)
{
	struct pm *p = dev;
	unsigned shift = 8 * (offset & 1);

	switch (offset & ~1u) {
	case ACPI_PM1_EVT:
		settle(p);
		return p->status >> shift;
	case ACPI_PM1_EVT + 2:
		return p->enable >> shift;
	default:
		return (p->control | CNT_SCI_EN) >> shift;
	}
}

static void pm1_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct pm *p = dev;
	unsigned shift = 8 * (offset & 1);

	settle(p);
	switch (offset) {
	case ACPI_PM1_EVT:
	case ACPI_PM1_EVT + 1:
		p->status &= ~((value << shift) & STS_WRITABLE);
		break;
	case ACPI_PM1_EVT + 2:
	case ACPI_PM1_EVT + 3:
		p->enable = (p->enable & ~(0xff << shift)) | value << shift;
		break;
	case ACPI_PM1_CNT:
		p->control = (p->control & 0xff00) | (value & ~CNT_SCI_EN);
		break;
	case ACPI_PM1_CNT + 1:
		write_control_high(p, value);
		break;
	}
	update(p);
}

static uint64_t timer_read(void *dev, uint64_t offset, unsigned size)
{
	struct pm *p = dev;
	int64_t now = ticks(p);

	return p->wide ? (uint32_t)now : now & 0xffffff;
}

static uint64_t gpe_read(void *dev, uint64_t offset, unsigned size)
{
	struct pm *p = dev;

	return offset < GPE_BYTES ? p->gpe_status[offset] : p->gpe_enable[offset - GPE_BYTES];
}

static void gpe_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct pm *p = dev;

	if (offset < GPE_BYTES)
		p->gpe_status[offset] &= ~value;
	else
		p->gpe_enable[offset - GPE_BYTES] = value;
	update(p);
}

static const struct region_ops pm1_ops = { pm1_read, pm1_write, 1, 1 };
static const struct region_ops timer_ops = { timer_read, NULL, 4, 4 };
static const struct region_ops gpe_ops = { gpe_read, gpe_write, 1, 1 };

/* ---- type ---- */

static void pm_reset(struct device *d)
{
	struct pm *p = (struct pm *)d;

	p->status = p->enable = p->control = 0;
	for (unsigned i = 0; i < GPE_BYTES; i++)
		p->gpe_status[i] = p->gpe_enable[i] = 0;
	p->half = ticks(p) >> half_shift(p);
	update(p);
}

static void pm_loaded(struct device *d)
{
	update((struct pm *)d);
}

static bool pm_init(struct device *d, GError **error)
{
	struct pm *p = (struct pm *)d;

	if (p->base > 0x10000 - ACPI_PM_SIZE || p->base % ACPI_PM_SIZE || p->sci >= ISA_IRQS) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			"acpi-pm: base must be a port that is a multiple of %d, sci an IRQ below %d", ACPI_PM_SIZE, ISA_IRQS);
		return false;
	}
	isa_pin_init(&p->irq, d->machine, p->sci);
	p->timer = clock_timer_new(d->machine->clock, timer_fired, p);
	machine_add_io(d->machine, p->base, ACPI_PM1_EVT_LEN + ACPI_PM1_CNT_LEN, &pm1_ops, p, "acpi-pm PM1a");
	machine_add_io(d->machine, p->base + ACPI_PM_TMR, ACPI_PM_TMR_LEN, &timer_ops, p, "acpi-pm timer");
	machine_add_io(d->machine, p->base + ACPI_GPE0, ACPI_GPE0_LEN, &gpe_ops, p, "acpi-pm GPE0");
	return true;
}

static void pm_fini(struct device *d)
{
	clock_timer_free(((struct pm *)d)->timer);
}

static const struct device_property pm_properties[] = {
	{ "base", "first I/O port", PROPERTY_UINT32, offsetof(struct pm, base), ACPI_PM_BASE },
	{ "sci", "ISA IRQ of the system control interrupt", PROPERTY_UINT32, offsetof(struct pm, sci), ACPI_PM_SCI },
	{ "timer32", "the timer has 32 bits, not 24", PROPERTY_BOOL, offsetof(struct pm, wide), true },
	{ NULL }
};

static const struct state_field pm_state[] = {
	{ "status", offsetof(struct pm, status), 2, 1 },
	{ "enable", offsetof(struct pm, enable), 2, 1 },
	{ "control", offsetof(struct pm, control), 2, 1 },
	{ "gpe-status", offsetof(struct pm, gpe_status), 1, GPE_BYTES },
	{ "gpe-enable", offsetof(struct pm, gpe_enable), 1, GPE_BYTES },
	{ "half", offsetof(struct pm, half), 8, 1 },
	{ "irq", offsetof(struct pm, irq.level), 1, 1 },
	{ NULL }
};

const struct device_type acpi_pm_type = {
	.name = "acpi-pm",
	.description = "ACPI power management registers",
	.size = sizeof(struct pm),
	.properties = pm_properties,
	.init = pm_init,
	.reset = pm_reset,
	.fini = pm_fini,
	.state = pm_state,
	.loaded = pm_loaded,
};
