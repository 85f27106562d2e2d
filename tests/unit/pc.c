/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The PC as a whole: without a processor, and with one that runs a few instructions. */
#include <glib/gstdio.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hw/i386/pc.h"
#include "partition.h"

enum { MIB = 1 << 20, WAIT_S = 60 };
#define FOUR_GIB UINT64_C(0x100000000)

/* Locks of pthread: the thread sanitizer knows nothing of GLib's. */
struct events {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char *what;
};

static void request(void *o, struct pc *pc, const char *what)
{
	struct events *e = o;

	pthread_mutex_lock(&e->lock);
	if (!e->what)
		e->what = g_strdup(what);
	pthread_cond_signal(&e->changed);
	pthread_mutex_unlock(&e->lock);
}

/* The next request; NULL if there is none in time. */
static char *next_request(struct events *e)
{
	struct timespec until;
	char *what;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&e->lock);
	while (!e->what && !pthread_cond_timedwait(&e->changed, &e->lock, &until))
		;
	what = g_steal_pointer(&e->what);
	pthread_mutex_unlock(&e->lock);
	return what;
}

static void refused(struct pc_config c, const char *part)
{
	GError *error = NULL;

	g_assert_null(pc_new(&c, &error));
	g_assert_nonnull(error);
	if (!strstr(error->message, part))
		g_error("expected \"%s\", got \"%s\"", part, error->message);
	g_error_free(error);
}

static void bad_configs(void)
{
	struct pc_config c = { .name = "t", .memory = 16 * MIB, .vps = 1, .max_vps = 1 };
	struct pc_config d;

	d = c;
	d.memory = MIB / 2;
	refused(d, "at least 1 MiB");
	d.memory = 16 * MIB + 1;
	refused(d, "multiple of 4 KiB");
	d = c;
	d.vps = 65;
	refused(d, "1 to 64");
	d = c;
	d.initrd = "/dev/null";
	refused(d, "-initrd needs -kernel");
	d = c;
	d.cmdline = "quiet";
	refused(d, "-append needs -kernel");
	d = c;
	d.kernel = "/nonexistent/vmlinuz";
	refused(d, "/nonexistent/vmlinuz");
	d = c;
	d.firmware = "/nonexistent/bios.bin";
	refused(d, "/nonexistent/bios.bin");
}

static uint32_t select_item(struct machine *m, uint16_t key, unsigned bytes)
{
	uint32_t v = 0;

	machine_io_write(m, 0x510, 2, key);
	for (unsigned i = 0; i < bytes; i++)
		v |= machine_io_read(m, 0x511, 1) << i * 8;
	return v;
}

static void find_file(struct machine *m, const char *name, uint16_t *key, uint32_t *size)
{
	uint32_t n = GUINT32_FROM_BE(select_item(m, 0x19, 4));

	while (n--) {
		uint8_t e[64];

		for (unsigned i = 0; i < sizeof e; i++)
			e[i] = (uint8_t)machine_io_read(m, 0x511, 1);
		if (strcmp((char *)e + 8, name))
			continue;
		*size = (uint32_t)e[0] << 24 | e[1] << 16 | e[2] << 8 | e[3];
		*key = (uint16_t)(e[4] << 8 | e[5]);
		return;
	}
	g_error("no file %s", name);
}

static void put_be(uint8_t *to, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		to[i] = (uint8_t)(v >> (n - 1 - i) * 8);
}

/* One DMA transfer; the control word afterwards. */
static uint32_t dma(struct machine *m, uint32_t control, uint32_t length, uint64_t at)
{
	uint8_t access[16];

	put_be(access, control, 4);
	put_be(access + 4, length, 4);
	put_be(access + 8, at, 8);
	g_assert_true(m->memory.write(m->memory.opaque, 0x1000, access, sizeof access));
	machine_io_write(m, 0x514, 4, 0);
	machine_io_write(m, 0x518, 4, GUINT32_TO_BE(0x1000));
	g_assert_true(m->memory.read(m->memory.opaque, 0x1000, access, 4));
	return (uint32_t)access[0] << 24 | access[1] << 16 | access[2] << 8 | access[3];
}

static void without_processor(void)
{
	struct pc_config c = { .name = "t", .memory = 4096ull * MIB, .vps = 3, .max_vps = 8 };
	GError *error = NULL;
	struct pc *pc = pc_new(&c, &error);
	struct machine *m;
	uint8_t buffer[256], byte = 0x5a;
	uint32_t size;
	uint16_t key;

	g_assert_no_error(error);
	g_assert_null(pc_partition(pc));
	m = pc_machine(pc);
	/* memory: hole for VGA, hole at 3 GiB, the rest above 4 GiB */
	g_assert_true(m->memory.write(m->memory.opaque, 0xc0000000 - 1, &byte, 1));
	g_assert_false(m->memory.write(m->memory.opaque, 0xc0000000, &byte, 1));
	g_assert_false(m->memory.write(m->memory.opaque, 0xa0000, &byte, 1));
	g_assert_false(m->memory.read(m->memory.opaque, 0x9ffff, buffer, 2));
	g_assert_true(m->memory.write(m->memory.opaque, FOUR_GIB + 1024ull * MIB - 1, &byte, 1));
	g_assert_false(m->memory.write(m->memory.opaque, FOUR_GIB + 1024ull * MIB, &byte, 1));
	/* firmware configuration */
	g_assert_cmphex(select_item(m, 0, 4), ==, 0x554d4551);
	g_assert_cmphex(select_item(m, 1, 4), ==, 3);
	g_assert_cmpuint(select_item(m, 5, 2), ==, 3);
	g_assert_cmpuint(select_item(m, 0x0f, 2), ==, 8);
	g_assert_cmphex(select_item(m, 0x1234, 4), ==, 0);
	g_assert_cmphex(machine_io_read(m, 0x514, 4), ==, 0x554d4551);
	g_assert_cmphex(machine_io_read(m, 0x518, 4), ==, 0x47464320);
	find_file(m, "etc/acpi/rsdp", &key, &size);
	g_assert_cmpuint(size, ==, 36);
	g_assert_cmphex(dma(m, (uint32_t)key << 16 | 8 | 2, 40, 0x2000), ==, 0);
	g_assert_true(m->memory.read(m->memory.opaque, 0x2000, buffer, 40));
	g_assert_cmpmem(buffer, 8, "RSD PTR ", 8);
	g_assert_cmpuint(buffer[39], ==, 0);                 /* zeros behind the end */
	g_assert_cmphex(dma(m, 4, 1, 0), ==, 0);             /* skip */
	g_assert_cmphex(dma(m, 2, 8, 0xa0000), ==, 1);       /* no memory there */
	g_assert_cmphex(dma(m, 16, 8, 0x2000), ==, 1);       /* nothing can be written */
	find_file(m, "etc/e820", &key, &size);
	g_assert_cmpuint(size, ==, 40);
	find_file(m, "etc/table-loader", &key, &size);
	g_assert_cmpuint(size % 128, ==, 0);
	pc_start(pc);
	pc_stop(pc);
	g_assert_true(pc_reset(pc, &error));
	pc_free(pc);
}

/* The 8254's line reaches both controllers: the 8259's request register and a message's pin. */
static void wires(void)
{
	struct pc_config c = { .name = "t", .memory = MIB, .vps = 1, .max_vps = 1 };
	struct pc *pc = pc_new(&c, NULL);
	struct machine *m = pc_machine(pc);

	lock_acquire(&m->lock);
	irq_set(&m->isa_irq[9], 1);
	lock_release(&m->lock);
	machine_io_write(m, 0xa0, 1, 0x0a);
	g_assert_cmphex(machine_io_read(m, 0xa0, 1) & 2, ==, 2);
	machine_mmio_write(m, 0xfec00000, 4, 0x10 + 18);
	machine_mmio_write(m, 0xfec00010, 4, 1 << 15 | 0x39);
	g_assert_cmphex(machine_mmio_read(m, 0xfec00010, 4) & (1 << 14), ==, 1 << 14);
	pc_free(pc);
}

/* A multiboot image whose code powers off, or does what @code says. */
static char *kernel(const uint8_t *code, size_t n)
{
	char *path = NULL;
	uint32_t image[64] = { 0x1badb002, 0x10000, (uint32_t)-(0x1badb002 + 0x10000), MIB, MIB, 0, 0, MIB + 0x40 };
	int fd = g_file_open_tmp("hvtlfs-pc-XXXXXX", &path, NULL);

	memcpy((uint8_t *)image + 0x40, code, n);
	g_assert_cmpint(write(fd, image, sizeof image), ==, sizeof image);
	close(fd);
	return path;
}

static void runs(void)
{
	/* mov $0x604,%edx; mov $0x2000,%eax; out %ax,(%dx); hlt; jmp . */
	static const uint8_t power_off[] = { 0xba, 4, 6, 0, 0, 0xb8, 0, 0x20, 0, 0, 0x66, 0xef, 0xf4, 0xeb, 0xfe };
	/* lidt of an empty table (at the image's zeros), then int3: triple fault */
	static const uint8_t triple[] = { 0x0f, 0x01, 0x1d, 0xf0, 0, 0x10, 0, 0xcc };
	const struct hv_config config = { .memory = 64 * MIB, .engine = "interp" };
	struct events e = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
	GError *error = NULL;
	struct hv *hv = hv_new(&config, &error);
	struct x86_model *model = x86_model_parse("max", NULL, NULL, &error);
	char *path = kernel(power_off, sizeof power_off), *what;
	struct pc_config c = { .name = "t", .hv = hv, .model = model, .memory = 16 * MIB, .vps = 2, .max_vps = 2,
			       .request = request, .opaque = &e };
	struct pc *pc;

	g_assert_no_error(error);
	refused(c, "nothing to boot: give -kernel or -bios");
	c.kernel = path;
	pc = pc_new(&c, &error);
	g_assert_no_error(error);
	for (unsigned round = 0; round < 3; round++) {
		pc_start(pc);
		what = next_request(&e);
		g_assert_cmpstr(what, ==, "shutdown");
		g_free(what);
		pc_stop(pc);
		g_assert_true(pc_reset(pc, &error));
	}
	pc_free(pc);
	g_unlink(path);
	g_free(path);
	path = kernel(triple, sizeof triple);
	c.kernel = path;
	pc = pc_new(&c, &error);
	g_assert_no_error(error);
	pc_start(pc);
	what = next_request(&e);
	g_assert_cmpstr(what, ==, "reset");                   /* T9.1.2.d, T16.5.8.b */
	g_free(what);
	pc_stop(pc);
	g_assert_true(pc_reset(pc, &error));
	/* Paging without protection: no processor runs so. */
	partition_vp(pc_partition(pc), 0)->cpu.cr0 = CR0_PG | CR0_ET;
	partition_vp(pc_partition(pc), 0)->unsettled = true;
	pc_start(pc);
	what = next_request(&e);
	g_assert_cmpstr(what, ==, "reset");                   /* T9.1.2.c, T16.5.7.c */
	g_free(what);
	pc_free(pc);
	g_assert_cmpuint(hv_memory_free(hv), >, 32 * MIB);
	g_unlink(path);
	g_free(path);
	hv_free(hv);
	x86_model_free(model);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/pc/bad-configs", bad_configs);
	g_test_add_func("/pc/without-processor", without_processor);
	g_test_add_func("/pc/wires", wires);
	g_test_add_func("/pc/runs", runs);
	return g_test_run();
}
