/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the entry code to guest_main(): command line, code below 1 MiB, exceptions. */
#include "guest.h"

extern const char low_image[], low_size[];
void trap_init(void);
void start_c(uint32_t info) __attribute__((noreturn));

static char cmdline[1024];
const void *guest_module;
size_t guest_module_size;

/* The first one that the loader was given (-initrd). */
static void find_module(uint32_t info)
{
#ifdef __x86_64__
	const uint64_t *list = (const uint64_t *)*(uint64_t *)(unsigned long)(info + 16);  /* hvm_start_info.modlist_paddr */

	if (*(uint32_t *)(unsigned long)(info + 12)) {
		guest_module = (const void *)list[0];
		guest_module_size = list[1];
	}
#else
	const uint32_t *list = *(const uint32_t **)(info + 24);  /* multiboot information */

	if ((*(uint32_t *)info & 8) && *(uint32_t *)(info + 20)) {
		guest_module = (const void *)list[0];
		guest_module_size = list[1] - list[0];
	}
#endif
}

static const char *loader_cmdline(uint32_t info)
{
#ifdef __x86_64__
	return (const char *)*(uint64_t *)(unsigned long)(info + 24);  /* hvm_start_info.cmdline_paddr */
#else
	return *(uint32_t *)info & 4 ? *(const char **)(info + 16) : NULL;  /* multiboot information */
#endif
}

void start_c(uint32_t info)
{
	const char *given = loader_cmdline(info);
	volatile uint8_t *low = (uint8_t *)0x8000ul;

	for (unsigned n = 0; given && given[n] && n < sizeof cmdline - 1; n++)
		cmdline[n] = given[n];
	guest_cmdline = cmdline;
	find_module(info);
	for (unsigned long n = 0; n < (unsigned long)low_size; n++)
		low[n] = low_image[n];
	trap_init();
	guest_main();
	guest_exit();
}
