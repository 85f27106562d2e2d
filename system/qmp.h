/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QMP: sessions, the dispatcher, and what a command is made of.
 *
 * New command: a handler and a row in the table of its file (qmp-*.c).  The
 * dispatcher checks names and types of arguments; a handler never does.
 */
#ifndef SYSTEM_QMP_H
#define SYSTEM_QMP_H

#include <stdbool.h>

#include "backends/chardev.h"
#include "json.h"

struct vmm;
struct qmp;

#define QMP_ERROR (qmp_error_quark())
GQuark qmp_error_quark(void);
/* QMP's error classes; errors of any other domain are GenericError. */
enum qmp_error_class { QMP_GENERIC, QMP_COMMAND_NOT_FOUND, QMP_DEVICE_NOT_ACTIVE, QMP_DEVICE_NOT_FOUND,
		       QMP_KVM_MISSING_CAP };

enum qmp_type { QMP_STRING, QMP_INT, QMP_BOOL, QMP_OBJECT, QMP_ARRAY, QMP_ANY };
struct qmp_arg {
	const char *name;
	enum qmp_type type;
	bool optional;
};

struct qmp_command {
	const char *name;
	const struct qmp_arg *args;    /* ends with name NULL; NULL: none */
	/* The value to return, NULL for {} or with @error.  @args fits the table; never NULL. */
	JsonNode *(*run)(struct vmm *v, JsonObject *args, GError **error);
	const char *returns;           /* type name for query-qmp-schema; NULL: nothing */
};

/* Tables, each ending with name NULL; the list ends with NULL. */
extern const struct qmp_command qmp_control_commands[], qmp_object_commands[], qmp_partition_commands[],
	qmp_chardev_commands[], qmp_jit_commands[], qmp_hyperv_commands[];
extern const struct qmp_command *const qmp_tables[];
const struct qmp_command *qmp_find(const char *name);

/* A session on @c. */
struct qmp *qmp_new(struct vmm *v, struct chardev *c, bool pretty, GError **error);
void qmp_free(struct qmp *q);
/* Sends @text (a whole line) if the session is negotiated. */
void qmp_send_event(struct qmp *q, JsonNode *event);
/* The reply to one request; for tests too.  Takes @request. */
JsonNode *qmp_dispatch(struct vmm *v, bool *negotiated, JsonNode *request);

/* Small makers of answers. */
JsonNode *qmp_node(JsonObject *o);       /* takes @o */
JsonNode *qmp_list(JsonArray *a);        /* takes @a */
JsonNode *qmp_version(void);
/* An argument, or what to take if it is not given. */
const char *qmp_string(JsonObject *args, const char *name, const char *unset);
gint64 qmp_int(JsonObject *args, const char *name, gint64 unset);
bool qmp_bool(JsonObject *args, const char *name, bool unset);

#endif
