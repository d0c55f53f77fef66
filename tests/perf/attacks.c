// SPDX-License-Identifier: BSD-3-Clause

#include "attacks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_PORT 1024
#define PORTS      (65536 - FIRST_PORT)
#define OUTSIDE    0xcb007100 // 203.0.113.0, of so many addresses as it takes

// ------------------------------------------------------------------ who is who

static rte_be32_t inside_of(uint32_t address, uint16_t port)
{
	return rte_cpu_to_be_32(0x64400000 | (address - OUTSIDE) << 16 | port);
}

static int outside(struct resolver *, const struct resolve_req *req, struct resolve_answer *answer)
{
	uint32_t address = rte_be_to_cpu_32(ipaddr_be32(&req->outside.addr));

	*answer->holder = (struct holder){
		.service = RESOLVE_NAT44,
		.subscriber = subkey_v4(inside_of(address, req->lower), 0),
		.outside = req->outside.addr,
		.lower = req->lower,
		.upper = req->upper,
	};
	answer->count = 1;
	return 0;
}

static bool is_shared(struct resolver *, const struct ipaddr *)
{
	return true;
}

static uint32_t instance_id(struct resolver *, uint16_t number)
{
	return number;
}

static int instance(struct resolver *, uint32_t)
{
	return -ENOENT;
}

struct resolver attacks_resolver = {outside, is_shared, instance_id, instance};

static uint32_t address_of(uint32_t n)
{
	return OUTSIDE + n / PORTS;
}

static uint16_t port_of(uint32_t n)
{
	return (uint16_t)(FIRST_PORT + n % PORTS);
}

rte_be32_t attack_inside(uint32_t n)
{
	return inside_of(address_of(n), port_of(n));
}

rte_be32_t attack_target(uint32_t n)
{
	return rte_cpu_to_be_32(0x01000000 + n);
}

// ------------------------------------------------------------------ requests

static struct message request(uint32_t n, uint8_t code)
{
	static char text[16];
	struct message m = message_make(code);

	snprintf(text, sizeof(text), "mid=%u", n + 1);
	m.type = COAP_MESSAGE_NON;
	message_add_path(&m, ".well-known");
	message_add_path(&m, "dots");
	message_add_path(&m, "mitigate");
	message_add_path(&m, "cuid=" ATTACKS_CUID);
	message_add_path(&m, text);
	return m;
}

struct message attack_put(uint32_t n, uint8_t bytes[ATTACKS_BODY])
{
	struct ipaddr to = ipaddr_v4(attack_target(n));
	struct ipaddr from = ipaddr_v4(rte_cpu_to_be_32(address_of(n)));
	struct ipprefix target = ipprefix_make(&to, 32), source = ipprefix_make(&from, 32);
	struct port_range port = {port_of(n), port_of(n)};
	uint8_t protocol = 17;
	struct mitigation_body body = {.scope = {.target = &target,
					       .targets = 1,
					       .source = &source,
					       .sources = 1,
					       .source_port = &port,
					       .source_ports = 1,
					       .protocol = &protocol,
					       .protocols = 1},
		.has_lifetime = true,
		.lifetime = 3600};
	struct message m = request(n, COAP_REQUEST_PUT);
	int length = codec_write_mitigations(&body, 1, bytes, ATTACKS_BODY);

	if (length <= 0)
		abort();
	m.content_format = COAP_MEDIATYPE_APPLICATION_DOTS_CBOR;
	m.payload = (struct slice){bytes, (size_t)length};
	return m;
}

struct message attack_delete(uint32_t n)
{
	return request(n, COAP_REQUEST_DELETE);
}
