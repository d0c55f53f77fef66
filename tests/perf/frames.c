// SPDX-License-Identifier: BSD-3-Clause

#include "net/hdr.h"

#include "perf.h"

#include <rte_cycles.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <stdlib.h>
#include <time.h>

#define L3 ((unsigned)sizeof(struct rte_ether_hdr))
#define L4 (L3 + (unsigned)sizeof(struct rte_ipv4_hdr))

void fail(const char *what, unsigned at)
{
	fprintf(stderr, "pipeline: packet %u: %s\n", at, what);
	exit(1);
}

static struct blank blank(const struct world *world, unsigned iface, uint8_t protocol)
{
	struct blank b = {0};
	struct rte_ether_hdr ether = {
		.dst_addr = world->snapshot->iface[iface].mac,
		.src_addr = {{2, 0, 0, 0, 0, (uint8_t)(iface ? 0x12 : 2)}},
		.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4),
	};
	struct rte_ipv4_hdr ip = {
		.version_ihl = 0x45,
		.total_length = RTE_BE16(FRAME - L3),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = 64,
		.next_proto_id = protocol,
	};

	memcpy(b.frame, &ether, sizeof(ether));
	memcpy(b.frame + L3, &ip, sizeof(ip));
	return b;
}

struct blank blank_udp(const struct world *world, unsigned iface)
{
	struct rte_udp_hdr udp = {.dgram_len = RTE_BE16(FRAME - L4)};
	struct blank b = blank(world, iface, IPPROTO_UDP);

	memcpy(b.frame + L4, &udp, sizeof(udp));
	b.sum_at = L4 + offsetof(struct rte_udp_hdr, dgram_cksum);
	return b;
}

struct blank blank_tcp(const struct world *world, unsigned iface, uint8_t flags)
{
	struct rte_tcp_hdr tcp = {.data_off = 5 << 4, .tcp_flags = flags, .rx_win = RTE_BE16(8192)};
	struct blank b = blank(world, iface, IPPROTO_TCP);

	memcpy(b.frame + L4, &tcp, sizeof(tcp));
	b.sum_at = L4 + offsetof(struct rte_tcp_hdr, cksum);
	return b;
}

void sum_tuple(struct tuple *t, const struct blank *blank)
{
	struct {
		struct rte_ipv4_hdr ip;
		uint8_t l4[FRAME - L4];
	} p;

	memcpy(&p, blank->frame + L3, sizeof(p));
	p.ip.src_addr = t->src;
	p.ip.dst_addr = t->dst;
	memcpy(p.l4, &t->src_port, 4);
	t->ip_sum = rte_ipv4_cksum(&p.ip);
	t->l4_sum = rte_ipv4_udptcp_cksum(&p.ip, p.l4);
}

struct tuple tuple_of_flow(unsigned flow, uint32_t remote)
{
	return (struct tuple){
		.src = rte_cpu_to_be_32(RTE_IPV4(100u, 64, 0, 16) + flow / PORTS_A_SUBSCRIBER),
		.dst = rte_cpu_to_be_32(remote),
		.src_port = rte_cpu_to_be_16((uint16_t)(1024 + flow % PORTS_A_SUBSCRIBER * 977)),
		.dst_port = RTE_BE16(443),
	};
}

void shuffle(struct tuple *tuple, unsigned count, struct rand *random)
{
	for (unsigned i = count; i > 1; i--) {
		unsigned j = rand_below(random, i);
		struct tuple swap = tuple[i - 1];

		tuple[i - 1] = tuple[j];
		tuple[j] = swap;
	}
}

void buffers_open(struct buffers *buffers, struct world *world)
{
	if (rte_pktmbuf_alloc_bulk(world->mbufs, buffers->mbuf, MBUFS))
		fail("no memory", 0);
	buffers->next = 0;
}

void buffers_close(struct buffers *buffers)
{
	rte_pktmbuf_free_bulk(buffers->mbuf, MBUFS);
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

__rte_noinline void carry_out(struct worker *w)
{
	pipeline_run(w, &w->burst, WORLD_INSIDE);
}

__rte_noinline void carry_in(struct worker *w)
{
	pipeline_run(w, &w->burst, WORLD_OUTSIDE);
}

uint64_t core_clocks(void)
{
	static double hz; // of clocks, in a nanosecond
	struct timespec used;

	if (hz == 0)
		hz = (double)rte_get_tsc_hz() / 1e9;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)(((double)used.tv_sec * 1e9 + (double)used.tv_nsec) * hz);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

unsigned distinct_of(uint64_t *values, unsigned count)
{
	unsigned distinct = 0;

	qsort(values, count, sizeof(*values), compare_u64);
	for (unsigned i = 0; i < count; i++)
		distinct += !i || values[i] != values[i - 1];
	return distinct;
}

bool is_wanted(const struct task *task, const char *work)
{
	size_t length = strlen(work);

	if (!task->works)
		return true;
	for (const char *p = task->works; (p = strstr(p, work)) != NULL; p += length) {
		if ((p == task->works || p[-1] == ',') && (!p[length] || p[length] == ','))
			return true;
	}
	return false;
}

void set_clocks(struct row *row, double *clocks)
{
	qsort(clocks, row->runs, sizeof(*clocks), compare_double);
	row->clocks = clocks[row->runs / 2];
	row->low = clocks[0];
	row->high = clocks[row->runs - 1];
}

void print_row(struct task *task, const struct row *r)
{
	double mpps = (double)rte_get_tsc_hz() / r->clocks / 1e6;
	const char *frame = r->frame ? r->frame : "64";

	printf("%-19s %-4s %-4s %9u %7.1f clocks a %s (%.1f to %.1f, %u runs, null %.1f) %6.2f M a second\n",
		r->work, r->direction, frame, r->scale, r->clocks, r->of, r->low, r->high, r->runs,
		r->null, mpps);
	if (task->json)
		fprintf(task->json,
			"%s\n  {\"work\": \"%s\", \"direction\": \"%s\", \"frame\": \"%s\", "
			"\"scale\": %u, \"of\": \"%s\", "
			"\"clocks_per_packet\": %.2f, \"low\": %.2f, \"high\": %.2f, \"mpps\": %.3f, "
			"\"runs\": %u, \"null\": %.2f}",
			task->any ? "," : "", r->work, r->direction, frame, r->scale, r->of,
			r->clocks, r->low, r->high, mpps, r->runs, r->null);
	task->any = true;
}
