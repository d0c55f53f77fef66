// SPDX-License-Identifier: BSD-3-Clause

#include "session/track.h"

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

uint32_t nat_session_due(const struct nat *nat, const struct session *s)
{
	const struct mapping *m = &nat->bib.mapping[s->mapping];
	const struct nat_policy *policy = policy_of(nat, m->policy);

	if (mapping_l4(m) == L4_ICMP)
		return s->seen + policy->timers.icmp;
	switch (tcp_timer(s->state)) {
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

// A packet to a port with a shorter time counts as one seen that much earlier, so the mapping lives
// by the longest of what its destinations ask for.
static void refresh_udp(
	const struct nat *nat, struct mapping *m, rte_be16_t remote_port, uint32_t now)
{
	const struct nat_policy *policy = policy_of(nat, m->policy);
	uint32_t time = policy->timers.udp;
	uint32_t own = port_timeout(policy, PROTOCOL_UDP, remote_port, time);
	uint32_t seen = now - (time - own);

	if ((int32_t)(seen - m->seen) > 0)
		m->seen = seen;
}

static void session_arm(struct nat *nat, uint32_t number)
{
	wheel_set(&nat->wheel, handle_make(HANDLE_SESSION, number),
		nat_session_due(nat, &nat->sessions.session[number]));
}

// The session with a remote endpoint, made if need be. Returns 0 when the table is full.
static uint32_t session_get(
	struct nat *nat, uint32_t mapping, rte_be32_t remote, rte_be16_t remote_port)
{
	struct mapping *m = &nat->bib.mapping[mapping];
	uint32_t number = session_add(&nat->sessions, m->session, mapping, remote, remote_port);

	if (number) {
		m->session = number;
		m->sessions++;
	}
	return number;
}

static enum verdict track_tcp(struct nat *nat, uint32_t mapping, rte_be32_t remote,
	rte_be16_t remote_port, uint8_t flags, bool outward, uint32_t now)
{
	struct mapping *m = &nat->bib.mapping[mapping];
	uint32_t number = session_find(&nat->sessions, m->session, mapping, remote, remote_port);
	enum tcp_event event = tcp_event(flags);
	enum tcp_state from, to;
	struct session *s;

	if (!number) {
		// RFC 5382 section 5 leaves the rest to us: it opens nothing
		if (event != TCP_SYN)
			return V_NOT_SYN;
		if (m->sessions == UINT16_MAX)
			return V_SESSION_MEMORY;
		number = session_get(nat, mapping, remote, remote_port);
		if (!number)
			return V_SESSION_MEMORY;
	}
	s = &nat->sessions.session[number];
	m->session = number;
	from = s->state;
	to = tcp_next(from, outward, event);
	if (tcp_refreshes(from, to, event))
		s->seen = now;
	if (from != to) {
		s->state = (uint8_t)to;
		session_arm(nat, number);
	}
	return outward ? V_NAT44_OUT : V_NAT44_IN;
}

static enum verdict track_icmp(
	struct nat *nat, uint32_t mapping, rte_be32_t remote, bool outward, uint32_t now)
{
	struct mapping *m = &nat->bib.mapping[mapping];
	uint32_t number = session_find(&nat->sessions, m->session, mapping, remote, 0);

	if (!number) {
		if (m->sessions == UINT16_MAX)
			return V_SESSION_MEMORY;
		number = session_get(nat, mapping, remote, 0);
		if (!number)
			return V_SESSION_MEMORY;
		nat->sessions.session[number].seen = now;
		session_arm(nat, number);
	}
	m->session = number;
	if (outward)
		nat->sessions.session[number].seen = now;
	return outward ? V_NAT44_OUT : V_NAT44_IN;
}

enum verdict nat_track(struct nat *nat, uint32_t mapping, rte_be32_t remote, rte_be16_t remote_port,
	uint8_t tcp_flags, bool outward, uint32_t now)
{
	struct mapping *m = &nat->bib.mapping[mapping];

	switch (mapping_l4(m)) {
	case L4_TCP:
		return track_tcp(nat, mapping, remote, remote_port, tcp_flags, outward, now);
	case L4_ICMP:
		return track_icmp(nat, mapping, remote, outward, now);
	default:
		if (outward)
			refresh_udp(nat, m, remote_port, now);
		return outward ? V_NAT44_OUT : V_NAT44_IN;
	}
}

void track_end(struct nat *nat, uint32_t number)
{
	struct session *s = &nat->sessions.session[number];
	struct mapping *m = &nat->bib.mapping[s->mapping];

	uint32_t other;

	wheel_stop(&nat->wheel, handle_make(HANDLE_SESSION, number));
	other = session_remove(&nat->sessions, number);
	if (m->session == number)
		m->session = other;
	m->sessions--;
}

void track_expire(struct nat *nat, uint32_t number, uint32_t now)
{
	struct session *s = &nat->sessions.session[number];
	uint32_t mapping = s->mapping;
	uint32_t due = nat_session_due(nat, s);
	// a port whose last connection was closed by both ends needs no rest (RFC 6888 REQ-8a)
	bool closed = s->state == TCP_BOTH_FIN;

	if ((int32_t)(due - now) > 0) {
		session_arm(nat, number);
		return;
	}
	if (nat->bib.mapping[mapping].sessions > 1)
		track_end(nat, number);
	else
		mapping_end(nat, mapping, closed, now);
}
