/*
 * The readers of trajectories, models and checkpoints, on files that are sound HDF5 and hold anything: the input is a
 * program that edits a good file. (What HDF5 itself does with bytes that are no HDF5 is not ours to mend; damaged bytes
 * are tests/fault's business.) Nothing may crash, leak a handle, or take more memory than the limits allow.
 */
#include <hdf5.h>
#include <math.h>
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sinode/checkpoint_file.h"
#include "sinode/memory.h"
#include "sinode/trajectory_file.h"

enum { POINTS = 8, MEMBERS = 2, SNAPSHOTS = 5 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sn_grid *grid;
static sn_parameters *parameters;
static char path[64];
static struct {
  unsigned char *bytes;
  size_t size;
} good[3]; /* trajectory, model, checkpoint */

static int64_t epoch = 3;
static double history[21];
static const sn_checkpoint_number numbers[] = {{"epoch", SN_CHECKPOINT_INT64, 1, &epoch},
                                               {"history", SN_CHECKPOINT_FLOAT64, 21, history}};

static void must(sn_status status) {
  if (!status) return;
  fprintf(stderr, "%s\n", sn_error_get_message(status));
  abort();
}

static void keep(int which) {
  FILE *file = fopen(path, "rb");
  good[which].bytes = malloc(1 << 20);
  if (!file || !good[which].bytes) abort();
  good[which].size = fread(good[which].bytes, 1, 1 << 20, file);
  fclose(file);
}

static sn_checkpoint whole(void) {
  static sn_checkpoint_vector vector;
  vector = (sn_checkpoint_vector){"momentum_buffer", sn_parameters_values(parameters)};
  return (sn_checkpoint){.parameters = parameters,
                         .values = sn_parameters_values(parameters),
                         .vectors = 1,
                         .vector = &vector,
                         .numbers = 2,
                         .number = numbers};
}

static void make_trajectory(const sn_provenance *provenance) {
  const sn_trajectory_variable field = {"u", "field"};
  const sn_trajectory_spec spec = {.members = MEMBERS,
                                   .own_members = {0, MEMBERS},
                                   .length = 22,
                                   .snapshots = SNAPSHOTS,
                                   .fields = 1,
                                   .field = &field};
  double u[MEMBERS * POINTS];
  const double *fields[] = {u};
  sn_trajectory_writer *writer;
  must(sn_trajectory_create(grid, path, &spec, provenance, &writer));
  for (int k = 0; k < SNAPSHOTS; k++) {
    for (int j = 0; j < MEMBERS * POINTS; j++) u[j] = sin(k + j);
    must(sn_trajectory_append(writer, 0.2 * k, fields, NULL));
  }
  must(sn_trajectory_finish(&writer, NULL));
  keep(0);
}

static void make_parameters(void) {
  sn_parameter_block blocks[] = {
      {.name = "linear/stencil", .dimensions = 1, .shape = {5}, .count = {5}},
      {.name = "nonlinear/layer_0/weight", .dimensions = 2, .shape = {3, POINTS}, .count = {3, POINTS}},
      {.name = "nonlinear/layer_0/bias", .dimensions = 1, .shape = {3}, .count = {3}},
      {.name = "nonlinear/layer_1/weight", .dimensions = 2, .shape = {POINTS, 3}, .count = {POINTS, 3}},
      {.name = "nonlinear/layer_1/bias", .dimensions = 1, .shape = {POINTS}, .count = {POINTS}}};
  must(sn_parameters_create(grid, &parameters));
  for (size_t k = 0; k < sizeof blocks / sizeof blocks[0]; k++) must(sn_parameters_add(parameters, &blocks[k]));
  must(sn_parameters_allocate(parameters));
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  const sn_provenance provenance = {.title = "fuzz", .config = "run: {}\n", .command_line = "fuzz"};
  const sn_model_description description = {.grid_points = POINTS,
                                            .domain_length = 22,
                                            .activation = "tanh",
                                            .nonlinear_kind = "mlp",
                                            .linear_kind = "stencil"};
  MPI_Init(argc, argv);
  snprintf(path, sizeof path, "/dev/shm/sinode-fuzz-%ld.h5", (long)getpid());
  must(sn_grid_create(MPI_COMM_WORLD, 1, POINTS, NULL, &grid));
  make_trajectory(&provenance);
  make_parameters();
  must(sn_model_file_write(grid, path, &description, parameters, sn_parameters_values(parameters), &provenance));
  keep(1);
  const sn_checkpoint checkpoint = whole();
  must(sn_checkpoint_file_write(grid, path, &description, &checkpoint, &provenance));
  keep(2);
  return 0;
}

/* The input, byte by byte; zeros when it has ended. */
typedef struct {
  const uint8_t *data;
  size_t left;
} program;

static unsigned next(program *p) {
  if (!p->left) return 0;
  p->left--;
  return *p->data++;
}

static const char *const places[] = {"u",
                                     "time",
                                     "x",
                                     "member",
                                     "u_checksum",
                                     "model",
                                     "model/linear",
                                     "model/linear/stencil",
                                     "model/nonlinear",
                                     "model/nonlinear/layer_0",
                                     "model/nonlinear/layer_0/weight",
                                     "model/nonlinear/layer_1/weight",
                                     "model/nonlinear/layer_1/bias",
                                     "model/nonlinear/layer_2/weight",
                                     "optimizer/momentum_buffer",
                                     "optimizer/momentum_buffer/linear/stencil",
                                     "progress",
                                     "progress/epoch",
                                     "progress/history",
                                     "state"};
static const char *const names[] = {"sinode_kind", "sinode_format",    "domain_length", "config",
                                    "checksum",    "grid_points",      "activation",    "nonlinear_kind",
                                    "linear_kind", "linear_trainable", "title"};
static const char *const words[] = {"trajectory", "model",         "checkpoint", "mlp", "conv",
                                    "none",       "stencil",       "dense",      "",    "0000000000000000",
                                    "\xff\xfe",   "run: {seed: 9}"};
static const hsize_t sizes[] = {0, 1, 2, 3, 5, 8, 9, 21, 1000, 65536, 1ull << 33, 1ull << 62};
static const double values[] = {0, 1, -1, 3, 1e308, -1e308, 1e-308, 9e18};

#define PICK(array, byte) (array)[(byte) % (sizeof(array) / sizeof *(array))]

static double pick_value(unsigned byte) {
  return byte % 11 == 8 ? NAN : byte % 11 == 9 ? INFINITY : byte % 11 == 10 ? -INFINITY : values[byte % 11];
}

static hid_t pick_type(program *p) {
  static const int fixed = 7;
  hid_t type;
  switch (next(p) % 7) {
    case 0:
      return H5Tcopy(H5T_IEEE_F64LE);
    case 1:
      return H5Tcopy(H5T_STD_I64LE);
    case 2:
      return H5Tcopy(H5T_IEEE_F32BE);
    case 3:
      return H5Tcopy(H5T_STD_I8LE);
    case 4:
      type = H5Tcopy(H5T_C_S1);
      H5Tset_size(type, next(p) % 2 ? H5T_VARIABLE : (size_t)fixed);
      return type;
    case 5:
      type = H5Tcreate(H5T_COMPOUND, 16);
      H5Tinsert(type, "r", 0, H5T_NATIVE_DOUBLE);
      H5Tinsert(type, "i", 8, H5T_NATIVE_DOUBLE);
      return type;
    default:
      return H5Tcopy(H5T_STD_U64BE);
  }
}

static void make_dataset(hid_t file, program *p) {
  const char *place = PICK(places, next(p));
  hid_t type = pick_type(p), creation = H5Pcreate(H5P_DATASET_CREATE), links = H5Pcreate(H5P_LINK_CREATE);
  const int rank = (int)(next(p) % 5);
  hsize_t shape[4], chunk[4];
  double total = 1;
  for (int d = 0; d < rank; d++) {
    shape[d] = PICK(sizes, next(p));
    chunk[d] = shape[d] < 4 ? shape[d] + (shape[d] == 0) : 4;
    total *= (double)shape[d];
  }
  H5Pset_create_intermediate_group(links, 1);
  const unsigned options = next(p);
  if (rank && (total > 100 || options % 2)) H5Pset_chunk(creation, rank, chunk);
  if (rank && options % 4 == 3) H5Pset_deflate(creation, 1);
  hid_t space = rank ? H5Screate_simple(rank, shape, NULL) : H5Screate(options % 3 ? H5S_SCALAR : H5S_NULL);
  H5Ldelete(file, place, H5P_DEFAULT);
  hid_t dataset = H5Dcreate2(file, place, type, space, links, creation, H5P_DEFAULT);
  if (dataset >= 0) H5Dclose(dataset);
  H5Sclose(space);
  H5Pclose(links);
  H5Pclose(creation);
  H5Tclose(type);
}

static void set_attribute(hid_t file, program *p) {
  hid_t object = next(p) % 2 ? H5Oopen(file, "model", H5P_DEFAULT) : H5Oopen(file, "/", H5P_DEFAULT);
  const char *name = PICK(names, next(p));
  const char *word = PICK(words, next(p));
  hid_t type = pick_type(p);
  const hsize_t two = 2;
  if (object < 0) {
    H5Tclose(type);
    return;
  }
  hid_t space = next(p) % 4 == 3 ? H5Screate_simple(1, &two, NULL) : H5Screate(H5S_SCALAR);
  H5Adelete(object, name);
  hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  double numbers_to_write[4] = {pick_value(next(p)), 1, 2, 3};
  const char *texts[2] = {word, word};
  char fixed[64] = {0};
  memcpy(fixed, word, strlen(word) < 7 ? strlen(word) : 7);
  if (attribute >= 0 && H5Tget_class(type) == H5T_STRING)
    H5Awrite(attribute, type, H5Tis_variable_str(type) > 0 ? (const void *)texts : fixed);
  else if (attribute >= 0 && H5Tget_class(type) != H5T_COMPOUND)
    H5Awrite(attribute, H5T_NATIVE_DOUBLE, numbers_to_write);
  if (attribute >= 0) H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
  H5Oclose(object);
}

static const char *const cf_names[] = {"scale_factor",   "add_offset", "_FillValue", "missing_value",
                                       "valid_range",    "units",      "_Unsigned",  "DIMENSION_LABELS",
                                       "REFERENCE_LIST", "NAME"};
static const char *const cf_words[] = {
    "days since 2000-01-01", "ms", "months", "true", "time", "x", "member", "", "furlongs"};

/* An attribute of u, time or x by which a reader decodes it, of one to four elements of any type. */
static void set_cf_attribute(hid_t file, program *p) {
  hid_t dataset = H5Dopen2(file, places[next(p) % 3], H5P_DEFAULT);
  const char *name = PICK(cf_names, next(p)), *texts[4];
  const hsize_t count = next(p) % 4 + 1;
  double numbers_to_write[8] = {0};
  char fixed[4 * 7] = {0};
  for (int k = 0; k < 4; k++) {
    texts[k] = PICK(cf_words, next(p));
    memcpy(fixed + 7 * k, texts[k], strlen(texts[k]) < 7 ? strlen(texts[k]) : 7);
    numbers_to_write[k] = pick_value(next(p));
  }
  hid_t type = pick_type(p), space = H5Screate_simple(1, &count, NULL);
  H5Adelete(dataset, name);
  hid_t attribute = dataset < 0 ? -1 : H5Acreate2(dataset, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  if (attribute >= 0 && H5Tget_class(type) == H5T_STRING)
    H5Awrite(attribute, type, H5Tis_variable_str(type) > 0 ? (const void *)texts : fixed);
  else if (attribute >= 0)
    H5Awrite(attribute, H5Tget_class(type) == H5T_COMPOUND ? type : H5T_NATIVE_DOUBLE, numbers_to_write);
  if (attribute >= 0) H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
  if (dataset >= 0) H5Dclose(dataset);
}

static void set_element(hid_t file, program *p) {
  hid_t dataset = H5Dopen2(file, PICK(places, next(p)), H5P_DEFAULT);
  const hsize_t one = 1, index = next(p);
  const double value = pick_value(next(p));
  if (dataset < 0) return;
  hid_t space = H5Dget_space(dataset), memory = H5Screate_simple(1, &one, NULL), type = H5Dget_type(dataset);
  hsize_t shape[H5S_MAX_RANK], at[H5S_MAX_RANK];
  const int rank = H5Sget_simple_extent_dims(space, shape, NULL);
  bool inside = rank > 0 && (H5Tget_class(type) == H5T_FLOAT || H5Tget_class(type) == H5T_INTEGER);
  for (int d = 0; d < rank; d++) {
    at[d] = shape[d] ? (index * (hsize_t)(2 * d + 1)) % shape[d] : 0;
    inside = inside && shape[d] > 0 && shape[d] < 100000;
  }
  if (inside && H5Sselect_elements(space, H5S_SELECT_SET, 1, at) >= 0)
    H5Dwrite(dataset, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, &value);
  H5Tclose(type);
  H5Sclose(memory);
  H5Sclose(space);
  H5Dclose(dataset);
}

static void edit(program *p) {
  hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), group;
  if (file < 0) abort();
  for (int k = 0; k < 12 && p->left; k++) {
    const char *one, *other;
    const unsigned operation = next(p);
    if (operation >= 248) { /* where inputs from before there was this hardly reach */
      set_cf_attribute(file, p);
      continue;
    }
    switch (operation % 8) {
      case 0:
        H5Ldelete(file, PICK(places, next(p)), H5P_DEFAULT);
        break;
      case 1:
      case 2:
        make_dataset(file, p);
        break;
      case 3:
        set_attribute(file, p);
        break;
      case 4:
        set_element(file, p);
        break;
      case 5:
        H5Adelete(file, PICK(names, next(p)));
        break;
      case 6:
        one = PICK(places, next(p));
        other = PICK(places, next(p));
        H5Ldelete(file, one, H5P_DEFAULT);
        if (next(p) % 2)
          H5Lcreate_soft(other, file, one, H5P_DEFAULT, H5P_DEFAULT);
        else
          H5Lcreate_external(path, other, file, one, H5P_DEFAULT, H5P_DEFAULT);
        break;
      default:
        one = PICK(places, next(p));
        H5Ldelete(file, one, H5P_DEFAULT);
        group = H5Gcreate2(file, one, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        if (group >= 0) H5Gclose(group);
    }
  }
  H5Fclose(file);
}

static void read_trajectory(void) {
  sn_trajectory_reader *reader;
  double interval, *u;
  sn_status status = sn_trajectory_open(MPI_COMM_WORLD, path, &reader);
  if (status) {
    sn_error_destroy(&status);
    return;
  }
  const sn_range members = {0, sn_trajectory_members(reader)}, snapshots = {0, sn_trajectory_snapshots(reader)};
  const sn_range points = {0, sn_trajectory_points(reader)};
  status = sn_trajectory_check_x(reader);
  if (!status) status = sn_trajectory_interval(reader, &interval);
  if (!status) status = SN_NEW(members.count * snapshots.count * points.count, &u);
  if (!status) {
    status = sn_trajectory_read(reader, members, snapshots, points, u);
    if (!status) status = sn_trajectory_verify(reader, members, snapshots, points, u);
    SN_FREE(u);
  }
  if (status) sn_error_destroy(&status);
  sn_trajectory_close(&reader);
}

static void read_model(void) {
  sn_model_description description;
  sn_status status = sn_model_file_describe(MPI_COMM_WORLD, path, &description);
  if (!status) status = sn_model_file_read(grid, path, parameters, sn_parameters_values(parameters));
  if (status) sn_error_destroy(&status);
}

static void read_checkpoint(void) {
  char text[16384];
  ptrdiff_t count;
  const sn_checkpoint checkpoint = whole();
  sn_status status = sn_file_read_config(MPI_COMM_WORLD, path, "checkpoint", text, sizeof text);
  if (!status) status = sn_checkpoint_file_count(grid, path, "/progress/history", &count);
  if (!status) status = sn_checkpoint_file_read_numbers(grid, path, 1, numbers);
  if (!status) status = sn_checkpoint_file_read(grid, path, &checkpoint);
  if (status) sn_error_destroy(&status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  program p = {data, size};
  const ptrdiff_t held = sn_memory_bytes();
  const int which = (int)(next(&p) % 3);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(good[which].bytes, 1, good[which].size, file) != good[which].size) abort();
  fclose(file);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  edit(&p);
  read_trajectory();
  read_model();
  read_checkpoint();
  FILE *nowhere = fopen("/dev/null", "w");
  sn_status status = sn_file_describe(MPI_COMM_WORLD, path, nowhere);
  fclose(nowhere);
  if (status) sn_error_destroy(&status);
  if (H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL) != 0 || sn_memory_bytes() != held) abort();
  return 0;
}
