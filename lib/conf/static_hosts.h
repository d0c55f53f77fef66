// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Inside hosts of static mappings that have no IPv4 address of their own (table/statics.h).

#include "conf/build_nat.h"
#include "conf/judge.h"

// Whether the inside hosts of an instance are such.
bool instance_has_hosts(const struct config_instance *instance);

// The policy of such an instance that serves the host of an entry; NULL: none.
const struct config_policy *static_policy(
	const struct config_instance *instance, const struct config_static *s);

// The first of the AFTRs in force that a host behind a B4 may be behind, or -1.
int static_aftr(const struct config *config, const struct config_instance *instance,
	const struct config_static *s);

struct static_hosts {
	const struct config *config;
	const struct snapshot
		*snapshot;         // NULL: there is none yet, and places are good for comparing
	struct static_table table; // whose hosts alone are there
};

// Collects the hosts of all entries. Returns 0 or -ENOMEM; whoever has them frees table.host.
int static_hosts_make(struct static_hosts *hosts);

// What the mappings of an entry are from: the inside address, or the place of its host. 0: that is not said well.
rte_be32_t static_hosts_inside(const struct static_hosts *hosts,
	const struct config_instance *instance, const struct config_static *s);

// Checks what an entry says of its host, and whether those of one subscriber are behind as many B4s as he may have.
void static_check_host(struct judge *j, const struct config *config,
	const struct config_instance *instance, const struct config_static *s);
void static_check_b4s(struct judge *j, const struct config *config);

// Refuses a B4 where no inside host is behind one.
void static_refuse_b4(struct judge *j, const struct config_static *s);
