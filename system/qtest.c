/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qtest.h"

struct qtest *qtest_new(struct vmm *v, struct chardev *c, const char *log, GError **error)
{
	g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "not served by this build");
	return NULL;
}

void qtest_free(struct qtest *q)
{
}
