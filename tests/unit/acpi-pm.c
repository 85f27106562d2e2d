/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ACPI fixed hardware through its ports. */
#include "hw/acpi/pm.h"

#include "board.h"

enum { STATUS = ACPI_PM_BASE, ENABLE = STATUS + 2, CONTROL = ACPI_PM_BASE + ACPI_PM1_CNT, TIMER = ACPI_PM_BASE + ACPI_PM_TMR,
	GPE_STATUS = ACPI_PM_BASE + ACPI_GPE0, GPE_ENABLE = GPE_STATUS + ACPI_GPE0_LEN / 2 };
enum { TMR = 1, POWER_BUTTON = 0x100, SLEEP = 0x2000 };

static unsigned in16(struct board *b, uint16_t port)
{
	return machine_io_read(b->m, port, 2);
}

static void out16(struct board *b, uint16_t port, unsigned value)
{
	machine_io_write(b->m, port, 2, value);
}

static int sci(struct board *b)
{
	return b->level[ACPI_PM_SCI];
}

static void test_timer(void)
{
	struct board *b = board_new();

	board_add(b, "acpi-pm");
	g_assert_cmphex(machine_io_read(b->m, TIMER, 4), ==, 0);
	pass(b, 1000000000);
	g_assert_cmpuint(machine_io_read(b->m, TIMER, 4), ==, ACPI_PM_TIMER_HZ);
	g_assert_cmphex(in8(b, TIMER + 1), ==, ACPI_PM_TIMER_HZ >> 8 & 0xff);
	machine_io_write(b->m, TIMER, 4, 0);
	g_assert_cmpuint(machine_io_read(b->m, TIMER, 4), ==, ACPI_PM_TIMER_HZ);
	pass(b, INT64_C(1199000000000));
	g_assert_cmpuint(machine_io_read(b->m, TIMER, 4), ==, (uint32_t)(UINT64_C(1200) * ACPI_PM_TIMER_HZ));
	board_free(b);
}

static void check_overflow(const char *wide, int64_t half)
{
	const char *set[] = { "timer32", wide, NULL };
	struct board *b = board_new();
	int64_t ns = half * 1000000000 / ACPI_PM_TIMER_HZ;

	g_assert_nonnull(device_new(b->m, "acpi-pm", NULL, set, NULL));
	clock_step_to(b->m->clock, ns);
	g_assert_cmphex(in16(b, STATUS) & TMR, ==, 0);
	clock_step_to(b->m->clock, ns + 1);
	g_assert_cmphex(in16(b, STATUS) & TMR, ==, TMR);
	g_assert_cmpint(sci(b), ==, 0);
	out16(b, STATUS, TMR);
	g_assert_cmphex(in16(b, STATUS), ==, 0);
	out16(b, ENABLE, TMR);
	clock_step_to(b->m->clock, 2 * ns);
	g_assert_cmpint(sci(b), ==, 0);
	clock_step_to(b->m->clock, 2 * ns + 2);
	g_assert_cmpint(sci(b), ==, 1);
	out16(b, STATUS, TMR);
	g_assert_cmpint(sci(b), ==, 0);
	board_free(b);
}

static void test_overflow(void)
{
	check_overflow("on", INT64_C(1) << 31);
	check_overflow("off", 1 << 23);
}

static void test_power_button(void)
{
	struct board *b = board_new();
	struct device *d = board_add(b, "acpi-pm");

	acpi_pm_power_button(d);
	g_assert_cmphex(in16(b, STATUS), ==, POWER_BUTTON);
	g_assert_cmpint(sci(b), ==, 0);
	out16(b, ENABLE, POWER_BUTTON);
	g_assert_cmpint(sci(b), ==, 1);
	out16(b, STATUS, 0xfeff);
	g_assert_cmpint(sci(b), ==, 1);
	out16(b, STATUS, POWER_BUTTON);
	g_assert_cmpint(sci(b), ==, 0);
	acpi_pm_power_button(d);
	g_assert_cmpint(sci(b), ==, 1);
	machine_reset(b->m);
	g_assert_cmpint(sci(b), ==, 0);
	g_assert_cmphex(in16(b, ENABLE), ==, 0);
	board_free(b);
}

static void test_sleep(void)
{
	struct board *b = board_new();

	board_add(b, "acpi-pm");
	g_assert_cmphex(in16(b, CONTROL), ==, 1);
	out16(b, CONTROL, 1 << 10);
	g_assert_cmphex(in16(b, CONTROL), ==, 1 << 10 | 1);
	out16(b, CONTROL, SLEEP | 1 << 10);
	g_assert_cmpuint(b->shutdowns, ==, 0);
	out16(b, CONTROL, SLEEP | ACPI_PM_S5_TYPE << 10);
	g_assert_cmpuint(b->shutdowns, ==, 1);
	g_assert_cmphex(in16(b, CONTROL) & SLEEP, ==, 0);
	board_free(b);
}

static void test_gpe(void)
{
	struct board *b = board_new();
	struct device *d = board_add(b, "acpi-pm");

	out8(b, GPE_ENABLE + 1, 0x04);
	acpi_pm_gpe(d, 9);
	g_assert_cmpint(sci(b), ==, 0);
	acpi_pm_gpe(d, 10);
	acpi_pm_gpe(d, 1000);
	g_assert_cmpint(sci(b), ==, 1);
	g_assert_cmphex(in8(b, GPE_STATUS + 1), ==, 0x06);
	out8(b, GPE_STATUS + 1, 0x04);
	g_assert_cmpint(sci(b), ==, 0);
	g_assert_cmphex(in8(b, GPE_STATUS + 1), ==, 0x02);
	board_free(b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/acpi-pm/timer", test_timer);
	g_test_add_func("/acpi-pm/overflow", test_overflow);
	g_test_add_func("/acpi-pm/power-button", test_power_button);
	g_test_add_func("/acpi-pm/sleep", test_sleep);
	g_test_add_func("/acpi-pm/gpe", test_gpe);
	return g_test_run();
}
