/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Locks with levels, gates. */
#include <glib.h>
#include <pthread.h>

#include "sync/futex.h"
#include "sync/gate.h"
#include "sync/lock.h"

#define MS INT64_C(1000000)

static void test_gate_open_first(void)
{
	struct gate g;

	gate_init(&g);
	gate_open(&g);
	gate_open(&g);
	g_assert_true(gate_wait(&g, monotonic_ns() + 1000 * MS));
	/* Two opens are one. */
	g_assert_false(gate_wait(&g, monotonic_ns() + MS));
}

static void test_gate_timeout(void)
{
	int64_t before = monotonic_ns();
	struct gate g;

	gate_init(&g);
	g_assert_false(gate_wait(&g, before + 20 * MS));
	g_assert_cmpint(monotonic_ns() - before, >=, 20 * MS);
	/* A deadline that has passed, and one from before time began. */
	g_assert_false(gate_wait(&g, before));
	g_assert_false(gate_wait(&g, 0));
}

/* Spinning for what does not come stops; for what comes soon, it begins. */
static void test_gate_spins_less(void)
{
	struct gate g;
	int64_t longer;

	gate_init(&g);
	longer = 16 * g.spin_ns;
	g.spin_ns = longer;
	g_assert_false(gate_wait(&g, monotonic_ns() + MS));
	g_assert_cmpint(g.spin_ns, <, longer);
	/* An open that was there already says nothing of the next. */
	longer = g.spin_ns;
	gate_open(&g);
	g_assert_true(gate_wait(&g, INT64_MAX));
	g_assert_cmpint(g.spin_ns, ==, longer);
	for (int i = 0; i < 20; i++)
		gate_wait(&g, 0);
	longer = g.spin_ns;
	gate_init(&g);
	g_assert_cmpint(longer, ==, g.spin_ns);
}

struct rally {
	struct gate here, there;
	unsigned rounds, got;
};

static void *rally_partner(void *o)
{
	struct rally *r = o;

	for (unsigned i = 0; i < r->rounds; i++) {
		g_assert_true(gate_wait(&r->there, INT64_MAX));
		r->got++;
		gate_open(&r->here);
	}
	return NULL;
}

static void test_gate_rally(void)
{
	struct rally r = { .rounds = 20000 };
	int64_t least, most = 0;
	pthread_t t;

	gate_init(&r.here);
	gate_init(&r.there);
	least = r.here.spin_ns;
	g_assert_cmpint(pthread_create(&t, NULL, rally_partner, &r), ==, 0);
	for (unsigned i = 0; i < r.rounds; i++) {
		gate_open(&r.there);
		g_assert_true(gate_wait(&r.here, INT64_MAX));
		g_assert_cmpuint(r.got, ==, i + 1);
		most = MAX(most, r.here.spin_ns);
	}
	pthread_join(t, NULL);
	/* Of so many, some answers came after a sleep that was short. */
	g_assert_cmpint(most, >, least);
}

static void test_lock_excludes(void)
{
	struct lock l;

	lock_init(&l, LOCK_VP, "test");
	lock_acquire(&l);
	g_assert_true(lock_held(&l));
	g_assert_cmpint(pthread_mutex_trylock(&l.mutex), !=, 0);
	lock_release(&l);
	g_assert_cmpint(pthread_mutex_trylock(&l.mutex), ==, 0);
	pthread_mutex_unlock(&l.mutex);
	lock_destroy(&l);
}

#ifdef DEBUG_LOCKS

static void child_wrong_order(void)
{
	struct lock high, low;

	lock_init(&high, LOCK_DEVICE, "upper one");
	lock_init(&low, LOCK_PARTITION, "lower one");
	lock_acquire(&high);
	lock_acquire(&low);
}

static void child_same_level(void)
{
	struct lock a, b;

	lock_init(&a, LOCK_PARTITION, "first");
	lock_init(&b, LOCK_PARTITION, "second");
	lock_acquire(&a);
	lock_acquire(&b);
}

static void child_not_held(void)
{
	struct lock a;

	lock_init(&a, LOCK_PARTITION, "nobody's");
	lock_release(&a);
}

static void test_lock_order(void)
{
	g_test_trap_subprocess("/sync/lock/subprocess/wrong-order", 0, 0);
	g_test_trap_assert_failed();
	g_test_trap_assert_stderr("*\"lower one\" (level 20)*\"upper one\" (level 50)*");
	g_test_trap_subprocess("/sync/lock/subprocess/same-level", 0, 0);
	g_test_trap_assert_failed();
	g_test_trap_assert_stderr("*\"second\" (level 20)*\"first\" (level 20)*");
	g_test_trap_subprocess("/sync/lock/subprocess/not-held", 0, 0);
	g_test_trap_assert_failed();
	g_test_trap_assert_stderr("*\"nobody's\"*does not hold*");
}

static void test_lock_nested(void)
{
	struct lock parent, child, device;

	lock_init(&parent, LOCK_PARTITION, "parent");
	lock_init(&child, LOCK_PARTITION, "child");
	lock_init(&device, LOCK_DEVICE, "device");
	lock_acquire(&parent);
	lock_acquire_nested(&child);
	lock_acquire(&device);
	g_assert_true(lock_held(&child));
	/* Any order of release. */
	lock_release(&parent);
	g_assert_false(lock_held(&parent));
	g_assert_true(lock_held(&child));
	lock_release(&device);
	lock_release(&child);
	lock_acquire(&parent);
	lock_release(&parent);
}

#endif

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/sync/gate/open-first", test_gate_open_first);
	g_test_add_func("/sync/gate/timeout", test_gate_timeout);
	g_test_add_func("/sync/gate/spins-less", test_gate_spins_less);
	g_test_add_func("/sync/gate/rally", test_gate_rally);
	g_test_add_func("/sync/lock/excludes", test_lock_excludes);
#ifdef DEBUG_LOCKS
	g_test_add_func("/sync/lock/order", test_lock_order);
	g_test_add_func("/sync/lock/nested", test_lock_nested);
	g_test_add_func("/sync/lock/subprocess/wrong-order", child_wrong_order);
	g_test_add_func("/sync/lock/subprocess/same-level", child_same_level);
	g_test_add_func("/sync/lock/subprocess/not-held", child_not_held);
#endif
	return g_test_run();
}
