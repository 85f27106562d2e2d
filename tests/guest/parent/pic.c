/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two cascaded 8259s, as far as an operating system on a PC uses them: edges, fixed priority. */
#include "devices.h"

enum { MASTER = 0x20, SLAVE = 0xa0, CASCADE = 2, SPURIOUS = 7 };
enum { ICW1 = 0x10, ICW1_ICW4 = 0x01, ICW1_SINGLE = 0x02, ICW4_AUTO_EOI = 0x02, OCW3 = 0x08, OCW3_POLL = 0x04, OCW3_READ = 0x02 };
enum { OCW2_EOI = 1, OCW2_SPECIFIC_EOI = 3 };

void pic_reset(struct pics *p)
{
	memset(p, 0, sizeof *p);
	p->chip[0].imr = p->chip[1].imr = 0xff;
}

/* The input that is served next, -1: none, or a higher one is in service. */
static int best(const struct pic *c)
{
	uint8_t wants = c->irr & ~c->imr;

	for (int i = 0; i < 8; i++) {
		if (c->isr >> i & 1)
			return -1;
		if (wants >> i & 1)
			return i;
	}
	return -1;
}

/* The slave's output is the master's input. */
static void cascade(struct pics *p)
{
	if (best(&p->chip[1]) >= 0)
		p->chip[0].irr |= 1 << CASCADE;
	else
		p->chip[0].irr &= ~(1 << CASCADE);
}

void pic_set(struct pics *p, unsigned irq, bool level)
{
	struct pic *c = &p->chip[irq / 8];
	uint8_t bit = 1 << irq % 8;

	if (level && !(c->lines & bit))
		c->irr |= bit;
	if (!level)
		c->irr &= ~bit;
	c->lines = level ? c->lines | bit : c->lines & ~bit;
	cascade(p);
}

int pic_vector(const struct pics *p)
{
	int i = best(&p->chip[0]);

	if (i == CASCADE)
		return p->chip[1].base + (best(&p->chip[1]) < 0 ? SPURIOUS : best(&p->chip[1]));
	return i < 0 ? -1 : p->chip[0].base + i;
}

static void take(struct pic *c, int i)
{
	if (i < 0)
		return;
	c->irr &= ~(1 << i);
	if (!c->auto_eoi)
		c->isr |= 1 << i;
}

void pic_acknowledge(struct pics *p)
{
	int i = best(&p->chip[0]);

	if (i == CASCADE)
		take(&p->chip[1], best(&p->chip[1]));
	take(&p->chip[0], i);
	cascade(p);
}

bool pic_owns(uint16_t port)
{
	return (port & ~1) == MASTER || (port & ~1) == SLAVE;
}

uint8_t pic_read(struct pics *p, uint16_t port)
{
	struct pic *c = &p->chip[port >= SLAVE];

	if (port & 1)
		return c->imr;
	if (c->poll) {
		int i = best(c);

		c->poll = false;
		take(c, i);
		cascade(p);
		return i < 0 ? 0 : 0x80 | i;
	}
	return c->read_isr ? c->isr : c->irr;
}

static void end_of_interrupt(struct pic *c, uint8_t value)
{
	unsigned how = value >> 5 & 3;

	if (how == OCW2_SPECIFIC_EOI)
		c->isr &= ~(1 << (value & 7));
	else if (how == OCW2_EOI)
		c->isr &= c->isr - 1;
}

static void command(struct pic *c, uint8_t value)
{
	if (value & ICW1) {
		uint8_t lines = c->lines;

		*c = (struct pic){ .lines = lines, .expect = 2, .has_icw4 = value & ICW1_ICW4 };
	} else if (value & OCW3) {
		c->poll = value & OCW3_POLL;
		if (value & OCW3_READ)
			c->read_isr = value & 1;
	} else {
		end_of_interrupt(c, value);
	}
}

static void initialize(struct pic *c, uint8_t value)
{
	switch (c->expect) {
	case 2:
		c->base = value & 0xf8;
		c->expect = 3;
		break;
	case 3:
		c->expect = c->has_icw4 ? 4 : 0;
		break;
	default:
		c->auto_eoi = value & ICW4_AUTO_EOI;
		c->expect = 0;
	}
}

void pic_write(struct pics *p, uint16_t port, uint8_t value)
{
	struct pic *c = &p->chip[port >= SLAVE];

	if (!(port & 1))
		command(c, value);
	else if (c->expect)
		initialize(c, value);
	else
		c->imr = value;
	cascade(p);
}
