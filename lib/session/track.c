// SPDX-License-Identifier: BSD-3-Clause

#include "session/track.h"

#include "base/clock.h"
#include "session/grant.h"

// The shorter time that a policy may set for a destination port (RFC 4787 REQ-5a).
static uint32_t port_timeout(const struct nat_policy *policy, uint8_t protocol,
	rte_be16_t remote_port, uint32_t otherwise)
{
	uint16_t port = rte_be_to_cpu_16(remote_port);

	for (unsigned i = 0; i < policy->port_timeouts; i++) {
		const struct port_timeout *t = &policy->port_timeout[i];

		if (t->port == port && t->protocol == protocol)
			return t->ticks;
	}
	return otherwise;
}

uint32_t nat_mapping_due(const struct nat *nat, const struct mapping *m)
{
	return m->seen + policy_of(nat, m->policy)->timers.udp;
}

static uint32_t dccp_due(const struct nat_policy *policy, const struct session *s)
{
	switch (tcp_timer(s->state)) {
	case TCP_TIMER_NONE:
		return s->seen;
	case TCP_TIMER_IDLE:
		return s->seen + policy->timers.dccp_idle;
	default:
		return s->seen + policy->timers.dccp_trans;
	}
}

uint32_t nat_session_due(const struct nat *nat, const struct session *s)
{
	const struct mapping *m = &nat->bib.mapping[s->mapping];
	const struct nat_policy *policy = policy_of(nat, m->policy);

	if (mapping_l4(m) == L4_ICMP)
		return s->seen + policy->timers.icmp;
	if (mapping_l4(m) == L4_UDP)
		return s->seen + policy->timers.udp;
	if (mapping_l4(m) == L4_DCCP)
		return dccp_due(policy, s);
	switch (tcp_timer(s->state)) {
	case TCP_TIMER_NONE:
		return s->seen;
	case TCP_TIMER_OPEN:
		return s->seen + policy->timers.tcp_trans_open;
	case TCP_TIMER_CLOSE:
		return s->seen + policy->timers.tcp_trans_close;
	case TCP_TIMER_IDLE:
		break;
	}
	return s->seen +
		port_timeout(policy, PROTOCOL_TCP, s->remote_port, policy->timers.tcp_idle);
}

uint32_t track_seen_udp(const struct nat_policy *policy, rte_be16_t remote_port, uint32_t now)
{
	uint32_t time = policy->timers.udp;

	return now - (time - port_timeout(policy, PROTOCOL_UDP, remote_port, time));
}

static void refresh_udp(
	const struct nat_policy *policy, uint32_t *seen, rte_be16_t remote_port, uint32_t now)
{
	uint32_t then = track_seen_udp(policy, remote_port, now);

	if ((int32_t)(then - *seen) > 0)
		*seen = then;
}

static void session_arm(struct nat *nat, uint32_t number)
{
	wheel_set(&nat->wheel, handle_make(HANDLE_SESSION, number),
		nat_session_due(nat, &nat->sessions.session[number]));
}

static enum filtering filtering_of(const struct nat *nat, const struct mapping *m)
{
	// a static mapping says by itself that anybody may come
	if (m->flags & MAPPING_STATIC)
		return FILTER_NONE;
	return nat->behaviour[m->policy].filtering[mapping_l4(m)];
}

static bool has_connections(const struct mapping *m)
{
	return mapping_l4(m) == L4_TCP || mapping_l4(m) == L4_DCCP;
}

// Where only addresses are filtered by, a UDP session is with all ports of one; ICMP has none.
static rte_be16_t session_port(const struct nat *nat, const struct mapping *m, rte_be16_t port)
{
	switch (mapping_l4(m)) {
	case L4_TCP:
	case L4_DCCP:
		return port;
	case L4_UDP:
		return filtering_of(nat, m) == FILTER_BY_ADDRESS ? 0 : port;
	default:
		return 0;
	}
}

static bool counts_addresses(const struct nat *nat, const struct mapping *m)
{
	return has_connections(m) && filtering_of(nat, m) == FILTER_BY_ADDRESS;
}

static bool address_hold(struct nat *nat, uint32_t mapping, rte_be32_t remote)
{
	uint32_t number = session_find(&nat->sessions, 0, mapping, remote, 0);

	if (!number)
		number = session_add(&nat->sessions, 0, mapping, remote, 0);
	if (number)
		nat->sessions.session[number].holds++;
	return number;
}

static void address_let_go(struct nat *nat, uint32_t mapping, rte_be32_t remote)
{
	uint32_t number = session_find(&nat->sessions, 0, mapping, remote, 0);

	if (!--nat->sessions.session[number].holds)
		session_remove(&nat->sessions, number);
}

// Whether a remote that a mapping has no session with may open one (RFC 4787 section 5, RFC 5382 REQ-3).
static bool may_enter(const struct nat *nat, uint32_t mapping, rte_be32_t remote)
{
	const struct mapping *m = &nat->bib.mapping[mapping];

	if (filtering_of(nat, m) == FILTER_NONE)
		return true;
	return counts_addresses(nat, m) && session_find(&nat->sessions, 0, mapping, remote, 0);
}

enum verdict track_open(struct nat *nat, uint32_t mapping, rte_be32_t remote,
	rte_be16_t remote_port, uint32_t now, uint32_t *number)
{
	struct mapping *m = &nat->bib.mapping[mapping];
	const struct nat_policy *policy = policy_of(nat, m->policy);
	struct subscriber *subscriber = &nat->subscribers.subscriber[m->subscriber];
	rte_be16_t port = session_port(nat, m, remote_port);

	if (m->sessions >= policy->mapping_sessions ||
		subscriber->sessions >= policy->subscriber_sessions)
		return V_SESSION_LIMIT;
	if (counts_addresses(nat, m) && !address_hold(nat, mapping, remote))
		return V_SESSION_MEMORY;
	*number = session_add(&nat->sessions, m->session, mapping, remote, port);
	if (!*number) {
		if (counts_addresses(nat, m))
			address_let_go(nat, mapping, remote);
		return V_SESSION_MEMORY;
	}
	m->session = *number;
	m->sessions++;
	subscriber->sessions++;
	nat->sessions.session[*number].seen =
		mapping_l4(m) == L4_UDP ? track_seen_udp(policy, remote_port, now) : now;
	// a connection arms it with its first state
	if (!has_connections(m))
		session_arm(nat, *number);
	return V_NAT44_OUT;
}

// Whether strangers may open one more session of a mapping: half of its room stays for its host.
static bool has_room_for_strangers(const struct nat *nat, const struct mapping *m)
{
	return m->unanswered < (policy_of(nat, m->policy)->mapping_sessions + 1) / 2;
}

static enum verdict open_by_packet(struct nat *nat, uint32_t mapping, rte_be32_t remote,
	rte_be16_t remote_port, uint8_t flags, bool outward, uint32_t now, uint32_t *number)
{
	const struct mapping *m = &nat->bib.mapping[mapping];

	if (!outward && !may_enter(nat, mapping, remote))
		return V_FILTERED;
	// RFC 5382 section 5 leaves the rest to us: it opens nothing
	if (!nat_may_open(mapping_l4(m), flags))
		return V_NOT_SYN;
	if (!outward && !has_room_for_strangers(nat, m))
		return V_SESSION_LIMIT;
	return track_open(nat, mapping, remote, remote_port, now, number);
}

// An unanswered session is one that the inside host has no part in: nobody but strangers wants it.
static bool is_unanswered(const struct session *s)
{
	return s->state == TCP_IN_INIT;
}

static void run_connection(
	struct nat *nat, uint32_t number, enum tcp_event event, bool outward, uint32_t now)
{
	struct session *s = &nat->sessions.session[number];
	enum tcp_state from = s->state;
	enum tcp_state to = tcp_next(from, outward, event);

	if (tcp_refreshes(from, to, event))
		s->seen = now;
	if (from == to)
		return;
	if (from == TCP_IN_INIT)
		nat->bib.mapping[s->mapping].unanswered--;
	if (to == TCP_IN_INIT)
		nat->bib.mapping[s->mapping].unanswered++;
	s->state = (uint8_t)to;
	session_arm(nat, number);
}

static enum verdict run_session(struct nat *nat, uint32_t mapping, rte_be32_t remote,
	rte_be16_t remote_port, uint8_t flags, bool outward, uint32_t now)
{
	struct mapping *m = &nat->bib.mapping[mapping];
	enum verdict verdict = outward ? V_NAT44_OUT : V_NAT44_IN;
	uint32_t number = session_find(
		&nat->sessions, m->session, mapping, remote, session_port(nat, m, remote_port));
	struct session *s;

	if (!number) {
		enum verdict opened;

		// a stranger's ping makes no session that would keep the mapping
		if (!outward && mapping_l4(m) == L4_ICMP && m->sessions &&
			may_enter(nat, mapping, remote))
			return verdict;
		opened = open_by_packet(
			nat, mapping, remote, remote_port, flags, outward, now, &number);
		if (opened != V_NAT44_OUT)
			return opened;
	}
	m->session = number;
	s = &nat->sessions.session[number];
	switch (mapping_l4(m)) {
	case L4_TCP:
		run_connection(nat, number, tcp_event(flags), outward, now);
		break;
	case L4_DCCP:
		run_connection(nat, number, dccp_event(flags), outward, now);
		break;
	case L4_UDP:
		if (outward || policy_of(nat, m->policy)->inbound_refresh)
			refresh_udp(policy_of(nat, m->policy), &s->seen, remote_port, now);
		break;
	default:
		if (outward)
			s->seen = now;
		break;
	}
	return verdict;
}

enum verdict nat_track(struct nat *nat, uint32_t mapping, rte_be32_t remote, rte_be16_t remote_port,
	uint8_t flags, bool outward, uint32_t now)
{
	struct mapping *m = &nat->bib.mapping[mapping];

	if (m->flags & MAPPING_SESSIONS)
		return run_session(nat, mapping, remote, remote_port, flags, outward, now);
	refresh_udp(policy_of(nat, m->policy), &m->seen, remote_port, now);
	return outward ? V_NAT44_OUT : V_NAT44_IN;
}

void track_end(struct nat *nat, uint32_t number)
{
	struct session *s = &nat->sessions.session[number];
	struct mapping *m = &nat->bib.mapping[s->mapping];

	uint32_t other;

	wheel_stop(&nat->wheel, handle_make(HANDLE_SESSION, number));
	if (counts_addresses(nat, m))
		address_let_go(nat, s->mapping, s->remote);
	if (is_unanswered(s))
		m->unanswered--;
	nat->subscribers.subscriber[m->subscriber].sessions--;
	other = session_remove(&nat->sessions, number);
	if (m->session == number)
		m->session = other;
	m->sessions--;
}

// The hash that a mapping was added with; it still has its sessions.
static uint64_t hash_of(const struct nat *nat, const struct mapping *m)
{
	enum l4 l4 = mapping_l4(m);
	const struct session *s;
	bool by_port;

	if (!(m->flags & MAPPING_DEPENDENT))
		return bib_hash(&nat->bib, l4, m->inside, m->inside_port);
	s = &nat->sessions.session[m->session];
	by_port = nat->behaviour[m->policy].mapping == MAP_BY_ENDPOINT;
	return bib_hash_dependent(
		&nat->bib, l4, m->inside, m->inside_port, s->remote, by_port ? s->remote_port : 0);
}

void track_forget(struct nat *nat, uint32_t mapping)
{
	struct mapping *m = &nat->bib.mapping[mapping];
	uint64_t hash = hash_of(nat, m);
	rte_be32_t inside = m->inside;

	if (!(m->flags & MAPPING_SESSIONS))
		wheel_stop(&nat->wheel, handle_make(HANDLE_MAPPING, mapping));
	while (m->sessions)
		track_end(nat, m->session);
	bib_remove(&nat->bib, mapping, hash);
	if (unlikely(alias_is(inside)))
		alias_let_go(&nat->aliases, alias_number(inside));
}

void track_expire(struct nat *nat, uint32_t number, uint32_t now)
{
	struct session *s = &nat->sessions.session[number];
	struct mapping *m = &nat->bib.mapping[s->mapping];
	uint32_t others = m->sessions - 1u;
	bool reuse;

	if ((int32_t)(nat_session_due(nat, s) - now) > 0) {
		session_arm(nat, number);
		return;
	}
	// a port whose connections were all closed by both ends needs no rest (RFC 6888 REQ-8a)
	if (s->state != TCP_BOTH_FIN)
		m->flags |= MAPPING_REST;
	// strangers do not keep a mapping that nobody gave them (RFC 4787 REQ-6, RFC 7857 section 7)
	if (!(m->flags & MAPPING_STATIC))
		others -= m->unanswered - is_unanswered(s);
	reuse = !(m->flags & MAPPING_REST) && !m->unanswered;
	if (others)
		track_end(nat, number);
	else if (!reuse && !grant_may_rest(nat, m, now))
		wheel_set(&nat->wheel, handle_make(HANDLE_SESSION, number), now + TICKS_A_SECOND);
	else
		mapping_end(nat, s->mapping, reuse, now);
}
