#include "sinode/checkpoint_file.h"

#include "model_blocks.h"

/* One dataset of the file: its place, this rank's part, and whether this rank is the one that writes the part. */
typedef struct {
  char path[128];
  bool integer, writes;
  sn_file_part part;
  void *values;
  uint64_t number; /* of the array in the checksum */
} piece;

static int piece_count(const sn_checkpoint *c) {
  const int blocks = c->parameters ? sn_parameters_blocks(c->parameters) : 0;
  return (1 + c->vectors) * blocks + c->arrays + c->numbers;
}

/* A block of the parameters, or of a vector of their layout. */
static piece piece_of_block(const sn_grid *grid, const sn_checkpoint *c, int vector, int index) {
  const sn_parameter_block *block = sn_parameters_block(c->parameters, index);
  double *values = vector == 0 ? c->values : c->vector[vector - 1].values;
  piece p = {.writes = sn_model_writes_block(grid, block),
             .part = sn_model_part_of_block(block),
             .values = values + block->offset,
             .number = (uint64_t)(vector * 1000 + index)};
  if (vector == 0)
    snprintf(p.path, sizeof p.path, "/%s/%s", block->states ? "state" : "model", block->name);
  else
    snprintf(p.path, sizeof p.path, "/optimizer/%s/%s", c->vector[vector - 1].name, block->name);
  return p;
}

static piece piece_of_array(const sn_checkpoint_array *array, int index) {
  piece p = {.writes = true,
             .part = {.dimensions = array->dimensions},
             .values = array->values,
             .number = (uint64_t)(2000000 + index)};
  for (int d = 0; d < array->dimensions; d++) {
    p.part.shape[d] = (hsize_t)array->shape[d];
    p.part.start[d] = (hsize_t)array->start[d];
    p.part.count[d] = (hsize_t)array->count[d];
  }
  snprintf(p.path, sizeof p.path, "/state/%s", array->name);
  return p;
}

static piece piece_of_number(const sn_checkpoint_number *number, bool writes, int index) {
  piece p = {.writes = writes,
             .integer = number->type == SN_CHECKPOINT_INT64,
             .part = {.dimensions = 1, .shape = {(hsize_t)number->count}, .count = {(hsize_t)number->count}},
             .values = number->values,
             .number = (uint64_t)(1000000 + index)};
  snprintf(p.path, sizeof p.path, "/progress/%s", number->name);
  return p;
}

static piece piece_at(const sn_grid *grid, const sn_checkpoint *c, int index) {
  const int blocks = c->parameters ? sn_parameters_blocks(c->parameters) : 0, in_blocks = (1 + c->vectors) * blocks;
  if (index < in_blocks) return piece_of_block(grid, c, index / blocks, index % blocks);
  index -= in_blocks;
  if (index < c->arrays) return piece_of_array(&c->array[index], index);
  index -= c->arrays;
  return piece_of_number(&c->number[index], sn_grid_rank(grid) == 0, index);
}

static hid_t memory_type(const piece *p) { return p->integer ? H5T_NATIVE_INT64 : H5T_NATIVE_DOUBLE; }
static hid_t disk_type(const piece *p) { return p->integer ? H5T_STD_I64LE : H5T_IEEE_F64LE; }

/* Sum over the global arrays: each element once, by the rank that writes it. */
static uint64_t checksum(const sn_grid *grid, const sn_checkpoint *c) {
  uint64_t sum = 0;
  for (int k = 0; k < piece_count(c); k++) {
    const piece p = piece_at(grid, c, k);
    if (p.writes) sum += sn_file_part_checksum(&p.part, p.values, p.number);
  }
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_UINT64_T, MPI_SUM, sn_grid_world(grid));
  return sum;
}

static sn_status write_all(sn_file *file, const sn_grid *grid, const sn_model_description *description,
                           const sn_checkpoint *c) {
  if (c->parameters) SN_TRY(sn_collective_status(sn_grid_world(grid), sn_model_write_description(file, description)));
  for (int k = 0; k < piece_count(c); k++) {
    piece p = piece_at(grid, c, k);
    if (!p.writes) p.part.count[0] = 0;
    SN_TRY(sn_file_write(file, p.path, memory_type(&p), disk_type(&p), &p.part, p.values));
  }
  if (c->parameters) SN_TRY(sn_model_sign(file, grid, c->parameters, c->values));
  return sn_collective_status(sn_grid_world(grid), sn_file_set_checksum(file, sn_file_id(file), checksum(grid, c)));
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
  for (int k = 0; k < piece_count(c); k++) {
    const piece p = piece_at(grid, c, k);
    SN_TRY(sn_file_read(file, p.path, memory_type(&p), &p.part, p.values));
  }
  return sn_collective_status(sn_grid_world(grid), sn_file_compare_checksum(file, sn_file_id(file), checksum(grid, c)));
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
  const sn_checkpoint alone = {.numbers = numbers, .number = number};
  sn_file *file;
  SN_TRY(sn_file_open(sn_grid_world(grid), path, "checkpoint", &file));
  sn_status status = SN_OK;
  for (int k = 0; k < numbers && !status; k++) {
    const piece p = piece_at(grid, &alone, k);
    status = sn_file_read(file, p.path, memory_type(&p), &p.part, p.values);
  }
  sn_file_close(&file);
  return status;
}

sn_status sn_checkpoint_file_count(const sn_grid *grid, const char *path, const char *dataset, ptrdiff_t *count) {
  hsize_t shape = 0;
  sn_file *file;
  SN_TRY(sn_file_open(sn_grid_world(grid), path, "checkpoint", &file));
  sn_status status = sn_file_shape(file, dataset, 1, &shape);
  sn_file_close(&file);
  *count = (ptrdiff_t)shape;
  return status;
}
