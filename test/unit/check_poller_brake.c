/* SPDX-License-Identifier: BSD-2-Clause */
#include "poller_case.h"

/* --- the brake --- */

static void start_with_four(void)
{
	fake_registry_body(registry, SHOP(AT(1) AND AT(2) AND AT(3) AND AT(4)));
	start();
	await_told(1, -2, 4);
}

static const struct {
	const char *body;
	int after;
	bool held;
} losses[] = {
	{ "[]", -1, true },
	{ SHOP(""), 0, true },
	{ "{\"cart\":[" AT(1) "]}", -1, true },
	{ SHOP(AT(1)), 1, true },
	{ SHOP(AT(1) AND AT(2)), 2, false }, /* half is not more than half */
	{ SHOP(AT(5) AND AT(6) AND AT(7) AND AT(8)), 4, false },
};

START_TEST(a_sudden_loss_is_held)
{
	start_with_four();
	say_for_a_while(losses[_i].body);
	if (losses[_i].held) {
		await_held(1);
		ck_assert_int_eq(count_shop(poller_snapshot(poller)), 4);
	} else {
		await_told(2, 4, losses[_i].after);
		ck_assert_uint_eq(view().held, 0);
	}
}
END_TEST

static bool has_become(void *n)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return told.after == *(const int *)n;
}

START_TEST(a_loss_said_twice_is_believed)
{
	int after = losses[_i].after;

	start_with_four();
	fake_registry_body(registry, losses[_i].body);
	ck_assert(harness_wait(has_become, &after, LIMIT_MS));
	await_held(0);
	ck_assert_int_eq(count_shop(poller_snapshot(poller)), after);
}
END_TEST

START_TEST(a_held_loss_is_believed_after_a_while)
{
	brake_ms = 500;
	options.interval_ms = 300;
	start_with_four();
	const uint64_t start_ms = clock_ms();
	say_for_a_while("[]");
	await_told(2, 4, -1);
	ck_assert_uint_ge(clock_ms() - start_ms, 500);
	ck_assert_uint_eq(view().held, 0);
	ck_assert_uint_eq(view().services, 0);
	ck_assert_int_eq(view().state, REGISTRY_OK);
}
END_TEST

START_TEST(the_brake_lets_go_though_the_registry_has_failed_since)
{
	brake_ms = 1500;
	start_with_four();
	fake_registry_answer(
		registry, &(struct fake_answer){ .headers = "Cache-Control: max-age=1\r\n", .body = "[]" });
	await_held(1);
	fake_registry_answer(registry,
			     &(struct fake_answer){ .headers = "Retry-After: 300\r\n", .status = 503 });
	await_failures(1);
	ck_assert_int_eq(count_shop(poller_snapshot(poller)), 4);
	ck_assert_uint_eq(view().held, 1);
	const uint64_t age_ms = view().age_ms;
	await_told(2, 4, -1);
	ck_assert_uint_eq(view().held, 0);
	ck_assert_int_eq(view().state, REGISTRY_FAILING);
	ck_assert_uint_gt(view().age_ms, age_ms);
}
END_TEST

START_TEST(a_loss_taken_back_is_forgotten)
{
	start_with_four();
	fake_registry_answer(
		registry, &(struct fake_answer){ .headers = "Cache-Control: max-age=1\r\n", .body = "[]" });
	await_held(1);
	fake_registry_body(registry, SHOP(AT(1) AND AT(2) AND AT(3) AND AT(4)));
	await_held(0);
	ck_assert_uint_eq(told.n, 1);
	say_for_a_while("[]"); /* so this one is the first again */
	await_held(1);
	ck_assert_int_eq(count_shop(poller_snapshot(poller)), 4);
}
END_TEST

START_TEST(a_loss_repeated_by_not_modified_is_believed)
{
	start_with_four();
	fake_registry_answer(registry, &(struct fake_answer){ .etag = "\"none\"", .body = "[]" });
	await_told(2, 4, -1);
	char *head = fake_registry_last_head(registry);
	ck_assert_ptr_nonnull(strstr(head, "If-None-Match: \"none\""));
	free(head);
}
END_TEST

/* --- old data --- */

START_TEST(inherited_data_is_believed_until_the_first_word)
{
	struct snapshot_builder *b = snapshot_builder_create();
	struct snapshot *old;

	ck_assert_int_eq(snapshot_builder_add_service(b, "shop"), 0);
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &old), 0);
	snapshot_builder_destroy(b);
	given.inherited = old;
	given.at_once = _i == 1;
	fake_registry_body(registry, SHOP(AT(1)));
	start();
	snapshot_release(old);
	ck_assert_ptr_eq(poller_snapshot(poller), old);
	ck_assert(!poller_is_concluded(poller));
	await_told(1, 0, 1);
}
END_TEST

START_TEST(inherited_data_does_not_keep_the_brake_off)
{
	struct snapshot_builder *b = snapshot_builder_create();
	struct snapshot *old;
	const struct report report = { .service = "shop", .address = "10.1.0.1", .port = 80, .weight = 1 };

	ck_assert_int_eq(snapshot_builder_add(b, &report), 0);
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &old), 0);
	snapshot_builder_destroy(b);
	given.inherited = old;
	say_for_a_while("[]");
	start();
	snapshot_release(old);
	await_told(1, 1, 1);
	ck_assert_uint_eq(view().held, 1);
	ck_assert_int_eq(count_shop(poller_snapshot(poller)), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("poller_brake");
	TCase *brakes = add_case(suite, "brake");
	TCase *inherited = add_case(suite, "inherited");

	tcase_add_loop_test(brakes, a_sudden_loss_is_held, 0, COUNT(losses));
	tcase_add_loop_test(brakes, a_loss_said_twice_is_believed, 0, COUNT(losses));
	tcase_add_test(brakes, a_held_loss_is_believed_after_a_while);
	tcase_add_test(brakes, the_brake_lets_go_though_the_registry_has_failed_since);
	tcase_add_test(brakes, a_loss_taken_back_is_forgotten);
	tcase_add_test(brakes, a_loss_repeated_by_not_modified_is_believed);
	tcase_add_loop_test(inherited, inherited_data_is_believed_until_the_first_word, 0, 2);
	tcase_add_test(inherited, inherited_data_does_not_keep_the_brake_off);
	return harness_run(suite);
}
