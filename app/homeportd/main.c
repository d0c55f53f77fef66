// SPDX-License-Identifier: BSD-3-Clause

// homeportd: the packet tower and the control tower are joined here and nowhere else.
//
// The order is: configuration, memory, tables, devices, workers, control socket, DOTS; and back.

#include "base/clock.h"
#include "base/pcapring.h"
#include "dots/dots.h"
#include "dots/expiry.h"
#include "dots/homes.h"
#include "dots/relay.h"
#include "export/metrics.h"

#include "box.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <systemd/sd-daemon.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_CLEAN = 0, EXIT_CONFIG = 1, EXIT_RUN_TIME = 3 };

static void report(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "homeportd: %s\n", text);
}

static int fail(const struct err *err, int code)
{
	log_error("main", "%s", err->text);
	return code;
}

// Signals come by the control thread's descriptor; threads made from here on inherit that.
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

// The control thread's side of the ACL: the owner of a subscriber is the only worker that has its state.
static void on_mark(void *ctx, const struct subkey *subscriber, bool marked)
{
	struct box *box = ctx;
	struct msg msg = {
		.type = MSG_MARK,
		.mark = {.subscriber = *subscriber, .marked = marked},
	};
	unsigned first = 0, last = box->dataplane.workers - 1;
	rte_be32_t inside;

	if (subscriber->instance == SUBKEY_SOFTWIRE) {
		if (box->snapshot)
			softwire_mark(box->snapshot->softwire, box->snapshot->softwires,
				box->snapshot->mapdom, subscriber, marked);
		return;
	}
	// which worker has an IPv6 subscriber is its instance's affair
	if (subscriber->family == 4) {
		memcpy(&inside, subscriber->addr, sizeof(inside));
		first = last = pool_worker_of_inside(inside, box->dataplane.workers);
	}
	for (unsigned worker = first; worker <= last; worker++) {
		// the ring empties by itself in microseconds; a mark must not be lost
		while (loop_tell(box, worker, &msg) < 0)
			loop_hear(box);
	}
}

static int tell(void *ctx, unsigned worker, const struct msg *msg)
{
	return loop_tell(ctx, worker, msg);
}

static const struct rte_ether_addr *mac_of(void *ctx, unsigned number)
{
	const struct box *box = ctx;
	const struct iface *iface = &box->snapshot->iface[number];

	return rte_is_zero_ether_addr(&iface->mac) ? &box->dataplane.port[iface->port].mac
						   : &iface->mac;
}

static void send_wanted(void *ctx, const struct msg *wanted)
{
	neigh_wanted(((struct box *)ctx)->neigh, wanted);
}

// The owner of its device's only queue, or with one queue a worker any of them.
static unsigned sender_of(void *ctx, unsigned number)
{
	const struct box *box = ctx;

	return box->dataplane.port[box->snapshot->iface[number].port].owner;
}

static void catch_up(void *ctx)
{
	loop_hear(ctx);
}

static int ask(void *ctx, unsigned worker, struct msg *msg)
{
	return loop_ask(ctx, worker, msg);
}

static struct portblk *share_new(struct pool *pool, unsigned worker, uint32_t limit)
{
	return portblk_new(pool, worker, portblk_size(pool, limit));
}

static struct rte_mempool *make_buffers(const char *name, unsigned count, unsigned cache)
{
	return rte_pktmbuf_pool_create(name, count, cache,
		RTE_ALIGN_CEIL(sizeof(struct handover), RTE_MBUF_PRIV_ALIGN),
		RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
}

// Everything that needs memory of DPDK's and no device.
static int make_tables(struct box *box, struct err *err)
{
	const struct config *config = box->config;
	struct dataplane *d = &box->dataplane;

	err_set(err, "out of memory");
	d->workers = config->platform.workers;
	d->idle_sleep_us = config->platform.idle_sleep;
	d->icmp_rate = config->platform.icmp_error_rate;
	d->held_syns =
		(uint32_t)div_round_up(config->platform.max_held_syns, config->platform.workers);
	d->reassembly_ticks = config->platform.reassembly.timeout * TICKS_A_SECOND;
	d->host_rate = config->platform.host_packet_rate;
	box->rcu = d->rcu = rcu_new(d->workers);
	if (!box->rcu)
		return -1;
	box->acl = acl_new(config->max_rules, d->workers, box->rcu);
	box->neighbours = neighbour_table_new(config->platform.max_neighbours, box->rcu);
	box->loop = evloop_new();
	if (!box->acl || !box->neighbours || !box->loop)
		return -1;
	d->acl = box->acl;
	d->neighbours = box->neighbours;
	d->mbufs = make_buffers("packets", config->platform.packet_buffers, 256);
	d->copies = make_buffers("copies", EAL_COPIES, 32);
	if (!d->mbufs || !d->copies)
		return err_set(err, "packet buffers: %s", rte_strerror(rte_errno));
	for (unsigned i = 0; i < d->workers; i++) {
		box->asked[i].buffer = malloc(ASK_BUFFER);
		if (!box->asked[i].buffer)
			return -1;
	}
	acl_watch(box->acl, on_mark, box);
	return 0;
}

static int make_control(struct box *box, struct err *err)
{
	struct neigh_env neigh = {
		.loop = box->loop,
		.table = box->neighbours,
		.mbufs = box->dataplane.mbufs,
		.tell = tell,
		.ctx = box,
		.mac_of = mac_of,
	};
	struct host_env host = {
		.loop = box->loop,
		.mbufs = box->dataplane.mbufs,
		.send = send_wanted,
		.worker_of = sender_of,
		.ctx = box,
	};
	struct resolve_env resolve = {
		.history_size = box->config->history_size,
		.retention_s = box->config->history_retention,
		.history_file = box->config->history_file,
		.history_file_size = box->config->history_file_size,
		.workers = box->dataplane.workers,
		.catch_up = catch_up,
		.ask = ask,
		.ctx = box,
	};

	err_set(err, "out of memory");
	box->neigh = neigh_new(&neigh);
	box->host = host_new(&host);
	if (!box->neigh || !box->host)
		return -1;
	box->resolve = resolve_table_new(&resolve, err);
	if (!box->resolve)
		return -1;
	box->build = (struct build){
		.workers = box->dataplane.workers,
		.neighbours = box->neighbours,
		.max_port_sets = eal_port_sets(box->config),
		.share_new = share_new,
		.share_free = portblk_free,
		.rcu = box->rcu,
		.acl = box->acl,
	};
	return 0;
}

static int make_workers(struct box *box, struct err *err)
{
	struct worker_size size = eal_worker_size(box->config);

	for (unsigned i = 0; i < box->dataplane.workers; i++) {
		box->dataplane.worker[i] = worker_new(&box->dataplane, i, &size, clock_tick());
		if (!box->dataplane.worker[i])
			return err_set(err, "no memory for the tables of worker %u", i);
	}
	return 0;
}

// Interfaces that share a device are set up together: it takes the largest of their MTUs, and lets through
// what any of them wants.
static int start_ports(struct box *box, struct err *err)
{
	struct dataplane *d = &box->dataplane;
	const struct snapshot *s = box->snapshot;

	for (unsigned i = 0; i < s->ports; i++) {
		struct port_setup setup = {
			.device = s->device[i],
			.workers = d->workers,
			.owner = i % d->workers,
			.ports = s->ports,
			.mbufs = d->mbufs,
		};
		unsigned realms = 0;

		for (unsigned k = 0; k < s->ifaces; k++) {
			const struct iface *iface = &s->iface[k];

			if (!iface->name[0] || iface->port != i)
				continue;
			realms |= iface->realm;
			if (iface->mtu > setup.mtu)
				setup.mtu = iface->mtu;
			if (iface->forwards6 && iface->mtu6 > setup.mtu)
				setup.mtu = iface->mtu6;
			setup.promiscuous |= iface->promiscuous;
			if (rte_is_zero_ether_addr(&iface->mac))
				continue;
			// a device has one address of its own; further ones need its filter open
			setup.promiscuous |=
				setup.mac && !rte_is_same_ether_addr(setup.mac, &iface->mac);
			setup.mac = &iface->mac;
		}
		setup.spread = realms == REALM_INTERNAL ? SPREAD_BY_SOURCE
			: realms == REALM_EXTERNAL      ? SPREAD_BY_DESTINATION
							: SPREAD_BY_BOTH;
		if (port_start(&d->port[i], &setup, err) < 0)
			return -1;
		d->ports = i + 1;
	}
	ports_spread(d->port, d->ports);
	return 0;
}

static int launch(struct box *box, struct err *err)
{
	unsigned lcore, i = 0;

	RTE_LCORE_FOREACH_WORKER(lcore)
	{
		if (i == box->dataplane.workers)
			break;
		if (rte_eal_remote_launch(worker_main, box->dataplane.worker[i], lcore) < 0)
			return err_set(err, "worker %u does not start", i);
		i++;
	}
	box->launched = i;
	return i == box->dataplane.workers
		? 0
		: err_set(err, "%u of %u workers have a core", i, box->dataplane.workers);
}

static void close_box(struct box *box)
{
	struct dataplane *d = &box->dataplane;

	metrics_close(box->metrics);
	ctl_close(box->ctl);
	notifier_free(box->notifier);
	expiry_free(box->expiry);
	dots_free(box->dots);
	box->dots = NULL;
	relay_free(box->relay);
	homes_free(box->homes);
	atomic_store(&d->stop, true);
	rte_eal_mp_wait_lcore();
	// what the workers said last
	if (box->launched)
		loop_hear(box);
	if (box->rcu)
		rcu_barrier(box->rcu);
	host_free(box->host);
	neigh_free(box->neigh);
	resolve_table_free(box->resolve);
	for (unsigned i = 0; i < SNAPSHOT_MAX_PORTS; i++)
		port_stop(&d->port[i]);
	for (unsigned i = 0; i < d->workers; i++) {
		worker_free(d->worker[i]);
		free(box->asked[i].buffer);
	}
	conf_release(box->retired, box->snapshot, &box->build);
	conf_release(box->snapshot, NULL, &box->build);
	neighbour_table_free(box->neighbours);
	acl_free(box->acl);
	evloop_free(box->loop);
	rcu_free(box->rcu);
	load_free(box->load);
	pcap_ring_close(box->capture);
	rte_mempool_free(d->copies);
	rte_mempool_free(d->mbufs);
	rte_eal_cleanup();
}

static int run(struct box *box)
{
	struct dots_env dots;
	struct err err;
	int rc;

	if (make_tables(box, &err) < 0 || make_control(box, &err) < 0 ||
		make_workers(box, &err) < 0)
		return fail(&err, EXIT_RUN_TIME);
	if (reload_first(box, &err) < 0 || start_ports(box, &err) < 0 ||
		reload_neighbours(box, &err) < 0 || host_adopt(box->host, box->snapshot, &err) < 0)
		return fail(&err, EXIT_CONFIG);
	dots = (struct dots_env){
		.loop = box->loop,
		.resolver = resolve_table_resolver(box->resolve),
		.acl = box->acl,
	};
	box->homes = homes_new(box->loop);
	box->relay = relay_new(box->loop, box->homes, dots.resolver, CLOCK_SECOND);
	if (!box->homes || !box->relay)
		return EXIT_RUN_TIME;
	dots.delegate = relay_delegate(box->relay);
	box->dots = dots_new(&dots);
	if (!box->dots)
		return EXIT_RUN_TIME;
	box->expiry = expiry_new(box->loop, box->dots, box->homes);
	if (!box->expiry)
		return EXIT_RUN_TIME;
	if (box->config->state_file &&
		dots_keep(box->dots, box->config->state_file, box->config->audit_retention,
			box->config->audit_size, &err) < 0) {
		log_error("main", "/homeport:homeport/dots/state-file: %s", err.text);
		return EXIT_CONFIG;
	}
	box->notifier = notifier_new(&box->source);
	box->load = load_new(box);
	if (!box->notifier || !box->load)
		return EXIT_RUN_TIME;
	source_fill(box);
	box->ctl = ctl_open(box->loop, box->config->socket, &box->source, &err);
	if (!box->ctl || launch(box, &err) < 0)
		return fail(&err, EXIT_RUN_TIME);
	if (homes_apply(box, box->config, &err) < 0 ||
		measure_apply(box, NULL, box->config, &err) < 0)
		return fail(&err, EXIT_CONFIG);
	if (upstreams_apply(box, NULL, box->config))
		return EXIT_CONFIG;
	sd_notifyf(0, "READY=1\nSTATUS=%u worker%s, control socket %s", box->dataplane.workers,
		box->dataplane.workers == 1 ? "" : "s", box->config->socket);
	puts("ready");
	fflush(stdout);
	rc = loop_run(box);
	sd_notify(0, "STOPPING=1");
	return rc;
}

int main(int argc, char **argv)
{
	struct args args;
	struct box box = {.args = &args};
	struct err err;
	int rc = args_read(&args, argc, argv);

	if (rc >= 0)
		return rc;
	log_init("homeportd", args.log_level);
	block_signals();
	if (args.test_clock)
		clock_hold();
	box.schema = schema_new(args.yang, &err);
	if (!box.schema)
		return fail(&err, EXIT_CONFIG);
	box.config = conf_load(box.schema, args.config, report, NULL);
	// all that is wrong is told at one time
	rc = box.config &&
			!(eal_check(box.config, report, NULL) +
				upstreams_check(box.config, report, NULL) +
				homes_check(box.config, report, NULL))
		? EXIT_CLEAN
		: EXIT_CONFIG;
	if (rc == EXIT_CLEAN && !args.check) {
		if (eal_start(box.config, &err) < 0) {
			rc = fail(&err, EXIT_CONFIG);
		} else {
			rc = run(&box);
			close_box(&box);
		}
	}
	conf_free(box.config);
	schema_free(box.schema);
	return rc;
}
