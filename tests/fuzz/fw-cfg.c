/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fw_cfg under a guest that means no good: random accesses of its ports and DMA
 * descriptors, against a model of what an item's bytes are.
 */
#include <string.h>

#include "../unit/board.h"
#include "fuzz.h"
#include "hw/i386/fw_cfg.h"

enum { PORT_SELECT = 0x510, PORT_DATA = 0x511, PORT_DMA = 0x514, MEMORY = 0x10000, ITEM = 0x4321, ITEM_SIZE = 5000,
       ACCESSES = 50 };
enum { READ = 1 << 1, SKIP = 1 << 2, SELECT = 1 << 3, ERROR = 1 << 0 };

struct guest {
	struct board *board;
	uint8_t ram[MEMORY];
	uint8_t item[ITEM_SIZE];
};

static bool in_ram(uint64_t gpa, size_t n)
{
	return gpa <= MEMORY && n <= MEMORY - gpa;
}

static bool mem_read(void *o, uint64_t gpa, void *to, size_t n)
{
	if (!in_ram(gpa, n))
		return false;
	memcpy(to, ((struct guest *)o)->ram + gpa, n);
	return true;
}

static bool mem_write(void *o, uint64_t gpa, const void *from, size_t n)
{
	if (!in_ram(gpa, n))
		return false;
	memcpy(((struct guest *)o)->ram + gpa, from, n);
	return true;
}

static void *open_guest(void)
{
	struct guest *g = g_new0(struct guest, 1);
	struct device *d;

	g->board = board_new();
	g->board->m->memory = (struct guest_memory){ mem_read, mem_write, g };
	d = board_add(g->board, "fw_cfg");
	for (unsigned i = 0; i < ITEM_SIZE; i++)
		g->item[i] = (uint8_t)(i * 31 + (i >> 8) + 1);
	fw_cfg_set(d, ITEM, g->item, ITEM_SIZE);
	fw_cfg_set_file(d, "etc/something", g->item, 100);
	return g;
}

static void close_guest(void *o)
{
	struct guest *g = o;

	board_free(g->board);
	g_free(g);
}

static void put_be(uint8_t *to, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		to[i] = (uint8_t)(v >> (n - 1 - i) * 8);
}

static void dma_start(struct guest *g, uint32_t at)
{
	machine_io_write(g->board->m, PORT_DMA, 4, 0);
	machine_io_write(g->board->m, PORT_DMA + 4, 4, __builtin_bswap32(at));
}

/* Bytes of the item from @from on, behind its end zeros. */
static void expect_bytes(const struct guest *g, const uint8_t *have, uint32_t from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t want = from + i < ITEM_SIZE ? g->item[from + i] : 0;

		FUZZ_CHECK(have[i] == want, "byte %u is 0x%02x, not 0x%02x", from + i, have[i], want);
	}
}

/* A right descriptor gives exactly what it asks for. */
static void right_transfer(struct fuzz *f, struct guest *g)
{
	enum { AT = 0x100, TO = 0x2000 };
	uint32_t skip = (uint32_t)fuzz_below(f, ITEM_SIZE + 100), n = (uint32_t)fuzz_below(f, 9000);

	memset(g->ram + TO, 0xee, 9001);
	put_be(g->ram + AT, (uint32_t)ITEM << 16 | SELECT | SKIP, 4);
	put_be(g->ram + AT + 4, skip, 4);
	put_be(g->ram + AT + 8, TO, 8);
	dma_start(g, AT);
	put_be(g->ram + AT, READ, 4);
	put_be(g->ram + AT + 4, n, 4);
	dma_start(g, AT);
	FUZZ_CHECK(!memcmp(g->ram + AT, "\0\0\0\0", 4), "the transfer is not answered with success");
	expect_bytes(g, g->ram + TO, skip, n);
	FUZZ_CHECK(g->ram[TO + n] == 0xee, "written too far");
	expect_bytes(g, (uint8_t[]){ (uint8_t)machine_io_read(g->board->m, PORT_DATA, 1) }, skip + n, 1);
}

static void any_access(struct fuzz *f, struct guest *g)
{
	unsigned size = 1u << fuzz_below(f, 3), port = PORT_SELECT + (unsigned)fuzz_below(f, 12);
	uint32_t at = (uint32_t)fuzz_below(f, MEMORY + 8);

	switch (fuzz_below(f, 4)) {
	case 0:
		machine_io_read(g->board->m, (uint16_t)port, size);
		break;
	case 1:
		machine_io_write(g->board->m, (uint16_t)port, size, (uint32_t)fuzz_number(f));
		break;
	case 2:
		fuzz_bytes(f, g->ram, 64);
		dma_start(g, (uint32_t)fuzz_below(f, 64));
		break;
	default:
		if (in_ram(at, 16)) {
			put_be(g->ram + at, fuzz_number(f), 4);
			put_be(g->ram + at + 4, fuzz_number(f), 4);
			put_be(g->ram + at + 8, fuzz_number(f), 8);
		}
		dma_start(g, at);
	}
}

static void fw_cfg_round(struct fuzz *f, void *o)
{
	machine_reset(((struct guest *)o)->board->m);
	for (unsigned i = 0; i < ACCESSES; i++)
		any_access(f, o);
	right_transfer(f, o);
}

static const struct fuzz_target target = { "fw-cfg", open_guest, fw_cfg_round, close_guest };

int main(int argc, char **argv)
{
	return fuzz_main(argc, argv, &target);
}
