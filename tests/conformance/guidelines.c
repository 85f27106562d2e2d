/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Appendix A (section 24): what the hypervisor's own call table shows of the rules for interfaces. */
#include "rule.h"

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static bool begins(const char *s, const char *with)
{
	while (*with && *s == *with) {
		s++;
		with++;
	}
	return !*with;
}

static bool has_word(const char *s, const char *word)
{
	for (; *s; s++)
		if (begins(s, word))
			return true;
	return false;
}

static bool ends(const char *s, const char *with)
{
	for (; *s; s++)
		if (same(s, with))
			return true;
	return false;
}

RULE_ANY(T24_a, "names of calls begin with Hv and are no others'")
{
	FOR_EACH_CALL(row) {
		check_that(begins(row->name, "Hv") && row->name[2] >= 'A' && row->name[2] <= 'Z', "%s", row->name);
		/* A call of later revisions may stand beside the one that it replaces: same name, another code. */
		FOR_EACH_CALL(other)
			check_that(other == row || other->code != row->code, "%s and %s are one code", row->name, other->name);
	}
}

/* What a Set goes with: the same name with Get. */
static bool has_getter(const struct call_row *set)
{
	FOR_EACH_CALL(row)
		if (begins(row->name, "HvGet") && same(row->name + 5, set->name + 5))
			return true;
	return false;
}

RULE_ANY(T24_g, "what one call sets another gets")
{
	FOR_EACH_CALL(row)
		if (begins(row->name, "HvSet"))
			check_that(has_getter(row), "%s has no partner", row->name);
}

RULE_ANY(T24_h, "rep calls have names that tell of several things")
{
	static const char *const collective[] = { "Memory", "List" };

	FOR_EACH_CALL(row) {
		bool several = ends(row->name, "s") || ends(row->name, "sEx");

		for (unsigned i = 0; i < sizeof collective / sizeof collective[0]; i++)
			several = several || has_word(row->name, collective[i]);
		if (row->flags & CALL_ROW_REP)
			check_that(several, "%s is a rep call", row->name);
	}
}
