// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The running box: the one place that knows both towers. The control thread owns it.

#include "base/err.h"
#include "base/evloop.h"
#include "base/rcu.h"
#include "conf/conf.h"
#include "ctl/ctl.h"
#include "ctl/notify.h"
#include "neigh/neigh.h"
#include "resolve/table.h"
#include "table/acl.h"
#include "table/neighbour.h"
#include "worker/worker.h"

#include "args.h"
#include "host/host.h"

struct dots;
struct expiry;
struct homes;
struct metrics;
struct pcap_ring;
struct relay;

// What is asked of a worker goes through a buffer of the box, so that an answer that comes too late is
// written to memory that is still there.
#define ASK_BUFFER 65536

struct asked {
	bool open; // an answer is still to come
	uint32_t sequence;
	void *buffer;
};

struct box {
	const struct args *args;
	struct schema *schema;
	struct config *config;
	struct build build;
	struct snapshot *snapshot; // in force
	struct snapshot *retired;  // its predecessor, while some worker may still use it
	bool reload_again;         // asked for while a predecessor was still in use
	uint32_t generation;
	struct evloop *loop;
	struct rcu *rcu;
	struct acl *acl;
	struct neighbour_table *neighbours;
	struct neigh *neigh;
	struct host *host;
	struct resolve_table *resolve;
	struct homes *homes;
	struct relay *relay;
	struct dots *dots;
	struct pcap_ring *capture; // of what mitigations inspect; NULL: none
	struct expiry *expiry;
	struct ctl *ctl;
	struct ctl_source source;
	struct notifier *notifier;
	struct metrics *metrics;
	struct dataplane dataplane;
	struct asked asked[POOL_MAX_WORKERS];
	struct watch signals;
	struct timer records; // the next time that those of deterministic NAT are logged
	struct load *load;    // of the workers
	unsigned launched;    // workers that run
	bool ending;
};

// eal.c: DPDK and its memory.

#define EAL_COPIES 1023 // buffers for what mitigations inspect

// Checks that the tables of a configuration fit the memory it gives them, and hands the fault to `report`.
// Returns how many there were.
unsigned eal_check(
	const struct config *config, void (*report)(void *ctx, const char *text), void *ctx);

// Starts DPDK for a configuration that eal_check() has passed.
int eal_start(const struct config *config, struct err *err);

// What a worker's tables are made for.
struct worker_size eal_worker_size(const struct config *config);
uint32_t eal_port_sets(const struct config *config);

// loop.c: the control thread at work.

// Runs until the box ends. Returns the exit code.
int loop_run(struct box *box);

// Takes in what the workers have said.
void loop_hear(struct box *box);

// Sends a message to a worker. Returns -ENOBUFS when its ring stays full.
int loop_tell(struct box *box, unsigned worker, const struct msg *msg);

// Asks a worker (MSG_WALK, MSG_FIND, MSG_FIND_ICMP) and waits for the answer, which replaces *msg; rows go
// where the question said. Returns 0 or -ETIMEDOUT.
int loop_ask(struct box *box, unsigned worker, struct msg *msg);

// Waits until every worker has carried out what was due at the present tick.
void loop_settle(struct box *box);

// reload.c: configurations.

// Builds and publishes the first configuration.
int reload_first(struct box *box, struct err *err);

// Asks for the neighbours of the configuration in force, from the addresses that its devices have by now.
int reload_neighbours(struct box *box, struct err *err);

// Loads the file again, now or as soon as the last reload is finished; what is wrong with it is logged,
// and then nothing changes.
void reload(struct box *box);

// Frees the retired snapshot once no worker uses it.
void reload_poll(struct box *box);

// upstreams.c: the DOTS server's upstream domains.

// Makes the running upstream domains those of a configuration; `old` (NULL: none) is what they are of
// now. Faults are logged; returns how many there were.
unsigned upstreams_apply(struct box *box, const struct config *old, const struct config *next);

// Checks the credentials that a configuration names, and hands each fault to `report`. Returns how many.
unsigned upstreams_check(
	const struct config *config, void (*report)(void *ctx, const char *text), void *ctx);

// homes.c: subscribers' homes.

// Makes the homes and their listeners those of a configuration whose snapshot is in force. Returns
// -errno with the reason in err.
int homes_apply(struct box *box, const struct config *config, struct err *err);

// Checks the credentials for homes, as upstreams_check().
unsigned homes_check(
	const struct config *config, void (*report)(void *ctx, const char *text), void *ctx);

// load.c: how busy the workers are.

// Begins to look at it from time to time. Returns NULL if memory runs out.
struct load *load_new(struct box *box);
void load_free(struct load *load);

// Fills in what a worker has done since the start, and of late.
void load_read(const struct box *box, unsigned worker, struct ctl_worker *out);

// measure.c: metrics.

// Makes the metrics listener that of a configuration; `old` (NULL: none) is what it is of now. Returns -EINVAL with
// the reason in err.
int measure_apply(
	struct box *box, const struct config *old, const struct config *next, struct err *err);

// inspect.c: copies of what mitigations inspect.

// What becomes of them from now on is what a configuration says, whose snapshot is in force.
void inspect_apply(struct box *box, const struct config *config);

// Takes a copy that a worker has made.
void inspect_take(struct box *box, const struct msg *msg);

// record.c: deterministic NAT in the log.

// Records what has changed since the snapshot before (NULL: there was none).
void record_adopt(struct box *box, const struct snapshot *old);

// source.c: what the control socket shows.
void source_fill(struct box *box);
