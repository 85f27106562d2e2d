/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How accesses reach devices: cutting, widening, overlaps; device properties and classes. */
#include <string.h>

#include "board.h"

struct probe {
	uint8_t fill;              /* reads give it plus the offset of each byte */
	unsigned reads, writes;
	uint64_t offset[8], value[8];
	unsigned size[8];
};

static uint64_t probe_read(void *dev, uint64_t offset, unsigned size)
{
	struct probe *p = dev;
	uint64_t v = 0;

	p->reads++;
	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)(uint8_t)(p->fill + offset + i) << 8 * i;
	return v;
}

static void probe_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct probe *p = dev;
	unsigned n = p->writes++ % 8;

	p->offset[n] = offset;
	p->value[n] = value;
	p->size[n] = size;
}

static const struct region_ops bytes = { probe_read, probe_write, 1, 1 };
static const struct region_ops dwords = { probe_read, probe_write, 4, 4 };
static const struct region_ops any = { probe_read, probe_write, 0, 0 };

static void test_nothing(void)
{
	struct board *b = board_new();

	g_assert_cmphex(machine_io_read(b->m, 0x123, 1), ==, 0xff);
	g_assert_cmphex(machine_io_read(b->m, 0xffff, 4), ==, 0xffffffff);
	g_assert_cmphex(machine_mmio_read(b->m, 0xfee00000, 8), ==, UINT64_MAX);
	g_assert_cmphex(machine_mmio_read(b->m, UINT64_MAX - 2, 8), ==, UINT64_MAX);
	machine_mmio_write(b->m, UINT64_MAX, 8, 1);
	machine_io_write(b->m, 0xffff, 4, 1);
	board_free(b);
}

static void test_split(void)
{
	struct board *b = board_new();
	struct probe p = { .fill = 0x10 };

	machine_add_io(b->m, 0x100, 8, &bytes, &p, "probe");
	g_assert_cmphex(machine_io_read(b->m, 0x102, 4), ==, 0x15141312);
	g_assert_cmpuint(p.reads, ==, 4);
	/* Half inside, half in nothing. */
	g_assert_cmphex(machine_io_read(b->m, 0x106, 4), ==, 0xffff1716);
	g_assert_cmphex(machine_io_read(b->m, 0xfe, 4), ==, 0x1110ffff);
	machine_io_write(b->m, 0x101, 2, 0xabcd);
	g_assert_cmpuint(p.writes, ==, 2);
	g_assert_cmphex(p.offset[0], ==, 1);
	g_assert_cmphex(p.value[0], ==, 0xcd);
	g_assert_cmphex(p.value[1], ==, 0xab);
	board_free(b);
}

static void test_widen(void)
{
	struct board *b = board_new();
	struct probe p = { .fill = 0x20 };

	machine_add_mmio(b->m, 0xfec00000, 16, &dwords, &p, "probe");
	g_assert_cmphex(machine_mmio_read(b->m, 0xfec00006, 1), ==, 0x26);
	g_assert_cmphex(machine_mmio_read(b->m, 0xfec00004, 8), ==, 0x2b2a292827262524);
	machine_mmio_write(b->m, 0xfec0000a, 2, 0x1234);
	g_assert_cmphex(p.offset[0], ==, 8);
	g_assert_cmphex(p.value[0], ==, 0x12340000);
	g_assert_cmpuint(p.size[0], ==, 4);
	board_free(b);
}

/* Pieces are aligned to their size. */
static void test_align(void)
{
	struct board *b = board_new();
	struct probe p = { .fill = 0 };

	machine_add_mmio(b->m, 0x1000, 0x100, &any, &p, "probe");
	machine_mmio_write(b->m, 0x1003, 8, 0x0807060504030201);
	g_assert_cmpuint(p.writes, ==, 4);
	g_assert_cmpuint(p.size[0], ==, 1);
	g_assert_cmpuint(p.size[1], ==, 4);
	g_assert_cmphex(p.value[1], ==, 0x05040302);
	g_assert_cmpuint(p.size[2], ==, 2);
	g_assert_cmpuint(p.size[3], ==, 1);
	machine_mmio_write(b->m, 0x1010, 8, 1);
	g_assert_cmpuint(p.size[4], ==, 8);
	board_free(b);
}

static void test_overlap(void)
{
	struct board *b = board_new();
	struct probe under = { .fill = 0 }, over = { .fill = 0x80 };
	char *map;

	machine_add_io(b->m, 0x200, 16, &any, &under, "under");
	machine_add_io(b->m, 0x204, 4, &any, &over, "over");
	g_assert_cmphex(machine_io_read(b->m, 0x203, 1), ==, 0x03);
	g_assert_cmphex(machine_io_read(b->m, 0x204, 4), ==, 0x83828180);
	g_assert_cmphex(machine_io_read(b->m, 0x208, 4), ==, 0x0b0a0908);
	g_assert_cmphex(machine_io_read(b->m, 0x206, 4), ==, 0x09088382);
	map = machine_describe(b->m);
	g_assert_nonnull(strstr(map, "0000000000000208-000000000000020f under"));
	g_free(map);
	/* One over all. */
	machine_add_io(b->m, 0x1ff, 32, &any, &over, "all");
	g_assert_cmphex(machine_io_read(b->m, 0x20f, 1), ==, 0x90);
	board_free(b);
}

/* Random regions against a plain table of owners. */
static void test_random_overlap(void)
{
	struct board *b = board_new();
	struct probe p[40] = { 0 };
	int owner[256];

	memset(owner, -1, sizeof(owner));
	for (int i = 0; i < 40; i++) {
		unsigned base = g_test_rand_int_range(0, 250), size = g_test_rand_int_range(1, 257 - base);

		p[i].fill = i - base * 0;
		machine_add_io(b->m, base, size, &bytes, &p[i], "probe");
		for (unsigned a = base; a < base + size; a++)
			owner[a] = i;
		for (unsigned a = 0; a < 256; a++) {
			unsigned before = owner[a] < 0 ? 0 : p[owner[a]].reads;

			machine_io_read(b->m, a, 1);
			if (owner[a] >= 0)
				g_assert_cmpuint(p[owner[a]].reads, ==, before + 1);
		}
	}
	board_free(b);
}

static void expect_error(struct board *b, const char *type, const char *const *set, const char *id, const char *text)
{
	GError *error = NULL;

	g_assert_null(device_new(b->m, type, id, set, &error));
	g_assert_nonnull(error);
	g_assert_nonnull(strstr(error->message, text));
	g_error_free(error);
}

static void test_properties(void)
{
	struct board *b = board_new();
	const char *good[] = { "iobase", "0xf4", "iosize", "4", NULL };
	const char *word[] = { "iobase", "many", NULL }, *large[] = { "iobase", "0x100000000", NULL };
	const char *unknown[] = { "colour", "1", NULL }, *outside[] = { "iobase", "65535", NULL };
	const char *chardev[] = { "chardev", "nobody", NULL };
	struct device *d;
	unsigned iobase;

	d = device_new(b->m, "isa-debug-exit", "e", good, NULL);
	g_assert_nonnull(d);
	g_object_get(d->object, "iobase", &iobase, NULL);
	g_assert_cmphex(iobase, ==, 0xf4);
	g_assert_cmpstr(hvt_object_name(d->object), ==, "e");
	machine_io_write(b->m, 0xf4, 1, 0x10);
	g_assert_cmpint(b->exit_code, ==, 0x21);
	expect_error(b, "isa-debug-exit", word, NULL, "iobase");
	expect_error(b, "isa-debug-exit", large, NULL, "4294967295");
	expect_error(b, "isa-debug-exit", unknown, NULL, "colour");
	expect_error(b, "isa-debug-exit", outside, NULL, "0xffff");
	expect_error(b, "isa-debug-exit", NULL, "e", "Duplicate");
	expect_error(b, "isa-serial", chardev, NULL, "nobody");
	expect_error(b, "toaster", NULL, NULL, "toaster");
	board_free(b);
}

/* Every device type is a class whose properties are those of the table. */
static void test_classes(void)
{
	GType base;

	device_types_register();
	base = g_type_from_name("device");
	g_assert_true(G_TYPE_IS_ABSTRACT(base));
	for (unsigned i = 0; device_types[i]; i++) {
		GType type = g_type_from_name(device_types[i]->name);
		gpointer klass = g_type_class_ref(type);

		g_assert_cmphex(g_type_parent(type), ==, base);
		for (const struct device_property *p = device_types[i]->properties; p && p->name; p++)
			g_assert_nonnull(g_object_class_find_property(klass, p->name));
		g_assert_cmpint(HVT_OBJECT_CLASS(klass)->user_creatable, ==, device_types[i]->user_creatable);
		g_type_class_unref(klass);
	}
}

/* Two devices on one wire: it is high while either pulls it. */
static void test_shared_wire(void)
{
	struct board *b = board_new();
	struct isa_pin x, y;

	isa_pin_init(&x, b->m, 4);
	isa_pin_init(&y, b->m, 4);
	lock_acquire(&b->m->lock);
	isa_pin_set(&x, true);
	isa_pin_set(&y, true);
	isa_pin_set(&x, false);
	g_assert_cmpint(b->level[4], ==, 1);
	isa_pin_set(&x, false);
	isa_pin_set(&y, false);
	g_assert_cmpint(b->level[4], ==, 0);
	g_assert_cmpuint(b->rises[4], ==, 1);
	lock_release(&b->m->lock);
	board_free(b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/bus/nothing", test_nothing);
	g_test_add_func("/bus/split", test_split);
	g_test_add_func("/bus/widen", test_widen);
	g_test_add_func("/bus/align", test_align);
	g_test_add_func("/bus/overlap", test_overlap);
	g_test_add_func("/bus/random-overlap", test_random_overlap);
	g_test_add_func("/device/properties", test_properties);
	g_test_add_func("/device/classes", test_classes);
	g_test_add_func("/machine/shared-wire", test_shared_wire);
	return g_test_run();
}
