/* Describes a file for the user. */
#include <string.h>

#include "cf_variable.h"
#include "hdf5_file.h"

typedef struct {
  sn_file *file;
  FILE *stream; /* NULL on ranks that do not print */
} listing;

static void print_attribute(const listing *l, hid_t object, const char *name) {
  char text[400];
  double number;
  sn_status status = sn_file_get_string(l->file, object, name, text, sizeof text);
  if (!status) {
    const char *end = strchr(text, '\n');
    fprintf(l->stream, "  %-18s %.*s%s\n", name, end ? (int)(end - text) : (int)strlen(text), text, end ? " ..." : "");
    return;
  }
  sn_error_destroy(&status);
  status = sn_file_get_double(l->file, object, name, &number);
  if (!status) fprintf(l->stream, "  %-18s %.12g\n", name, number);
  sn_error_destroy(&status);
}

static herr_t visit_attribute(hid_t object, const char *name, const H5A_info_t *info, void *context) {
  (void)info;
  if (strcmp(name, "config") != 0) print_attribute(context, object, name); /* a page of its own */
  return 0;
}

static herr_t visit_object(hid_t root, const char *name, const H5O_info_t *info, void *context) {
  listing *l = context;
  if (info->type != H5O_TYPE_DATASET) return 0;
  hid_t dataset = H5Dopen2(root, name, sn_file_links(l->file));
  if (dataset < 0) {
    fprintf(l->stream, "  /%-36s cannot be opened\n", name);
    return 0;
  }
  hid_t space = H5Dget_space(dataset), type = H5Dget_type(dataset);
  hsize_t shape[H5S_MAX_RANK];
  const int dimensions = H5Sget_simple_extent_dims(space, shape, NULL);
  fprintf(l->stream, "  /%-36s (", name);
  for (int d = 0; d < dimensions; d++) fprintf(l->stream, "%s%llu", d ? ", " : "", (unsigned long long)shape[d]);
  fprintf(l->stream, ") %s%zu\n", H5Tget_class(type) == H5T_FLOAT ? "float" : "int", 8 * H5Tget_size(type));
  H5Tclose(type);
  H5Sclose(space);
  H5Dclose(dataset);
  return 0;
}

/* The last time or step of a file, where its kind has one: the last number of a dataset. */
static sn_status print_reach(const listing *l) {
  static const struct {
    const char *kind, *dataset, *name;
  } reaches[] = {{"checkpoint", "/progress/epoch", "epoch"},
                 {"checkpoint", "/progress/iteration", "iteration"},
                 {"checkpoint", "/progress/steps", "step"},
                 {"checkpoint", "/progress/snapshots", "snapshots"},
                 {"trajectory", "/time", "last time"}};
  for (size_t k = 0; k < sizeof reaches / sizeof reaches[0]; k++) {
    hsize_t length;
    double last;
    sn_cf_variable variable;
    if (strcmp(reaches[k].kind, sn_file_kind(l->file)) != 0 || !sn_file_contains(l->file, reaches[k].dataset)) continue;
    SN_TRY(sn_file_shape(l->file, reaches[k].dataset, 1, &length));
    if (!length) continue;
    const sn_file_part part = {.dimensions = 1, .shape = {length}, .start = {length - 1}, .count = {1}};
    SN_TRY(sn_cf_find(l->file, reaches[k].dataset, &variable));
    SN_TRY(sn_cf_read(l->file, reaches[k].dataset, &variable, &part, &last));
    const char *unit = strcmp(variable.units, "1") == 0 ? "" : variable.units;
    if (l->stream) fprintf(l->stream, "%-20s %.12g%s%s\n", reaches[k].name, last, *unit ? " " : "", unit);
  }
  return SN_OK;
}

sn_status sn_file_describe(MPI_Comm comm, const char *path, FILE *stream) {
  int rank;
  listing l = {0};
  SN_TRY(sn_file_open(comm, path, NULL, &l.file));
  MPI_Comm_rank(comm, &rank);
  if (rank == 0) {
    hid_t id = sn_file_id(l.file);
    l.stream = stream;
    fprintf(stream, "%s: sinode %s file\nattributes:\n", path, sn_file_kind(l.file));
    H5Aiterate2(id, H5_INDEX_NAME, H5_ITER_INC, NULL, visit_attribute, &l);
    if (sn_file_contains(l.file, "model")) {
      hid_t model;
      sn_status status = sn_file_open_group(l.file, "model", &model);
      if (!status) {
        fprintf(stream, "model:\n");
        H5Aiterate2(model, H5_INDEX_NAME, H5_ITER_INC, NULL, visit_attribute, &l);
        H5Oclose(model);
      }
      sn_error_destroy(&status);
    }
    fprintf(stream, "datasets:\n");
    H5Ovisit2(id, H5_INDEX_NAME, H5_ITER_INC, visit_object, &l, H5O_INFO_BASIC);
  }
  sn_status status = print_reach(&l);
  sn_file_close(&l.file);
  return status;
}
