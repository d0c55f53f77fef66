// SPDX-License-Identifier: BSD-3-Clause

// Copies of what mitigations inspect: each is shown to the detector, and, as the configuration says, kept
// in a file and sent out by a port.

#include "base/pcapring.h"
#include "dots/dots.h"

#include "box.h"

#include <string.h>

void inspect_apply(struct box *box, const struct config *config)
{
	const struct config_inspect *in = &config->inspect;
	struct err err;

	pcap_ring_close(box->capture);
	box->capture = NULL;
	if (!in->capture_file)
		return;
	box->capture = pcap_ring_open(in->capture_file, (uint64_t)in->capture_size << 20, &err);
	if (!box->capture)
		log_error("inspect", "/homeport:homeport/dots/server/inspect/capture-file: %s",
			err.text);
}

static int capture_port(const struct box *box)
{
	const struct snapshot *s = box->snapshot;
	const char *name = box->config->inspect.capture_iface;

	for (unsigned i = 0; name && i < s->ifaces; i++) {
		if (s->iface[i].enabled && !strcmp(s->iface[i].name, name))
			return (int)i;
	}
	return -1;
}

// Sends a copy by the capture port. Returns whether it is on its way.
static bool send_on(struct box *box, const struct msg *copy)
{
	struct msg msg = {.type = MSG_TRANSMIT, .transmit = {.mbuf = copy->copy.mbuf}};
	int number = capture_port(box);
	const struct iface *iface;

	if (number < 0)
		return false;
	iface = &box->snapshot->iface[number];
	// cut, or too long for the cable
	if (rte_pktmbuf_pkt_len(copy->copy.mbuf) < copy->copy.length ||
		copy->copy.length > iface->mtu)
		return false;
	memcpy(&msg.transmit.mac, &box->config->inspect.capture_mac, RTE_ETHER_ADDR_LEN);
	msg.transmit.ethertype = RTE_ETHER_TYPE_IPV4;
	msg.transmit.iface = (uint8_t)number;
	msg.transmit.verdict = V_COUNT;
	return loop_tell(box, box->dataplane.port[iface->port].owner, &msg) == 0;
}

void inspect_take(struct box *box, const struct msg *msg)
{
	struct rte_mbuf *mbuf = msg->copy.mbuf;

	// the last copies are heard when there is nobody any more to see them
	if (box->dots)
		dots_saw(box->dots, msg->copy.slot, msg->copy.flow);
	if (!mbuf)
		return;
	if (box->capture)
		pcap_ring_add(box->capture, rte_pktmbuf_mtod(mbuf, const void *),
			rte_pktmbuf_data_len(mbuf), msg->copy.length);
	if (!box->dots || !send_on(box, msg))
		rte_pktmbuf_free(mbuf);
}
