/*
 * parallel/reduction: scattered sums are those of the groups in their order, to the bit, on all replicas; how many
 * messages they take, counted through MPI's profiling interface; what is final travels before the pass is over.
 */
#include "parallel/reduction_ops.h"
#include "sinode/memory.h"
#include "unit.h"

static long sends;
static double sent; /* bytes */

int MPI_Isend(const void *buffer, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm, MPI_Request *request) {
  int size;
  PMPI_Type_size(type, &size);
  sends++;
  sent += (double)count * size;
  return PMPI_Isend(buffer, count, type, to, tag, comm, request);
}

/* Two buckets of their own, one of which not every replica has a part of behind what is not trained. */
enum { BLOCKS = 4, BUCKETS = 3 };
static const ptrdiff_t sizes[BLOCKS] = {5, 11, 33000, 40003};

typedef struct {
  sn_grid *grid;
  sn_parameters *parameters;
  sn_reduction *reduction;
  int replicas, replica;
  ptrdiff_t size;
  double *gradient;
} setting;

static setting set_up(int groups) {
  setting s;
  assert_ok(sn_grid_create(MPI_COMM_WORLD, 1, 8, NULL, &s.grid));
  assert_ok(sn_parameters_create(s.grid, &s.parameters));
  for (int b = 0; b < BLOCKS; b++) {
    sn_parameter_block block = {.dimensions = 1, .shape = {sizes[b]}, .count = {sizes[b]}, .trainable = b != 1};
    snprintf(block.name, sizeof block.name, "block_%d", b);
    assert_ok(sn_parameters_add(s.parameters, &block));
  }
  assert_ok(sn_parameters_allocate(s.parameters));
  s.replicas = sn_grid_replica_count(s.grid);
  s.replica = sn_grid_replica(s.grid);
  if (groups)
    assert_ok(sn_reduction_create_in_groups(s.parameters, groups, &s.reduction));
  else
    assert_ok(sn_reduction_create(s.parameters, &s.reduction));
  s.size = sn_parameters_size(s.parameters);
  assert_ok(SN_NEW(s.size, &s.gradient));
  assert_int_equal(sn_reduction_parts(s.reduction), BUCKETS);
  return s;
}

static void tear_down(setting *s) {
  SN_FREE(s->gradient);
  sn_reduction_destroy(&s->reduction);
  sn_parameters_destroy(&s->parameters);
  sn_grid_destroy(&s->grid);
}

/* Of sizes so different that every order of adding shows in the bits. */
static double number(int replica, ptrdiff_t k) {
  return (double)((k * 7919 + replica * 104729) % 1000003) * ldexp(1, replica % 5 * 9) / 3;
}

static double in_groups(int replicas, int groups, ptrdiff_t k) {
  double sum = 0;
  for (int group = 0; group < groups; group++) {
    const sn_range members = sn_partition_range((sn_partition){replicas, groups}, group);
    double part = 0;
    for (ptrdiff_t m = members.start; m < members.start + members.count; m++) part += number((int)m, k);
    sum += part;
  }
  return sum;
}

/* The sum, of which the later part is announced while the pass goes on, at times of each replica's own. */
static void add_up(setting *s) {
  double value;
  sn_reduction_begin(s->reduction, s->replicas, 1, s->gradient);
  const sn_gradient *sum = sn_reduction_chunk(s->reduction, true);
  for (ptrdiff_t k = 0; k < s->size; k++) sum->values[k] = number(s->replica, k);
  for (int b = BLOCKS - 1; b > 1 + s->replica % 2; b--)
    sn_gradient_final_from(sum, sn_parameters_block(s->parameters, b)->offset);
  sn_reduction_add(s->reduction, 1);
  assert_that(sn_reduction_finish(s->reduction, &value, 0, NULL));
  assert_close(value, s->replicas, 0);
}

static void compare(const setting *s, int groups, ptrdiff_t start, ptrdiff_t count) {
  for (ptrdiff_t k = start; k < start + count; k++) assert_that(s->gradient[k] == in_groups(s->replicas, groups, k));
}

/* All numbers of groups; of many ranks those that are chosen alone. */
static int first_groups(void) {
  int ranks;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  return ranks > 8 ? sn_reduction_groups(ranks) : 1;
}

static int last_groups(void) {
  int ranks;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  return ranks > 8 ? sn_reduction_groups(ranks) : ranks;
}

static void sums_have_the_bits_of_their_order(void **state) {
  (void)state;
  const ptrdiff_t before = sn_memory_bytes();
  for (int groups = first_groups(); groups <= last_groups(); groups++) {
    setting s = set_up(groups);
    for (int round = 0; round < 2; round++) {
      add_up(&s);
      for (int b = 0; b < BUCKETS; b++) {
        const sn_range part = sn_reduction_part(s.reduction, b);
        compare(&s, groups, part.start, part.count);
      }
      sn_reduction_gather(s.reduction, s.gradient);
      for (int b = 0; b < BLOCKS; b++)
        if (b != 1) compare(&s, groups, sn_parameters_block(s.parameters, b)->offset, sizes[b]);
    }
    tear_down(&s);
  }
  assert_int_equal(sn_memory_bytes(), before);
}

/* Messages to the others of the group, and of a collector to its owners; back from an owner to its collectors. */
static void check_messages(int groups) {
  setting s = set_up(groups);
  const int chosen = groups ? groups : sn_reduction_groups(s.replicas);
  const sn_partition blocks = {s.replicas, chosen};
  const sn_range members = sn_partition_range(blocks, sn_partition_owner(blocks, s.replica));
  const sn_partition collectors = {s.replicas, (int)members.count};
  const sn_range owners = sn_partition_range(collectors, s.replica - (int)members.start);
  const bool own = s.replica >= owners.start && s.replica < owners.start + owners.count;
  const long there = (long)(members.count - 1 + owners.count - own), back = (long)(members.count - 1 + chosen - own);
  sends = 0;
  add_up(&s);
  assert_int_equal(sends, BUCKETS * there);
  assert_that(groups || there <= sn_reduction_messages(s.replicas));
  sends = 0;
  sent = 0;
  sn_reduction_gather(s.reduction, s.gradient);
  assert_int_equal(sends, BUCKETS * back);
  assert_that(groups || back <= sn_reduction_messages(s.replicas));
  MPI_Allreduce(MPI_IN_PLACE, &sent, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  if (groups == s.replicas) assert_close(sent, 8.0 * (5 + 33000 + 40003 + 8) * (s.replicas - 1), 8.0 * 16 * s.replicas);
  tear_down(&s);
}

static void messages_are_those_of_the_formula(void **state) {
  (void)state;
  check_messages(0);
  for (int groups = first_groups(); groups <= last_groups(); groups++) check_messages(groups);
}

static void many_replicas_form_groups(void **state) {
  (void)state;
  for (int replicas = 1; replicas <= SN_REDUCTION_DIRECT_MOST; replicas++) {
    assert_int_equal(sn_reduction_groups(replicas), replicas);
    assert_int_equal(sn_reduction_messages(replicas), replicas - 1);
  }
  for (int replicas = SN_REDUCTION_DIRECT_MOST + 1; replicas <= 5000; replicas++) {
    const double root = sqrt(replicas);
    assert_close(sn_reduction_groups(replicas), root, 0.5);
    assert_that(sn_reduction_messages(replicas) <= 2 * root + 2);
  }
  assert_int_equal(sn_reduction_messages(64), 7 + 8);
  assert_int_equal(sn_reduction_messages(4096), 63 + 64);
}

/* Of what is announced as final, the messages are on their way before the sum is finished; not of what is not. */
static void what_is_final_is_sent_at_once(void **state) {
  (void)state;
  setting s = set_up(0);
  double value;
  sn_gradient own;
  const ptrdiff_t last = sn_parameters_block(s.parameters, BLOCKS - 1)->offset;
  const long each = s.replicas > SN_REDUCTION_DIRECT_MOST ? 1 : s.replicas - 1;
  sn_reduction_begin(s.reduction, s.replicas, 1, s.gradient);
  sends = 0;
  sn_gradient_final_from(sn_reduction_chunk(s.reduction, false), last);
  sn_gradient_final_from(sn_gradient_for_pass(sn_reduction_chunk(s.reduction, true), false, &own), last);
  sn_gradient_final_from(sn_reduction_chunk(s.reduction, true), last + 8);
  assert_int_equal(sends, 0);
  sn_gradient_final_from(sn_gradient_for_pass(sn_reduction_chunk(s.reduction, true), true, &own), last);
  assert_that(each ? sends >= each : sends == 0);
  assert_that(sn_reduction_finish(s.reduction, &value, 0, NULL));
  assert_that(!sn_gradient_for_pass(NULL, true, &own) && !sn_gradient_values(NULL));
  tear_down(&s);
}

/* One element of one replica is enough, and all get to know; a value alone has no gradient that could be bad. */
static void all_know_what_is_not_finite(void **state) {
  (void)state;
  setting s = set_up(0);
  const double bad[] = {NAN, INFINITY, -INFINITY};
  double value, none[1] = {2};
  for (int k = 0; k < 3; k++) {
    sn_reduction_begin(s.reduction, 1, 1, s.gradient);
    if (s.replica == s.replicas - 1) s.gradient[sn_parameters_block(s.parameters, 2)->offset + 7] = bad[k];
    assert_that(!sn_reduction_finish(s.reduction, &value, 0, NULL));
  }
  sn_reduction_begin(s.reduction, 1, 1, NULL);
  assert_that(!sn_reduction_chunk(s.reduction, true));
  sn_reduction_add(s.reduction, NAN);
  assert_that(sn_reduction_finish(s.reduction, &value, 1, none) && isnan(value));
  assert_close(none[0], 2 * s.replicas, 0);
  tear_down(&s);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sums_have_the_bits_of_their_order), cmocka_unit_test(messages_are_those_of_the_formula),
      cmocka_unit_test(many_replicas_form_groups),         cmocka_unit_test(what_is_final_is_sent_at_once),
      cmocka_unit_test(all_know_what_is_not_finite),
  };
  return unit_run(argc, argv, tests);
}
