// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Frames of either IP version, made as fast as a device would: a form with all that does not differ from flow to
// flow, and what does.

#include "perf.h"

#define FORM_HEADERS 128 // bytes that are written, at most
#define FORM_SIZES   3

// What differs. The tuple is that of the IPv4 packet, which NAT64 and native IPv6 have as parts of addresses.
struct flow6 {
	uint8_t host[16]; // the subscriber's, or his B4's
	struct tuple tuple;
};

enum form_kind { FORM_IPV4, FORM_TUNNEL, FORM_IPV6 };

struct form {
	uint8_t headers[FORM_HEADERS];
	uint16_t length;    // of the frame
	uint8_t written;    // bytes of `headers`, in steps of 64
	uint8_t ip_at;      // where the IPv4 header is; 0: there is none
	uint8_t host_at;    // and the host's address
	uint8_t embed_at;   // and an IPv4 address that is part of another
	uint8_t embed_from; // and where in a tuple that stands
	uint8_t l4_at;      // and the UDP header
};

// The forms of frames that come in by an interface, with an IPv4 packet of 46, 576 and 1500 bytes or what stands for
// it. The far end of a tunnel, or the prefix of 96 bits that IPv4 addresses are behind, is `far`.
void forms_make(const struct world *world, unsigned iface, enum form_kind kind,
	const struct ipaddr *far, struct form form[FORM_SIZES]);

// Which of them the packets of a simple IMIX have: seven small, four middle, one large.
static inline unsigned form_of_imix(unsigned at)
{
	static const uint8_t imix[12] = {0, 1, 0, 0, 1, 0, 2, 0, 1, 0, 1, 0};

	return imix[at % 12];
}

// Writes a frame's headers.
static inline void form_write(const struct form *form, const struct flow6 *flow, uint8_t *frame)
{
	const struct tuple *t = &flow->tuple;

	memcpy(frame, form->headers, 64);
	if (form->written > 64)
		memcpy(frame + 64, form->headers + 64, 64);
	if (form->host_at)
		memcpy(frame + form->host_at, flow->host, 16);
	if (form->ip_at) {
		memcpy(frame + form->ip_at + 10, &t->ip_sum, 2);
		memcpy(frame + form->ip_at + 12, &t->src, 8); // both addresses
	}
	if (form->embed_at)
		memcpy(frame + form->embed_at, (const uint8_t *)t + form->embed_from, 4);
	memcpy(frame + form->l4_at, &t->src_port, 4); // both ports
	memcpy(frame + form->l4_at + 6, &t->l4_sum, 2);
}

// Makes an mbuf a received frame of the form.
static inline void form_receive(
	const struct form *form, const struct flow6 *flow, struct rte_mbuf *m)
{
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->data_len = form->length;
	m->pkt_len = form->length;
	m->nb_segs = 1;
	m->next = NULL;
	m->ol_flags = 0;
	form_write(form, flow, rte_pktmbuf_mtod(m, uint8_t *));
}

// Zeroes what is behind the headers, as the checksums of flows have it.
void form_clear(const struct form *form, struct rte_mbuf *m);

// Completes a flow's tuple by the checksums of its frame.
void form_sum(const struct form *form, struct flow6 *flow);

// Whether a frame that leaves the box is what it should be: of the form's length, with right checksums, and with
// the host, addresses and ports of `flow`, whose checksums are not compared, and one hop less. Returns what is wrong,
// or NULL.
const char *form_compare(
	const struct form *form, const struct flow6 *flow, const struct rte_mbuf *m);
