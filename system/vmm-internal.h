/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of system/ share and nobody else needs. */
#ifndef SYSTEM_VMM_INTERNAL_H
#define SYSTEM_VMM_INTERNAL_H

#include "hmp.h"
#include "options.h"
#include "qmp.h"
#include "qtest.h"
#include "system/vmm.h"

/* Adds a guest around @config's partition; @pc's request callback is set here. */
struct guest *guest_add(struct vmm *v, const char *id, struct pc_config *config, GError **error);
void guest_free(struct guest *g);
/* The guest of that name; NULL with an error that says where names are listed. */
struct guest *guest_need(struct vmm *v, const char *id, GError **error);
/* Runs or halts its VPs; no events. */
void guest_run(struct guest *g);
void guest_halt(struct guest *g);
/* "HV_PARTITION_STATE_CHANGED". */
void guest_announce(struct guest *g);
/* partition_state_name() of it; "created" where there is no processor. */
const char *guest_state(struct guest *g);

/* Devices and objects of the command line, `help` included; *@done if only help was asked for. */
bool creation_help(const struct options *o, FILE *out, bool *done, GError **error);
bool creation_run(struct vmm *v, GError **error);

#endif
