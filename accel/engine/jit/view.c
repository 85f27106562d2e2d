/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What keeps translations true: which frame is seen at which page, which code has
 * changed, which jumps lead where.
 *
 * A variant belongs to the view of its page.  Jumps inside a page go straight to
 * their target, others to its checked entry, which tests code_ok of its view, so a
 * TLB flush breaks no link.  When the code of a frame changes, its views lose their
 * variants: every jump that was led to one leads to its own exit again.
 */
#include "jit.h"

static uint32_t bucket_of(const struct x86_code_page *code)
{
	return (uint32_t)(((uint64_t)(uintptr_t)code * 0x9e3779b97f4a7c15) >> 51) & (JIT_PAGES - 1);
}

/* ---- targets of indirect branches ---- */

/* Never a hit: whatever is looked for at i has low bits i, and its key is not 0. */
static void target_clear(struct jit *j, uint32_t i) { j->tables->target[i].tag = i; }

void targets_close(struct jit *j)
{
	for (uint32_t i = 0; i < JIT_TARGETS; i++)
		target_clear(j, i);
}

void targets_clear(struct jit *j)
{
	targets_close(j);
	memset(j->more, 0, JIT_MORE * sizeof *j->more);
}

static uint64_t entry_at(const struct jit *j, const struct variant *v)
{
	return (uint64_t)(uintptr_t)(j->exec + v->entry[ENTRY_CHECKED]);
}

void target_put(struct x86_cpu *c, const struct variant *v)
{
	struct jit *j = jit_of(c);

	if (!always_canonical(v->lin))
		return;
	j->tables->target[target_index(v->lin, v->held)] = (struct target){ v->lin + v->key, entry_at(j, v) };
	j->more[more_index(v->lin, v->key)] = (struct more){ v->lin, v->key, v->entry[ENTRY_CHECKED] };
}

/* ---- links ---- */

static void lead(struct jit *j, uint32_t site, uint32_t to)
{
	int32_t rel = (int32_t)(to - (site + 4));

	memcpy(j->write + site, &rel, 4);
}

/* 0: none left. */
static uint32_t link_take(struct jit *j)
{
	uint32_t i = j->free_link;

	if (i)
		j->free_link = j->link[i].next;
	else if (j->links < JIT_LINKS)
		i = j->links++;
	return i;
}

void link_exit(struct jit *j, uint32_t site, struct variant *v, unsigned entry)
{
	uint32_t i = link_take(j);
	struct link *l;
	int32_t rel;

	if (!i)
		return;
	memcpy(&rel, j->write + site, 4);
	l = &j->link[i];
	*l = (struct link){ .site = site, .stub = site + 4 + (uint32_t)rel, .next = v->link };
	v->link = i;
	lead(j, site, v->entry[entry]);
	j->count.chains++;
}

static void variant_kill(struct jit *j, struct variant *v)
{
	uint32_t i = target_index(v->lin, v->held), more = more_index(v->lin, v->key), next;

	if (v->dead)
		return;
	v->dead = true;
	for (uint32_t l = v->link; l; l = next) {
		lead(j, j->link[l].site, j->link[l].stub);
		next = j->link[l].next;
		j->link[l].next = j->free_link;
		j->free_link = l;
		j->count.unlinked++;
	}
	v->link = 0;
	if (j->tables->target[i].host == entry_at(j, v))
		target_clear(j, i);
	if (j->more[more].entry == v->entry[ENTRY_CHECKED])
		j->more[more].entry = 0;
}

void block_scattered(struct jit *j)
{
	struct block *b = j->tables->scatter_block;

	j->tables->scatter = 0;
	b->scattered = true;
	j->count.scattered++;
	for (struct variant *v = b->variant; v; v = v->next) {
		variant_kill(j, v);
		v->gone = true;
	}
}

/* ---- views ---- */

static void view_kill(struct jit *j, struct code_view *view)
{
	struct variant *v = view->variant, *next;

	j->tables->code_ok[view_index(j, view)] = 0;
	view->variant = NULL;
	view->changed |= v != NULL;
	for (; v; v = next) {
		/* In the list of its second page it hangs by the other link. */
		next = v->next_in_view[v->view != view];
		j->count.stale += !v->dead;
		variant_kill(j, v);
	}
}

struct code_view *view_get(struct x86_cpu *c, uint64_t page, struct x86_code_page *code)
{
	bool user = c->mmu == X86_MMU_USER;
	struct jit *j = jit_of(c);
	struct code_view **head = &j->bucket[bucket_of(code)], *v;

	for (v = *head; v; v = v->next)
		if (v->code == code && v->page == page && v->user == user)
			break;
	if (!v) {
		if (j->views == JIT_PAGES)
			return NULL;
		v = &j->view[j->views++];
		*v = (struct code_view){ .page = page, .code = code, .user = user, .next = *head };
		*head = v;
	}
	if (v->gen != atomic_load(&code->gen)) {
		view_kill(j, v);
		v->gen = x86_code_gen(code);
	}
	return v;
}

static void forget_ok(struct jit *j, bool global)
{
	for (uint32_t i = 0; i < j->ok_count[global]; i++)
		j->tables->code_ok[j->ok[global][i]] = 0;
	j->ok_count[global] = 0;
}

void view_set_ok(struct jit *j, struct code_view *view, bool global)
{
	uint32_t i = view_index(j, view);

	if (j->tables->code_ok[i])
		return;
	/* Views that were killed are in the lists too, perhaps several times. */
	if (j->ok_count[global] == JIT_PAGES)
		forget_ok(j, global);
	j->tables->code_ok[i] = 1;
	j->ok[global][j->ok_count[global]++] = (uint16_t)i;
}

static void kill_stale(struct jit *j, struct code_view *v)
{
	if (v->gen != atomic_load(&v->code->gen))
		view_kill(j, v);
}

void views_check(struct x86_cpu *c)
{
	struct jit *j = jit_of(c);

	for (unsigned global = 0; global < 2; global++) {
		if (c->code_key[global] != j->ok_key[global]) {
			forget_ok(j, global);
			j->ok_key[global] = c->code_key[global];
		}
	}
	if (unlikely(c->code_hit != NULL)) {
		for (struct code_view *v = j->bucket[bucket_of(c->code_hit)]; v; v = v->next)
			if (v->code == c->code_hit)
				kill_stale(j, v);
		c->code_hit = NULL;
	}
	if (unlikely(j->in.code_all)) {
		j->in.code_all = false;
		for (uint32_t i = 0; i < j->views; i++)
			kill_stale(j, &j->view[i]);
	}
}

void views_clear(struct jit *j)
{
	forget_ok(j, false);
	forget_ok(j, true);
	memset(j->bucket, 0, sizeof j->bucket);
	j->views = 0;
}
