/* Files: what is written is read back to the bit at every split; a file appears whole or not at all; damage is seen. */
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hdf5.h>

#include "network_case.h"
#include "sinode/checkpoint_file.h"
#include "sinode/trajectory_file.h"

enum { MEMBERS = 3, SNAPSHOTS = 9, PATH = 256 };
static const sn_provenance provenance = {.title = "test", .config = "run: {}\n", .command_line = "test"};

static char folder[PATH];

static const char *place(const char *name) {
  static char path[2 * PATH];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static bool is_first(void) {
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank == 0;
}

static int make_folder(void **state) {
  (void)state;
  const char *where = getenv("TMPDIR");
  const int length = snprintf(folder, sizeof folder, "%s/sinode-files-XXXXXX", where ? where : "/tmp");
  if (length >= (int)sizeof folder) return 1;
  if (is_first() && !mkdtemp(folder)) return 1;
  MPI_Bcast(folder, sizeof folder, MPI_CHAR, 0, MPI_COMM_WORLD);
  return 0;
}

/* Files of the folder; all are removed on the way. Nothing of HDF5 is left open. */
static int remove_folder(void **state) {
  (void)state;
  assert_that(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL) == 0);
  MPI_Barrier(MPI_COMM_WORLD);
  if (!is_first()) return 0;
  DIR *directory = opendir(folder);
  for (struct dirent *entry; (entry = readdir(directory));) unlink(place(entry->d_name));
  closedir(directory);
  return rmdir(folder);
}

static bool exists(const char *name) {
  MPI_Barrier(MPI_COMM_WORLD);
  return access(place(name), F_OK) == 0;
}

/* The error every rank must find, with these words. */
static void expect_file_error(sn_status status, const char *words) {
  assert_that(status && sn_error_get_code(status) == SN_ERROR_FILE && sn_error_is_collective(status, MPI_COMM_WORLD));
  if (!strstr(sn_error_get_message(status), words)) fprintf(stderr, "%s\n", sn_error_get_message(status));
  assert_that(strstr(sn_error_get_message(status), words) && strstr(sn_error_get_message(status), folder));
  sn_error_destroy(&status);
}

/* All ranks wait until rank 0 has changed a file. */
static void edit(const char *name, void (*change)(FILE *file, long length)) {
  if (is_first()) {
    FILE *file = fopen(place(name), "r+b");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    change(file, ftell(file));
    fclose(file);
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

static double datum(int field, ptrdiff_t member, ptrdiff_t snapshot, ptrdiff_t point) {
  return case_number(field, (member * SNAPSHOTS + snapshot) * 1000 + point);
}

static void append_all(const sn_grid *grid, const char *name, bool finish) {
  const sn_trajectory_variable fields[] = {{"u", "field"}, {"reference", "the other one"}}, scalar = {"rmse", "error"},
                               final = {"valid_time", "time"};
  const sn_range own = sn_grid_share(grid, MEMBERS), points = sn_grid_range(grid);
  const sn_trajectory_spec spec = {.members = MEMBERS,
                                   .own_members = own,
                                   .length = 22,
                                   .snapshots = SNAPSHOTS - 2, /* two more come */
                                   .fields = 2,
                                   .field = fields,
                                   .scalars = 1,
                                   .scalar = &scalar,
                                   .finals = 1,
                                   .final = &final,
                                   .numbers = 1,
                                   .number = {{"threshold", 0.5}}};
  sn_trajectory_writer *writer;
  assert_ok(sn_trajectory_create(grid, place(name), &spec, &provenance, &writer));
  double *values[2] = {new_doubles(own.count * points.count), new_doubles(own.count * points.count)};
  double *rmse = new_doubles(own.count);
  for (ptrdiff_t s = 0; s < SNAPSHOTS; s++) {
    for (ptrdiff_t m = 0; m < own.count; m++) {
      for (int f = 0; f < 2; f++)
        for (ptrdiff_t j = 0; j < points.count; j++)
          values[f][m * points.count + j] = datum(f, own.start + m, s, points.start + j);
      rmse[m] = datum(2, own.start + m, s, 0);
    }
    assert_ok(sn_trajectory_append(writer, 100 + 0.2 * (double)s, (const double *const *)values,
                                   (const double *const[]){rmse}));
  }
  assert_that(!exists(name)); /* not before it is whole */
  if (finish)
    assert_ok(sn_trajectory_finish(&writer, (const double *const[]){rmse}));
  else
    sn_trajectory_abandon(&writer);
  assert_null(writer);
  for (int f = 0; f < 2; f++) SN_FREE(values[f]);
  SN_FREE(rmse);
}

/* Each rank reads another block: members from 1 on, every snapshot from the second, its points on another split. */
static void read_back(int space, ptrdiff_t points, const char *name) {
  sn_grid *grid;
  sn_trajectory_reader *reader;
  double interval;
  assert_ok(sn_grid_create(MPI_COMM_WORLD, space, points, NULL, &grid));
  assert_ok(sn_trajectory_open(MPI_COMM_WORLD, place(name), &reader));
  assert_int_equal(sn_trajectory_members(reader), MEMBERS);
  assert_int_equal(sn_trajectory_snapshots(reader), SNAPSHOTS);
  assert_int_equal(sn_trajectory_points(reader), points);
  assert_close(sn_trajectory_length(reader), 22, 0);
  assert_close(sn_trajectory_time(reader, 3), 100 + 0.2 * 3, 0);
  assert_ok(sn_trajectory_interval(reader, &interval));
  assert_close(interval, 0.2, 1e-12);
  const sn_range members = {1, MEMBERS - 1}, snapshots = {1, SNAPSHOTS - 1}, range = sn_grid_range(grid);
  double *u = new_doubles(members.count * snapshots.count * range.count);
  assert_ok(sn_trajectory_read(reader, members, snapshots, range, u));
  for (ptrdiff_t m = 0, k = 0; m < members.count; m++)
    for (ptrdiff_t s = 0; s < snapshots.count; s++)
      for (ptrdiff_t j = 0; j < range.count; j++, k++) assert_close(u[k], datum(0, m + 1, s + 1, range.start + j), 0);
  SN_FREE(u);
  sn_trajectory_close(&reader);
  sn_grid_destroy(&grid);
}

static void trajectories_come_back(void **state) {
  (void)state;
  const ptrdiff_t before = sn_memory_bytes();
  const ptrdiff_t grids[] = {7, 16, 45};
  for (int g = 0; g < 3; g++) FOR_EACH_SPLIT(space, grids[g]) {
      sn_grid *grid;
      assert_ok(sn_grid_create(MPI_COMM_WORLD, space, grids[g], NULL, &grid));
      append_all(grid, "t.h5", false);
      assert_that(!exists("t.h5") && !exists("t.h5.tmp"));
      append_all(grid, "t.h5", true);
      assert_that(exists("t.h5") && !exists("t.h5.tmp"));
      FOR_EACH_SPLIT(other, grids[g]) read_back(other, grids[g], "t.h5");
      MPI_Barrier(MPI_COMM_WORLD);
      if (is_first()) unlink(place("t.h5"));
      sn_grid_destroy(&grid);
    }
  assert_int_equal(sn_memory_bytes(), before);
}

static void halve(FILE *file, long length) { assert_int_equal(ftruncate(fileno(file), length / 2), 0); }

static void what_is_no_trajectory_is_refused(void **state) {
  (void)state;
  sn_grid *grid;
  sn_trajectory_reader *reader;
  assert_ok(sn_grid_create(MPI_COMM_WORLD, 1, 16, NULL, &grid));
  expect_file_error(sn_trajectory_open(MPI_COMM_WORLD, place("none.h5"), &reader), "No such file");
  assert_null(reader);
  append_all(grid, "t.h5", true);
  edit("t.h5", halve);
  expect_file_error(sn_trajectory_open(MPI_COMM_WORLD, place("t.h5"), &reader), "truncated");
  assert_null(reader);
  sn_grid_destroy(&grid);
}

/* Networks and what their files say. */
static const network_case models[] = {
    {15, {.kind = SN_NETWORK_MLP, .activation = SN_ACTIVATION_GELU, .hidden = 3, .width = {5, 8, 3}}},
    {16, {.kind = SN_NETWORK_CONV, .activation = SN_ACTIVATION_TANH, .hidden = 2, .width = {3, 2}, .kernel = 5}},
    {16, {.kind = SN_NETWORK_NONE}}};
enum { MODELS = sizeof models / sizeof *models };

static sn_model_description describe(const network_case *c) {
  sn_model_description d = {.grid_points = c->points, .domain_length = 22, .linear_kind = "spectral"};
  snprintf(d.nonlinear_kind, sizeof d.nonlinear_kind, "%s", sn_network_kind_name(c->shape.kind));
  snprintf(d.activation, sizeof d.activation, "%s", sn_name_of(sn_activations, (int)c->shape.activation));
  return d;
}

static void write_model(const network_case *c, int space) {
  fixture x = fixture_create(MPI_COMM_WORLD, space, c, 1);
  const sn_model_description description = describe(c);
  assert_ok(sn_model_file_write(x.grid, place("m.h5"), &description, x.parameters, sn_parameters_values(x.parameters),
                                &provenance));
  fixture_destroy(&x);
}

static void check_model(const network_case *c, int space) {
  sn_model_description found;
  assert_ok(sn_model_file_describe(MPI_COMM_WORLD, place("m.h5"), &found));
  const bool learns = c->shape.kind != SN_NETWORK_NONE;
  assert_int_equal(found.grid_points, c->points);
  assert_int_equal(found.layers, learns ? c->shape.hidden + 1 : 0);
  for (int k = 0; k < c->shape.hidden; k++) assert_int_equal(found.outputs[k], c->shape.width[k]);
  assert_int_equal(found.kernel, c->shape.kernel);
  fixture x = fixture_create(MPI_COMM_WORLD, space, c, 1);
  const ptrdiff_t size = sn_parameters_size(x.parameters);
  double *read = new_doubles(size);
  assert_ok(sn_model_file_read(x.grid, place("m.h5"), x.parameters, read));
  for (ptrdiff_t k = 0; k < size; k++) assert_close(read[k], sn_parameters_values(x.parameters)[k], 0);
  SN_FREE(read);
  fixture_destroy(&x);
}

static void models_come_back(void **state) {
  (void)state;
  const ptrdiff_t before = sn_memory_bytes();
  for (int k = 0; k < MODELS; k++) FOR_EACH_SPLIT(space, models[k].points) {
      write_model(&models[k], space);
      FOR_EACH_SPLIT(other, models[k].points) check_model(&models[k], other);
    }
  assert_int_equal(sn_memory_bytes(), before);
}

static void wrong_models_are_refused(void **state) {
  (void)state;
  sn_model_description found;
  sn_trajectory_reader *reader;
  write_model(&models[1], 1);
  expect_file_error(sn_trajectory_open(MPI_COMM_WORLD, place("m.h5"), &reader), "a trajectory file is wanted");
  fixture x = fixture_create(MPI_COMM_WORLD, 1, &models[0], 1);
  double *values = sn_parameters_values(x.parameters);
  expect_file_error(sn_model_file_read(x.grid, place("m.h5"), x.parameters, values), "weight");
  fixture_destroy(&x);
  /* One value of one rank that is no number. */
  x = fixture_create(MPI_COMM_WORLD, 1, &models[0], 1);
  values = sn_parameters_values(x.parameters);
  const sn_model_description description = describe(&models[0]);
  if (is_first()) values[sn_parameters_find(x.parameters, "nonlinear/layer_1/bias")->offset] = NAN;
  assert_ok(sn_model_file_write(x.grid, place("m.h5"), &description, x.parameters, values, &provenance));
  expect_file_error(sn_model_file_read(x.grid, place("m.h5"), x.parameters, values), "nonlinear/layer_1/bias");
  fixture_destroy(&x);
  assert_ok(sn_grid_create(MPI_COMM_WORLD, 1, 16, NULL, &x.grid));
  append_all(x.grid, "t.h5", true);
  expect_file_error(sn_model_file_describe(MPI_COMM_WORLD, place("t.h5"), &found), "a model file is wanted");
  sn_grid_destroy(&x.grid);
}

typedef struct {
  double *moment, rate;
  int64_t step;
  sn_checkpoint_vector vector;
  sn_checkpoint_number number[2];
  sn_checkpoint whole;
} contents;

static void gather(const fixture *x, contents *c) {
  c->moment = new_doubles(sn_parameters_size(x->parameters));
  c->vector = (sn_checkpoint_vector){"first", c->moment};
  c->number[0] = (sn_checkpoint_number){"step", SN_CHECKPOINT_INT64, 1, &c->step};
  c->number[1] = (sn_checkpoint_number){"rate", SN_CHECKPOINT_FLOAT64, 1, &c->rate};
  c->whole = (sn_checkpoint){.parameters = x->parameters,
                             .values = sn_parameters_values(x->parameters),
                             .vectors = 1,
                             .vector = &c->vector,
                             .numbers = 2,
                             .number = c->number};
}

static void write_checkpoint(const network_case *c, int space) {
  fixture x = fixture_create(MPI_COMM_WORLD, space, c, 1);
  contents all;
  gather(&x, &all);
  all.step = 41;
  all.rate = 0.1;
  for (ptrdiff_t k = 0; k < sn_parameters_size(x.parameters); k++) all.moment[k] = 2 * all.whole.values[k];
  const sn_model_description description = describe(c);
  assert_ok(sn_checkpoint_file_write(x.grid, place("c.h5"), &description, &all.whole, &provenance));
  SN_FREE(all.moment);
  fixture_destroy(&x);
}

/* Reads into parameters that were cleared. Returns the error, if any. */
static sn_status read_checkpoint(const network_case *c, int space) {
  fixture x = fixture_create(MPI_COMM_WORLD, space, c, 1);
  contents all = {0};
  gather(&x, &all);
  const ptrdiff_t size = sn_parameters_size(x.parameters);
  memset(all.whole.values, 0, (size_t)size * sizeof(double));
  sn_status status = sn_checkpoint_file_read(x.grid, place("c.h5"), &all.whole);
  if (!status) {
    assert_int_equal(all.step, 41);
    assert_close(all.rate, 0.1, 0);
    double *read = new_doubles(size);
    memcpy(read, all.whole.values, (size_t)size * sizeof *read);
    fill_parameters(c, &x);
    for (ptrdiff_t k = 0; k < size; k++) {
      assert_close(read[k], all.whole.values[k], 0);
      assert_close(all.moment[k], 2 * read[k], 0);
    }
    SN_FREE(read);
  }
  SN_FREE(all.moment);
  fixture_destroy(&x);
  return status;
}

static void checkpoints_come_back(void **state) {
  (void)state;
  for (int k = 0; k < 2; k++) FOR_EACH_SPLIT(space, models[k].points) {
      write_checkpoint(&models[k], space);
      FOR_EACH_SPLIT(other, models[k].points) assert_ok(read_checkpoint(&models[k], other));
    }
}

static double wanted; /* the value whose bytes `flip` looks for */

/* Flips the lowest bit of a value, where the file has it. */
static void flip(FILE *file, long length) {
  char *content = malloc((size_t)length);
  rewind(file);
  assert_int_equal(fread(content, 1, (size_t)length, file), length);
  long at = 0;
  while (at + 8 <= length && memcmp(content + at, &wanted, 8)) at++;
  assert_that(at + 8 <= length);
  fseek(file, at, SEEK_SET);
  fputc(content[at] ^ 1, file);
  free(content);
}

static void damage_is_seen(void **state) {
  (void)state;
  const network_case *c = &models[0];
  const double values[] = {case_weight(c, 0, 0), case_weight(c, 2, 7), 2 * case_bias(1, 3), 0.1};
  for (size_t k = 0; k < sizeof values / sizeof values[0]; k++) {
    write_checkpoint(c, 1);
    wanted = values[k];
    edit("c.h5", flip);
    expect_file_error(read_checkpoint(c, 1), "checksum");
  }
  write_checkpoint(c, 1);
  edit("c.h5", halve);
  expect_file_error(read_checkpoint(c, 1), "truncated");
  write_checkpoint(c, 1); /* it takes the place of what is damaged */
  assert_ok(read_checkpoint(c, 1));
}

static void places_that_cannot_be_written(void **state) {
  (void)state;
  fixture x = fixture_create(MPI_COMM_WORLD, 1, &models[0], 1);
  const sn_model_description description = describe(&models[0]);
  write_model(&models[0], 1);
  char below[PATH];
  snprintf(below, sizeof below, "m.h5/sub/new.h5");
  expect_file_error(sn_model_file_write(x.grid, place(below), &description, x.parameters,
                                        sn_parameters_values(x.parameters), &provenance),
                    "Not a directory");
  check_model(&models[0], 1); /* what stood in the way is as it was */
  fixture_destroy(&x);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(trajectories_come_back, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(what_is_no_trajectory_is_refused, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(models_come_back, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(wrong_models_are_refused, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(checkpoints_come_back, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(damage_is_seen, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(places_that_cannot_be_written, make_folder, remove_folder),
  };
  return unit_run(argc, argv, tests);
}
