// SPDX-License-Identifier: BSD-3-Clause

// lookup ADDRESS PORT PROTOCOL [--at TIME] [--tolerance SECONDS]: who is, or was, behind an outside address
// and port.

#include "ctl/commands.h"
#include "ctl/words.h"
#include "resolve/resolve.h"

#include <string.h>

#define HOLDERS_MAX 64

static bool read_request(struct call *call, struct resolve_req *req)
{
	const struct request *r = &call->request;
	unsigned long number;
	struct ipaddr addr;

	if (ipaddr_parse(r->word[1], &addr) < 0) {
		call_fail(call, PROTO_USAGE, "address: %s. Allowed: an IPv4 or IPv6 address",
			r->word[1]);
		return false;
	}
	if (!words_number(r->word[2], UINT16_MAX, &number)) {
		call_fail(call, PROTO_USAGE, "port: %s. Allowed: 0 to 65535", r->word[2]);
		return false;
	}
	*req = (struct resolve_req){
		.outside = ipprefix_make(&addr, ipaddr_bits(&addr)),
		.lower = (uint16_t)number,
		.upper = (uint16_t)number,
		.with_mapping = true,
	};
	if (!words_protocol(r->word[3], &req->protocol)) {
		call_fail(call, PROTO_USAGE,
			"protocol: %s. Allowed: icmp, icmpv6, tcp, udp, 1 to 255", r->word[3]);
		return false;
	}
	for (unsigned i = 4; i < r->words; i += 2) {
		const char *value = i + 1 < r->words ? r->word[i + 1] : "";

		if (!strcmp(r->word[i], "--at") && words_time(value, &req->at))
			continue;
		if (!strcmp(r->word[i], "--tolerance") && words_number(value, 86400, &number)) {
			req->tolerance_s = (uint32_t)number;
			continue;
		}
		call_fail(call, PROTO_USAGE,
			"%s %s. Allowed: --at with Unix seconds or YYYY-MM-DDThh:mm:ssZ, "
			"--tolerance with 0 to 86400 seconds",
			r->word[i], value);
		return false;
	}
	return true;
}

static const char *service_name(enum resolve_service service)
{
	static const char *const name[] = {
		[RESOLVE_NAT44] = "nat44",
		[RESOLVE_NAT64] = "nat64",
		[RESOLVE_DSLITE] = "ds-lite",
		[RESOLVE_IPV6] = "ipv6",
		[RESOLVE_LW4O6] = "lw4o6",
		[RESOLVE_MAP_E] = "map-e",
		[RESOLVE_MAP_T] = "map-t",
	};

	return name[service];
}

static json_t *holder(const struct call *call, const struct holder *h)
{
	struct ipprefix subscriber = subkey_prefix(&h->subscriber);
	json_t *e = json_object();

	json_object_set_new(e, "service", json_string(service_name(h->service)));
	if (h->subscriber.instance != SUBKEY_SOFTWIRE)
		json_object_set_new(e, "nat-instance", subscriber_instance(call, &h->subscriber));
	if (h->softwire)
		json_object_set_new(e, "softwire-instance", json_string(h->softwire));
	json_object_set_new(e, "subscriber", json_prefix(&subscriber));
	json_object_set_new(e, "external-address", json_address(&h->outside));
	json_object_set_new(e, "lower-port", json_integer(h->lower));
	json_object_set_new(e, "upper-port", json_integer(h->upper));
	if (h->mapped) {
		json_object_set_new(e, "internal-address", json_address(&h->inside));
		json_object_set_new(e, "internal-port", json_integer(h->inside_port));
		if (h->b4.family)
			json_object_set_new(e, "b4-address", json_address(&h->b4));
	}
	if (h->from)
		json_object_set_new(e, "from", json_time(h->from));
	if (h->until)
		json_object_set_new(e, "until", json_time(h->until));
	return e;
}

void do_lookup(struct call *call)
{
	struct holder holders[HOLDERS_MAX];
	struct resolve_answer answer = {.holder = holders, .room = HOLDERS_MAX};
	struct resolve_req req;
	json_t *list;
	int rc;

	if (!read_request(call, &req))
		return;
	rc = resolve_outside(call->source->resolver, &req, &answer);
	if (rc == -EADDRNOTAVAIL) {
		call_fail(call, PROTO_NONE, "%s is no outside address of this box",
			call->request.word[1]);
		return;
	}
	if (rc < 0) {
		call_fail(call, PROTO_FAILED, "lookup: %s", strerror(-rc));
		return;
	}
	list = json_array();
	for (unsigned i = 0; i < answer.count && i < answer.room; i++)
		json_array_append_new(list, holder(call, &holders[i]));
	call->exit = answer.count == 0 ? PROTO_NONE : answer.count == 1 ? PROTO_OK : PROTO_SEVERAL;
	call_json(call,
		json_pack("{s:{s:{s:{s:b, s:o}}}}", "homeport:homeport", "resolve", "answer",
			"ambiguous", answer.ambiguous, "holder", list));
	call_end(call);
}
