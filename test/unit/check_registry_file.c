/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "kind.h"
#include "registry/registry.h"

#define GOOD(service, address) "{\"service\":\"" service "\",\"instances\":[\"" address "\"]}"

static struct registry_options options;
static struct kind k;
static struct snapshot *last; /* what the feeder would believe */
static struct snapshot *kept; /* before the last reload */
static const char *error = k.error;

static void set_up(void)
{
	options = (struct registry_options){
		.kind = "file", .path = "/etc/services.d/*.json", .service_label = "service", .max_size = 1000
	};
	last = kept = NULL;
	kind_start(&k, &registry_file, &options, NULL);
}

static void tear_down(void)
{
	kind_finish(&k);
	snapshot_release(kept);
}

/* One file as it is found in a round. */
struct found {
	const char *name, *body; /* no body: unchanged, or the error */
	int error;
};

static bool partial; /* the round tells changes only */

static int read_found(const struct found *f, bool last_one)
{
	struct fetch_result res = { .name = f->name, .status = 200, .error = f->error, .last = last_one };

	res.partial = partial;
	if (f->error < 0)
		res.error_text = strerror(-f->error);
	else if (f->body == NULL)
		res.unchanged = true;
	else
		res.body = f->body, res.len = strlen(f->body);
	return kind_read(&k, kind_find(&k, NULL), &res);
}

/* A whole round; on failure nothing new is believed. */
static int run(const struct found *found, size_t n)
{
	const struct found none = { 0 };
	const struct fetch_request request = kind_ask(&k, kind_find(&k, NULL));
	int r = n == 0 ? read_found(&none, true) : STEP_MORE;

	ck_assert_int_eq(request.source, FETCH_FILES);
	ck_assert_str_eq(request.path, options.path);
	ck_assert_uint_eq(request.max_size, 1000);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		r = read_found(&found[i], i == n - 1);
		ck_assert(r < 0 || r == (i == n - 1 ? STEP_PAUSE : STEP_MORE));
	}
	if (r < 0)
		ck_assert_str_ne(error, "");
	else
		last = k.last;
	return r < 0 ? r : 0;
}

static int run_partial(const struct found *found, size_t n)
{
	partial = true;
	const int r = run(found, n);
	partial = false;
	return r;
}

static bool knows(const char *service, size_t n_instances)
{
	const struct service *s = snapshot_find(last, service);

	return s != NULL && s->n_instances == n_instances;
}

START_TEST(files_are_united)
{
	const struct found round[] = {
		{ "a", GOOD("inventory", "10.0.0.1:80"), 0 },
		{ "b", GOOD("inventory", "10.0.0.2:80"), 0 },
		{ "c", GOOD("payments", "10.0.0.3:80"), 0 },
	};

	ck_assert_int_eq(run(round, 3), 0);
	ck_assert_uint_eq(last->n_services, 2);
	ck_assert(knows("inventory", 2));
	ck_assert(knows("payments", 1));
	ck_assert_int_eq(run(NULL, 0), 0);
	ck_assert_uint_eq(last->n_services, 0);
}
END_TEST

static const struct found three[] = {
	{ "a", GOOD("inventory", "10.0.0.1:80"), 0 },
	{ "b", GOOD("payments", "10.0.0.2:80"), 0 },
	{ "c", GOOD("stock", "10.0.0.3:80"), 0 },
};

START_TEST(change_of_one_file_leaves_the_others)
{
	const struct found changes[] = { { "b", GOOD("payments", "10.0.0.9:80"), 0 },
					 { "c", NULL, -ENOENT },
					 { "d", GOOD("mail", "10.0.0.4:25"), 0 },
					 { "e", NULL, -ENOENT } };

	ck_assert_int_eq(run(three, 3), 0);
	const struct service *inventory = snapshot_find(last, "inventory");
	ck_assert_int_eq(run_partial(changes, 4), 0);
	ck_assert_ptr_eq(snapshot_find(last, "inventory"), inventory);
	ck_assert_str_eq(kind_text(&k, "payments"), "10.0.0.9:80");
	ck_assert_str_eq(kind_text(&k, "stock"), "-");
	ck_assert_str_eq(kind_text(&k, "mail"), "10.0.0.4:25");

	const struct found all[] = { { "a", NULL, 0 }, { "b", NULL, 0 }, { "d", NULL, 0 } };
	ck_assert_int_eq(run(all, 3), 0);
	ck_assert_uint_eq(last->n_services, 3);
	ck_assert_ptr_eq(snapshot_find(last, "inventory"), inventory);
}
END_TEST

START_TEST(file_that_breaks_among_good_ones_keeps_what_it_said)
{
	const struct found broken[] = { { "b", "[{", 0 } },
			   mended[] = { { "b", GOOD("payments", "10.0.0.8:80"), 0 } };
	const struct found same[] = { { "a", NULL, 0 }, { "b", NULL, 0 }, { "c", NULL, 0 } };

	ck_assert_int_eq(run(three, 3), 0);
	ck_assert_int_eq(run_partial(broken, 1), 0);
	ck_assert_str_eq(kind_text(&k, "payments"), "10.0.0.2:80");
	ck_assert_uint_eq(snapshot_n_remarks(last), 1);
	ck_assert_int_eq(run(same, 3), 0);
	ck_assert_uint_eq(snapshot_n_remarks(last), 1);
	ck_assert_int_eq(run_partial(mended, 1), 0);
	ck_assert_str_eq(kind_text(&k, "payments"), "10.0.0.8:80");
	ck_assert_uint_eq(snapshot_n_remarks(last), 0);
	ck_assert_int_eq(run(same, 3), 0);
	ck_assert_str_eq(kind_text(&k, "payments"), "10.0.0.8:80");
}
END_TEST

START_TEST(last_good_file_that_breaks_fails_the_round)
{
	const struct found first[] = { { "a", GOOD("inventory", "10.0.0.1:80"), 0 }, { "b", "[{", 0 } };
	const struct found broken[] = { { "a", "[{", 0 } }, gone[] = { { "a", NULL, -ENOENT } };

	ck_assert_int_eq(run(first, 2), 0);
	ck_assert_int_eq(run_partial(broken, 1), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(error, "none of 2 files can be used"));
	ck_assert_int_eq(run(first, 2), 0);
	ck_assert(knows("inventory", 1));
	ck_assert_int_eq(run_partial(gone, 1), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(error, "b: "));
}
END_TEST

START_TEST(unchanged_file_says_what_it_said_by_the_same_pointer)
{
	const struct found first[] = { { "a", GOOD("inventory", "10.0.0.1:80"), 0 },
				       { "b", GOOD("payments", "10.0.0.3:80"), 0 } };
	const struct found second[] = { { "a", NULL, 0 }, { "b", GOOD("payments", "10.0.0.4:80"), 0 } };

	ck_assert_int_eq(run(first, 2), 0);
	const struct service *inventory = last->services[0], *payments = last->services[1];
	service_keep(payments);
	ck_assert_int_eq(run(second, 2), 0);
	ck_assert_ptr_eq(last->services[0], inventory);
	ck_assert_ptr_ne(last->services[1], payments);
	service_release(payments);
}
END_TEST

static const struct found troubles[] = {
	{ "b", "", 0 },         { "b", "{\"service\":\"payments\",\"instances\":[\"10.0", 0 },
	{ "b", "<html>", 0 },   { "b", "{\"service\":\"payments\"}", 0 },
	{ "b", NULL, -EACCES }, { "b", NULL, -EFBIG },
	{ "b", NULL, -EISDIR },
};

START_TEST(broken_file_keeps_what_it_said_until_it_is_repaired)
{
	const struct found good[] = { { "a", GOOD("inventory", "10.0.0.1:80"), 0 },
				      { "b", GOOD("payments", "10.0.0.3:80"), 0 } };
	const struct found broken[] = { { "a", GOOD("inventory", "10.0.0.2:80"), 0 }, troubles[_i] };
	const struct found same[] = { { "a", NULL, 0 }, { "b", NULL, 0 } };
	const struct found repaired[] = { { "a", NULL, 0 }, { "b", GOOD("orders", "10.0.0.3:80"), 0 } };

	ck_assert_int_eq(run(good, 2), 0);
	ck_assert_uint_eq(snapshot_n_remarks(last), 0);
	for (int round = 0; round < 2; round++) {
		ck_assert_int_eq(run(round == 0 ? broken : same, 2), 0);
		ck_assert(knows("payments", 1));
		ck_assert_uint_eq(last->services[0]->instances[0]->address.octets[3], 2);
		ck_assert_uint_eq(snapshot_n_remarks(last), 1);
		ck_assert_int_eq(strncmp(snapshot_remark(last, 0), "b: ", 3), 0);
		ck_assert_ptr_nonnull(strstr(snapshot_remark(last, 0), "; what it said before stays"));
	}
	ck_assert_int_eq(run(repaired, 2), 0);
	ck_assert(!knows("payments", 1));
	ck_assert(knows("orders", 1));
	ck_assert_uint_eq(snapshot_n_remarks(last), 0);
}
END_TEST

START_TEST(file_that_never_was_good_leaves_a_remark)
{
	const struct found round[] = { { "a", GOOD("inventory", "10.0.0.1:80"), 0 },
				       { "/etc/b.json", "{\n  \"service\": inventory }", 0 } };

	ck_assert_int_eq(run(round, 2), 0);
	ck_assert_uint_eq(last->n_services, 1);
	ck_assert_uint_eq(snapshot_n_remarks(last), 1);
	ck_assert_int_eq(strncmp(snapshot_remark(last, 0), "/etc/b.json: 2:", 15), 0);
	ck_assert_ptr_null(strstr(snapshot_remark(last, 0), "stays"));
}
END_TEST

START_TEST(file_that_is_gone_is_forgotten)
{
	const struct found both[] = { { "a", GOOD("inventory", "10.0.0.1:80"), 0 },
				      { "b", GOOD("payments", "10.0.0.3:80"), 0 } };
	const struct found raced[] = { { "a", NULL, 0 }, { "b", NULL, -ENOENT } };
	const struct found broken[] = { { "a", NULL, 0 }, { "b", "{", 0 } };

	ck_assert_int_eq(run(both, 2), 0);
	ck_assert_int_eq(run(raced, 2), 0); /* gone between listing and reading */
	ck_assert_uint_eq(last->n_services, 1);
	ck_assert_int_eq(run(broken, 2), 0); /* a new file of the same name has said nothing yet */
	ck_assert_uint_eq(last->n_services, 1);
	ck_assert_uint_eq(snapshot_n_remarks(last), 1);
}
END_TEST

START_TEST(glob_whose_files_are_all_in_trouble_fails_the_round)
{
	const struct found good[] = { { "a", GOOD("inventory", "10.0.0.1:80"), 0 },
				      { "b", GOOD("payments", "10.0.0.3:80"), 0 } };
	const struct found broken[] = { { "a", "{", 0 }, { "b", NULL, -EACCES }, { "c", NULL, -ENOENT } };
	const struct found same[] = { { "a", NULL, 0 }, { "b", NULL, 0 } };
	const struct found repaired[] = { { "a", NULL, 0 }, { "b", GOOD("payments", "10.0.0.4:80"), 0 } };

	ck_assert_int_eq(run(broken, 3), -EBADMSG); /* also when nothing was ever known */
	ck_assert_int_eq(run(good, 2), 0);
	ck_assert_int_eq(run(broken, 3), -EBADMSG);
	ck_assert_int_eq(strncmp(error, "none of 2 files can be used: a: 1:", 34), 0);
	ck_assert_int_eq(run(same, 2), -EBADMSG);
	ck_assert(knows("inventory", 1));
	ck_assert_int_eq(run(repaired, 2), 0);
	ck_assert(knows("inventory", 1));
	ck_assert_uint_eq(snapshot_n_remarks(last), 1);
}
END_TEST

START_TEST(plain_path_in_trouble_fails_the_round)
{
	struct found broken = troubles[_i];

	options.path = broken.name;
	const struct found good = { broken.name, GOOD("inventory", "10.0.0.1:80"), 0 };
	const struct found same = { broken.name, NULL, 0 };

	ck_assert_int_lt(run(&broken, 1), 0);
	ck_assert_uint_eq(k.last->n_services, 0);
	ck_assert_int_eq(run(&good, 1), 0);
	for (int round = 0; round < 2; round++) {
		ck_assert_int_lt(run(round == 0 || broken.error < 0 ? &broken : &same, 1), 0);
		ck_assert_int_eq(strncmp(error, "b: ", 3), 0);
		ck_assert(knows("inventory", 1));
	}
	ck_assert_int_eq(run(&good, 1), 0);
	ck_assert_uint_eq(snapshot_n_remarks(last), 0);
}
END_TEST

static struct kind old;

static void inherit(struct kind *new)
{
	for (size_t i = 0; i < old.n; i++)
		old.resources[i]->runner = &old;
	ck_assert_int_eq(registry_file.inherit(new->registry, old.registry), 0);
}

/* As a reload does when the block is as it was. */
static void reload(void)
{
	old = k;
	snapshot_release(kept);
	kept = k.last != NULL ? snapshot_keep(k.last) : NULL;
	kind_start(&k, &registry_file, &options, inherit);
	kind_finish(&old);
}

START_TEST(reload_inherits_what_broken_files_said)
{
	const struct found good[] = { { "a", GOOD("inventory", "10.0.0.1:80"), 0 },
				      { "b", GOOD("payments", "10.0.0.3:80"), 0 },
				      { "c", GOOD("orders", "10.0.0.5:80"), 0 } };
	const struct found broken[] = { { "a", GOOD("inventory", "10.0.0.2:80"), 0 }, troubles[_i] };

	reload(); /* nothing to inherit yet */
	ck_assert_int_eq(run(good, 3), 0);
	for (int i = 0; i < 2; i++) {
		reload();
		ck_assert_int_eq(run(broken, 2), 0);
		ck_assert(knows("inventory", 1));
		ck_assert(knows("payments", 1));
		ck_assert_uint_eq(last->n_services, 2); /* c is gone all the same */
		ck_assert_uint_eq(snapshot_n_remarks(last), 1);
	}
}
END_TEST

START_TEST(glob_whose_directory_vanishes_fails_the_round_once_there_were_files)
{
	const struct found vanished = { "/etc/services.d/*.json", NULL, -ENOENT };
	const struct found good = { "a", GOOD("inventory", "10.0.0.1:80"), 0 };

	ck_assert_int_eq(run(&vanished, 1), 0); /* it may come */
	ck_assert_uint_eq(last->n_services, 0);
	ck_assert_int_eq(run(&good, 1), 0);
	ck_assert_int_eq(run(&vanished, 1), -ENOENT);
	reload();
	ck_assert_int_eq(run(&vanished, 1), -ENOENT);
	ck_assert(knows("inventory", 1));
	ck_assert_int_eq(run(NULL, 0), 0); /* an empty directory says that all have gone */
	ck_assert_int_eq(run(&vanished, 1), 0);
	ck_assert_uint_eq(last->n_services, 0);
}
END_TEST

START_TEST(missing_plain_path_fails_the_round)
{
	options.path = "/etc/services.json";
	const struct found good = { "/etc/services.json", GOOD("inventory", "10.0.0.1:80"), 0 };
	const struct found missing = { "/etc/services.json", NULL, -ENOENT };
	const struct found unreadable = { "/etc/services.json", NULL, -EACCES };
	const struct found same = { "/etc/services.json", NULL, 0 };

	ck_assert_int_eq(run(&missing, 1), -ENOENT);
	ck_assert_int_eq(run(&good, 1), 0);
	ck_assert_int_eq(run(&missing, 1), -ENOENT);
	ck_assert(knows("inventory", 1));
	ck_assert_int_eq(run(&same, 1), 0); /* what it said survived the failed round */
	ck_assert(knows("inventory", 1));
	ck_assert_int_eq(run(&unreadable, 1), -EACCES);
	ck_assert(knows("inventory", 1));
}
END_TEST

START_TEST(glob_that_cannot_be_looked_for_fails_the_round)
{
	const struct found good = { "a", GOOD("inventory", "10.0.0.1:80"), 0 };
	const struct found failed = { "/etc/services.d/*.json", NULL, -EACCES };
	const struct found same = { "a", NULL, 0 };

	ck_assert_int_eq(run(&good, 1), 0);
	ck_assert_int_eq(run(&failed, 1), -EACCES);
	ck_assert(knows("inventory", 1));
	ck_assert_int_eq(run(&same, 1), 0);
	ck_assert(knows("inventory", 1));
}
END_TEST

START_TEST(unchanged_without_a_first_time_fails_the_round)
{
	const struct found same = { "a", NULL, 0 };

	ck_assert_int_eq(run(&same, 1), -ESTALE);
	ck_assert_int_eq(run(&same, 1), -ESTALE);
}
END_TEST

START_TEST(bodies_without_a_name_get_the_configured_one)
{
	const struct found round = { "a", "[\"10.0.0.1:80\",\"10.0.0.2:http\"]", 0 };

	options.service = "inventory";
	ck_assert_int_eq(run(&round, 1), 0);
	ck_assert(knows("inventory", 1));
	ck_assert_uint_eq(snapshot_dropped(last, DROP_PORT), 1);
	ck_assert_uint_eq(snapshot_n_remarks(last), 1);
}
END_TEST

START_TEST(many_files_come_and_go_in_any_order)
{
	char names[300][16], bodies[300][80];
	struct found round[300];

	for (size_t i = 0; i < 300; i++) {
		const size_t place = i * 77 % 300;

		snprintf(names[i], sizeof(names[i]), "f%03zu", place);
		snprintf(bodies[i], sizeof(bodies[i]), GOOD("s%zu", "10.0.1.1:%zu"), place, place + 1);
		round[i] = (struct found){ names[i], bodies[i], 0 };
	}
	ck_assert_int_eq(run(round, 300), 0);
	ck_assert_uint_eq(last->n_services, 300);
	for (size_t i = 0; i < 300; i++)
		round[i].body = NULL;
	ck_assert_int_eq(run(round + 100, 200), 0);
	ck_assert_uint_eq(last->n_services, 200);
	ck_assert_int_eq(run(round + 99, 201), -ESTALE);
	ck_assert_int_eq(run(round + 100, 200), 0);
	ck_assert_uint_eq(last->n_services, 200);
}
END_TEST

START_TEST(nothing_is_left_behind)
{
	registry_file.destroy(NULL);
	ck_assert_str_eq(registry_file.name, "file");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("registry_file");
	TCase *rounds = tcase_create("rounds");
	TCase *trouble = tcase_create("trouble");

	tcase_add_checked_fixture(rounds, set_up, tear_down);
	tcase_add_checked_fixture(trouble, set_up, tear_down);
	tcase_set_timeout(trouble, 20);
	tcase_add_test(rounds, change_of_one_file_leaves_the_others);
	tcase_add_test(rounds, file_that_breaks_among_good_ones_keeps_what_it_said);
	tcase_add_test(rounds, last_good_file_that_breaks_fails_the_round);
	tcase_add_test(rounds, files_are_united);
	tcase_add_test(rounds, unchanged_file_says_what_it_said_by_the_same_pointer);
	tcase_add_test(rounds, file_that_is_gone_is_forgotten);
	tcase_add_test(rounds, bodies_without_a_name_get_the_configured_one);
	tcase_add_test(rounds, many_files_come_and_go_in_any_order);
	tcase_add_test(rounds, nothing_is_left_behind);
	tcase_add_loop_test(trouble, broken_file_keeps_what_it_said_until_it_is_repaired, 0,
			    sizeof(troubles) / sizeof(troubles[0]));
	tcase_add_test(trouble, file_that_never_was_good_leaves_a_remark);
	tcase_add_test(trouble, glob_whose_files_are_all_in_trouble_fails_the_round);
	tcase_add_loop_test(trouble, plain_path_in_trouble_fails_the_round, 0,
			    sizeof(troubles) / sizeof(troubles[0]));
	tcase_add_loop_test(trouble, reload_inherits_what_broken_files_said, 0,
			    sizeof(troubles) / sizeof(troubles[0]));
	tcase_add_test(trouble, glob_whose_directory_vanishes_fails_the_round_once_there_were_files);
	tcase_add_test(trouble, missing_plain_path_fails_the_round);
	tcase_add_test(trouble, glob_that_cannot_be_looked_for_fails_the_round);
	tcase_add_test(trouble, unchanged_without_a_first_time_fails_the_round);
	suite_add_tcase(suite, rounds);
	suite_add_tcase(suite, trouble);
	return harness_run(suite);
}
