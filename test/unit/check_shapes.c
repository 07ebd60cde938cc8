/* SPDX-License-Identifier: BSD-2-Clause */
#include "registry/shapes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

/* One instance as "10.0.0.1:80", and behind it only what is not the default. */
static void print_instance(FILE *out, const struct instance *in)
{
	char text[ADDRESS_TEXT_MAX];

	fprintf(out, " %s",
		instance_host(in) != NULL ? instance_host(in) : address_to_text(&in->address, text));
	if (in->port != 0)
		fprintf(out, ":%u", in->port);
	if (instance_name(in) != NULL)
		fprintf(out, ",name=%s", instance_name(in));
	if (instance_port_name(in) != NULL)
		fprintf(out, ",port=%s", instance_port_name(in));
	if (instance_zone(in) != NULL)
		fprintf(out, ",zone=%s", instance_zone(in));
	if (in->weight != 1)
		fprintf(out, ",w=%u", in->weight);
	if (in->priority != 0)
		fprintf(out, ",p=%u", in->priority);
	if (in->protocol != PROTOCOL_ANY)
		fprintf(out, in->protocol == PROTOCOL_TCP ? ",tcp" : ",udp");
	if (in->health != HEALTH_PASSING)
		fprintf(out, in->health == HEALTH_WARNING ? ",warning" : ",critical");
	for (size_t i = 0; i < in->n_tags; i++)
		fprintf(out, ",#%s", instance_tag(in, i));
	for (size_t i = 0; i < in->n_metadata; i++)
		fprintf(out, ",%s=%s", instance_metadata(in, i).key, instance_metadata(in, i).value);
}

/* "inventory: 10.0.0.1:80 10.0.0.2:80; idle:; dropped address 1" */
static char *print_snapshot(const struct snapshot *s)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(out);
	for (size_t i = 0; i < s->n_services; i++) {
		fprintf(out, "%s%s:", i > 0 ? "; " : "", s->services[i]->name);
		for (size_t k = 0; k < s->services[i]->n_instances; k++)
			print_instance(out, s->services[i]->instances[k]);
	}
	for (size_t i = 0; i < DROP_REASONS; i++) {
		if (snapshot_dropped(s, i) > 0)
			fprintf(out, "; dropped %s %zu", drop_to_text((enum drop)i), snapshot_dropped(s, i));
	}
	fclose(out);
	return text;
}

/* Reads the body from memory that ends where it ends, so that the sanitizer sees a step too far. */
static int read_body(struct snapshot_builder *b, const char *body, size_t len, const char *service)
{
	const struct shape_options o = { .service = service, .service_label = "service" };
	char *exact = malloc(len > 0 ? len : 1);

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, body, len);
	int r = shapes_read(exact, len, &o, b);
	free(exact);
	return r;
}

static void expect(const char *body, size_t len, const char *service, const char *wanted)
{
	struct snapshot_builder *b = snapshot_builder_create();
	struct snapshot *s;

	int r = read_body(b, body, len, service);
	ck_assert_msg(r == 0, "refused: %s", snapshot_builder_error(b));
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &s), 0);
	char *text = print_snapshot(s);
	ck_assert_str_eq(text, wanted);
	free(text);
	snapshot_release(s);
	snapshot_builder_destroy(b);
}

/* The vectors are written with ' for ", or nobody could read them. */
static char *quote(const char *body)
{
	char *copy = strdup(body);

	ck_assert_ptr_nonnull(copy);
	for (char *c = strchr(copy, '\''); c != NULL; c = strchr(c, '\''))
		*c = '"';
	return copy;
}

/* Every shape of docs/registries.md, and how members are understood. */
static const struct {
	const char *service, *body, *wanted;
} bodies[] = {
	/* http_sd */
	{ NULL, "[]", "" },
	{ "all", "[]", "all:" },
	{ NULL, " \r\n\t[ ] \n", "" },
	{ NULL, "[{'targets':['10.0.0.1:80','10.0.0.2'],'labels':{'service':'a'}}]",
	  "a: 10.0.0.1:80 10.0.0.2" },
	{ NULL, "[{'labels':{'service':'a'}}]", "a:" },
	{ NULL, "[{'targets':null,'labels':{'service':'a'}}]", "a:" },
	{ NULL,
	  "[{'targets':'10.0.0.1','labels':{'service':'a'}},"
	  "{'targets':['10.0.0.1'],'labels':{'service':'b'}}]",
	  "b: 10.0.0.1; dropped shape 1" },
	{ "all", "[{'targets':['10.0.0.1']},{'targets':['10.0.0.2'],'labels':{'service':'a'}}]",
	  "a: 10.0.0.2; all: 10.0.0.1" },
	{ NULL, "[{'targets':['10.0.0.1']},{'targets':['10.0.0.2'],'labels':{'service':'a'}}]",
	  "a: 10.0.0.2; dropped service-name 1" },
	{ NULL,
	  "[{'targets':['10.0.0.1:80'],'labels':{'service':'a','name':'One','tags':'v1, blue,,v1',"
	  "'weight':'10','priority':'2','protocol':'TCP','port_name':'http','health':'warning',"
	  "'zone':'z','build':'7'}}]",
	  "a: 10.0.0.1:80,name=one,port=http,zone=z,w=10,p=2,tcp,warning,#blue,#v1,build=7" },
	{ NULL,
	  "[{'targets':['10.0.0.1'],'labels':{'service':'a','weight':'heavy','priority':true,"
	  "'name':7,'build':7,'x':[],'zone':null}}]",
	  "a: 10.0.0.1" },
	{ NULL, "[{'targets':['10.0.0.1'],'labels':{'service':'a','x':'\\u0000'}}]", "a:; dropped shape 1" },
	{ NULL, "[{'targets':['10.0.0.1\\u0000','10.0.0.2'],'labels':{'service':'a'}}]",
	  "a: 10.0.0.2; dropped address 1" },
	{ NULL, "[{'targets':['bad one'],'labels':{'service':'bad name'}}]", "; dropped service-name 1" },

	/* targets */
	{ "a", "['10.0.0.1:80','[2001:db8::1]:80','2001:db8::2:9100','One.Example:80','10.0.0.9:0']",
	  "a: one.example:80 10.0.0.1:80 10.0.0.9 2001:db8::1:80 2001:db8::2:9100" },
	{ "a", "['10.0.0.1:',':80','10.0.0.1:http',' 10.0.0.1:80 ','[::1','[2001:db8::1]:99999','']",
	  "a:; dropped address 3; dropped port 4" },

	/* instances */
	{ "a", "[{'host':'10.0.0.1','port':80},{'ip':'10.0.0.2','port':'80'}]",
	  "a: 10.0.0.1:80 10.0.0.2:80" },
	{ NULL, "{'service':'a','instances':[]}", "a:" },
	{ NULL, "{'service':'a','instances':null}", "a:" },
	{ NULL, "{'instances':[{'host':'10.0.0.1'}],'n':{'x':[{}]},'service':'a'}", "a: 10.0.0.1" },
	{ "a", "{'instances':['10.0.0.1:80']}", "a: 10.0.0.1:80" },
	{ "a", "{'instances':['10.0.0.1:80'],'service':null}", "a: 10.0.0.1:80" },
	{ "a", "{'instances':['10.0.0.1:80'],'service':'b'}", "b: 10.0.0.1:80" },
	{ NULL, "[{'service':'a','ip':'10.0.0.1'},{'service':'b','ip':'10.0.0.2'}]",
	  "a: 10.0.0.1; b: 10.0.0.2" },
	{ "a", "[{'host':'one.example','ip':'10.0.0.1','labels':{'x':'y'}}]", "a: 10.0.0.1" },
	{ "a", "[{'address':'10.0.0.1:81'},{'address':'10.0.0.2:81','port':82}]",
	  "a: 10.0.0.1:81 10.0.0.2:82" },
	{ "a",
	  "[{'ip':'10.0.0.1','port':80.5},{'ip':'10.0.0.1','port':'http'},{'ip':'10.0.0.1','port':65536},"
	  "{'ip':'10.0.0.1','port':-1},{'ip':'10.0.0.1','port':[]},{'ip':'10.0.0.1','port':1e300}]",
	  "a:; dropped port 6" },
	{ "a", "[{'ip':'10.0.0.1','port':8e1},{'ip':'10.0.0.2','port':null},{'ip':'10.0.0.3','port':0}]",
	  "a: 10.0.0.1:80 10.0.0.2 10.0.0.3" },
	{ "a",
	  "[{'ip':'10.0.0.1','id':'i-1','dc':'dc1','tags':['b',7,'a',null],'meta':{'k':'v','n':1},"
	  "'port_name':'http','protocol':'udp','weight':3,'priority':4}]",
	  "a: 10.0.0.1,name=i-1,port=http,zone=dc1,w=3,p=4,udp,#a,#b,k=v" },
	{ "a", "[{'ip':'10.0.0.1','instanceId':'10.0.0.1#80','metadata':{'k':'v'},'tags':'x,y'}]",
	  "a: 10.0.0.1,#x,#y,k=v" },
	{ "a",
	  "[{'ip':'10.0.0.1','weight':0.25},{'ip':'10.0.0.2','weight':0.0},{'ip':'10.0.0.3','weight':-7},"
	  "{'ip':'10.0.0.4','weight':1e300},{'ip':'10.0.0.5','weight':null},{'ip':'10.0.0.6','weight':'x'},"
	  "{'ip':'10.0.0.7','weight':-0.5},{'ip':'10.0.0.8','weight':-0.0},{'ip':'10.0.0.9','priority':-0.5}]",
	  "a: 10.0.0.1 10.0.0.2,w=0 10.0.0.3 10.0.0.4,w=65535 10.0.0.5 10.0.0.6 10.0.0.7 10.0.0.8,w=0 "
	  "10.0.0.9" },
	{ "a",
	  "[{'ip':'10.0.0.1','healthy':false},{'ip':'10.0.0.2','healthy':'FALSE'},"
	  "{'ip':'10.0.0.3','healthy':null},{'ip':'10.0.0.4','status':'DOWN'},"
	  "{'ip':'10.0.0.5','status':'warning'},{'ip':'10.0.0.6','health':'critical','status':'UP'},"
	  "{'ip':'10.0.0.7','status':'dancing'}]",
	  "a: 10.0.0.1,critical 10.0.0.2,critical 10.0.0.3 10.0.0.4,critical "
	  "10.0.0.5,warning 10.0.0.6,critical 10.0.0.7" },
	{ "a", "[{'ip':'10.0.0.1','enabled':false},{'ip':'10.0.0.2','enabled':'false'}]", "a:" },
	{ "a", "[{'ip':'10.0.0.1','enabled':true},{'ip':'10.0.0.2','enabled':null}]",
	  "a: 10.0.0.1 10.0.0.2" },
	{ "a", "[{'ip':'10.0.0.1','name':'x\\u0000'},{'ip':'10.0.0.2','tags':['\\u0000']},{'ip':'10.0.0.3'}]",
	  "a: 10.0.0.3; dropped shape 2" },
	{ "a", "[{'ip':167772161},{'port':80},{},null,7,[],true,{'ip':'10.0.0.1'}]",
	  "a: 10.0.0.1; dropped shape 7" },

	/* maps */
	{ NULL, "{'a':['10.0.0.1:80'],'Idle':[],'none':null,'b':{'ttl':5,'instances':[{'ip':'10.0.0.2'}]}}",
	  "a: 10.0.0.1:80; b: 10.0.0.2; idle:; none:" },
	{ NULL, "{'services':{'a':['10.0.0.1:80']},'generation':18446744073709551616}", "a: 10.0.0.1:80" },
	{ NULL, "{'data':{'a':['10.0.0.1:80']},'code':0}", "a: 10.0.0.1:80" },
	{ NULL, "{'data':{'services':{'a':['10.0.0.1:80']}},'code':200}", "a: 10.0.0.1:80" },
	{ NULL, "{'data':{'service':'a','instances':['10.0.0.1:80']}}", "a: 10.0.0.1:80" },
	{ NULL, "{'data':[{'targets':['10.0.0.1:80'],'labels':{'service':'a'}}]}", "a: 10.0.0.1:80" },
	{ "a", "{'data':['10.0.0.1:80']}", "a: 10.0.0.1:80" },
	{ "a", "{'data':[]}", "a:" },
	{ NULL, "{'services':{}}", "" },
	{ NULL, "{'services':{'a':['10.0.0.1'],'n':3,'b':{'ttl':1}}}", "a: 10.0.0.1; dropped shape 2" },
	{ NULL, "{'a':['10.0.0.1'],'A':['10.0.0.2']}", "a: 10.0.0.1 10.0.0.2" },
	{ NULL, "{'a b':[],'addr':['10.0.0.1'],'':[]}", "; dropped service-name 2; dropped reserved 1" },
	{ NULL, "{'service':['10.0.0.1']}", "service: 10.0.0.1" },
	{ NULL, "\xef\xbb\xbf{'a':['10.0.0.1']}", "a: 10.0.0.1" },
	{ NULL, "{'a':['10.0.0.1','[]\\'{\\\\'],'b':{'note':'}]\\'','instances':[]}}",
	  "a: 10.0.0.1; b:; dropped address 1" },
};

START_TEST(body_is_read_as_documented)
{
	char *body = quote(bodies[_i].body);

	expect(body, strlen(body), bodies[_i].service, bodies[_i].wanted);
	free(body);
}
END_TEST

static const struct {
	const char *body, *wanted;
} refused[] = {
	{ "", "1:1: empty; a list that is empty is written []" },
	{ " \n", "2:1: empty; a list that is empty is written []" },
	{ "\xef\xbb\xbf", "1:4: empty; a list that is empty is written []" },
	{ "null", "1:1: neither a list nor an object" },
	{ "'10.0.0.1:80'", "1:1: neither a list nor an object" },
	{ "<html>", "1:1: neither a list nor an object" },
	{ "{}", "1:1: an object of none of the known shapes" },
	{ "{'error':'no such thing'}", "1:1: an object of none of the known shapes" },
	{ "{'error':null}", "1:1: an object of none of the known shapes" },
	{ "{'a':[],'status':'error'}", "1:1: an object of none of the known shapes" },
	{ "{'code':500,'data':[]}", "1:1: the registry reports code 500" },
	{ "{'error':\n no}", "2:3: invalid token near 'no'" },
	{ "{'data':null}", "1:9: below \"services\" or \"data\": neither a list nor an object" },
	{ "{'services':'a'}", "1:13: below \"services\" or \"data\": neither a list nor an object" },
	{ "{'data':{'message':'oops'}}", "1:9: an object of none of the known shapes" },
	{ "{'instances':[]}", "1:1: names no service, and none is configured" },
	{ "{'service':7,'instances':[]}", "1:1: the name of the service is no text" },
	{ "{'service':'a\\u0000b','instances':[]}", "1:1: the name of the service is no text" },
	{ "{'service':'a','instances':{}}", "1:28: a list of instances was expected" },
	{ "['10.0.0.1:80']", "1:16: names no service, and none is configured" },
	{ "[{'targets':['10.0.0.1']}]", "1:27: names no service, and none is configured" },
	{ "[{'service':'a','name':'no address here'}]", "1:43: no object in it has an address" },

	/* What other registries answer, of which the kind reads none: an object of Curator, what Docker and
	 * Eureka list, Docker's events and the services of Nomad. */
	{ "{'name':'a','id':'a-2','address':'10.0.0.2','port':null,'enabled':false}",
	  "1:1: an object of none of the known shapes" },
	{ "[{'Id':'1','Names':['/a'],'Ports':[{'PrivatePort':80,'Type':'tcp'}],'State':'running'}]",
	  "1:88: names no service, and none is configured" },
	{ "{'Type':'container','Action':'die','Actor':{'ID':'1'}}",
	  "1:1: an object of none of the known shapes" },
	{ "{'applications':{'apps__hashcode':'','application':[]}}",
	  "1:17: an object without \"instances\"" },
	{ "{'applications':{'application':[{'name':'A','instance':[{'ipAddr':'10.0.0.1','status':'UP',"
	  "'port':{'$':80,'@enabled':'true'}}]}]}}",
	  "1:17: an object without \"instances\"" },
	{ "[{'Namespace':'default','Services':[{'ServiceName':'a','Tags':null}]}]",
	  "1:71: names no service, and none is configured" },
	{ "[] []", "1:4: something follows the end of the JSON text" },
	{ "[]\n,", "2:1: something follows the end of the JSON text" },
	{ "[", "1:2: unexpected token near end of file" },
	{ "[1,]", "" },
	{ "['10.0.0.1',1e999]", "" },
	{ "['\xc0\xaf']", "" },
	{ "['\xed\xa0\x80']", "" },
	{ "['a\tb']", "" },
	{ "[NaN]", "" },
	{ "[01]", "" },
	{ "[1 2]", "1:4: ',' or a closing bracket was expected" },
	{ "{'a':[],}", "" },
	{ "{'a' []}", "1:6: ':' was expected" },
	{ "{a:[]}", "" },
	{ "{7:[]}", "1:2: a member's name was expected" },
	{ "{'a\\u0000':[]}", "1:2: a member's name was expected" },
	{ "{'a':[],\n'\\u0061':[]}", "2:1: duplicate member" },
	{ "{'services':{'a':[],'a':[]}}", "1:21: duplicate member" },
	{ "{'service':'a','x':{'y':1,'y':1},'instances':[]}", "" },
	{ "{'service':'a',\n 'instances':[\n  {'host':'10.0.1.1', }\n]}", "" },
	{ "{'service':'a','instances':[{]}", "" },
	{ "{'service':'a','instances':['10.0.0.1'],'x':[}]}", "" },
	{ "{'service':'a','instances':['10.0.0.1'],'x':nul}", "" },
	{ "{'data':{'data':{'data':{'data':{'data':{'data':{'data':{'data':{'data':[]}}}}}}}}}", "" },
};

START_TEST(body_is_refused_with_line_and_column)
{
	struct snapshot_builder *b = snapshot_builder_create();
	char *body = quote(refused[_i].body);
	unsigned line, column;
	int end = 0;

	ck_assert_int_eq(read_body(b, body, strlen(body), NULL), -EBADMSG);
	if (refused[_i].wanted[0] != '\0')
		ck_assert_str_eq(snapshot_builder_error(b), refused[_i].wanted);
	ck_assert_int_eq(sscanf(snapshot_builder_error(b), "%u:%u: %n", &line, &column, &end), 2);
	ck_assert_int_gt((int)strlen(snapshot_builder_error(b)), end);
	snapshot_builder_destroy(b);
	free(body);
}
END_TEST

/* What each of the sample bodies means; "!": refused, and why. */
static const struct {
	const char *file, *service, *wanted;
} samples[] = {
	{ "array-hostport.json", "inventory",
	  "inventory: inv-4.internal.example.net:8080 10.0.1.1:8080 10.0.1.2:8080 2001:db8::3:8080" },
	{ "array-hostport-nasty.json", "inventory",
	  "inventory: localhost:8080 xn--caf-dma.example:80 10.0.1.1:8080 10.0.1.2 10.0.1.4 "
	  "10.0.1.7 ::1 2001:db8::3; dropped address 2; dropped port 2; dropped shape 2" },
	{ "array-objects.json", "inventory",
	  "inventory: 10.0.1.1:8080 10.0.1.2:8080 10.0.1.3:8080 10.0.1.4:8080" },
	{ "curator-instance.json", "inventory", "!1:1: an object of none of the known shapes" },
	{ "eureka-apps-unwrapped-single.json", "inventory", "!2:18: an object without \"instances\"" },
	{ "http-sd.json", NULL,
	  "inventory: 10.0.10.2:9100,zone=a,w=10 10.0.10.3:9100,zone=a,w=10; payments: 10.0.40.2:9443,zone=b" },
	{ "http-sd-empty.json", NULL, "" },
	{ "http-sd-null-group.json", NULL, "inventory: 10.0.10.2:9100; dropped shape 1" },
	{ "http-sd-nasty.json", NULL,
	  "idle:; inventory: inv-4.internal.example.net:9100 10.0.10.2:9100 10.0.10.4:9100,w=10 "
	  "10.0.10.5:9100 10.0.10.9 2001:db8::1:9100 2001:db8::2:9100; nothing:; "
	  "order_service: 10.0.10.6:9100,\xc3\xa9t\xc3\xa9=\xe2\x98\x95; "
	  "dropped service-name 2; dropped address 3; dropped port 4" },
	{ "instances.json", NULL,
	  "inventory: 10.0.1.1:8080,name=inventory-1,zone=a,w=10,p=1,#v1.4.2,version=1.4.2 "
	  "10.0.1.3:8080,name=inventory-3,zone=b,w=5,p=2,critical "
	  "2001:db8::2:8080,name=inventory-2,zone=b,w=5,p=1" },
	{ "instances-empty.json", NULL, "inventory:" },
	{ "instances-bom.json", NULL, "inventory: 10.0.1.1:8080" },
	{ "instances-nasty.json", NULL,
	  "order_service: trailing.dot.example:80 10.0.1.1:8080,w=0 10.0.1.2:8080 "
	  "10.0.1.3:8080,w=7 10.0.1.4:8080 10.0.1.5:8080,w=65535 "
	  "10.0.1.6:8080,critical 10.0.1.7:8080 10.0.1.8:8080,critical 10.0.1.9 "
	  "10.0.1.10:8080 10.0.1.11:8080 127.0.0.1:8080; dropped address 7; dropped shape 5" },
	{ "instances-duplicate-keys.json", NULL, "!" },
	{ "instances-latin1.json", NULL, "!1:16: unable to decode byte 0xe9 near '\"caf'" },
	{ "instances-lone-surrogate.json", NULL, "!" },
	{ "instances-truncated.json", NULL, "!" },
	{ "nacos-error-200.json", "inventory", "!1:1: the registry reports code 21000" },
	{ "nacos-v1-instance-list.json", "inventory", "!1:1: an object of none of the known shapes" },
	{ "nacos-v3-instance-list.json", "inventory",
	  "inventory: 10.0.1.1:8080,w=10,zone=a 10.0.1.2:8080,critical" },
	{ "nomad-service-inventory.json", "inventory", "!33:1: no object in it has an address" },
	{ "not-json.html", "inventory", "!1:1: neither a list nor an object" },
	{ "services-map.json", NULL,
	  "idle:; inventory: 10.0.1.1:8080 10.0.1.2:8080; payments: 10.0.2.1:9443" },
	{ "services-map-objects.json", NULL, "inventory: 10.0.1.1:8080; payments:" },
};

START_TEST(sample_has_a_defined_outcome)
{
	char path[128];
	size_t len;

	snprintf(path, sizeof(path), "http/%s", samples[_i].file);
	char *body = harness_read_data(path, &len);
	if (samples[_i].wanted[0] != '!') {
		expect(body, len, samples[_i].service, samples[_i].wanted);
	} else {
		struct snapshot_builder *b = snapshot_builder_create();

		ck_assert_int_eq(read_body(b, body, len, samples[_i].service), -EBADMSG);
		if (samples[_i].wanted[1] != '\0')
			ck_assert_str_eq(snapshot_builder_error(b), samples[_i].wanted + 1);
		snapshot_builder_destroy(b);
	}
	free(body);
}
END_TEST

/* A body that ends early must never be taken for a shorter one. */
START_TEST(no_beginning_of_a_body_is_a_body)
{
	static const char *const files[] = { "http-sd.json", "instances.json", "services-map.json",
					     "services-map-objects.json", "nacos-v3-instance-list.json" };
	char path[128];
	size_t len;

	snprintf(path, sizeof(path), "http/%s", files[_i]);
	char *body = harness_read_data(path, &len);
	while (len > 0 && strchr("\r\n ", body[len - 1]) != NULL)
		len--;
	for (size_t cut = 0; cut < len; cut++) {
		struct snapshot_builder *b = snapshot_builder_create();

		ck_assert_int_eq(read_body(b, body, cut, "inventory"), -EBADMSG);
		snapshot_builder_destroy(b);
	}
	free(body);
}
END_TEST

START_TEST(five_thousand_instances_are_read)
{
	struct snapshot_builder *b = snapshot_builder_create();
	struct snapshot *s;
	size_t len;
	char *body = harness_read_data("http/large-5000-http-sd.json", &len);

	ck_assert_int_eq(read_body(b, body, len, NULL), 0);
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &s), 0);
	ck_assert_uint_eq(s->n_services, 250);
	ck_assert_uint_eq(s->n_instances, 5000);
	ck_assert_uint_eq(snapshot_n_remarks(s), 0);
	snapshot_release(s);
	snapshot_builder_destroy(b);
	free(body);
}
END_TEST

/* Deep nesting, in what is wanted and in what is not: no recursion of ours follows it down. */
START_TEST(nesting_is_limited)
{
	static const char *const heads[] = { "", "{\"x\":", "{\"service\":\"a\",\"instances\":[],\"x\":",
					     "{\"service\":\"a\",\"instances\":", "{\"data\":" };
	static const char *const units[] = { "[", "{\"data\":", "{\"a\":[" };
	const size_t n = 100000;

	for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
		struct snapshot_builder *b = snapshot_builder_create();
		char *body = malloc(64 + n * strlen(units[u]));
		size_t len = (size_t)sprintf(body, "%s", heads[_i]);

		for (size_t i = 0; i < n; i++, len += strlen(units[u]))
			memcpy(body + len, units[u], strlen(units[u]));
		ck_assert_int_eq(read_body(b, body, len, "inventory"), -EBADMSG);
		snapshot_builder_destroy(b);
		free(body);
	}
}
END_TEST

START_TEST(service_label_is_configurable)
{
	char *body = quote("[{'targets':['10.0.0.1'],'labels':{'job':'a','service':'x'}}]");
	const struct shape_options o = { .service_label = "job" };
	struct snapshot_builder *b = snapshot_builder_create();
	struct snapshot *s;

	ck_assert_int_eq(shapes_read(body, strlen(body), &o, b), 0);
	free(body);
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &s), 0);
	ck_assert_str_eq(s->services[0]->name, "a");
	ck_assert_str_eq(instance_metadata(s->services[0]->instances[0], 0).key, "service");
	snapshot_release(s);
	snapshot_builder_destroy(b);
}
END_TEST

static const struct {
	const char *body, *remark;
} remarks[] = {
	{ "[{'targets':['10.0.0.1'],'labels':{'service':'a','up':true}}]",
	  "label \"up\" of \"a\" is a truth, and ignored" },
	{ "[{'targets':['10.0.0.1'],'labels':{'service':'a','build':7}}]",
	  "label \"build\" of \"a\" is a number, and ignored" },
	{ "[{'targets':['10.0.0.1'],'labels':{'service':'a','weight':'heavy'}}]",
	  "weight of an instance of \"a\" is no number, and ignored" },
	{ "{'a':['10.0.0.1:http']}", "instance dropped (port): 10.0.0.1:http of \"a\"" },
	{ "{'a':[null]}", "instance dropped (shape): null of \"a\"" },
	{ "{'a':['010.1.1.1']}", "instance of \"a\" dropped (address): \"010.1.1.1\"" },
};

START_TEST(oddities_leave_a_remark)
{
	struct snapshot_builder *b = snapshot_builder_create();
	struct snapshot *s;

	char *body = quote(remarks[_i].body);

	ck_assert_int_eq(read_body(b, body, strlen(body), NULL), 0);
	free(body);
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &s), 0);
	ck_assert_uint_eq(snapshot_n_remarks(s), 1);
	ck_assert_str_eq(snapshot_remark(s, 0), remarks[_i].remark);
	snapshot_release(s);
	snapshot_builder_destroy(b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shapes");
	TCase *shapes = tcase_create("shapes");
	TCase *refusals = tcase_create("refusals");

	tcase_add_loop_test(shapes, body_is_read_as_documented, 0, sizeof(bodies) / sizeof(bodies[0]));
	tcase_add_loop_test(shapes, sample_has_a_defined_outcome, 0, sizeof(samples) / sizeof(samples[0]));
	tcase_add_loop_test(shapes, oddities_leave_a_remark, 0, sizeof(remarks) / sizeof(remarks[0]));
	tcase_add_test(shapes, five_thousand_instances_are_read);
	tcase_add_test(shapes, service_label_is_configurable);
	tcase_add_loop_test(refusals, body_is_refused_with_line_and_column, 0,
			    sizeof(refused) / sizeof(refused[0]));
	tcase_add_loop_test(refusals, no_beginning_of_a_body_is_a_body, 0, 5);
	tcase_add_loop_test(refusals, nesting_is_limited, 0, 5);
	tcase_set_timeout(shapes, 20);
	tcase_set_timeout(refusals, 20);
	suite_add_tcase(suite, shapes);
	suite_add_tcase(suite, refusals);
	return harness_run(suite);
}
