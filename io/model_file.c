#include "sinode/model_file.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model_blocks.h"
#include "sinode/linear.h"
#include "sinode/network.h"

sn_file_part sn_model_part_of_block(const sn_parameter_block *block) {
  sn_file_part part = {.dimensions = block->dimensions};
  for (int d = 0; d < block->dimensions; d++) {
    part.shape[d] = (hsize_t)block->shape[d];
    part.start[d] = (hsize_t)block->start[d];
    part.count[d] = (hsize_t)block->count[d];
  }
  return part;
}

/* Each element has one writer: its rank in the first replica; of what is replicated over space, space rank 0. */
bool sn_model_writes_block(const sn_grid *grid, const sn_parameter_block *block) {
  return sn_grid_replica(grid) == 0 && (block->split || sn_grid_space_rank(grid) == 0);
}

sn_status sn_model_write_blocks(sn_file *file, const sn_grid *grid, const char *root, const sn_parameters *parameters,
                                bool trainable_only, const double *values) {
  for (int i = 0; i < sn_parameters_blocks(parameters); i++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, i);
    if (block->states || (trainable_only && !block->trainable)) continue;
    char path[128];
    snprintf(path, sizeof path, "%s%s", root, block->name);
    sn_file_part part = sn_model_part_of_block(block);
    if (!sn_model_writes_block(grid, block)) part.count[0] = 0;
    SN_TRY(sn_file_write(file, path, H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, &part, values + block->offset));
  }
  return SN_OK;
}

static sn_status validate_finite(sn_file *file, const char *root, const sn_parameters *parameters,
                                 const double *values) {
  for (int i = 0; i < sn_parameters_blocks(parameters); i++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, i);
    for (ptrdiff_t k = 0; k < sn_parameter_block_size(block); k++)
      if (!isfinite(values[block->offset + k]))
        return SN_ERROR(SN_ERROR_FILE, "%s: %s%s holds values that are not finite", sn_file_path(file), root,
                        block->name);
  }
  return SN_OK;
}

sn_status sn_model_read_blocks(sn_file *file, const char *root, const sn_parameters *parameters, double *values) {
  for (int i = 0; i < sn_parameters_blocks(parameters); i++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, i);
    char path[128];
    if (block->states) continue;
    snprintf(path, sizeof path, "%s%s", root, block->name);
    const sn_file_part part = sn_model_part_of_block(block);
    SN_TRY(sn_file_read(file, path, H5T_NATIVE_DOUBLE, &part, values + block->offset));
  }
  return sn_collective_status(sn_file_comm(file), validate_finite(file, root, parameters, values));
}

/* Each element counts once, by the rank that writes it. */
static uint64_t checksum(const sn_grid *grid, const sn_parameters *parameters, const double *values) {
  uint64_t sum = 0;
  for (int i = 0; i < sn_parameters_blocks(parameters); i++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, i);
    const sn_file_part part = sn_model_part_of_block(block);
    if (!block->states && sn_model_writes_block(grid, block))
      sum += sn_file_part_checksum(&part, values + block->offset, (uint64_t)i);
  }
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_UINT64_T, MPI_SUM, sn_grid_world(grid));
  return sum;
}

static sn_status sign(sn_file *file, uint64_t sum) {
  hid_t model = H5Gopen2(sn_file_id(file), "/model", H5P_DEFAULT);
  if (model < 0) return sn_file_error(file, "/model");
  sn_status status = sn_file_set_checksum(file, model, sum);
  H5Gclose(model);
  return status;
}

sn_status sn_model_sign(sn_file *file, const sn_grid *grid, const sn_parameters *parameters, const double *values) {
  return sn_collective_status(sn_grid_world(grid), sign(file, checksum(grid, parameters, values)));
}

static sn_status compare(sn_file *file, uint64_t sum) {
  hid_t model;
  SN_TRY(sn_file_open_group(file, "/model", &model));
  sn_status status = sn_file_has(file, model, "checksum") ? sn_file_compare_checksum(file, model, sum) : SN_OK;
  H5Oclose(model);
  return status;
}

/* Orders of derivatives as text, "2 4". */
static sn_status write_derivatives(sn_file *file, hid_t model, const sn_model_description *d) {
  char text[2 * SN_LINEAR_ORDERS + 1] = "";
  const unsigned derivatives = d->linear_derivatives;
  if (!derivatives) return SN_OK;
  if (*d->linear_parameter) {
    SN_TRY(sn_file_set_string(file, model, "linear_parameter", d->linear_parameter));
    SN_TRY(sn_file_set_double(file, model, "parameter_least", d->parameter_range[0]));
    SN_TRY(sn_file_set_double(file, model, "parameter_most", d->parameter_range[1]));
  }
  for (int k = 0, used = 0; k < SN_LINEAR_ORDERS; k++)
    if (derivatives >> k & 1) used += snprintf(text + used, sizeof text - (size_t)used, "%s%d", used ? " " : "", k);
  return sn_file_set_string(file, model, "linear_derivatives", text);
}

static sn_status read_derivatives(sn_file *file, hid_t model, sn_model_description *d) {
  char text[64];
  if (sn_name_value(sn_linear_kinds, d->linear_kind) != SN_LINEAR_DERIVATIVES) return SN_OK;
  SN_TRY(sn_file_get_string(file, model, "linear_derivatives", text, sizeof text));
  if (sn_file_has(file, model, "linear_parameter")) {
    SN_TRY(sn_file_get_string(file, model, "linear_parameter", d->linear_parameter, sizeof d->linear_parameter));
    SN_TRY(sn_file_get_double(file, model, "parameter_least", &d->parameter_range[0]));
    SN_TRY(sn_file_get_double(file, model, "parameter_most", &d->parameter_range[1]));
  }
  for (const char *word = text; *word; word += *word == ' ') {
    const int order = *word++ - '0';
    if (order >= 0 && order < SN_LINEAR_ORDERS && (*word == ' ' || !*word)) {
      d->linear_derivatives |= 1U << order;
      continue;
    }
    return SN_ERROR(SN_ERROR_FILE, "%s: linear_derivatives is '%s', but must be orders of derivatives, 0 to %d",
                    sn_file_path(file), text, SN_LINEAR_ORDERS - 1);
  }
  return SN_OK;
}

sn_status sn_model_write_description(sn_file *file, const sn_model_description *d) {
  SN_TRY(sn_file_make_groups(file, "/model/"));
  hid_t model = H5Gopen2(sn_file_id(file), "/model", H5P_DEFAULT);
  if (model < 0) return sn_file_error(file, "/model");
  sn_status status = sn_file_set_int(file, model, "grid_points", (long)d->grid_points);
  if (!status) status = sn_file_set_double(file, model, "domain_length", d->domain_length);
  if (!status) status = sn_file_set_string(file, model, "activation", d->activation);
  if (!status) status = sn_file_set_string(file, model, "nonlinear_kind", d->nonlinear_kind);
  if (!status) status = sn_file_set_string(file, model, "linear_kind", d->linear_kind);
  if (!status) status = sn_file_set_int(file, model, "linear_trainable", d->linear_trainable);
  if (!status) status = write_derivatives(file, model, d);
  H5Gclose(model);
  return status;
}

/* The trainable blocks in the order of the rows, a space between their names. */
static void name_rows(const sn_parameters *parameters, char *names, size_t size) {
  size_t used = 0;
  *names = '\0';
  for (int i = 0; i < sn_parameters_blocks(parameters) && used < size; i++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, i);
    if (block->trainable && !block->states)
      used += (size_t)snprintf(names + used, size - used, "%s%s", used ? " " : "", block->name);
  }
}

static sn_status describe_fit(sn_file *file, const sn_model_fit *fit, const sn_parameters *parameters) {
  char names[2 * SN_MODEL_LAYERS_MOST * SN_PARAMETER_NAME_LENGTH];
  name_rows(parameters, names, sizeof names);
  hid_t matrix = H5Dopen2(sn_file_id(file), "/training/normal_matrix", H5P_DEFAULT);
  if (matrix < 0) return sn_file_error(file, "/training/normal_matrix");
  sn_status status = sn_file_set_string(file, matrix, "rows", names);
  if (!status) status = sn_file_set_double(file, matrix, "residuals", fit->residuals);
  if (!status) status = sn_file_set_double(file, matrix, "loss", fit->loss);
  H5Dclose(matrix);
  return status;
}

static sn_status write_fit(sn_file *file, const sn_grid *grid, const sn_model_fit *fit,
                           const sn_parameters *parameters) {
  const hsize_t order = (hsize_t)fit->order;
  sn_file_part part = {.dimensions = 2, .shape = {order, order}, .count = {order, order}};
  if (sn_grid_rank(grid)) part.count[0] = 0;
  SN_TRY(sn_file_write(file, "/training/normal_matrix", H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, &part, fit->matrix));
  return sn_collective_status(sn_grid_world(grid), describe_fit(file, fit, parameters));
}

sn_status sn_model_file_write(const sn_grid *grid, const char *path, const sn_model_description *description,
                              const sn_parameters *parameters, const double *values, const sn_provenance *provenance) {
  sn_file *file;
  SN_TRY(sn_file_create(sn_grid_world(grid), path, "model", provenance, &file));
  sn_status status = sn_collective_status(sn_grid_world(grid), sn_model_write_description(file, description));
  if (!status) status = sn_model_write_blocks(file, grid, "/model/", parameters, false, values);
  if (!status && description->fit) status = write_fit(file, grid, description->fit, parameters);
  if (!status) return sn_file_commit(&file);
  sn_file_close(&file);
  return status;
}

static sn_status read_attributes(sn_file *file, sn_model_description *d) {
  hid_t model;
  long points, trainable;
  SN_TRY(sn_file_open_group(file, "/model", &model));
  sn_status status = sn_file_get_int(file, model, "grid_points", &points);
  if (!status) status = sn_file_get_double(file, model, "domain_length", &d->domain_length);
  if (!status) status = sn_file_get_string(file, model, "activation", d->activation, sizeof d->activation);
  if (!status) status = sn_file_get_string(file, model, "nonlinear_kind", d->nonlinear_kind, sizeof d->nonlinear_kind);
  if (!status) status = sn_file_get_string(file, model, "linear_kind", d->linear_kind, sizeof d->linear_kind);
  if (!status) status = sn_file_get_int(file, model, "linear_trainable", &trainable);
  if (!status) status = read_derivatives(file, model, d);
  H5Oclose(model);
  if (status) return status;
  if (points < 1 || !(d->domain_length > 0) || isinf(d->domain_length))
    return SN_ERROR(SN_ERROR_FILE, "%s: is for %ld grid points on a domain of length %g, but both must be positive",
                    sn_file_path(file), points, d->domain_length);
  d->grid_points = points;
  d->linear_trainable = trainable != 0;
  return SN_OK;
}

/* Of a layer of the network's kind; a kind of another program is taken for one of matrices. */
static int weight_dimensions(const sn_model_description *d) {
  const int kind = sn_name_value(sn_network_kinds, d->nonlinear_kind);
  return kind < 0 ? 2 : sn_network_weight_dimensions((sn_network_kind)kind);
}

/* The widths of the layers that are there. */
static sn_status read_shapes(sn_file *file, sn_model_description *d) {
  hsize_t shape[3];
  const int dimensions = weight_dimensions(d);
  const bool convolves = dimensions == 3;
  if (sn_name_value(sn_linear_kinds, d->linear_kind) == SN_LINEAR_STENCIL) {
    SN_TRY(sn_file_shape(file, "/model/linear/stencil", 1, shape));
    if (shape[0] % 2 == 0 || shape[0] > INT_MAX || (ptrdiff_t)shape[0] > d->grid_points)
      return SN_ERROR_ALL(SN_ERROR_FILE,
                          "%s: /model/linear/stencil has %llu points, but must have an odd number, at most "
                          "as many as the grid",
                          sn_file_path(file), (unsigned long long)shape[0]);
    d->taps = (int)shape[0];
  }
  for (; dimensions; d->layers++) {
    char path[64];
    snprintf(path, sizeof path, "/model/nonlinear/layer_%d", d->layers);
    if (d->layers > 0 && !sn_file_contains(file, path)) break;
    if (d->layers == SN_MODEL_LAYERS_MOST)
      return SN_ERROR_ALL(SN_ERROR_FILE, "%s: the network has more than %d layers", sn_file_path(file), d->layers);
    snprintf(path, sizeof path, "/model/nonlinear/layer_%d/weight", d->layers);
    SN_TRY(sn_file_shape(file, path, dimensions, shape));
    d->outputs[d->layers] = (ptrdiff_t)shape[0];
    if (convolves && (shape[2] % 2 == 0 || shape[2] > INT_MAX))
      return SN_ERROR_ALL(SN_ERROR_FILE, "%s: %s has a kernel of %llu points, but their number must be odd",
                          sn_file_path(file), path, (unsigned long long)shape[2]);
    if (convolves) d->kernel = (int)shape[2];
  }
  return SN_OK;
}

sn_status sn_model_file_describe(MPI_Comm comm, const char *path, sn_model_description *description) {
  sn_file *file;
  *description = (sn_model_description){0};
  SN_TRY(sn_file_open(comm, path, "model", &file));
  sn_status status = sn_collective_status(comm, read_attributes(file, description));
  if (!status) status = read_shapes(file, description);
  sn_file_close(&file);
  return status;
}

sn_status sn_model_file_read(const sn_grid *grid, const char *path, const sn_parameters *parameters, double *values) {
  sn_file *file;
  SN_TRY(sn_file_open(sn_grid_world(grid), path, "model", &file));
  sn_status status = sn_model_read_blocks(file, "/model/", parameters, values);
  if (!status) status = sn_collective_status(sn_grid_world(grid), compare(file, checksum(grid, parameters, values)));
  sn_file_close(&file);
  return status;
}
