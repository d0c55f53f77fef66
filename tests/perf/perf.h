// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the parts of bench-pipeline share: frames that are made as fast as a device would, flows in random order,
// and the rows of what was measured.

#include "base/rand.h"

#include "support/world.h"

#include <rte_ip.h>

#include <stdio.h>
#include <string.h>

#define PORTS_A_SUBSCRIBER 63   // as FD.io CSIT counts
#define BLOCKS_AN_ADDRESS  1008 // of 64 ports each, system ports left out
#define MBUFS              2048
#define FRAME              60 // 64 with the check sequence
#define RUNS_MAX           64

// What differs from packet to packet, in the order in which it is sent. 16 bytes.
struct tuple {
	rte_be32_t src;
	rte_be32_t dst;
	rte_be16_t src_port;
	rte_be16_t dst_port;
	uint16_t ip_sum;
	uint16_t l4_sum;
};

// A frame with all that does not differ.
struct blank {
	uint8_t frame[64];
	unsigned sum_at; // offset of the transport checksum
};

// Buffers that are filled in turn, again and again.
struct buffers {
	struct rte_mbuf *mbuf[MBUFS];
	unsigned next;
};

struct row {
	const char *work;
	const char *direction;
	const char *of; // what the clocks are for one of
	const char
		*frame; // how large the frames are: "64" bytes, if nothing else is said, or "imix"
	unsigned scale;
	unsigned runs;
	double clocks; // median over the runs
	double low;
	double high;
	double null; // of the null pass, already subtracted
};

// What is to be measured, and where the rows go.
struct task {
	unsigned sessions;
	unsigned runs;
	unsigned packets; // of a run, about
	bool huge_pages;
	const char *works; // names of works, between commas; NULL: all
	FILE *json;        // or NULL
	bool any;          // rows so far
	FILE *latency;     // rows of its own
	bool any_latency;
};

// Whether a work is to be measured.
bool is_wanted(const struct task *task, const char *work);

void fail(const char *what, unsigned at) __rte_noreturn;

// A frame of UDP, or of TCP with these flags, as it comes in by an interface.
struct blank blank_udp(const struct world *world, unsigned iface);
struct blank blank_tcp(const struct world *world, unsigned iface, uint8_t flags);

// Completes a tuple by the checksums of its frame.
void sum_tuple(struct tuple *tuple, const struct blank *blank);

// The tuple from inside of a flow to `remote`, without checksums.
struct tuple tuple_of_flow(unsigned flow, uint32_t remote);
void shuffle(struct tuple *tuple, unsigned count, struct rand *random);

void buffers_open(struct buffers *buffers, struct world *world);
void buffers_close(struct buffers *buffers);

// Writes one frame as a device would: the mbuf's fields and 60 bytes.
static inline void write_frame(struct rte_mbuf *m, const struct tuple *t, const struct blank *blank)
{
	uint8_t *frame;

	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->data_len = FRAME;
	m->pkt_len = FRAME;
	m->nb_segs = 1;
	m->next = NULL;
	m->ol_flags = 0;
	frame = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(frame, blank->frame, 64);
	memcpy(frame + 24, &t->ip_sum, 2);
	memcpy(frame + 26, &t->src, 8);      // both addresses
	memcpy(frame + 34, &t->src_port, 4); // both ports
	memcpy(frame + blank->sum_at, &t->l4_sum, 2);
}

static inline void load_burst(struct buffers *b, const struct tuple *t, unsigned n,
	const struct blank *blank, struct burst *burst)
{
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = b->mbuf[b->next];

		b->next = (b->next + 1) % MBUFS;
		write_frame(m, &t[i], blank);
		burst->mbuf[i] = m;
	}
	burst->n = n;
}

// The pipeline for a burst that has been received from inside, and from outside. The two have names of their own for
// those who count instructions (test_instructions.py).
void carry_out(struct worker *w);
void carry_in(struct worker *w);

// Clocks of the time stamp counter that have passed while a core was ours: what others on the machine take of it is
// left out, but not what they take of its caches.
uint64_t core_clocks(void);

// How many different values there are; sorts them.
unsigned distinct_of(uint64_t *values, unsigned count);

void set_clocks(struct row *row, double *clocks);
void print_row(struct task *task, const struct row *row);

// Whole packets of flows that have their mappings.
void measure_pipeline(struct task *task);

// The same from inside with so many mitigations in force, which the scale of the rows counts.
void measure_mitigations(struct task *task);

// Whole packets of the other services, and of IPv6 by route.
void measure_services(struct task *task);

// MAP-E by the number of its rules, which the scale of the rows counts.
void measure_rules(struct task *task);

// How fast a binding table is filled and changed.
void measure_bindings(struct task *task);

// How fast flows come and go, and how many fit.
void measure_rates(struct task *task);
void measure_tables(struct task *task);
