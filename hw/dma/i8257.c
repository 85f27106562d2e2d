/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The PC/AT's two DMA controllers (8237A, second one at twice the distance) and their
 * page registers, as far as firmware and kernels touch them: registers that read
 * back.  Data sheet: Intel 8237A (231466).  Left out: every transfer; no device here
 * asks for one.
 */
#include "hw/core/machine.h"

#include <stddef.h>

enum { CHIPS = 2, CHANNELS = 4, PAGES = 16, PORT_PAGE = 0x80, PORT_HIGH_PAGE = 0x480 };
enum {
	REG_STATUS_COMMAND = 8, REG_REQUEST, REG_SINGLE_MASK, REG_MODE, REG_CLEAR_FLIP_FLOP, REG_TEMPORARY_RESET,
	REG_CLEAR_MASK, REG_ALL_MASK, REGS,
};
enum { ALL_MASKED = 0x0f, MASK_SET = 1 << 2 };

struct chip {
	uint16_t word[2 * CHANNELS];  /* address and count of each channel */
	bool high;                    /* flip-flop: the high byte is next */
	uint8_t command, mask, mode[CHANNELS];
};

struct dma {
	struct device device;     /* machine lock: everything below */
	struct chip chip[CHIPS];
	uint8_t page[PAGES], high_page[PAGES];
};

static uint8_t chip_read(struct chip *c, unsigned reg)
{
	uint8_t v;

	if (reg < REG_STATUS_COMMAND) {
		v = c->high ? c->word[reg] >> 8 : c->word[reg];
		c->high = !c->high;
		return v;
	}
	return reg == REG_ALL_MASK ? 0xf0 | c->mask : 0;
}

static void write_word(struct chip *c, unsigned reg, uint8_t v)
{
	if (c->high)
		c->word[reg] = (c->word[reg] & 0xff) | v << 8;
	else
		c->word[reg] = (c->word[reg] & 0xff00) | v;
	c->high = !c->high;
}

static void chip_write(struct chip *c, unsigned reg, uint8_t v)
{
	switch (reg) {
	case REG_STATUS_COMMAND:
		c->command = v;
		break;
	case REG_REQUEST:
		break;
	case REG_SINGLE_MASK:
		c->mask = (c->mask & ~(1 << (v & 3))) | (v & MASK_SET ? 1 << (v & 3) : 0);
		break;
	case REG_MODE:
		c->mode[v & 3] = v;
		break;
	case REG_CLEAR_FLIP_FLOP:
		c->high = false;
		break;
	case REG_TEMPORARY_RESET:
		c->high = false;
		c->command = 0;
		c->mask = ALL_MASKED;
		break;
	case REG_CLEAR_MASK:
		c->mask = 0;
		break;
	case REG_ALL_MASK:
		c->mask = v & ALL_MASKED;
		break;
	default:
		write_word(c, reg, v);
		break;
	}
}

static uint64_t first_read(void *dev, uint64_t offset, unsigned size)
{
	return chip_read(&((struct dma *)dev)->chip[0], offset);
}

static void first_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	chip_write(&((struct dma *)dev)->chip[0], offset, value);
}

static uint64_t second_read(void *dev, uint64_t offset, unsigned size)
{
	return chip_read(&((struct dma *)dev)->chip[1], offset / 2);
}

static void second_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	chip_write(&((struct dma *)dev)->chip[1], offset / 2, value);
}

/* Port 0x80 itself belongs to the POST code. */
static uint64_t page_read(void *dev, uint64_t offset, unsigned size)
{
	return ((struct dma *)dev)->page[offset + 1];
}

static void page_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	((struct dma *)dev)->page[offset + 1] = value;
}

static uint64_t high_page_read(void *dev, uint64_t offset, unsigned size)
{
	return ((struct dma *)dev)->high_page[offset];
}

static void high_page_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	((struct dma *)dev)->high_page[offset] = value;
}

static const struct region_ops first_ops = { first_read, first_write, 1, 1 };
static const struct region_ops second_ops = { second_read, second_write, 1, 1 };
static const struct region_ops page_ops = { page_read, page_write, 1, 1 };
static const struct region_ops high_page_ops = { high_page_read, high_page_write, 1, 1 };

static void dma_reset(struct device *d)
{
	struct dma *m = (struct dma *)d;

	for (unsigned i = 0; i < CHIPS; i++)
		m->chip[i] = (struct chip){ .mask = ALL_MASKED };
	for (unsigned i = 0; i < PAGES; i++)
		m->page[i] = m->high_page[i] = 0;
}

static bool dma_init(struct device *d, GError **error)
{
	machine_add_io(d->machine, 0x00, REGS, &first_ops, d, "i8257 first");
	machine_add_io(d->machine, 0xc0, 2 * REGS, &second_ops, d, "i8257 second");
	machine_add_io(d->machine, PORT_PAGE + 1, PAGES - 1, &page_ops, d, "i8257 pages");
	machine_add_io(d->machine, PORT_HIGH_PAGE, PAGES, &high_page_ops, d, "i8257 high pages");
	return true;
}

static const struct state_field dma_state[] = {
	{ "chip", offsetof(struct dma, chip), sizeof(struct chip), CHIPS },
	{ "page", offsetof(struct dma, page), 1, PAGES },
	{ "high-page", offsetof(struct dma, high_page), 1, PAGES },
	{ NULL }
};

const struct device_type i8257_type = {
	.name = "i8257",
	.description = "DMA controllers, registers only",
	.size = sizeof(struct dma),
	.init = dma_init,
	.reset = dma_reset,
	.state = dma_state,
};
