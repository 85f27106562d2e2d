/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ram.h"

#include <string.h>
#include <sys/mman.h>

enum { RANGES = 4, FIRMWARE_MAX = 16 << 20, FIRMWARE_LOW_MAX = PC_ONE_MIB - PC_UPPER_BASE };

struct range {
	uint64_t at, size;
	uint8_t *host;       /* plain memory; NULL with a partition */
	bool rom;
};

struct ram {
	struct partition *partition;
	struct range range[RANGES];
	unsigned count;
	uint64_t low_end, high_size;
	uint8_t *firmware;
	gsize firmware_size;
};

static bool add(struct ram *r, uint64_t at, uint64_t size, GError **error)
{
	struct range *g = &r->range[r->count];

	*g = (struct range){ .at = at, .size = size };
	if (r->partition) {
		if (!partition_add_ram(r->partition, (gpa_t){ at }, size, error))
			return false;
	} else {
		g->host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (g->host == MAP_FAILED) {
			g->host = NULL;
			g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOMEM, "no host memory for %llu bytes of guest memory",
				    (unsigned long long)size);
			return false;
		}
	}
	r->count++;
	return true;
}

struct ram *ram_new(struct partition *p, uint64_t bytes, GError **error)
{
	struct ram *r = g_new0(struct ram, 1);

	r->partition = p;
	r->low_end = MIN(bytes, PC_HOLE_BASE);
	r->high_size = bytes - r->low_end;
	if (add(r, 0, PC_VGA_BASE, error) && add(r, PC_UPPER_BASE, r->low_end - PC_UPPER_BASE, error) &&
	    (!r->high_size || add(r, PC_FOUR_GIB, r->high_size, error)))
		return r;
	ram_free(r);
	return NULL;
}

void ram_free(struct ram *r)
{
	if (!r)
		return;
	for (unsigned n = 0; n < r->count; n++) {
		if (r->range[n].host)
			munmap(r->range[n].host, r->range[n].size);
	}
	g_free(r->firmware);
	g_free(r);
}

static struct range *find(struct ram *r, uint64_t gpa, size_t n)
{
	for (unsigned k = 0; k < r->count; k++) {
		struct range *g = &r->range[k];

		if (gpa >= g->at && gpa - g->at < g->size && n <= g->size - (gpa - g->at))
			return g;
	}
	return NULL;
}

static bool plain_read(void *o, uint64_t gpa, void *to, size_t n)
{
	struct range *g = find(o, gpa, n);

	if (g)
		memcpy(to, g->host + (gpa - g->at), n);
	return g;
}

static bool plain_write(void *o, uint64_t gpa, const void *from, size_t n)
{
	struct range *g = find(o, gpa, n);

	if (!g || g->rom)
		return false;
	memcpy(g->host + (gpa - g->at), from, n);
	return true;
}

static bool partition_memory_read(void *o, uint64_t gpa, void *to, size_t n)
{
	struct ram *r = o;

	return partition_read(r->partition, (gpa_t){ gpa }, to, n);
}

static bool partition_memory_write(void *o, uint64_t gpa, const void *from, size_t n)
{
	struct ram *r = o;

	return partition_write(r->partition, (gpa_t){ gpa }, from, n);
}

struct guest_memory ram_memory(struct ram *r)
{
	if (r->partition)
		return (struct guest_memory){ partition_memory_read, partition_memory_write, r };
	return (struct guest_memory){ plain_read, plain_write, r };
}

static bool firmware_error(const char *path, GError **error, const char *what)
{
	g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: %s", path, what);
	return false;
}

bool ram_set_firmware(struct ram *r, const char *path, GError **error)
{
	uint64_t at;

	if (!g_file_get_contents(path, (char **)&r->firmware, &r->firmware_size, error)) {
		g_prefix_error(error, "cannot read firmware: ");
		return false;
	}
	if (!r->firmware_size || r->firmware_size % HV_PAGE_SIZE)
		return firmware_error(path, error, "not a firmware image: its size is no multiple of 4 KiB");
	if (r->firmware_size > FIRMWARE_MAX)
		return firmware_error(path, error, "firmware image is larger than 16 MiB");
	at = PC_FOUR_GIB - r->firmware_size;
	if (r->partition)
		return partition_add_rom(r->partition, (gpa_t){ at }, r->firmware, r->firmware_size, error);
	if (!add(r, at, r->firmware_size, error))
		return false;
	memcpy(r->range[r->count - 1].host, r->firmware, r->firmware_size);
	r->range[r->count - 1].rom = true;
	return true;
}

bool ram_reset(struct ram *r, GError **error)
{
	struct guest_memory m = ram_memory(r);
	gsize n = MIN(r->firmware_size, FIRMWARE_LOW_MAX);

	/* RAM, not ROM: firmware for PCs expects to be able to write to its copy. */
	if (n && !m.write(m.opaque, PC_ONE_MIB - n, r->firmware + r->firmware_size - n, n)) {
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "no guest memory below 1 MiB for the firmware");
		return false;
	}
	return true;
}

uint64_t ram_low_end(const struct ram *r)
{
	return r->low_end;
}

uint64_t ram_high_size(const struct ram *r)
{
	return r->high_size;
}
