/* SPDX-License-Identifier: BSD-2-Clause */
/* Which address is asked, and over which connection. */
#include "fetch_rig.h"

/* --- host names --- */

static const char *const spellings[] = { "registry.corp", "REGISTRY.Corp", "registry.corp.",
					 "%72egistry.corp" };

START_TEST(host_name_is_looked_up_at_the_bootstrap_server)
{
	fake_dns_add(dns, "registry.corp", "127.0.0.1", 30);
	point_at_name("http", spellings[_i]);
	assert_body("[\"10.0.0.1:80\"]");
	ck_assert_uint_eq(fake_dns_queries(dns), 2);
}
END_TEST

static const char *const here[] = { "localhost", "127.0.0.1", "127.1", "0x7f.1" };

START_TEST(literals_and_localhost_are_not_looked_up)
{
	point_at_name("http", here[_i]);
	assert_body("[\"10.0.0.1:80\"]");
	ck_assert_uint_eq(fake_dns_queries(dns), 0);
}
END_TEST

START_TEST(ipv6_literal_is_reached)
{
	if (!harness_has_ip6()) { /* then it cannot be reached, and that is said at once */
		point_at("http://[::1]:1");
		ck_assert_int_lt(get()->error, 0);
		return;
	}
	restart_registry(&(struct fake_registry_options){ .address = "::1" });
	assert_body("[\"10.0.0.1:80\"]");
}
END_TEST

START_TEST(dead_addresses_are_passed_over)
{
	fake_dns_add(dns, "registry.corp", "127.0.0.1", 30);
	fake_dns_add(dns, "registry.corp", "::1", 30);
	for (int i = 2; i < 6; i++) {
		char address[32];

		snprintf(address, sizeof(address), "127.0.0.%d", i);
		fake_dns_add(dns, "registry.corp", address, 30);
	}
	restart_registry(&(struct fake_registry_options){ .address = "127.0.0.5" });
	point_at_name("http", "registry.corp");
	http.timeout_ms = 1000;
	assert_body("[\"10.0.0.1:80\"]");
}
END_TEST

/* A socket that takes no connections any more: what is sent to it vanishes, as behind a dead router. */
static void make_black_hole(const char *address, uint16_t port, int fds[4])
{
	struct endpoint e;
	struct address a;

	ck_assert(address_from_text(address, strlen(address), &a));
	endpoint_from_address(&a, port, &e);
	for (int i = 0; i < 4; i++)
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fds[0], &e.at.generic, e.len), 0);
	ck_assert_int_eq(listen(fds[0], 0), 0);
	for (int i = 1; i < 4; i++)
		connect(fds[i], &e.at.generic, e.len);
}

START_TEST(silent_address_leaves_time_for_the_next)
{
	int fds[4];

	restart_registry(&(struct fake_registry_options){ .address = "127.0.0.5" });
	make_black_hole("127.0.0.1", fake_registry_port(registry), fds);
	fake_dns_add(dns, "registry.corp", "127.0.0.1", 30);
	fake_dns_add(dns, "registry.corp", "127.0.0.5", 30);
	point_at_name("http", "registry.corp");
	http.timeout_ms = 2000;
	assert_body("[\"10.0.0.1:80\"]");
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}
END_TEST

START_TEST(name_that_does_not_exist_is_told)
{
	point_at_name("http", "registry.corp");
	assert_error(-EHOSTUNREACH, "host name registry.corp: no such name");
	fake_dns_add(dns, "registry.corp", "127.0.0.1", 30);
	assert_body("[\"10.0.0.1:80\"]");
}
END_TEST

START_TEST(known_host_is_reached_while_no_name_server_answers)
{
	fake_dns_add(dns, "registry.corp", "127.0.0.1", 0);
	point_at_name("http", "registry.corp");
	http.timeout_ms = 1000;
	assert_body("[\"10.0.0.1:80\"]");
	if (_i == 0)
		fake_dns_set_silent(dns, 255);
	else
		fake_dns_set_rcode(dns, 2);
	for (int i = 0; i < 3; i++)
		assert_body("[\"10.0.0.1:80\"]");
	ck_assert_uint_eq(fake_registry_connections(registry), 1);
	fetcher_destroy(fetcher); /* as a reload does */
	ck_assert_int_eq(fetcher_create(loop, resolver, &fetcher), 0);
	assert_body("[\"10.0.0.1:80\"]");
}
END_TEST

START_TEST(moved_registry_is_followed_though_the_old_one_keeps_the_connection)
{
	struct fake_registry *moved = fake_registry_start(&(struct fake_registry_options){
		.address = "127.0.0.2", .port = fake_registry_port(registry) });

	fake_registry_body(moved, "[\"new\"]");
	fake_registry_body(registry, "[\"old\"]");
	fake_dns_add(dns, "registry.corp", "127.0.0.1", 30);
	point_at_name("http", "registry.corp");
	assert_body("[\"old\"]");
	fake_dns_remove(dns, "registry.corp");
	fake_dns_add(dns, "registry.corp", "127.0.0.2", 30);
	for (int i = 0; i < 3; i++)
		assert_body("[\"new\"]");
	run_loop(2100);
	for (int i = 0; i < 3; i++)
		assert_body("[\"new\"]");
	ck_assert_uint_eq(fake_registry_requests(registry), 1);
	ck_assert_uint_le(fake_registry_connections(moved), 4); /* and the last three shared one */
	fake_registry_stop(moved);
}
END_TEST

/* --- connections --- */

static const char *const reusable[] = { "127.0.0.1", "localhost", "registry.corp" };

START_TEST(connection_is_kept_from_poll_to_poll)
{
	fake_dns_add(dns, "registry.corp", "127.0.0.1", 30);
	point_at_name("http", reusable[_i]);
	for (int i = 0; i < 5; i++)
		assert_body("[\"10.0.0.1:80\"]");
	ck_assert_uint_eq(fake_registry_connections(registry), 1);
}
END_TEST

START_TEST(connection_closed_between_polls_is_opened_again)
{
	fake_registry_answer(registry, &(struct fake_answer){ .body = "[]", .close = true });
	for (int i = 0; i < 5; i++)
		assert_body("[]");
	ck_assert_uint_eq(fake_registry_connections(registry), 5);
}
END_TEST

static const char *const bodies[] = { NULL, "{\"a\":1}" };

/* The first request uses a new connection, the second finds it closed under its hands. */
START_TEST(kept_connection_that_closes_is_no_failure)
{
	request.body = bodies[_i % 2];
	fake_registry_answer(registry,
			     &(struct fake_answer){ .body = "[]", .hang_up_kept = true, .reset = _i >= 2 });
	for (unsigned n = 1; n <= 4; n++) {
		assert_body("[]");
		ck_assert_uint_eq(fake_registry_connections(registry), n);
		ck_assert_uint_eq(fake_registry_requests(registry), 2 * n - 1);
	}
	if (request.body != NULL) {
		char *posted = fake_registry_last_body(registry);

		ck_assert_str_eq(posted, request.body);
		free(posted);
	}
}
END_TEST

START_TEST(new_connection_that_closes_is_not_tried_again)
{
	fake_registry_answer(registry, &(struct fake_answer){ .hang_up = true });
	for (unsigned n = 1; n <= 3; n++) {
		assert_error(-ECONNRESET, "connection closed without an answer");
		ck_assert_uint_eq(fake_registry_requests(registry), n);
	}
}
END_TEST

START_TEST(polls_keep_their_connection_beside_a_hundred_held_requests)
{
	enum { HELD = 100 };
	struct fetch *held[HELD];

	fake_registry_answer_at(registry, "/held", &(struct fake_answer){ .open = true });
	request.path = "/held";
	request.held = true;
	request.timeout_ms = 60000;
	snprintf(url, sizeof(url), "%s", fake_registry_url(registry));
	for (int i = 0; i < HELD; i++)
		held[i] = start(&got[1 + i]);
	for (int i = 0; i < 1000 && fake_registry_requests(registry) < HELD; i++)
		run_loop(5);
	ck_assert_uint_eq(fake_registry_connections(registry), HELD);

	request.path = NULL;
	request.timeout_ms = 0;
	for (int i = 0; i < 5; i++)
		assert_body("[\"10.0.0.1:80\"]");
	ck_assert_uint_eq(fake_registry_connections(registry), HELD + 1);
	for (int i = 0; i < HELD; i++) {
		ck_assert_uint_eq(got[1 + i].calls, 0);
		fetch_cancel(held[i]);
	}
}
END_TEST

/* The descriptor of our side of the connection to the registry. */
static int find_connection(void)
{
	for (int fd = 3; fd < 1024; fd++) {
		struct sockaddr_in peer;
		socklen_t len = sizeof(peer);

		if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && peer.sin_family == AF_INET &&
		    ntohs(peer.sin_port) == fake_registry_port(registry))
			return fd;
	}
	ck_abort_msg("no connection");
	return -1;
}

static const struct {
	int level, option, value;
} socket_options[] = {
	{ SOL_SOCKET, SO_KEEPALIVE, 1 },          { IPPROTO_TCP, TCP_KEEPIDLE, 15 },
	{ IPPROTO_TCP, TCP_KEEPINTVL, 5 },        { IPPROTO_TCP, TCP_KEEPCNT, 3 },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, 30000 },
};

START_TEST(dead_peer_is_found_by_the_kernel)
{
	int value = 0;
	socklen_t len = sizeof(value);

	assert_body("[\"10.0.0.1:80\"]");
	ck_assert_int_eq(getsockopt(find_connection(), socket_options[_i].level, socket_options[_i].option,
				    &value, &len),
			 0);
	ck_assert_int_eq(value, socket_options[_i].value);
}
END_TEST

START_TEST(silent_host_is_given_up_early_by_a_held_request)
{
	int fds[4];

	fake_registry_stop(registry);
	registry = NULL;
	const uint16_t port = harness_free_port();
	make_black_hole("127.0.0.1", port, fds);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
	http.timeout_ms = 300;
	request.timeout_ms = 60000;
	assert_error(-ETIMEDOUT, "not connected within 300 ms");
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}
END_TEST

START_TEST(handshake_belongs_to_the_connection)
{
	http.timeout_ms = 300;
	request.timeout_ms = 60000;
	point_at_name("https", "127.0.0.1"); /* where plain HTTP is spoken, and a request waited for */
	assert_error(-ETIMEDOUT, "not connected within 300 ms");
}
END_TEST

START_TEST(many_requests_run_side_by_side)
{
	fake_registry_answer(registry, &(struct fake_answer){ .body = "[]", .drip_ms = 1 });
	for (int i = 0; i < PARALLEL; i++)
		start(&got[i]);
	for (int i = 0; i < PARALLEL; i++) {
		ck_assert(wait_for(&got[i]));
		ck_assert_str_eq(got[i].body, "[]");
	}
}
END_TEST

START_TEST(unix_socket_is_used_instead_of_the_host)
{
	restart_registry(&(struct fake_registry_options){ .unix_path = path_of(path_a, "socket") });
	http.unix_socket = path_a;
	point_at("http://any.name");
	assert_body("[\"10.0.0.1:80\"]");
	assert_head_has("\r\nHost: any.name\r\n", true);
	ck_assert_uint_eq(fake_dns_queries(dns), 0);
}
END_TEST

START_TEST(missing_unix_socket_is_told)
{
	char text[1024];

	http.unix_socket = path_of(path_a, "nowhere");
	snprintf(text, sizeof(text), "%s: no such file or directory", path_a);
	assert_error(-ENOENT, text);
}
END_TEST

#define ADD_VECTORS(tcase, test, vectors)                                                                    \
	tcase_add_loop_test(tcase, test, 0, sizeof(vectors) / sizeof((vectors)[0]))

static TCase *connections(void)
{
	TCase *t = tcase_create("connections");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 20);
	ADD_VECTORS(t, host_name_is_looked_up_at_the_bootstrap_server, spellings);
	ADD_VECTORS(t, literals_and_localhost_are_not_looked_up, here);
	tcase_add_test(t, ipv6_literal_is_reached);
	tcase_add_test(t, dead_addresses_are_passed_over);
	tcase_add_test(t, silent_address_leaves_time_for_the_next);
	tcase_add_test(t, name_that_does_not_exist_is_told);
	tcase_add_loop_test(t, known_host_is_reached_while_no_name_server_answers, 0, 2);
	tcase_add_test(t, moved_registry_is_followed_though_the_old_one_keeps_the_connection);
	ADD_VECTORS(t, connection_is_kept_from_poll_to_poll, reusable);
	tcase_add_test(t, connection_closed_between_polls_is_opened_again);
	tcase_add_loop_test(t, kept_connection_that_closes_is_no_failure, 0, 4);
	tcase_add_test(t, new_connection_that_closes_is_not_tried_again);
	tcase_add_test(t, polls_keep_their_connection_beside_a_hundred_held_requests);
	ADD_VECTORS(t, dead_peer_is_found_by_the_kernel, socket_options);
	tcase_add_test(t, silent_host_is_given_up_early_by_a_held_request);
	tcase_add_test(t, handshake_belongs_to_the_connection);
	tcase_add_test(t, many_requests_run_side_by_side);
	tcase_add_test(t, unix_socket_is_used_instead_of_the_host);
	tcase_add_test(t, missing_unix_socket_is_told);
	return t;
}

int main(void)
{
	Suite *suite = suite_create("fetch_connection");

	suite_add_tcase(suite, connections());
	return harness_run(suite);
}
