// SPDX-License-Identifier: BSD-3-Clause

// Clocks a packet of the pipeline that homeportd links, from a received burst to a transmit-ready one:
// NAT44 in both directions, one worker, 64-byte UDP frames, flows in random order.
//
// Every packet is written into its mbuf just before it is "received", from a list of tuples; a null pass
// that writes the same packets and runs no pipeline is measured beside each pass and subtracted. Before
// anything is measured, each packet goes through once and what comes out is checked in full.
//
// `fragment-flood` is the same with a burst of fragments from outside before each burst of whole packets, all
// of datagrams whose first fragment never comes: what they cost whole packets, by what they leave of the
// caches. The fragments' own time is the row `fragments`.
//
// The time stamp counter is what is counted. Its rate is fixed; the core's own clock may be another.

#include "base/rand.h"
#include "net/csum.h"

#include "support/world.h"

#include <rte_cycles.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_udp.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORTS_A_SUBSCRIBER 63 // as FD.io CSIT counts
#define DISTINCT_MIN       4096
#define MBUFS              2048
#define FRAME              60 // 64 with the check sequence
#define PASSES_MAX         64

// What differs from packet to packet, in the order in which it is sent. 16 bytes.
struct tuple {
	rte_be32_t src;
	rte_be32_t dst;
	rte_be16_t src_port;
	rte_be16_t dst_port;
	uint16_t ip_sum;
	uint16_t udp_sum;
};

struct bench {
	struct world *world;
	struct worker *worker;
	unsigned sessions;
	unsigned packets;
	struct tuple *out; // one for each packet from inside
	struct tuple *in;  // and for its answer
	struct rte_mbuf *mbuf[MBUFS];
	unsigned next_mbuf;
	uint32_t fragments;       // sent so far
	uint64_t fragment_clocks; // of those of this pass
};

enum pass { PASS_NULL, PASS_WHOLE, PASS_FLOOD };

struct row {
	const char *work;
	const char *direction;
	unsigned sessions;
	unsigned runs;
	double clocks; // median over the runs
	double low;
	double high;
	double null; // of the null pass, already subtracted
};

static void fail(const char *what, unsigned at)
{
	fprintf(stderr, "pipeline: packet %u: %s\n", at, what);
	exit(1);
}

static void sum_tuple(struct tuple *t)
{
	struct {
		struct rte_ipv4_hdr ip;
		struct rte_udp_hdr udp;
		uint8_t data[FRAME - 14 - 28];
	} p = {
		.ip = {.version_ihl = 0x45,
			.total_length = RTE_BE16(FRAME - 14),
			.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
			.time_to_live = 64,
			.next_proto_id = 17,
			.src_addr = t->src,
			.dst_addr = t->dst},
		.udp = {.src_port = t->src_port,
			.dst_port = t->dst_port,
			.dgram_len = RTE_BE16(FRAME - 34)},
	};

	t->ip_sum = rte_ipv4_cksum(&p.ip);
	t->udp_sum = rte_ipv4_udptcp_cksum(&p.ip, &p.udp);
}

// Writes one frame as a device would: the mbuf's fields and 60 bytes.
static inline void write_frame(struct rte_mbuf *m, const struct tuple *t, const uint8_t *blank)
{
	uint8_t *frame;

	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->data_len = FRAME;
	m->pkt_len = FRAME;
	m->nb_segs = 1;
	m->next = NULL;
	m->ol_flags = 0;
	frame = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(frame, blank, 64);
	memcpy(frame + 24, &t->ip_sum, 2);
	memcpy(frame + 26, &t->src, 8);      // both addresses
	memcpy(frame + 34, &t->src_port, 4); // both ports
	memcpy(frame + 40, &t->udp_sum, 2);
}

static void blank_frame(const struct bench *b, unsigned iface, uint8_t *blank)
{
	struct rte_ether_hdr *ether = (struct rte_ether_hdr *)blank;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(ether + 1);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

	memset(blank, 0, 64);
	ether->dst_addr = b->world->snapshot->iface[iface].mac;
	ether->src_addr = (struct rte_ether_addr){{2, 0, 0, 0, 0, (uint8_t)(iface ? 0x12 : 2)}};
	ether->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	ip->version_ihl = 0x45;
	ip->total_length = RTE_BE16(FRAME - 14);
	ip->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	ip->time_to_live = 64;
	ip->next_proto_id = 17;
	udp->dgram_len = RTE_BE16(FRAME - 34);
}

static void load_burst(struct bench *b, const struct tuple *t, unsigned n, const uint8_t *blank,
	struct burst *burst)
{
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = b->mbuf[b->next_mbuf];

		b->next_mbuf = (b->next_mbuf + 1) % MBUFS;
		write_frame(m, &t[i], blank);
		burst->mbuf[i] = m;
	}
	burst->n = n;
}

// A burst of fragments from as many sources, none of them the first of its datagram.
static void run_fragments(struct bench *b)
{
	struct burst *burst = &b->worker->burst;
	uint8_t blank[64];
	uint64_t start;

	blank_frame(b, WORLD_OUTSIDE, blank);
	if (rte_pktmbuf_alloc_bulk(b->world->mbufs, burst->mbuf, BURST_MAX))
		fail("no buffers for fragments", b->fragments);
	for (unsigned i = 0; i < BURST_MAX; i++) {
		struct tuple t = {.src = rte_cpu_to_be_32(0x01000000 + b->fragments * 0x10001),
			.dst = rte_cpu_to_be_32(b->world->pool->range[0].first)};
		struct rte_ipv4_hdr *ip;

		write_frame(burst->mbuf[i], &t, blank);
		ip = rte_pktmbuf_mtod_offset(burst->mbuf[i], struct rte_ipv4_hdr *, 14);
		ip->packet_id = (rte_be16_t)b->fragments++;
		ip->fragment_offset = RTE_BE16(64);
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	burst->n = BURST_MAX;
	start = rte_rdtsc();
	pipeline_run(b->worker, burst, WORLD_OUTSIDE);
	b->fragment_clocks += rte_rdtsc() - start;
}

// Runs all packets of a direction once. Returns the clocks it took, without those of fragments.
static uint64_t run_pass(struct bench *b, unsigned iface, enum pass pass)
{
	const struct tuple *t = iface == WORLD_INSIDE ? b->out : b->in;
	struct worker *w = b->worker;
	struct transmit *sent = &w->transmit[iface ^ 1];
	uint8_t blank[64];
	uint64_t clocks = 0, start;

	blank_frame(b, iface, blank);
	b->fragment_clocks = 0;
	for (unsigned at = 0; at < b->packets; at += BURST_MAX) {
		unsigned n = RTE_MIN(b->packets - at, (unsigned)BURST_MAX);

		if (pass == PASS_FLOOD)
			run_fragments(b);
		start = rte_rdtsc();
		load_burst(b, t + at, n, blank, &w->burst);
		if (pass != PASS_NULL) {
			pipeline_run(w, &w->burst, iface);
			sent->n = 0;
		}
		clocks += rte_rdtsc() - start;
	}
	return clocks;
}

// The whole packet against its expectation; returns its tuple.
static struct tuple check_packet(
	const struct rte_mbuf *m, const struct tuple *sent, bool outward, unsigned at)
{
	const struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(ip + 1);
	uint16_t udp_length = rte_be_to_cpu_16(udp->dgram_len);
	struct rte_ipv4_hdr copy = *ip;
	struct tuple t = {.src = ip->src_addr,
		.dst = ip->dst_addr,
		.src_port = udp->src_port,
		.dst_port = udp->dst_port};

	if (rte_pktmbuf_pkt_len(m) != FRAME || ip->time_to_live != 63)
		fail("length or time to live", at);
	copy.hdr_checksum = 0;
	if (rte_ipv4_cksum(&copy) != ip->hdr_checksum)
		fail("IP checksum", at);
	if (csum_fold(csum_sum(udp, udp_length) + csum_sum(&ip->src_addr, 8) +
		    rte_cpu_to_be_16(udp_length) + RTE_BE16(17)) != 0xffff)
		fail("UDP checksum", at);
	if (outward ? t.dst != sent->dst || t.dst_port != sent->dst_port
		    : t.src != sent->src || t.src_port != sent->src_port)
		fail("the side that must stay changed", at);
	return t;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

// Opens every session and makes the list of answers from what comes out; then sends those once too. Each
// packet that comes out is checked, and that each inside tuple has one outside tuple of its own.
static void open_sessions(struct bench *b)
{
	struct worker *w = b->worker;
	uint64_t *seen = malloc(b->packets * sizeof(*seen));
	unsigned distinct = 0;
	uint8_t blank[64];

	if (!seen)
		fail("no memory", 0);
	for (unsigned iface = 0; iface < 2; iface++) {
		struct transmit *sent = &w->transmit[iface ^ 1];
		const struct tuple *from = iface == WORLD_INSIDE ? b->out : b->in;

		blank_frame(b, iface, blank);
		for (unsigned at = 0; at < b->packets; at += BURST_MAX) {
			unsigned n = RTE_MIN(b->packets - at, (unsigned)BURST_MAX);

			load_burst(b, from + at, n, blank, &w->burst);
			pipeline_run(w, &w->burst, iface);
			if (sent->n != n)
				fail("was not forwarded", at);
			sent->n = 0;
			for (unsigned i = 0; i < n; i++) {
				struct tuple t = check_packet(sent->mbuf[i], &from[at + i],
					iface == WORLD_INSIDE, at + i);

				if (iface == WORLD_INSIDE) {
					b->in[at + i] = (struct tuple){.src = t.dst,
						.dst = t.src,
						.src_port = t.dst_port,
						.dst_port = t.src_port};
					sum_tuple(&b->in[at + i]);
					seen[at + i] = (uint64_t)t.src << 16 | t.src_port;
				} else if (t.dst != b->out[at + i].src ||
					t.dst_port != b->out[at + i].src_port) {
					fail("came back to somebody else", at + i);
				}
			}
		}
	}
	qsort(seen, b->packets, sizeof(*seen), compare_u64);
	for (unsigned i = 0; i < b->packets; i++)
		distinct += !i || seen[i] != seen[i - 1];
	if (distinct != b->sessions)
		fail("sessions share an outside port, or one has two", distinct);
	free(seen);
}

// Packets in random order: each session as often as any other, at least once.
static void make_packets(struct bench *b, struct rand *random)
{
	for (unsigned i = 0; i < b->packets; i++) {
		unsigned flow = i % b->sessions;

		b->out[i] = (struct tuple){
			.src = rte_cpu_to_be_32(
				RTE_IPV4(100, 64, 0, 16) + flow / PORTS_A_SUBSCRIBER),
			.dst = rte_cpu_to_be_32(0x01000000 + rand_below(random, 0x5e000000)),
			.src_port = rte_cpu_to_be_16(
				(uint16_t)(1024 + flow % PORTS_A_SUBSCRIBER * 977)),
			.dst_port = RTE_BE16(443),
		};
		sum_tuple(&b->out[i]);
	}
	for (unsigned i = b->packets - 1; i; i--) {
		unsigned j = rand_below(random, i + 1);
		struct tuple swap = b->out[i];

		b->out[i] = b->out[j];
		b->out[j] = swap;
	}
}

static void bench_open(struct bench *b, unsigned sessions, bool huge_pages)
{
	struct world_setup setup = world_setup();
	unsigned subscribers = (sessions + PORTS_A_SUBSCRIBER - 1) / PORTS_A_SUBSCRIBER;
	struct rand random;

	*b = (struct bench){.sessions = sessions};
	b->packets = RTE_MAX(sessions, (unsigned)DISTINCT_MIN);
	b->packets -= b->packets % sessions;
	setup.size = (struct nat_size){.mappings = sessions,
		.sessions = 64,
		.subscribers = subscribers,
		.blocks = subscribers};
	setup.max_blocks = 1;
	setup.mbufs = 4095;
	setup.huge_pages = huge_pages;
	// 1,008 blocks of 64 ports an address
	setup.pool_last = setup.pool_first + subscribers / 1008;
	b->world = world_new(&setup, 1);
	b->worker = b->world->dataplane.worker[0];
	b->worker->nat.channel = NULL; // nobody listens for block events
	b->out = rte_malloc("out", b->packets * sizeof(*b->out), RTE_CACHE_LINE_SIZE);
	b->in = rte_malloc("in", b->packets * sizeof(*b->in), RTE_CACHE_LINE_SIZE);
	if (!b->out || !b->in || rte_pktmbuf_alloc_bulk(b->world->mbufs, b->mbuf, MBUFS))
		fail("no memory", 0);
	rand_seed_fixed(&random, 1);
	make_packets(b, &random);
	open_sessions(b);
}

static void bench_close(struct bench *b)
{
	rte_pktmbuf_free_bulk(b->mbuf, MBUFS);
	rte_free(b->in);
	rte_free(b->out);
	world_free(b->world);
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void set_clocks(struct row *row, double *clocks)
{
	qsort(clocks, row->runs, sizeof(*clocks), compare_double);
	row->clocks = clocks[row->runs / 2];
	row->low = clocks[0];
	row->high = clocks[row->runs - 1];
}

// Measures whole packets of a direction, and where they go with a flood the fragments of that: two rows.
static void measure(struct bench *b, unsigned iface, enum pass pass, unsigned runs, unsigned rounds,
	struct row *row)
{
	double clocks[PASSES_MAX], nulls[PASSES_MAX], fragments[PASSES_MAX];
	const char *direction = iface == WORLD_INSIDE ? "out" : "in";
	unsigned bursts = (b->packets + BURST_MAX - 1) / BURST_MAX;

	row[0] = (struct row){.work = pass == PASS_FLOOD ? "fragment-flood" : "nat44-eim-pba",
		.direction = direction,
		.sessions = b->sessions,
		.runs = runs};
	row[1] = (struct row){
		.work = "fragments", .direction = "in", .sessions = b->sessions, .runs = runs};
	for (unsigned run = 0; run < runs; run++) {
		uint64_t whole = 0, null = 0, flood = 0;

		for (unsigned round = 0; round < rounds; round++) {
			null += run_pass(b, iface, PASS_NULL);
			whole += run_pass(b, iface, pass);
			flood += b->fragment_clocks;
		}
		nulls[run] = (double)null / rounds / b->packets;
		clocks[run] = (double)whole / rounds / b->packets - nulls[run];
		fragments[run] = (double)flood / rounds / bursts / BURST_MAX;
	}
	qsort(nulls, runs, sizeof(*nulls), compare_double);
	row[0].null = nulls[runs / 2];
	set_clocks(&row[0], clocks);
	set_clocks(&row[1], fragments);
}

static void print_row(FILE *json, const struct row *r, bool first)
{
	double mpps = (double)rte_get_tsc_hz() / r->clocks / 1e6;

	printf("%-14s %-4s %9u sessions %7.1f clocks a packet (%.1f to %.1f, %u runs, null %.1f) "
	       "%6.2f Mpps\n",
		r->work, r->direction, r->sessions, r->clocks, r->low, r->high, r->runs, r->null,
		mpps);
	if (json)
		fprintf(json,
			"%s\n  {\"work\": \"%s\", \"direction\": \"%s\", \"scale\": %u, "
			"\"clocks_per_packet\": %.2f, \"low\": %.2f, \"high\": %.2f, \"mpps\": %.3f, "
			"\"runs\": %u, \"null\": %.2f}",
			first ? "" : ",", r->work, r->direction, r->sessions, r->clocks, r->low,
			r->high, mpps, r->runs, r->null);
}

static const char usage[] =
	"usage: pipeline [--sessions N,N,...] [--runs N] [--huge-pages] [--memory MB] [--json FILE]\n"
	"Prints the clocks a packet takes from received to transmit-ready burst.\n"
	"  --sessions   how many flows, 63 a subscriber       (1008,64512,1032192)\n"
	"  --runs       medians are taken over so many        (9; at most 64)\n"
	"  --huge-pages use them; without, 4 KiB pages cost extra at many sessions\n"
	"  --memory     MiB to reserve without huge pages     (1024)\n"
	"  --json       write the rows to FILE as well\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"sessions", required_argument, NULL, 's'},
		{"runs", required_argument, NULL, 'r'},
		{"huge-pages", no_argument, NULL, 'h'},
		{"memory", required_argument, NULL, 'm'},
		{"json", required_argument, NULL, 'j'},
		{0},
	};
	char list[256] = "1008,64512,1032192";
	unsigned runs = 9, memory = 1024;
	bool huge_pages = false, first = true;
	const char *json_name = NULL;
	FILE *json = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			snprintf(list, sizeof(list), "%s", optarg);
			break;
		case 'r':
			runs = (unsigned)atoi(optarg);
			break;
		case 'h':
			huge_pages = true;
			break;
		case 'm':
			memory = (unsigned)atoi(optarg);
			break;
		case 'j':
			json_name = optarg;
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (runs < 1 || runs > PASSES_MAX) {
		fprintf(stderr, "pipeline: --runs: 1 to %u\n", PASSES_MAX);
		return 2;
	}
	if (json_name && !(json = fopen(json_name, "w"))) {
		perror(json_name);
		return 1;
	}
	world_eal("pipeline", huge_pages, memory);
	if (json)
		fprintf(json, "{\"tsc_hz\": %lu, \"huge_pages\": %s, \"rows\": [",
			(unsigned long)rte_get_tsc_hz(), huge_pages ? "true" : "false");
	for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
		unsigned sessions = (unsigned)atoi(word);
		struct bench b;

		bench_open(&b, sessions, huge_pages);
		for (unsigned iface = 0; iface < 2; iface++) {
			// about a million packets a run
			unsigned rounds = RTE_MAX(1u, 1000000 / b.packets);
			struct row row[2];

			measure(&b, iface, PASS_WHOLE, runs, rounds, row);
			print_row(json, &row[0], first);
			measure(&b, iface, PASS_FLOOD, runs, rounds, row);
			print_row(json, &row[0], false);
			if (iface == WORLD_OUTSIDE)
				print_row(json, &row[1], false);
			first = false;
		}
		bench_close(&b);
	}
	if (json) {
		fputs("\n]}\n", json);
		fclose(json);
	}
	return 0;
}
