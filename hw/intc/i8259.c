/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pair of 8259A interrupt controllers, cascaded at the first one's IR2, with
 * the edge/level control registers of EISA.  Data sheet: Intel 8259A (231468).
 *
 * Left out: MCS-80/85 mode, buffered mode, a second chip that is not at IR2 (the
 * PC's wiring; ICW3 is taken and ignored), level mode by ICW1.LTIM (ELCR rules).
 */
#include "hw/intc/i8259.h"

#include <assert.h>
#include <stddef.h>

#include "trace/log.h"

enum { CHIPS = 2, FIRST = 0, SECOND = 1, CASCADE = 2, PORT_ELCR = 0x4d0 };
enum { ICW1 = 1 << 4, ICW1_IC4 = 1 << 0, ICW1_SNGL = 1 << 1, OCW3 = 1 << 3 };
enum { ICW4_AEOI = 1 << 1, ICW4_SFNM = 1 << 4 };
enum { OCW3_RIS = 1 << 0, OCW3_RR = 1 << 1, OCW3_POLL = 1 << 2, OCW3_SMM = 1 << 5, OCW3_ESMM = 1 << 6 };
enum { POLL_REQUEST = 1 << 7 };
enum init_step { READY, WANT_ICW2, WANT_ICW3, WANT_ICW4 };
enum { NONE = -1, IRS = 8 };

/* Inputs that may be level triggered: not the timer, keyboard, cascade, clock and FPU. */
static const uint8_t elcr_mask[CHIPS] = { 0xf8, 0xde };

struct chip {
	uint8_t lines;          /* inputs as they are */
	uint8_t irr, isr, imr;
	uint8_t elcr;           /* 1: level triggered */
	uint8_t lowest;         /* IR of lowest priority */
	uint8_t vector;         /* of IR0 */
	uint8_t init;           /* enum init_step */
	bool want_icw4, single;
	bool auto_eoi, rotate_auto, special_mask, special_nested;
	bool read_isr, poll;
};

struct pic {
	struct device device;   /* machine lock: everything below */
	struct chip chip[CHIPS];
	bool intr;              /* level of the wire to the processor */
	struct irq_line out;
};

/* ---- priorities ---- */

/* The IR of highest priority among @set. */
static int highest(const struct chip *c, uint8_t set)
{
	for (unsigned i = 1; i <= IRS; i++) {
		unsigned ir = (c->lowest + i) % IRS;

		if (set & 1 << ir)
			return ir;
	}
	return NONE;
}

/* 0 is the highest priority. */
static unsigned rank(const struct chip *c, int ir)
{
	return ir == NONE ? IRS : (ir - c->lowest + IRS - 1) % IRS;
}

/* The request that the chip would deliver now. */
static int request(const struct pic *p, unsigned n)
{
	const struct chip *c = &p->chip[n];
	int ir = highest(c, c->irr & ~c->imr);
	uint8_t blocking = c->isr;

	if (c->init != READY)
		return NONE;
	if (c->special_mask)
		blocking &= ~c->imr;
	/* In special fully nested mode the second chip may interrupt itself. */
	if (c->special_nested && n == FIRST && ir == CASCADE)
		blocking &= ~(1 << CASCADE);
	return rank(c, ir) < rank(c, highest(c, blocking)) ? ir : NONE;
}

/* ---- requests ---- */

static void set_input(struct chip *c, unsigned ir, bool level)
{
	uint8_t bit = 1 << ir;

	if (!level) {
		/* Not latched on either kind of input: the request goes away with its line. */
		c->irr &= ~bit;
		c->lines &= ~bit;
		return;
	}
	if ((c->elcr & bit) || !(c->lines & bit))
		c->irr |= bit;
	c->lines |= bit;
}

/* Second chip's INT to the first, the first one's to the processor. */
static void update(struct pic *p)
{
	bool intr;

	/* No edge needed: the second chip may hold its INT up over an acknowledge. */
	p->chip[FIRST].lines &= ~(1 << CASCADE);
	set_input(&p->chip[FIRST], CASCADE, request(p, SECOND) != NONE);
	intr = request(p, FIRST) != NONE;
	if (intr == p->intr)
		return;
	p->intr = intr;
	irq_set(&p->out, intr);
}

static void input_changed(void *opaque, int n, int level)
{
	struct pic *p = opaque;

	lock_assert_held(&p->device.machine->lock);
	if (n == CASCADE)
		return;
	set_input(&p->chip[n / IRS], n % IRS, level);
	update(p);
}

/* The chip's part of an acknowledge cycle; @ir was its request. */
static void accept(struct chip *c, unsigned ir)
{
	uint8_t bit = 1 << ir;

	if (!(c->elcr & bit))
		c->irr &= ~bit;
	if (!c->auto_eoi)
		c->isr |= bit;
	else if (c->rotate_auto)
		c->lowest = ir;
}

int i8259_acknowledge(struct device *d)
{
	struct pic *p = (struct pic *)d;
	unsigned n = FIRST;
	int ir, vector;

	lock_acquire(&d->machine->lock);
	ir = request(p, FIRST);
	if (ir != NONE)
		accept(&p->chip[FIRST], ir);
	if (ir == CASCADE) {
		n = SECOND;
		ir = request(p, SECOND);
		if (ir != NONE)
			accept(&p->chip[SECOND], ir);
	}
	/* The request went away meanwhile: IR7, with no bit in service. */
	vector = p->chip[n].vector + (ir == NONE ? IRS - 1 : ir);
	log_print(LOG_IRQ, "isa-i8259: acknowledge of vector 0x%02x%s\n", vector, ir == NONE ? ", spurious" : "");
	update(p);
	lock_release(&d->machine->lock);
	return vector;
}

/* ---- commands ---- */

static void begin_init(struct chip *c, uint8_t v)
{
	c->init = WANT_ICW2;
	c->want_icw4 = v & ICW1_IC4;
	c->single = v & ICW1_SNGL;
	c->imr = c->isr = 0;
	c->irr = c->lines & c->elcr;     /* the edge detectors start anew */
	c->lowest = IRS - 1;
	c->auto_eoi = c->rotate_auto = c->special_mask = c->special_nested = false;
	c->read_isr = c->poll = false;
}

/* OCW2: rotate, specific, end of interrupt in bits 7..5. */
static void ocw2(struct chip *c, uint8_t v)
{
	int level = v & 7, served;
	uint8_t in_service = c->special_mask ? c->isr & ~c->imr : c->isr;

	switch (v >> 5) {
	case 0:
	case 4:
		c->rotate_auto = v >> 7;
		break;
	case 1:
	case 5:
		served = highest(c, in_service);
		if (served == NONE)
			break;
		c->isr &= ~(1 << served);
		if (v >> 7)
			c->lowest = served;
		break;
	case 3:
		c->isr &= ~(1 << level);
		break;
	case 7:
		c->isr &= ~(1 << level);
		c->lowest = level;
		break;
	case 6:
		c->lowest = level;
		break;
	}
}

static void ocw3(struct chip *c, uint8_t v)
{
	if (v & OCW3_POLL)
		c->poll = true;
	if (v & OCW3_RR)
		c->read_isr = v & OCW3_RIS;
	if (v & OCW3_ESMM)
		c->special_mask = v & OCW3_SMM;
}

static void command(struct chip *c, uint8_t v)
{
	if (v & ICW1)
		begin_init(c, v);
	else if (v & OCW3)
		ocw3(c, v);
	else
		ocw2(c, v);
}

static void data(struct chip *c, uint8_t v)
{
	switch (c->init) {
	case READY:
		c->imr = v;
		break;
	case WANT_ICW2:
		c->vector = v & ~7;
		c->init = !c->single ? WANT_ICW3 : c->want_icw4 ? WANT_ICW4 : READY;
		break;
	case WANT_ICW3:
		c->init = c->want_icw4 ? WANT_ICW4 : READY;
		break;
	case WANT_ICW4:
		c->auto_eoi = v & ICW4_AEOI;
		c->special_nested = v & ICW4_SFNM;
		c->init = READY;
		break;
	}
}

/* A poll is an acknowledge cycle in a read. */
static uint8_t poll(struct pic *p, unsigned n)
{
	int ir = request(p, n);

	p->chip[n].poll = false;
	if (ir == NONE)
		return 0;
	accept(&p->chip[n], ir);
	return POLL_REQUEST | ir;
}

static uint64_t chip_read(struct pic *p, unsigned n, uint64_t offset)
{
	struct chip *c = &p->chip[n];
	uint8_t v;

	if (c->poll) {
		v = poll(p, n);
		update(p);
		return v;
	}
	if (offset)
		return c->imr;
	return c->read_isr ? c->isr : c->irr;
}

static void chip_write(struct pic *p, unsigned n, uint64_t offset, uint8_t v)
{
	if (offset)
		data(&p->chip[n], v);
	else
		command(&p->chip[n], v);
	update(p);
}

static uint64_t first_read(void *dev, uint64_t offset, unsigned size)
{
	return chip_read(dev, FIRST, offset);
}

static void first_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	chip_write(dev, FIRST, offset, value);
}

static uint64_t second_read(void *dev, uint64_t offset, unsigned size)
{
	return chip_read(dev, SECOND, offset);
}

static void second_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	chip_write(dev, SECOND, offset, value);
}

static uint64_t elcr_read(void *dev, uint64_t offset, unsigned size)
{
	return ((struct pic *)dev)->chip[offset].elcr;
}

static void elcr_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct pic *p = dev;
	struct chip *c = &p->chip[offset];

	c->elcr = value & elcr_mask[offset];
	c->irr |= c->lines & c->elcr;
	update(p);
}

static const struct region_ops first_ops = { first_read, first_write, 1, 1 };
static const struct region_ops second_ops = { second_read, second_write, 1, 1 };
static const struct region_ops elcr_ops = { elcr_read, elcr_write, 1, 1 };

/* ---- wiring ---- */

struct irq_line i8259_input(struct device *d, unsigned n)
{
	assert(n < CHIPS * IRS);
	return (struct irq_line){ input_changed, d, n };
}

void i8259_connect(struct device *d, const struct irq_line *intr)
{
	struct pic *p = (struct pic *)d;

	lock_acquire(&d->machine->lock);
	p->out = *intr;
	irq_set(&p->out, p->intr);
	lock_release(&d->machine->lock);
}

/* ---- type ---- */

static void pic_reset(struct device *d)
{
	struct pic *p = (struct pic *)d;

	for (unsigned n = 0; n < CHIPS; n++) {
		/* Lines belong to the devices; nothing is delivered before ICW1. */
		p->chip[n] = (struct chip){ .lines = p->chip[n].lines, .imr = 0xff, .lowest = IRS - 1 };
	}
	update(p);
}

static void pic_loaded(struct device *d)
{
	struct pic *p = (struct pic *)d;

	irq_set(&p->out, p->intr);
}

static bool pic_init(struct device *d, GError **error)
{
	machine_add_io(d->machine, 0x20, 2, &first_ops, d, "isa-i8259 first");
	machine_add_io(d->machine, 0xa0, 2, &second_ops, d, "isa-i8259 second");
	machine_add_io(d->machine, PORT_ELCR, CHIPS, &elcr_ops, d, "isa-i8259 elcr");
	return true;
}

static const struct state_field pic_state[] = {
	{ "chip", offsetof(struct pic, chip), sizeof(struct chip), CHIPS },
	{ "intr", offsetof(struct pic, intr), 1, 1 },
	{ NULL }
};

const struct device_type i8259_type = {
	.name = "isa-i8259",
	.description = "pair of 8259A interrupt controllers",
	.size = sizeof(struct pic),
	.init = pic_init,
	.reset = pic_reset,
	.state = pic_state,
	.loaded = pic_loaded,
};
