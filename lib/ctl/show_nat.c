// SPDX-License-Identifier: BSD-3-Clause

// Tables of the workers, which may be long: each call of `more` asks one worker for one slice of rows.

#include "ctl/commands.h"

#include <time.h>

#define SLICE 512
#define UDP   17 // IANA number

// Indexes of mappings that no configuration gives: a stable name of a worker's mapping while it lives.
// Configured ones are below.
#define INDEX_DYNAMIC     0x80000000u
#define INDEX_WORKER_BITS 25

static void append(struct call *call, json_t *element)
{
	if (call->listed)
		call_text(call, ",");
	call->listed = true;
	call_json(call, element);
}

// Asks for the next slice of the worker that the list has come to. Returns how many rows, or -1 when all
// workers are through or the answer has been ended with an error.
static int next_rows(struct call *call, enum walk_table table, void *rows, unsigned *worker)
{
	const struct ctl_source *source = call->source;
	uint32_t count;

	if (call->worker == source->workers)
		return -1;
	*worker = call->worker;
	if (source->walk(source->ctx, call->worker, table, SLICE, rows, &call->cursor, &count) <
		0) {
		call_fail(call, PROTO_FAILED, "worker %u does not answer", call->worker);
		return -1;
	}
	if (!call->cursor)
		call->worker++;
	return (int)count;
}

static json_t *ports(uint16_t first, uint16_t last)
{
	json_t *p = json_pack("{s:i}", "start-port-number", (int)first);

	if (last != first)
		json_object_set_new(p, "end-port-number", json_integer(last));
	return p;
}

static json_t *host(const struct ipaddr *addr)
{
	struct ipprefix prefix = ipprefix_make(addr, ipaddr_bits(addr));

	return json_prefix(&prefix);
}

static json_t *b4(const struct mapping_row *row)
{
	json_t *b4 = json_pack("{s:o}", "address", json_address(&row->b4));

	if (row->b4_moved)
		json_object_set_new(b4, "last-address-change",
			json_time((int64_t)(time(NULL) - row->b4_s) * 1000));
	return b4;
}

static json_t *dynamic_mapping(unsigned worker, const struct mapping_row *row)
{
	struct ipaddr outside = ipaddr_v4(row->outside);
	json_t *e = json_object();

	json_object_set_new(
		e, "index", json_integer(INDEX_DYNAMIC | worker << INDEX_WORKER_BITS | row->id));
	json_object_set_new(e, "type", json_string("dynamic-implicit"));
	json_object_set_new(e, "transport-protocol", json_integer(row->protocol));
	json_object_set_new(e, "internal-src-address", host(&row->inside));
	json_object_set_new(e, "internal-src-port", ports(row->inside_port, row->inside_port));
	json_object_set_new(e, "external-src-address", host(&outside));
	json_object_set_new(e, "external-src-port", ports(row->outside_port, row->outside_port));
	json_object_set_new(e, "lifetime", json_integer(row->left_s));
	if (row->b4.family)
		json_object_set_new(e, "ietf-dslite:b4-ipv6-address", b4(row));
	return e;
}

static json_t *static_mapping(const struct static_table *statics, const struct static_mapping *m)
{
	const struct static_host *of = static_host_of(statics, m);
	struct ipaddr inside = static_inside(statics, m), outside = ipaddr_v4(m->outside);
	json_t *e = json_object();

	json_object_set_new(e, "index", json_integer(m->index));
	json_object_set_new(e, "type", json_string("static"));
	if (m->protocol && !m->both)
		json_object_set_new(e, "transport-protocol", json_integer(m->protocol));
	json_object_set_new(e, "internal-src-address", host(&inside));
	json_object_set_new(e, "external-src-address", host(&outside));
	if (of && of->inner) {
		struct ipaddr address = ipaddr_v6(of->address);

		json_object_set_new(e, "ietf-dslite:b4-ipv6-address",
			json_pack("{s:o}", "address", json_address(&address)));
	}
	if (m->ports == UINT16_MAX)
		return e;
	json_object_set_new(e, "internal-src-port",
		ports(m->inside_lower, (uint16_t)(m->inside_lower + m->ports)));
	json_object_set_new(e, "external-src-port",
		ports(m->outside_lower, (uint16_t)(m->outside_lower + m->ports)));
	return e;
}

// A range of destination endpoints, on one side.
static void add_destinations(json_t *e, const char *address, const char *port, uint64_t first,
	uint64_t more, bool has_ports)
{
	struct ipaddr addr = ipaddr_v4(endpoint_address(first));

	json_object_set_new(e, address, host(&addr));
	if (has_ports)
		json_object_set_new(e, port, ports((uint16_t)first, (uint16_t)(first + more)));
}

static json_t *destination_mapping(const struct dstnat *d)
{
	bool has_ports = d->more < ENDPOINT_PORTS;
	json_t *e = json_pack("{s:I, s:s}", "index", (json_int_t)d->index, "type", "static");

	if (d->more <= ENDPOINT_PORTS && !d->both)
		json_object_set_new(
			e, "transport-protocol", json_integer(endpoint_protocol(d->inside)));
	add_destinations(
		e, "internal-dst-address", "internal-dst-port", d->inside, d->more, has_ports);
	add_destinations(
		e, "external-dst-address", "external-dst-port", d->outside, d->more, has_ports);
	return e;
}

// The entries of destinations, once each; those of pools are in no mapping table.
static void add_destination_mappings(struct call *call, const struct snapshot *s, uint16_t number)
{
	for (unsigned i = 0; i < s->dstnat.count; i++) {
		const struct dstnat *d = &s->dstnat.by_inside[i];

		if (d->instance == number && d->policy == DSTNAT_ANY_POLICY &&
			!(d->both && endpoint_protocol(d->inside) == UDP))
			append(call, destination_mapping(d));
	}
}

static bool is_of(const struct snapshot *s, uint8_t policy, uint32_t instance)
{
	return s->policy[policy] && s->policy[policy]->instance_id == instance;
}

// Goes on to the instance with the next higher id. Returns false if there is none.
static bool next_instance(const struct snapshot *s, uint32_t *instance, uint16_t *number)
{
	uint32_t next = 0;

	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *p = s->policy[slot];

		if (p && p->instance_id > *instance && (!next || p->instance_id < next)) {
			next = p->instance_id;
			*number = p->instance;
		}
	}
	*instance = next;
	return next != 0;
}

static void more_mappings(struct call *call);

// Begins the list of the next instance, with its static mappings, or ends the answer.
static void begin_instance(struct call *call, const struct snapshot *s)
{
	bool first = !call->instance;
	uint16_t number;

	if (!next_instance(s, &call->instance, &number)) {
		call_text(call, "]}}}");
		call_end(call);
		return;
	}
	call_text(call, "%s{\"id\":%u,\"mapping-table\":{\"mapping-entry\":[", first ? "" : ",",
		call->instance);
	call->worker = 0;
	call->cursor = 0;
	call->listed = false;
	for (unsigned i = 0; i < s->statics.count; i++) {
		const struct static_mapping *m = &s->statics.by_outside[i];

		if (is_of(s, m->policy, call->instance) && !(m->both && m->protocol == UDP))
			append(call, static_mapping(&s->statics, m));
	}
	add_destination_mappings(call, s, number);
	call->more = more_mappings;
}

static void more_mappings(struct call *call)
{
	const struct snapshot *s = call->source->snapshot(call->source->ctx);
	struct mapping_row rows[SLICE];
	unsigned worker;
	int count = next_rows(call, WALK_MAPPINGS, rows, &worker);

	// what packets have made of static mappings stands there as the static mapping already
	for (int i = 0; i < count; i++) {
		if (!rows[i].is_static && is_of(s, rows[i].policy, call->instance))
			append(call, dynamic_mapping(worker, &rows[i]));
	}
	if (count < 0 && !call->ended) {
		call_text(call, "]}}");
		begin_instance(call, s);
	}
}

void show_mappings(struct call *call)
{
	call_text(call, "{\"ietf-nat:nat\":{\"instances\":{\"instance\":[");
	begin_instance(call, call->source->snapshot(call->source->ctx));
}

static json_t *subscriber(
	const struct call *call, unsigned worker, const struct subscriber_row *row)
{
	struct ipprefix prefix = subkey_prefix(&row->key);
	struct ipaddr outside = ipaddr_v4(row->outside);
	json_t *e = json_object();

	json_object_set_new(e, "nat-instance", subscriber_instance(call, &row->key));
	json_object_set_new(e, "address", json_prefix(&prefix));
	if (row->outside)
		json_object_set_new(e, "external-address", json_address(&outside));
	json_object_set_new(e, "port-sets", json_integer(row->blocks));
	json_object_set_new(e, "udp-ports", json_integer(row->udp_ports));
	json_object_set_new(e, "tcp-ports", json_integer(row->tcp_ports));
	json_object_set_new(e, "icmp-identifiers", json_integer(row->icmp_ids));
	json_object_set_new(e, "refused-packets", json_number64(row->refused));
	json_object_set_new(e, "mitigated", json_boolean(row->marked));
	json_object_set_new(e, "worker", json_integer(worker));
	return e;
}

static void more_subscribers(struct call *call)
{
	struct subscriber_row rows[SLICE];
	unsigned worker;
	int count = next_rows(call, WALK_SUBSCRIBERS, rows, &worker);

	for (int i = 0; i < count; i++)
		append(call, subscriber(call, worker, &rows[i]));
	if (count < 0 && !call->ended) {
		call_text(call, "]}}");
		call_end(call);
	}
}

void show_subscribers(struct call *call)
{
	call_text(call, "{\"homeport:homeport\":{\"subscriber\":[");
	call->more = more_subscribers;
}
