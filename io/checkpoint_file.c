#include "sinode/checkpoint_file.h"

#include <stdlib.h>
#include <string.h>

#include "model_blocks.h"

/* A mixing of 64 bits (the finalizer of SplitMix64; Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* One element's share: bits, where it stands in which array. Shares are summed, so their order does not matter. */
static uint64_t share(uint64_t bits, uint64_t array, uint64_t index) {
  return mix(bits ^ mix(index ^ mix(array + 0x9e3779b97f4a7c15u)));
}

static uint64_t sum_block(const sn_parameter_block *block, uint64_t array, const double *values) {
  uint64_t sum = 0;
  ptrdiff_t shape[3] = {1, 1, 1}, start[3] = {0}, count[3] = {1, 1, 1};
  for (int d = 0; d < block->dimensions; d++) {
    shape[d] = block->shape[d];
    start[d] = block->start[d];
    count[d] = block->count[d];
  }
  for (ptrdiff_t i = 0; i < count[0]; i++)
    for (ptrdiff_t j = 0; j < count[1]; j++)
      for (ptrdiff_t k = 0; k < count[2]; k++, values++) {
        uint64_t bits;
        memcpy(&bits, values, sizeof bits);
        sum += share(bits, array, (uint64_t)(((start[0] + i) * shape[1] + start[1] + j) * shape[2] + start[2] + k));
      }
  return sum;
}

/* Sum over the global arrays: each element once, by the rank that writes it. */
static uint64_t checksum(const sn_grid *grid, const sn_checkpoint *c) {
  uint64_t sum = 0;
  const bool first = sn_grid_replica(grid) == 0;
  for (int v = -1; v < c->vectors && first; v++)
    for (int i = 0; i < sn_parameters_blocks(c->parameters); i++) {
      const sn_parameter_block *block = sn_parameters_block(c->parameters, i);
      const double *values = v < 0 ? c->values : c->vector[v].values;
      if (block->split || sn_grid_space_rank(grid) == 0)
        sum += sum_block(block, (uint64_t)((v + 1) * 1000 + i), values + block->offset);
    }
  for (int n = 0; n < c->numbers && sn_grid_rank(grid) == 0; n++)
    for (ptrdiff_t k = 0; k < c->number[n].count; k++) {
      uint64_t bits;
      memcpy(&bits, (const char *)c->number[n].values + 8 * k, sizeof bits);
      sum += share(bits, (uint64_t)(1000000 + n), (uint64_t)k);
    }
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_UINT64_T, MPI_SUM, sn_grid_world(grid));
  return sum;
}

static sn_file_part part_of_number(const sn_checkpoint_number *number) {
  return (sn_file_part){.dimensions = 1, .shape = {(hsize_t)number->count}, .count = {(hsize_t)number->count}};
}

static sn_status write_numbers(sn_file *file, const sn_grid *grid, const sn_checkpoint *c) {
  for (int n = 0; n < c->numbers; n++) {
    const sn_checkpoint_number *number = &c->number[n];
    const bool integer = number->type == SN_CHECKPOINT_INT64;
    char path[96];
    snprintf(path, sizeof path, "/progress/%s", number->name);
    sn_file_part part = part_of_number(number);
    if (sn_grid_rank(grid) != 0) part.count[0] = 0;
    SN_TRY(sn_file_write(file, path, integer ? H5T_NATIVE_INT64 : H5T_NATIVE_DOUBLE,
                         integer ? H5T_STD_I64LE : H5T_IEEE_F64LE, &part, number->values));
  }
  return SN_OK;
}

static sn_status read_numbers(sn_file *file, int numbers, const sn_checkpoint_number *number) {
  for (int n = 0; n < numbers; n++) {
    char path[96];
    snprintf(path, sizeof path, "/progress/%s", number[n].name);
    const sn_file_part part = part_of_number(&number[n]);
    SN_TRY(sn_file_read(file, path, number[n].type == SN_CHECKPOINT_INT64 ? H5T_NATIVE_INT64 : H5T_NATIVE_DOUBLE, &part,
                        number[n].values));
  }
  return SN_OK;
}

static sn_status write_all(sn_file *file, const sn_grid *grid, const sn_model_description *description,
                           const sn_checkpoint *c) {
  char text[24];
  SN_TRY(sn_agree(sn_grid_world(grid), sn_model_write_description(file, description)));
  SN_TRY(sn_model_write_blocks(file, grid, "/model/", c->parameters, false, c->values));
  for (int v = 0; v < c->vectors; v++) {
    char root[64];
    snprintf(root, sizeof root, "/optimizer/%s/", c->vector[v].name);
    SN_TRY(sn_model_write_blocks(file, grid, root, c->parameters, false, c->vector[v].values));
  }
  SN_TRY(write_numbers(file, grid, c));
  snprintf(text, sizeof text, "%016llx", (unsigned long long)checksum(grid, c));
  return sn_agree(sn_grid_world(grid), sn_file_set_string(file, sn_file_id(file), "checksum", text));
}

sn_status sn_checkpoint_file_write(const sn_grid *grid, const char *path, const sn_model_description *description,
                                   const sn_checkpoint *checkpoint, const sn_provenance *provenance) {
  sn_file *file;
  SN_TRY(sn_file_create(sn_grid_world(grid), path, "checkpoint", provenance, &file));
  sn_status status = write_all(file, grid, description, checkpoint);
  if (!status) return sn_file_commit(&file);
  sn_file_close(&file);
  return status;
}

static sn_status read_all(sn_file *file, const sn_grid *grid, const sn_checkpoint *c) {
  char expected[24], found[24];
  SN_TRY(sn_model_read_blocks(file, "/model/", c->parameters, c->values));
  for (int v = 0; v < c->vectors; v++) {
    char root[64];
    snprintf(root, sizeof root, "/optimizer/%s/", c->vector[v].name);
    SN_TRY(sn_model_read_blocks(file, root, c->parameters, c->vector[v].values));
  }
  SN_TRY(read_numbers(file, c->numbers, c->number));
  SN_TRY(
      sn_agree(sn_grid_world(grid), sn_file_get_string(file, sn_file_id(file), "checksum", expected, sizeof expected)));
  snprintf(found, sizeof found, "%016llx", (unsigned long long)checksum(grid, c));
  if (strcmp(found, expected) == 0) return SN_OK;
  return SN_ERROR_ALL(SN_ERROR_FILE, "%s: the checksum of the contents is %s, but should be %s: the file is damaged",
                      sn_file_path(file), found, expected);
}

sn_status sn_checkpoint_file_read(const sn_grid *grid, const char *path, const sn_checkpoint *checkpoint) {
  sn_file *file;
  SN_TRY(sn_file_open(sn_grid_world(grid), path, "checkpoint", &file));
  sn_status status = read_all(file, grid, checkpoint);
  sn_file_close(&file);
  return status;
}

sn_status sn_checkpoint_file_read_numbers(const sn_grid *grid, const char *path, int numbers,
                                          const sn_checkpoint_number *number) {
  sn_file *file;
  SN_TRY(sn_file_open(sn_grid_world(grid), path, "checkpoint", &file));
  sn_status status = read_numbers(file, numbers, number);
  sn_file_close(&file);
  return status;
}

sn_status sn_checkpoint_file_config(const sn_grid *grid, const char *path, char *text, size_t size) {
  sn_file *file;
  SN_TRY(sn_file_open(sn_grid_world(grid), path, "checkpoint", &file));
  sn_status status = sn_agree(sn_grid_world(grid), sn_file_get_string(file, sn_file_id(file), "config", text, size));
  sn_file_close(&file);
  return status;
}
