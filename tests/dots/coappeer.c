// SPDX-License-Identifier: BSD-3-Clause

// An upstream that shares nothing with lib/dots: a Call Home DOTS client on full libcoap, through
// its public API alone. It accepts DTLS or TLS with a certificate asked of the peer, and then is the
// CoAP client of whoever dialled in; of its own it has /hb.
//
//	coappeer dtls|tls PORT CERT KEY CA [KEYLOG]
//
// Commands on standard input, "PUT CON|NON PATH HEX", "GET CON|NON PATH", "OBSERVE CON|NON PATH",
// "CANCEL CON|NON PATH", "DELETE CON|NON PATH", where PATH follows /.well-known/dots/, and "quit".
// Prints {"event": "up" | "reply" | "notification" | "heartbeat" | "down", ...} with payloads in hex.
//
// libcoap 4.3.1: the session that was accepted stays a server's; making it a client's by
// coap_session_set_type_client() would break it over DTLS. It is kept by a reference of ours.

#include <coap3/coap.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DOTS_CBOR 271

static coap_context_t *context;
static coap_session_t *session;
static coap_proto_t proto;
static FILE *keylog;
static const char *files[3]; // certificate, key, CA
static uint8_t observe_token[] = {'o', 'b', 's'};

static void fail(const char *what)
{
	fprintf(stderr, "coappeer: %s\n", what);
	exit(1);
}

// ------------------------------------------------------------------ what comes in

static void print_pdu(const char *event, const coap_pdu_t *pdu)
{
	static const char *const type[] = {"CON", "NON", "ACK", "RST"};
	coap_pdu_code_t code = coap_pdu_get_code(pdu);
	coap_opt_iterator_t iterator;
	const uint8_t *data;
	size_t length = 0;
	coap_opt_t *option;

	printf("{\"event\":\"%s\",\"code\":\"%d.%02d\",\"type\":\"%s\"", event, code >> 5,
		code & 0x1f, type[coap_pdu_get_type(pdu)]);
	option = coap_check_option(pdu, COAP_OPTION_OBSERVE, &iterator);
	if (option)
		printf(",\"observe\":%u",
			coap_decode_var_bytes(coap_opt_value(option), coap_opt_length(option)));
	option = coap_check_option(pdu, COAP_OPTION_CONTENT_FORMAT, &iterator);
	if (option)
		printf(",\"content-format\":%u",
			coap_decode_var_bytes(coap_opt_value(option), coap_opt_length(option)));
	option = coap_check_option(pdu, COAP_OPTION_MAXAGE, &iterator);
	if (option)
		printf(",\"max-age\":%u",
			coap_decode_var_bytes(coap_opt_value(option), coap_opt_length(option)));
	coap_get_data(pdu, &length, &data);
	printf(",\"payload\":\"");
	for (size_t i = 0; i < length; i++)
		printf("%02x", data[i]);
	printf("\"}\n");
	fflush(stdout);
}

static coap_response_t on_response(
	coap_session_t *, const coap_pdu_t *, const coap_pdu_t *received, coap_mid_t)
{
	static bool registered;
	coap_bin_const_t token = coap_pdu_get_token(received);
	bool observing = token.length == sizeof(observe_token) &&
		!memcmp(token.s, observe_token, token.length);
	coap_opt_iterator_t iterator;

	if (!observing || !coap_check_option(received, COAP_OPTION_OBSERVE, &iterator)) {
		registered = observing ? false : registered;
		print_pdu("reply", received);
	} else {
		print_pdu(registered ? "notification" : "reply", received);
		registered = true;
	}
	return COAP_RESPONSE_OK;
}

static void on_heartbeat(coap_resource_t *, coap_session_t *, const coap_pdu_t *request,
	const coap_string_t *, coap_pdu_t *response)
{
	print_pdu("heartbeat", request);
	coap_pdu_set_code(response, COAP_RESPONSE_CODE_CHANGED);
}

static int on_event(coap_session_t *which, coap_event_t event)
{
	// over TLS the CSMs come after the handshake
	coap_event_t up =
		proto == COAP_PROTO_DTLS ? COAP_EVENT_DTLS_CONNECTED : COAP_EVENT_SESSION_CONNECTED;

	if (event == up && !session) {
		session = coap_session_reference(which);
		printf("{\"event\":\"up\"}\n");
		fflush(stdout);
	} else if (which == session &&
		(event == COAP_EVENT_DTLS_CLOSED || event == COAP_EVENT_SESSION_CLOSED)) {
		coap_session_release(session);
		session = NULL;
		printf("{\"event\":\"down\"}\n");
		fflush(stdout);
	}
	return 0;
}

// ------------------------------------------------------------------ what goes out

static size_t read_hex(const char *hex, uint8_t *out, size_t room)
{
	size_t length = 0;

	while (length < room && sscanf(hex + 2 * length, "%2hhx", &out[length]) == 1)
		length++;
	return length;
}

static void add_uint(coap_optlist_t **options, uint16_t number, unsigned value)
{
	uint8_t bytes[4];

	coap_insert_optlist(options,
		coap_new_optlist(number, coap_encode_var_safe(bytes, sizeof(bytes), value), bytes));
}

static void ask(const char *verb, const char *type, char *path, const char *hex)
{
	static uint8_t next_token;
	bool observe = !strcmp(verb, "OBSERVE"), cancel = !strcmp(verb, "CANCEL");
	coap_pdu_code_t code = !strcmp(verb, "PUT") ? COAP_REQUEST_CODE_PUT
		: !strcmp(verb, "DELETE")           ? COAP_REQUEST_CODE_DELETE
						    : COAP_REQUEST_CODE_GET;
	char whole[512], *at = whole, *segment;
	coap_optlist_t *options = NULL;
	uint8_t body[1024];
	coap_pdu_t *pdu;

	if (!session)
		fail("no session");
	pdu = coap_new_pdu(
		strcmp(type, "CON") ? COAP_MESSAGE_NON : COAP_MESSAGE_CON, code, session);
	if (observe || cancel) {
		coap_add_token(pdu, sizeof(observe_token), observe_token);
		add_uint(&options, COAP_OPTION_OBSERVE, cancel);
	} else {
		coap_add_token(pdu, 1, &next_token);
		next_token++;
	}
	snprintf(whole, sizeof(whole), ".well-known/dots/%s", path);
	while ((segment = strsep(&at, "/")))
		coap_insert_optlist(&options,
			coap_new_optlist(
				COAP_OPTION_URI_PATH, strlen(segment), (const uint8_t *)segment));
	if (hex)
		add_uint(&options, COAP_OPTION_CONTENT_FORMAT, DOTS_CBOR);
	coap_add_optlist_pdu(pdu, &options);
	coap_delete_optlist(options);
	if (hex)
		coap_add_data(pdu, read_hex(hex, body, sizeof(body)), body);
	if (coap_send(session, pdu) == COAP_INVALID_MID)
		fail("cannot send");
}

// Returns false when there will be no more commands.
static bool read_commands(void)
{
	static char buffer[8192];
	static size_t used;
	ssize_t got = read(STDIN_FILENO, buffer + used, sizeof(buffer) - 1 - used);
	char *end;

	if (got <= 0)
		return false;
	used += (size_t)got;
	while ((end = memchr(buffer, '\n', used))) {
		size_t length = (size_t)(end - buffer) + 1;
		char *line = buffer, *word[4] = {NULL};

		*end = 0;
		for (unsigned i = 0; i < 4; i++)
			word[i] = strsep(&line, " ");
		if (!strcmp(word[0], "quit"))
			return false;
		if (!word[1] || !word[2])
			fail(word[0]);
		ask(word[0], word[1], word[2], word[3]);
		memmove(buffer, buffer + length, used - length);
		used -= length;
	}
	return true;
}

// ------------------------------------------------------------------ the endpoint

static void log_key(const SSL *, const char *line)
{
	fprintf(keylog, "%s\n", line);
	fflush(keylog);
}

static int set_up_tls(void *tls, coap_dtls_pki_t *)
{
	if (keylog)
		SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(tls), log_key);
	return 1;
}

static int check_name(
	const char *, const uint8_t *, size_t, coap_session_t *, unsigned, int validated, void *)
{
	return validated;
}

static void listen_on(const char *port)
{
	coap_dtls_pki_t pki = {
		.version = COAP_DTLS_PKI_SETUP_VERSION,
		.verify_peer_cert = 1,
		.check_common_ca = 1,
		.cert_chain_validation = 1,
		.cert_chain_verify_depth = 2,
		.validate_cn_call_back = check_name,
		.additional_tls_setup_call_back = set_up_tls,
		.pki_key = {.key_type = COAP_PKI_KEY_PEM,
			.key.pem = {.ca_file = files[2],
				.public_cert = files[0],
				.private_key = files[1]}},
	};
	coap_resource_t *hb;
	coap_address_t addr;

	context = coap_new_context(NULL);
	if (!context || !coap_context_set_pki(context, &pki))
		fail("no context");
	coap_address_init(&addr);
	addr.size = sizeof(addr.addr.sin);
	addr.addr.sin.sin_family = AF_INET;
	addr.addr.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.addr.sin.sin_port = htons((uint16_t)atoi(port));
	if (!coap_new_endpoint(context, &addr, proto))
		fail("cannot listen");
	hb = coap_resource_init(coap_make_str_const(".well-known/dots/hb"), 0);
	coap_register_request_handler(hb, COAP_REQUEST_PUT, on_heartbeat);
	coap_add_resource(context, hb);
	coap_register_response_handler(context, on_response);
	coap_register_event_handler(context, on_event);
}

int main(int argc, char **argv)
{
	struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};
	bool more = true;

	if (argc < 6)
		fail("usage: coappeer dtls|tls PORT CERT KEY CA [KEYLOG]");
	proto = strcmp(argv[1], "tls") ? COAP_PROTO_DTLS : COAP_PROTO_TLS;
	for (unsigned i = 0; i < 3; i++)
		files[i] = argv[3 + i];
	if (argc > 6 && !(keylog = fopen(argv[6], "w")))
		fail(argv[6]);
	coap_startup();
	listen_on(argv[2]);
	printf("{\"event\":\"listening\"}\n");
	fflush(stdout);
	fds[1].fd = coap_context_get_coap_fd(context);
	while (more) {
		// libcoap's own timers are few here, and this is often enough for them
		poll(fds, 2, 100);
		if (coap_io_process(context, COAP_IO_NO_WAIT) < 0)
			fail("libcoap");
		if (fds[0].revents)
			more = read_commands();
	}
	// our reference has to be given back before the context goes, and only once: on_event() hears
	// of the session's end as well
	if (session) {
		coap_session_t *last = session;

		session = NULL;
		coap_session_release(last);
	}
	coap_free_context(context);
	coap_cleanup();
	if (keylog)
		fclose(keylog);
	return 0;
}
