/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool.h"

#include <assert.h>

void pool_init(struct pool *p)
{
	p->free = g_array_new(FALSE, FALSE, sizeof(struct pool_page));
	p->used = g_array_new(FALSE, FALSE, sizeof(struct pool_page));
	p->charged = 0;
}

void pool_fini(struct pool *p)
{
	g_array_free(p->free, TRUE);
	g_array_free(p->used, TRUE);
}

static uint64_t pages(uint64_t bytes)
{
	return (bytes + HV_PAGE_SIZE - 1) >> HV_PAGE_SHIFT;
}

uint64_t pool_available(const struct pool *p)
{
	assert(p->free->len >= pages(p->charged));
	return p->free->len - pages(p->charged);
}

uint64_t pool_in_use(const struct pool *p)
{
	return p->used->len + pages(p->charged);
}

void pool_deposit(struct pool *p, struct pool_page page)
{
	g_array_append_val(p->free, page);
}

/* The caller has seen that one is available. */
static struct pool_page take_last(struct pool *p)
{
	struct pool_page page = g_array_index(p->free, struct pool_page, p->free->len - 1);

	g_array_set_size(p->free, p->free->len - 1);
	return page;
}

bool pool_withdraw(struct pool *p, struct pool_page *page)
{
	if (!pool_available(p))
		return false;
	*page = take_last(p);
	return true;
}

bool pool_take_page(struct pool *p, struct pool_page *page)
{
	if (!pool_withdraw(p, page))
		return false;
	g_array_append_vals(p->used, page, 1);
	return true;
}

bool pool_take(struct pool *p, spn_t *frame)
{
	struct pool_page page;

	if (!pool_take_page(p, &page))
		return false;
	*frame = page.frame;
	return true;
}

void pool_give(struct pool *p, spn_t frame)
{
	for (guint i = 0; i < p->used->len; i++) {
		struct pool_page page = g_array_index(p->used, struct pool_page, i);

		if (page.frame.v != frame.v)
			continue;
		g_array_remove_index_fast(p->used, i);
		g_array_append_val(p->free, page);
		return;
	}
	assert(!"a page that the pool has not lent");
}

bool pool_charge(struct pool *p, uint64_t bytes)
{
	if (pages(p->charged + bytes) > p->free->len)
		return false;
	p->charged += bytes;
	return true;
}

void pool_discharge(struct pool *p, uint64_t bytes)
{
	assert(bytes <= p->charged);
	p->charged -= bytes;
}

void pool_release(struct pool *p)
{
	g_array_append_vals(p->free, p->used->data, p->used->len);
	g_array_set_size(p->used, 0);
	p->charged = 0;
}
