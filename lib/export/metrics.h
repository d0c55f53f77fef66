// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The metrics listener: GET /metrics over HTTP, for Prometheus and what reads the same format. It runs on
// the control thread's event loop, holds few connections and none for long, and knows nobody: who may
// reach its address may read.

#include "base/err.h"
#include "base/evloop.h"
#include "base/ipaddr.h"
#include "export/exposition.h"

struct metrics;

struct metrics_env {
	struct evloop *loop;
	void (*collect)(void *ctx, struct exposition *e);
	void *ctx;
};

// Listens on an address and port (0: any that is free). Returns NULL with the reason in err.
struct metrics *metrics_open(
	const struct metrics_env *env, const struct ipaddr *addr, uint16_t port, struct err *err);

uint16_t metrics_port(const struct metrics *metrics);

// NULL is allowed.
void metrics_close(struct metrics *metrics);
