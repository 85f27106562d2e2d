/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine's clock: order of timers, arming from callbacks, stop and start. */
#include "hw/core/clock.h"

#include <glib.h>

enum { TIMERS = 200 };

struct alarm {
	struct clock *clock;
	struct clock_timer *timer;
	int64_t want, again;       /* @again: period, 0 for once */
	int64_t fired_at;
	unsigned fired;
	GArray *order;
};

static void fire(void *opaque)
{
	struct alarm *a = opaque;

	a->fired++;
	a->fired_at = clock_now(a->clock);
	if (a->order)
		g_array_append_val(a->order, a->want);
	if (a->again)
		clock_timer_arm(a->timer, a->fired_at + a->again);
}

static struct alarm alarm_on(struct clock *c)
{
	return (struct alarm){ .clock = c };
}

static void test_order(void)
{
	struct clock *c = clock_new(CLOCK_STEPPED);
	GArray *order = g_array_new(FALSE, FALSE, sizeof(int64_t));
	struct alarm a[TIMERS];

	for (unsigned i = 0; i < TIMERS; i++) {
		a[i] = alarm_on(c);
		a[i].order = order;
		a[i].timer = clock_timer_new(c, fire, &a[i]);
		clock_timer_arm(a[i].timer, 1);
		a[i].want = 1000 + g_test_rand_int_range(0, 5000);
		clock_timer_arm(a[i].timer, a[i].want);
	}
	for (unsigned i = 0; i < TIMERS; i += 3)
		clock_timer_cancel(a[i].timer);
	g_assert_cmpint(clock_step_to(c, 999), ==, 999);
	g_assert_cmpuint(order->len, ==, 0);
	clock_step_to(c, 10000);
	g_assert_cmpuint(order->len, ==, TIMERS - (TIMERS + 2) / 3);
	for (unsigned i = 1; i < order->len; i++)
		g_assert_cmpint(g_array_index(order, int64_t, i - 1), <=, g_array_index(order, int64_t, i));
	for (unsigned i = 0; i < TIMERS; i++) {
		g_assert_cmpuint(a[i].fired, ==, i % 3 != 0);
		if (a[i].fired)
			g_assert_cmpint(a[i].fired_at, ==, a[i].want);
		clock_timer_free(a[i].timer);
	}
	g_array_free(order, TRUE);
	clock_free(c);
}

static void test_periodic(void)
{
	struct clock *c = clock_new(CLOCK_STEPPED);
	struct alarm a = alarm_on(c);

	a.again = 100;
	a.timer = clock_timer_new(c, fire, &a);
	g_assert_cmpint(clock_next_deadline(c), ==, INT64_MAX);
	clock_timer_arm(a.timer, 100);
	g_assert_cmpint(clock_next_deadline(c), ==, 100);
	clock_step_to(c, 1050);
	g_assert_cmpuint(a.fired, ==, 10);
	g_assert_cmpint(clock_timer_deadline(a.timer), ==, 1100);
	g_assert_cmpint(clock_now(c), ==, 1050);
	g_assert_cmpint(clock_step_to(c, 10), ==, 1050);
	clock_timer_free(a.timer);
	g_assert_cmpint(clock_next_deadline(c), ==, INT64_MAX);
	clock_free(c);
}

static void test_past(void)
{
	struct clock *c = clock_new(CLOCK_STEPPED);
	struct alarm a = alarm_on(c);

	a.timer = clock_timer_new(c, fire, &a);
	clock_step_to(c, 500);
	clock_timer_arm(a.timer, 3);
	clock_step_to(c, 500);
	g_assert_cmpuint(a.fired, ==, 1);
	g_assert_cmpint(a.fired_at, ==, 500);
	clock_step_to(c, INT64_MAX);
	g_assert_cmpint(clock_now(c), ==, CLOCK_END);
	clock_timer_free(a.timer);
	clock_free(c);
}

/* Only order and stillness: how late a thread wakes is the host's affair. */
static void test_real(void)
{
	struct clock *c = clock_new(CLOCK_REAL);
	struct alarm a = alarm_on(c);
	int64_t stopped;

	a.timer = clock_timer_new(c, fire, &a);
	g_assert_cmpint(clock_now(c), ==, 0);
	clock_timer_arm(a.timer, 2000000);
	g_usleep(5000);
	g_assert_cmpuint(a.fired, ==, 0);
	clock_start(c);
	while (clock_timer_deadline(a.timer) != INT64_MAX)
		g_usleep(100);
	clock_stop(c);
	g_assert_cmpuint(a.fired, ==, 1);
	g_assert_cmpint(a.fired_at, >=, 2000000);
	stopped = clock_now(c);
	g_usleep(3000);
	g_assert_cmpint(clock_now(c), ==, stopped);
	clock_timer_arm(a.timer, stopped + 1);
	g_usleep(3000);
	g_assert_cmpuint(a.fired, ==, 1);
	clock_start(c);
	g_assert_cmpint(clock_now(c), >=, stopped);
	while (clock_timer_deadline(a.timer) != INT64_MAX)
		g_usleep(100);
	clock_timer_free(a.timer);
	g_assert_cmpuint(a.fired, ==, 2);
	clock_free(c);
}

/* Freeing waits for a callback that arms its own timer all the time. */
static void test_free_running(void)
{
	for (unsigned i = 0; i < 50; i++) {
		struct clock *c = clock_new(CLOCK_REAL);
		struct alarm a = alarm_on(c);

		a.again = 1;
		a.timer = clock_timer_new(c, fire, &a);
		clock_start(c);
		clock_timer_arm(a.timer, 0);
		g_usleep(200);
		clock_timer_free(a.timer);
		g_assert_cmpint(clock_next_deadline(c), ==, INT64_MAX);
		clock_free(c);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/clock/order", test_order);
	g_test_add_func("/clock/periodic", test_periodic);
	g_test_add_func("/clock/past", test_past);
	g_test_add_func("/clock/real", test_real);
	g_test_add_func("/clock/free-while-running", test_free_running);
	return g_test_run();
}
