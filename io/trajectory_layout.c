#include "trajectory_layout.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const role_names[SN_ROLES] = {"member", "time", "x"};
/* What each dimension may be called, in capitals or not; docs/formats.md lists them. */
static const char *const synonyms[SN_ROLES][12] = {
    {"member", "members", "trajectory", "trajectories", "ensemble", "realization", "sample", "samples", "run", "runs"},
    {"time", "times", "t", "snapshot", "snapshots"},
    {"x", "space", "position", "point", "points"}};
/* What netCDF writes into the scale of a dimension that has no variable of its name. */
static const char without_variable[] = "This is a netCDF dimension but not a netCDF variable";

enum { UNKNOWN = -1, NONE = -2, LENGTH = 80 };

/* What is known of a dimension of u. */
typedef struct {
  int role;                         /* or UNKNOWN, or NONE: it has no name */
  char name[LENGTH], scale[LENGTH]; /* scale: the path of its coordinate, "" if there is none */
  bool empty;                       /* the coordinate has no values */
} dimension;

/* Whether it is a name that libraries give to dimensions without one: phony_dim_0, dim_1. */
static bool is_made_up(const char *name) {
  const char *number = strstr(name, "dim_");
  if (!number || (number != name && strncmp(name, "phony_", 6) != 0)) return false;
  for (number += 4; isdigit((unsigned char)*number); number++) continue;
  return *number == '\0';
}

static int role_of(const char *name) {
  if (!*name || is_made_up(name)) return NONE;
  for (int r = 0; r < SN_ROLES; r++)
    for (int k = 0; synonyms[r][k]; k++)
      if (strcasecmp(name, synonyms[r][k]) == 0) return r;
  return UNKNOWN;
}

/* Takes a further name of a dimension; the first that says something counts, and another one must not contradict. */
static sn_status add_name(const sn_file *file, int d, const char *name, dimension *found) {
  const int role = role_of(name);
  if (role == NONE || (role == UNKNOWN && found->role != NONE)) return SN_OK;
  if (role >= 0 && found->role >= 0 && role != found->role)
    return SN_ERROR(SN_ERROR_FILE, "%s: dimension %d of u is called both %s and %s; give it one name",
                    sn_file_path(file), d, found->name, name);
  if (found->role < 0) snprintf(found->name, sizeof found->name, "%s", name);
  if (found->role < 0) found->role = role;
  return SN_OK;
}

/* The names of a scale: what it is called in the file, and what its attribute NAME says. */
static sn_status read_scale(sn_file *file, int d, hid_t scale, const char *link, dimension *found) {
  char label[LENGTH] = "";
  const bool first = found->role < 0;
  SN_TRY(add_name(file, d, link, found));
  if (sn_file_has(file, scale, "NAME")) {
    sn_status status = sn_file_get_string(file, scale, "NAME", label, sizeof label);
    if (status) sn_error_destroy(&status); /* a label that is no text says nothing */
  }
  const bool empty = strncmp(label, without_variable, sizeof without_variable - 1) == 0;
  if (!empty) SN_TRY(add_name(file, d, label, found));
  if (first && found->role != NONE) {
    if (snprintf(found->scale, LENGTH, "/%s", link) >= LENGTH)
      return SN_ERROR(SN_ERROR_FILE, "%s: the name of dimension %d of u is longer than %d characters",
                      sn_file_path(file), d, LENGTH - 2);
    found->empty = empty;
  }
  return SN_OK;
}

/* An element of REFERENCE_LIST: a dataset, and which dimension of it a scale belongs to. */
typedef struct {
  hobj_ref_t dataset;
  int dimension;
} use;

/*
 * Reads the list of where a scale is used, into memory to be freed; 0: it is none. (What u says itself, in
 * DIMENSION_LIST, is of variable length, and HDF5 1.10 crashes over such where a file is damaged.)
 */
static hsize_t read_uses(hid_t scale, use **uses) {
  *uses = NULL;
  if (H5Aexists(scale, "REFERENCE_LIST") <= 0) return 0;
  hid_t attribute = H5Aopen(scale, "REFERENCE_LIST", H5P_DEFAULT);
  if (attribute < 0) return 0;
  hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute), wanted = H5Tcreate(H5T_COMPOUND, sizeof(use));
  const hssize_t count = H5Sget_simple_extent_npoints(space);
  H5Tinsert(wanted, "dataset", HOFFSET(use, dataset), H5T_STD_REF_OBJ);
  H5Tinsert(wanted, "dimension", HOFFSET(use, dimension), H5T_NATIVE_INT);
  const bool right = H5Tget_class(type) == H5T_COMPOUND && count > 0 && count < 1 << 20;
  if (right) *uses = calloc((size_t)count, sizeof(use));
  const bool read = *uses && H5Aread(attribute, wanted, *uses) >= 0;
  H5Tclose(wanted);
  H5Sclose(space);
  H5Tclose(type);
  H5Aclose(attribute);
  return read ? (hsize_t)count : 0;
}

/* What the search for scales knows. */
typedef struct {
  sn_file *file;
  hobj_ref_t u;
  int dimensions;
  dimension *found;
  sn_status status;
} search;

static herr_t visit_link(hid_t root, const char *name, const H5L_info_t *info, void *context) {
  search *s = context;
  if (info->type != H5L_TYPE_HARD || s->status) return 0;
  hid_t object = H5Oopen(root, name, H5P_DEFAULT);
  if (object < 0) return 0;
  use *uses = NULL;
  const hsize_t count = H5Iget_type(object) == H5I_DATASET ? read_uses(object, &uses) : 0;
  for (hsize_t k = 0; k < count && !s->status; k++) {
    const int d = uses[k].dimension;
    if (uses[k].dataset == s->u && d >= 0 && d < s->dimensions)
      s->status = read_scale(s->file, d, object, name, &s->found[d]);
  }
  free(uses);
  H5Oclose(object);
  return 0;
}

/* Scales remember a u that was removed, where another one may stand by now; so u must say that it has some. */
static sn_status read_scales(sn_file *file, hid_t u, int dimensions, dimension *found) {
  if (H5Aexists(u, "DIMENSION_LIST") <= 0) return SN_OK;
  search s = {.file = file, .dimensions = dimensions, .found = found};
  if (H5Rcreate(&s.u, sn_file_id(file), "/u", H5R_OBJECT, H5I_INVALID_HID) < 0) return SN_OK;
  H5Literate(sn_file_id(file), H5_INDEX_NAME, H5_ITER_INC, NULL, visit_link, &s);
  return s.status;
}

/* The labels of u's dimensions: texts, one each. */
static sn_status read_labels(sn_file *file, hid_t u, int dimensions, dimension *found) {
  char *label[SN_FILE_RANKS] = {NULL};
  if (H5Aexists(u, "DIMENSION_LABELS") <= 0) return SN_OK;
  hid_t attribute = H5Aopen(u, "DIMENSION_LABELS", H5P_DEFAULT);
  if (attribute < 0) return SN_OK;
  hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  sn_status status = SN_OK;
  if (H5Tis_variable_str(type) > 0 && H5Sget_simple_extent_npoints(space) == dimensions &&
      H5Aread(attribute, type, label) >= 0) {
    for (int d = 0; d < dimensions && !status; d++)
      if (label[d]) status = add_name(file, d, label[d], &found[d]);
    H5Dvlen_reclaim(type, space, H5P_DEFAULT, label);
  }
  H5Tclose(type);
  H5Sclose(space);
  H5Aclose(attribute);
  return status;
}

static sn_status find_names(sn_file *file, int dimensions, dimension *found) {
  hid_t u = H5Dopen2(sn_file_id(file), "/u", sn_file_links(file));
  if (u < 0) return sn_file_error(file, "/u");
  sn_status status = read_scales(file, u, dimensions, found);
  if (!status) status = read_labels(file, u, dimensions, found);
  H5Dclose(u);
  H5Eclear2(H5E_DEFAULT);
  return status;
}

static void list_names(int dimensions, const dimension *found, char *text, size_t size) {
  size_t used = (size_t)snprintf(text, size, "(");
  for (int d = 0; d < dimensions && used < size; d++)
    used += (size_t)snprintf(text + used, size - used, "%s%s", d ? ", " : "", *found[d].name ? found[d].name : "?");
  if (used < size) snprintf(text + used, size - used, ")");
}

/*
 * Gives every dimension its role: by name, and what has no name what is left, in order, where that is beyond doubt:
 * one dimension alone, or the names are where they would be by position.
 */
static bool share_roles(int dimensions, dimension *found, sn_trajectory_layout *layout) {
  const int first = SN_ROLES - dimensions; /* two dimensions: time and x */
  int unnamed = 0;
  bool in_place = true;
  for (int d = 0; d < dimensions; d++) {
    if (found[d].role == NONE) {
      unnamed++;
      continue;
    }
    if (found[d].role == UNKNOWN || found[d].role < first || layout->place[found[d].role] >= 0) return false;
    layout->place[found[d].role] = d;
    in_place = in_place && found[d].role == first + d;
  }
  layout->named = unnamed < dimensions;
  if (unnamed > 1 && !in_place) return false;
  for (int d = 0, r = first; d < dimensions; d++) {
    if (found[d].role != NONE) continue;
    while (layout->place[r] >= 0) r++;
    layout->place[r] = d;
    found[d].role = r;
  }
  return true;
}

/* The path of a coordinate: the scale of its dimension, or what has one of its names. */
static sn_status find_coordinate(sn_file *file, int role, const dimension *d, char *path) {
  const char *name = role_names[role];
  if (*d->scale) {
    snprintf(path, LENGTH, "%s", d->scale);
    if (!d->empty) return SN_OK;
    return SN_ERROR(SN_ERROR_FILE,
                    "%s: %s has no values: the dimension is there, but no variable of its name; write one, with the "
                    "%s of every %s",
                    sn_file_path(file), path + 1, role == SN_X ? "place" : "time", role == SN_X ? "point" : "snapshot");
  }
  for (int k = 0; synonyms[role][k]; k++) {
    snprintf(path, LENGTH, "/%s", synonyms[role][k]);
    if (sn_file_contains(file, path)) return SN_OK;
  }
  snprintf(path, LENGTH, "/%s", name);
  return SN_OK;
}

/* The order in which u's dimensions would go with the coordinates, if there is exactly one. */
static const int orders[][SN_ROLES] = {{0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
static int find_fitting_order(const sn_trajectory_layout *l, hsize_t times, hsize_t points) {
  int fitting = -1, count = 0;
  if (l->dimensions < SN_ROLES || l->named) return -1;
  for (int k = 0; k < 5; k++) /* size[d]: of dimension d, as long as nothing has a name */
    if (l->size[orders[k][SN_TIME]] == times && l->size[orders[k][SN_X]] == points) fitting = k, count++;
  return count == 1 ? fitting : -1;
}

static sn_status fits(sn_file *file, const sn_trajectory_layout *l) {
  hsize_t times, points;
  char remedy[200] = "";
  SN_TRY(sn_file_shape(file, l->coordinate[SN_TIME], 1, &times));
  SN_TRY(sn_file_shape(file, l->coordinate[SN_X], 1, &points));
  if (times == l->size[SN_TIME] && points == l->size[SN_X] && l->size[SN_MEMBER] && times && points) return SN_OK;
  const int order = find_fitting_order(l, times, points);
  if (order >= 0) {
    const char *name[SN_ROLES];
    for (int r = 0; r < SN_ROLES; r++) name[orders[order][r]] = role_names[r];
    snprintf(remedy, sizeof remedy,
             "; without names its dimensions are (member, time, x), but (%s, %s, %s) would fit: give them these names "
             "(dimension scales), or transpose it",
             name[0], name[1], name[2]);
  } else if (points == l->size[SN_X] && l->size[SN_TIME] < times) { /* netCDF keeps no rows that were not written */
    snprintf(remedy, sizeof remedy, "; the snapshots from %llu on were never written",
             (unsigned long long)l->size[SN_TIME]);
  }
  return SN_ERROR_ALL(SN_ERROR_FILE,
                      "%s: u has %llu members, %llu snapshots and %llu points, which does not go with "
                      "%llu times and %llu x%s",
                      sn_file_path(file), (unsigned long long)l->size[SN_MEMBER], (unsigned long long)l->size[SN_TIME],
                      (unsigned long long)l->size[SN_X], (unsigned long long)times, (unsigned long long)points, remedy);
}

sn_status sn_trajectory_find_layout(sn_file *file, sn_trajectory_layout *l) {
  dimension found[SN_FILE_RANKS] = {{.role = NONE}, {.role = NONE}, {.role = NONE}};
  hsize_t shape[SN_FILE_RANKS];
  char names[3 * LENGTH + 16];
  *l = (sn_trajectory_layout){.place = {-1, -1, -1}};
  SN_TRY(sn_file_dimensions(file, "/u", &l->dimensions));
  if (l->dimensions != 2 && l->dimensions != 3)
    return SN_ERROR_ALL(SN_ERROR_FILE,
                        "%s: u has %d dimensions, expected (member, time, x), or (time, x) of one member",
                        sn_file_path(file), l->dimensions);
  SN_TRY(sn_file_shape(file, "/u", l->dimensions, shape));
  SN_TRY(sn_collective_status(sn_file_comm(file), find_names(file, l->dimensions, found)));
  if (!share_roles(l->dimensions, found, l)) {
    list_names(l->dimensions, found, names, sizeof names);
    return SN_ERROR_ALL(SN_ERROR_FILE,
                        "%s: the dimensions of u are %s, expected member, time and x in any order, or time and x; "
                        "rename them (docs/formats.md lists what each may be called)",
                        sn_file_path(file), names);
  }
  l->in_order = true;
  for (int r = 0, last = -1; r < SN_ROLES; r++) {
    const int d = l->place[r];
    l->size[r] = d < 0 ? 1 : shape[d];
    l->in_order = l->in_order && (d < 0 || d > last);
    last = d < 0 ? last : d;
  }
  for (int r = SN_TIME; r < SN_ROLES; r++) {
    sn_status status = find_coordinate(file, r, &found[l->place[r]], l->coordinate[r]);
    if (status) return sn_error_collective(status);
  }
  return fits(file, l);
}

void sn_trajectory_print_layout(const sn_trajectory_layout *l, char *text, size_t size) {
  const char *name[SN_ROLES] = {"", "", ""};
  for (int r = 0; r < SN_ROLES; r++)
    if (l->place[r] >= 0) name[l->place[r]] = role_names[r];
  snprintf(text, size, "(%s, %s%s%s)", name[0], name[1], l->dimensions == 3 ? ", " : "", name[2]);
}
