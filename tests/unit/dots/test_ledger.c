// SPDX-License-Identifier: BSD-3-Clause

// What survives the daemon: a file in which one server writes and another reads.

#include "base/clock.h"
#include "dots/dots.h"

#include "unit.h"
#include "upstream.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct attack by_a = {"203.0.113.7/32", 1500, "198.51.100.10/32", 3600, 0};
static const struct attack by_b = {"203.0.113.7/32", 2500, "198.51.100.20/32", 60, 0};
static char path[] = "/tmp/test_ledger.XXXXXX";
static struct dots_upstream config;

static void keep(void)
{
	struct err err;

	if (dots_keep(dots, path, 86400, 100, &err) < 0)
		fail_msg("%s", err.text);
}

static int fresh(void **state)
{
	close(mkstemp(path));
	world_setup(state);
	keep();
	config = upstream_config(&one);
	return 0;
}

static int end(void **state)
{
	char other[sizeof(path) + 8];

	world_teardown(state);
	unlink(path);
	snprintf(other, sizeof(other), "%s-wal", path);
	unlink(other);
	snprintf(other, sizeof(other), "%s-shm", path);
	unlink(other);
	strcpy(path, "/tmp/test_ledger.XXXXXX");
	return 0;
}

// The daemon goes, and its rules with it; another comes some seconds later.
static void restart_with(unsigned seconds, const struct inspection *inspection)
{
	struct dots_env env = {loop, &resolver.resolver, acl};

	dots_free(dots);
	settle();
	assert_int_equal(rules(), 0);
	pass(seconds);
	dots = dots_new(&env);
	keep();
	if (inspection)
		dots_inspect(dots, inspection);
	upstream_connect(&one, &config);
}

static void restart(unsigned seconds)
{
	restart_with(seconds, NULL);
}

static unsigned count;
static struct dots_mitigation_row row;
static struct subkey subscriber;

static void take_row(void *, const struct dots_mitigation_row *shown)
{
	row = *shown;
	subscriber = shown->suspects ? shown->suspect[0].subscriber : (struct subkey){0};
	count++;
}

static unsigned mitigations(void)
{
	count = 0;
	dots_list_mitigations(dots, take_row, NULL);
	return count;
}

// A record of the trail, kept in texts of its own.
static struct {
	struct dots_audit_row row;
	char outcome[16], decided_by[16], action[16];
	struct ipprefix target;
	struct dots_audit_subscriber subscriber;
} record[8];
static unsigned records;

static void take_record(void *, const struct dots_audit_row *shown)
{
	record[records].row = *shown;
	snprintf(record[records].outcome, 16, "%s", shown->outcome);
	snprintf(record[records].decided_by, 16, "%s", shown->decided_by ? shown->decided_by : "-");
	snprintf(record[records].action, 16, "%s", shown->action ? shown->action : "-");
	record[records].target = shown->scope->target[0];
	assert_int_equal(shown->subscribers, 1);
	record[records].subscriber = shown->subscriber[0];
	assert_true(++records < 8);
}

static unsigned trail(void)
{
	records = 0;
	dots_list_audit(dots, take_record, NULL);
	return records;
}

static unsigned withdraw(uint32_t mid)
{
	char p[64];

	snprintf(p, sizeof(p), "mitigate/cuid=" CUID "/mid=%u", mid);
	return ask(&one, COAP_REQUEST_DELETE, p, NULL, 0);
}

// It goes on for the rest of its lifetime and no longer, against the same subscriber, and its client
// may refresh it
static void it_goes_on(void **)
{
	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	pass(100);
	restart(500);
	assert_int_equal(rules(), 1);
	assert_int_equal(mitigations(), 1);
	assert_int_equal(row.mid, 1);
	assert_in_range(row.lifetime, 2999, 3001);
	assert_int_equal(subscriber.addr[3], 1);
	// twice is not more than once
	restart(0);
	assert_int_equal(rules(), 1);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 204);
	assert_int_equal(mitigations(), 1);
	assert_int_equal(rules(), 1);
	pass(3601);
	assert_int_equal(rules(), 0);
	restart(0);
	assert_int_equal(mitigations(), 0);
}

// It does not go on if its time was over before the next run began
static void it_ended_meanwhile(void **)
{
	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, by_b), 201);
	restart(61);
	assert_int_equal(mitigations(), 0);
	assert_int_equal(trail(), 1);
	assert_string_equal(record[0].outcome, "expired");
	assert_in_range(record[0].row.ended, clock_unix_ms() - 3000, clock_unix_ms() - 900);
}

// The subscriber who was found is meant, though somebody else has the port now
static void the_port_has_moved_on(void **)
{
	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	table_resolver_init(&resolver);
	table_resolver_add(&resolver, "203.0.113.7:1024-2047=100.64.0.99");
	restart(10);
	assert_int_equal(mitigations(), 1);
	assert_int_equal(subscriber.addr[3], 1);
}

// What waits for consent waits on, with the time that was left; what was rejected stays so
static void phases_survive(void **)
{
	struct err err;

	config.consent = CONSENT_ASK;
	config.consent_time = 600;
	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	restart(300);
	assert_int_equal(mitigations(), 1);
	assert_string_equal(row.phase, "asked");
	assert_in_range(
		row.decide_until, clock_unix_ms() / 1000 + 298, clock_unix_ms() / 1000 + 301);
	assert_int_equal(dots_decide(dots, NULL, 1, false, &err), 0);
	restart(10);
	assert_int_equal(mitigations(), 1);
	assert_string_equal(row.phase, "rejected");
	assert_int_equal(rules(), 0);
	assert_int_equal(mitigate(&one, CUID, 2, by_a), 409);
}

// Inspection begins anew; what came of it stays
static void inspection_survives(void **)
{
	struct inspection inspection = {.thresholds = {.packets = 10, .window = 2},
		.time = 60,
		.confirmed = {ACL_RATE_LIMIT, 8000},
		.act = true,
		.reject = true};

	config.measure.action = ACL_INSPECT;
	dots_inspect(dots, &inspection);
	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	restart_with(100, &inspection);
	assert_int_equal(mitigations(), 1);
	assert_string_equal(row.phase, "asked");
	for (unsigned i = 0; i < 100; i++)
		acl_hit(acl, 0, row.acl_slot[0], 60);
	pass(4);
	restart_with(1, &inspection);
	assert_int_equal(mitigations(), 1);
	assert_string_equal(row.phase, "in-force");
	assert_string_equal(row.action, "rate-limit");
	assert_int_equal(trail(), 1);
	assert_string_equal(record[0].decided_by, "detector");
}

static void ending_survives(void **)
{
	config.terminating_time = 120;
	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(withdraw(1), 202);
	restart(60);
	assert_string_equal((mitigations(), row.phase), "ending");
	assert_int_equal(rules(), 1);
	pass(62);
	assert_int_equal(rules(), 0);
	assert_int_equal(trail(), 1);
	assert_string_equal(record[0].outcome, "withdrawn");
}

static void an_indefinite_lifetime(void **)
{
	struct attack always = by_a;

	always.lifetime = -1;
	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, always), 201);
	restart(100000);
	assert_int_equal(mitigations(), 1);
	assert_int_equal(row.lifetime, -1);
}

// An upstream that changes keeps its mitigations, one that goes for good does not
static void upstreams_come_and_go(void **)
{
	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(dots_remove(dots, "one", false), 0);
	assert_int_equal(rules(), 0);
	settle();
	config.heartbeat_interval = 60;
	upstream_connect(&one, &config);
	assert_int_equal(mitigations(), 1);
	assert_int_equal(rules(), 1);
	assert_int_equal(dots_remove(dots, "one", true), 0);
	settle();
	upstream_connect(&one, &config);
	assert_int_equal(mitigations(), 0);
	assert_int_equal(trail(), 1);
	assert_string_equal(record[0].outcome, "removed");
}

// Who asked, who was found, what was installed, and how it ended
static void the_trail(void **)
{
	struct attack other = by_a;
	char text[IPPREFIX_TEXT];

	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(trail(), 1);
	assert_string_equal(record[0].outcome, "open");
	for (unsigned i = 0; i < 7; i++)
		acl_hit(acl, 0, 0, 100);
	pass(10);
	other.target = "198.51.100.0/24";
	assert_int_equal(mitigate(&one, CUID, 2, other), 201);
	assert_int_equal(withdraw(2), 202);
	assert_int_equal(mitigate(&one, CUID, 3, by_b), 201);
	pass(61);
	restart(0);
	assert_int_equal(trail(), 3);
	assert_string_equal(record[2].outcome, "replaced");
	assert_int_equal(record[2].row.mid, 1);
	assert_int_equal(record[2].row.packets, 7);
	assert_int_equal(record[2].row.bytes, 700);
	assert_int_equal(record[2].row.rules, 1);
	assert_string_equal(record[2].action, "block");
	assert_string_equal(record[2].decided_by, "-");
	assert_in_range(record[2].row.ended - record[2].row.asked, 9900, 10200);
	assert_int_equal(record[2].subscriber.nat_instance, 1);
	assert_string_equal(ipprefix_format(&record[2].subscriber.inside, text), "100.64.0.1/32");
	assert_int_equal(record[2].subscriber.lower, 1500);
	assert_string_equal(record[1].outcome, "withdrawn");
	assert_string_equal(ipprefix_format(&record[1].target, text), "198.51.100.0/24");
	assert_string_equal(record[0].outcome, "expired");
	assert_int_equal(record[0].row.mid, 3);
}

static void the_trail_of_decisions(void **)
{
	struct err err;

	config.consent = CONSENT_ASK;
	config.consent_time = 60;
	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(trail(), 1);
	assert_string_equal(record[0].action, "-");
	pass(10);
	assert_int_equal(dots_decide(dots, NULL, 1, true, &err), 0);
	assert_int_equal(trail(), 1);
	assert_string_equal(record[0].action, "block");
	assert_string_equal(record[0].decided_by, "operator");
	assert_in_range(record[0].row.began - record[0].row.asked, 9900, 10200);
	assert_int_equal(withdraw(1), 202);
	assert_int_equal(mitigate(&one, CUID, 2, by_a), 201);
	pass(61);
	assert_int_equal(trail(), 2);
	assert_string_equal(record[0].outcome, "rejected");
	assert_string_equal(record[0].decided_by, "default");
	assert_int_equal(record[0].row.began, 0);
	// the client's look at it, and its end, are no more of the trail's affair
	assert_int_equal(withdraw(2), 202);
	assert_int_equal(trail(), 2);
	assert_string_equal(record[0].outcome, "rejected");
}

static void old_records_go(void **)
{
	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(withdraw(1), 202);
	assert_int_equal(mitigate(&one, CUID, 2, by_a), 201);
	restart(3000);
	assert_int_equal(trail(), 2);
	restart(86401 - 3000);
	// the second has only just been found to have ended
	assert_int_equal(trail(), 1);
	assert_int_equal(record[0].row.mid, 2);
}

static void count_record(void *, const struct dots_audit_row *)
{
	count++;
}

static void too_many_records_go(void **)
{
	upstream_connect(&one, &config);
	for (unsigned i = 0; i < 300; i++) {
		assert_int_equal(mitigate(&one, CUID, i, by_a), 201);
		assert_int_equal(withdraw(i), 202);
		assert_int_equal(rules(), 0); // and their slots can be used again
	}
	restart(0);
	count = 0;
	dots_list_audit(dots, count_record, NULL);
	assert_int_equal(count, 100);
}

static void execute(const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void stop_and(const char *text)
{
	dots_free(dots);
	dots = NULL;
	settle();
	execute(text);
}

// A file that is damaged costs what cannot be read, and nothing else
static void take_others(void *, const struct dots_audit_row *shown)
{
	count += strcmp(shown->outcome, "refused") != 0;
}

static char reason[400][64];
static unsigned refused;
static uint64_t missed;

static void take_refusal(void *, const struct dots_audit_row *shown)
{
	if (strcmp(shown->outcome, "refused") != 0)
		return;
	assert_true(refused < 400);
	assert_string_equal(shown->upstream, "one");
	assert_string_equal(shown->cuid, CUID);
	assert_int_equal(shown->ended, shown->asked);
	assert_int_equal(shown->subscribers, 0);
	snprintf(reason[refused++], sizeof(reason[0]), "%s", shown->reason);
	missed += shown->missed;
}

static unsigned refusals(void)
{
	refused = 0;
	missed = 0;
	dots_list_audit(dots, take_refusal, NULL);
	return refused;
}

// Who asked for what, and why nothing came of it, also over a restart
static void what_is_refused(void **)
{
	struct attack foreign = by_a;

	upstream_connect(&one, &config);
	foreign.source = "192.0.2.200/32";
	assert_int_equal(mitigate(&one, CUID, 1, foreign), 400);
	assert_int_equal(mitigate(&one, CUID, 5, by_a), 201);
	assert_int_equal(mitigate(&one, CUID, 4, by_a), 409);
	assert_int_equal(ask(&one, COAP_REQUEST_PUT, "mitigate/cuid=" CUID "/mid=9",
				 (const uint8_t *)"\xff", 1),
		400);
	restart(1);
	assert_int_equal(refusals(), 3);
	assert_non_null(strstr(reason[0], "4.00 "));
	assert_non_null(strstr(reason[1], "4.09 it overlaps a request with a higher mid"));
	assert_non_null(strstr(reason[2], "4.00 source-prefix 192.0.2.200/32: not an address"));
	assert_int_equal(missed, 0);
}

// A flood of them is told in part, says so, and costs no other record its place
static void a_flood_is_refused(void **)
{
	struct attack foreign = by_a;

	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(withdraw(1), 202);
	foreign.source = "192.0.2.200/32";
	for (unsigned i = 0; i < 300; i++)
		mitigate(&one, CUID, 10 + i, foreign);
	assert_in_range(refusals(), 60, 100);
	pass(60);
	mitigate(&one, CUID, 500, foreign);
	assert_in_range(refusals() + missed, 301, 301);
	for (unsigned i = 0; i < 300; i++) {
		pass(1);
		mitigate(&one, CUID, 600 + i, foreign);
	}
	restart(1); // which prunes
	assert_int_equal(refusals(), 100);
	count = 0;
	dots_list_audit(dots, take_others, NULL);
	assert_int_equal(count, 1);
}

static void rows_that_make_no_sense(void **)
{
	struct dots_env env = {loop, &resolver.resolver, acl};

	upstream_connect(&one, &config);
	for (unsigned i = 1; i <= 6; i++) {
		struct attack attack = by_a;
		char target[32];

		snprintf(target, sizeof(target), "198.51.100.%u/32", i);
		attack.target = target;
		assert_int_equal(mitigate(&one, CUID, i, attack), 201);
	}
	stop_and(
		"UPDATE mitigation SET scope = x'a1' WHERE mid = 1;"
		"UPDATE mitigation SET subscribers = 'x' WHERE mid = 2;"
		"UPDATE mitigation SET phase = 17 WHERE mid = 3;"
		"UPDATE mitigation SET scope = NULL WHERE mid = 4;"
		"UPDATE mitigation SET subscribers = '9 100.64.0.1/32 203.0.113.7 1 2 4' || char(10)"
		" WHERE mid = 5;"
		"UPDATE audit SET subscribers = 'x', scope = NULL WHERE mid = 1");
	dots = dots_new(&env);
	keep();
	upstream_connect(&one, &config);
	assert_int_equal(mitigations(), 1);
	assert_int_equal(row.mid, 6);
	assert_int_equal(rules(), 1);
}

// A file of the first format, which knew of no actions but the policy's
static void an_older_file(void **)
{
	struct dots_env env = {loop, &resolver.resolver, acl};

	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	stop_and("ALTER TABLE mitigation DROP COLUMN action;"
		 "ALTER TABLE mitigation DROP COLUMN rate;"
		 "ALTER TABLE audit DROP COLUMN reason; ALTER TABLE audit DROP COLUMN missed;"
		 "PRAGMA user_version = 1");
	dots = dots_new(&env);
	keep();
	upstream_connect(&one, &config);
	assert_int_equal(mitigations(), 1);
	assert_int_equal(rules(), 1);
	restart(1);
	assert_int_equal(mitigations(), 1);
}

static void suspension_survives(void **)
{
	struct err err;

	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(dots_suspend(dots, "one", true, &err), 0);
	restart(100);
	assert_int_equal(mitigations(), 1);
	assert_int_equal(acl_get(acl, row.acl_slot[0])->action, ACL_COUNT);
	assert_int_equal(mitigate(&one, CUID, 2, by_b), 503);
	assert_int_equal(dots_suspend(dots, "one", false, &err), 0);
	restart(1);
	mitigations();
	assert_int_equal(acl_get(acl, row.acl_slot[0])->action, ACL_BLOCK);
}

static void files_that_are_refused(void **)
{
	struct dots_env env = {loop, &resolver.resolver, acl};
	struct err err;
	FILE *file;

	stop_and("PRAGMA user_version = 99");
	dots = dots_new(&env);
	assert_true(dots_keep(dots, path, 1, 1, &err) < 0);
	assert_non_null(strstr(err.text, "another version"));
	assert_true(dots_keep(dots, "/nowhere/at/all", 1, 1, &err) < 0);
	assert_non_null(strstr(err.text, "No such file"));
	file = fopen(path, "w");
	fputs("this is no database, and long enough to be taken for one that is damaged", file);
	fclose(file);
	assert_true(dots_keep(dots, path, 1, 1, &err) < 0);
	assert_non_null(strstr(err.text, "not a database"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fresh, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(it_goes_on),
		CASE(it_ended_meanwhile),
		CASE(the_port_has_moved_on),
		CASE(phases_survive),
		CASE(inspection_survives),
		CASE(ending_survives),
		CASE(an_indefinite_lifetime),
		CASE(upstreams_come_and_go),
		CASE(the_trail),
		CASE(the_trail_of_decisions),
		CASE(old_records_go),
		CASE(too_many_records_go),
		CASE(what_is_refused),
		CASE(a_flood_is_refused),
		CASE(suspension_survives),
		CASE(rows_that_make_no_sense),
		CASE(an_older_file),
		CASE(files_that_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
