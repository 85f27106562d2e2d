/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pages and the tables of long mode. */
#include "guest.h"

extern char image_end[];
static unsigned long next_free;

void *page_alloc(void)
{
	void *p;

	if (!next_free)
		next_free = ((unsigned long)image_end + PAGE - 1) & ~(unsigned long)(PAGE - 1);
	p = (void *)next_free;
	next_free += PAGE;
	return memset(p, 0, PAGE);
}

#ifdef __x86_64__
enum { ADDRESS_BITS_LEVEL = 9 };
#define ADDRESS_MASK 0x000ffffffffff000ull

uint64_t *page_entry(uint64_t address, unsigned level)
{
	uint64_t *table = (uint64_t *)(read_cr3() & ADDRESS_MASK);

	for (unsigned l = read_cr4() & CR4_LA57 ? 5 : 4;; l--) {
		uint64_t *e = &table[address >> (12 + ADDRESS_BITS_LEVEL * (l - 1)) & 511];

		if (l == level)
			return e;
		if (!(*e & P_P))
			*e = (uint64_t)page_alloc() | P_P | P_W | P_U;
		table = (uint64_t *)(*e & ADDRESS_MASK);
	}
}

void page_map(uint64_t address, uint64_t physical, uint64_t bits, unsigned level)
{
	*page_entry(address, level) = physical | bits | (level > 1 ? P_PS : 0);
	invlpg(address);
}
#endif
