/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trace/log.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

_Atomic uint32_t log_mask;

/* NULL is standard error; replaced at start-up, before a second thread. */
static FILE *log_file;

static const struct {
	const char *name, *help;
} items[LOG_INDEX_COUNT] = {
#define X(c, n, h) [c##_INDEX] = { n, h },
	LOG_ITEMS(X)
#undef X
};

void log_print(enum log_item item, const char *format, ...)
{
	FILE *out = log_file ? log_file : stderr;
	va_list ap;

	if (!log_on(item))
		return;
	va_start(ap, format);
	vfprintf(out, format, ap);
	va_end(ap);
	if (out != stderr)
		fflush(out);
}

static uint32_t item_named(const char *name, size_t length)
{
	if (length == 3 && !memcmp(name, "all", 3))
		return UINT32_MAX;
	for (unsigned i = 0; i < LOG_INDEX_COUNT; i++) {
		if (strlen(items[i].name) == length && !memcmp(items[i].name, name, length))
			return 1u << i;
	}
	return 0;
}

const char *log_set_items(const char *list)
{
	uint32_t mask = 0;

	for (const char *p = list; *p;) {
		size_t n = strcspn(p, ",");
		uint32_t bit = item_named(p, n);
		int none = n == 4 && !memcmp(p, "none", 4);

		if (!bit && !none)
			return p;
		mask = none ? 0 : mask | bit;
		p += n + (p[n] == ',');
	}
	atomic_store_explicit(&log_mask, mask, memory_order_relaxed);
	return NULL;
}

int log_set_file(const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return -errno;
	if (log_file)
		fclose(log_file);
	log_file = f;
	return 0;
}

void log_help(FILE *out)
{
	fputs("Log items (comma between):\n", out);
	for (unsigned i = 0; i < LOG_INDEX_COUNT; i++)
		fprintf(out, "%-15s %s\n", items[i].name, items[i].help);
	fputs("all             every item\nnone            nothing\n", out);
}
