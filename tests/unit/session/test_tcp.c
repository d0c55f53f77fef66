// SPDX-License-Identifier: BSD-3-Clause

// The TCP state machine, all of it: RFC 7857 section 2, figure 1, with RFC 6146 section 3.5.2.2 for
// half-closed sessions and RFC 7857 section 7.1 for strangers who are refused.

#include "base/bits.h"
#include "session/tcp.h"

#include "unit.h"

// A letter for each state, as the table has them.
static const char letter[TCP_STATES] = {
	[TCP_CLOSED] = 'c',
	[TCP_OUT_INIT] = 'o',
	[TCP_IN_INIT] = 'i',
	[TCP_ESTABLISHED] = 'e',
	[TCP_OUT_FIN] = 'f',
	[TCP_IN_FIN] = 'g',
	[TCP_BOTH_FIN] = 'b',
	[TCP_TRANS] = 't',
};

// What becomes of a state by a segment, and whether its timer starts anew (+) or goes on (-).
static const struct {
	enum tcp_state from;
	//                    SYN FIN RST other
	const char *outward; // from inside
	const char *inward;
} rows[] = {
	{TCP_CLOSED, "o+ c- c- c-", "i+ c- c- c-"},
	{TCP_OUT_INIT, "o+ o- o- o-", "e+ o- o- o-"},
	{TCP_IN_INIT, "e+ i- c+ i-", "i+ i- i- i-"},
	{TCP_ESTABLISHED, "e+ f+ t+ e+", "e+ g+ t+ e+"},
	{TCP_OUT_FIN, "f+ f+ t+ f+", "f+ b+ t+ f+"},
	{TCP_IN_FIN, "g+ b+ t+ g+", "g+ g+ t+ g+"},
	{TCP_BOTH_FIN, "o+ b- b- b-", "i+ b- b- b-"},
	{TCP_TRANS, "o+ e+ t- e+", "i+ e+ t- e+"},
};

static void check(enum tcp_state from, bool outward, enum tcp_event event, const char *expected)
{
	enum tcp_state to = tcp_next(from, outward, event);
	bool refreshes = tcp_refreshes(from, to, event);

	if (letter[to] != expected[0] || refreshes != (expected[1] == '+'))
		fail_msg("%s, event %d from %s: %s%c, not %.2s", tcp_state_name(from), event,
			outward ? "inside" : "outside", tcp_state_name(to), refreshes ? '+' : '-',
			expected);
}

static void states_and_events(void **)
{
	assert_int_equal(ARRAY_LEN(rows), TCP_STATES);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		for (enum tcp_event event = 0; event < TCP_EVENTS; event++) {
			check(rows[i].from, true, event, rows[i].outward + 3 * event);
			check(rows[i].from, false, event, rows[i].inward + 3 * event);
		}
	}
}

// How long a state lasts without segments: the transitory timers of opening and closing, the established
// one also for half-closed sessions (RFC 5382 REQ-5, RFC 7857 section 2.1).
static void timers(void **)
{
	static const enum tcp_timer timer[TCP_STATES] = {
		[TCP_CLOSED] = TCP_TIMER_NONE,
		[TCP_OUT_INIT] = TCP_TIMER_OPEN,
		[TCP_IN_INIT] = TCP_TIMER_OPEN,
		[TCP_ESTABLISHED] = TCP_TIMER_IDLE,
		[TCP_OUT_FIN] = TCP_TIMER_IDLE,
		[TCP_IN_FIN] = TCP_TIMER_IDLE,
		[TCP_BOTH_FIN] = TCP_TIMER_CLOSE,
		[TCP_TRANS] = TCP_TIMER_CLOSE,
	};

	for (enum tcp_state state = 0; state < TCP_STATES; state++)
		assert_int_equal(tcp_timer(state), timer[state]);
}

// Every combination of flags: a reset outweighs a SYN, a SYN a FIN; only SYN without ACK and RST opens.
static void flags(void **)
{
	for (unsigned f = 0; f < 256; f++) {
		enum tcp_event event = f & TCP_FLAG_RST ? TCP_RST
			: f & TCP_FLAG_SYN              ? TCP_SYN
			: f & TCP_FLAG_FIN              ? TCP_FIN
							: TCP_OTHER;

		assert_int_equal(tcp_event((uint8_t)f), event);
		assert_int_equal(
			tcp_is_opener((uint8_t)f), event == TCP_SYN && !(f & TCP_FLAG_ACK));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_and_events),
		cmocka_unit_test(timers),
		cmocka_unit_test(flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
