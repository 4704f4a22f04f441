#include "cf_variable.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* netCDF's fill values by type (netcdf.h): of rows that were never written. Those of single bytes are used as data. */
static const double fill_of_reals = 9.9692099683868690e+36;
static const double fill_of_bytes[] = {-127, 255};

/* Adds a raw value that stands for none. */
static void add_missing(sn_cf_variable *v, double raw, const char *name) {
  for (int k = 0; k < v->missing_count; k++)
    if (v->missing[k].raw == raw) return;
  if (v->missing_count == SN_CF_MISSING_MOST || isnan(raw)) return; /* NaN is seen by itself */
  v->missing[v->missing_count].raw = raw < 0 ? raw + v->wrap : raw;
  v->missing[v->missing_count++].name = name;
}

/* One number of an attribute, if it is there. */
static sn_status get_number(sn_file *file, hid_t dataset, const char *name, double *value) {
  return sn_file_has(file, dataset, name) ? sn_file_get_double(file, dataset, name, value) : SN_OK;
}

static sn_status find_packing(sn_file *file, const char *path, hid_t dataset, sn_cf_variable *v) {
  SN_TRY(get_number(file, dataset, "scale_factor", &v->scale));
  SN_TRY(get_number(file, dataset, "add_offset", &v->offset));
  v->packed = v->scale != 1 || v->offset != 0;
  if (!isfinite(v->scale) || v->scale == 0 || !isfinite(v->offset))
    return SN_ERROR(SN_ERROR_FILE, "%s: %s has scale_factor %g and add_offset %g, of which no values can be made",
                    sn_file_path(file), path, v->scale, v->offset);
  return SN_OK;
}

/* Attributes that name raw values, as the variable's type has them: 1e20 in single precision is another number. */
static sn_status find_missing(sn_file *file, hid_t dataset, hid_t type, sn_cf_variable *v) {
  static const char *const names[] = {"_FillValue", "missing_value"};
  enum { MOST = 8 };
  double values[MOST];
  int count;
  for (int n = 0; n < 2; n++) {
    if (!sn_file_has(file, dataset, names[n])) continue;
    SN_TRY(sn_file_get_doubles(file, dataset, names[n], H5Tget_class(type) == H5T_FLOAT ? type : H5T_NATIVE_DOUBLE,
                               MOST, values, &count));
    for (int k = 0; k < count; k++) add_missing(v, values[k], names[n]);
  }
  return SN_OK;
}

static sn_status find_valid_range(sn_file *file, hid_t dataset, sn_cf_variable *v) {
  double range[2];
  int count;
  SN_TRY(get_number(file, dataset, "valid_min", &v->least));
  SN_TRY(get_number(file, dataset, "valid_max", &v->most));
  if (sn_file_has(file, dataset, "valid_range")) {
    SN_TRY(sn_file_get_doubles(file, dataset, "valid_range", H5T_NATIVE_DOUBLE, 2, range, &count));
    if (count == 2) v->least = range[0], v->most = range[1];
  }
  if (v->least < 0 && isfinite(v->least)) v->least += v->wrap;
  if (v->most < 0 && isfinite(v->most)) v->most += v->wrap;
  return SN_OK;
}

/* What HDF5 fills rows with that were never written, where whoever made the file chose it. */
static void find_fill(hid_t dataset, hid_t type, sn_cf_variable *v) {
  hid_t creation = H5Dget_create_plist(dataset);
  H5D_fill_value_t defined = H5D_FILL_VALUE_UNDEFINED;
  double fill = 0;
  const bool chosen = H5Pfill_value_defined(creation, &defined) >= 0 && defined == H5D_FILL_VALUE_USER_DEFINED &&
                      H5Pget_fill_value(creation, H5T_NATIVE_DOUBLE, &fill) >= 0;
  const bool byte = H5Tget_size(type) == 1 && (fill == fill_of_bytes[0] || fill == fill_of_bytes[1]);
  if (chosen && fill != 0 && !byte) add_missing(v, fill, "fill value of rows never written");
  if (H5Tget_class(type) == H5T_FLOAT) add_missing(v, fill_of_reals, "default fill value of netCDF");
  H5Eclear2(H5E_DEFAULT);
  H5Pclose(creation);
}

static double precision_of(hid_t type) {
  size_t sign, exponent, exponent_bits, mantissa, mantissa_bits;
  if (H5Tget_class(type) != H5T_FLOAT ||
      H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits) < 0)
    return DBL_EPSILON;
  return fmax(ldexp(1, -(int)mantissa_bits), DBL_EPSILON);
}

static sn_status find(sn_file *file, const char *path, hid_t dataset, hid_t type, sn_cf_variable *v) {
  char text[8] = "";
  const bool integers = H5Tget_class(type) == H5T_INTEGER;
  if (integers && H5Tget_sign(type) == H5T_SGN_2 && sn_file_has(file, dataset, "_Unsigned")) {
    SN_TRY(sn_file_get_string(file, dataset, "_Unsigned", text, sizeof text));
    if (strcmp(text, "true") == 0) v->wrap = ldexp(1, 8 * (int)H5Tget_size(type));
  }
  SN_TRY(find_packing(file, path, dataset, v));
  SN_TRY(find_missing(file, dataset, type, v));
  SN_TRY(find_valid_range(file, dataset, v));
  find_fill(dataset, type, v);
  v->precision = precision_of(type);
  v->step = integers && v->packed ? fabs(v->scale) : 0;
  if (!sn_file_has(file, dataset, "units")) return SN_OK;
  return sn_file_get_string(file, dataset, "units", v->units, sizeof v->units);
}

sn_status sn_cf_find(sn_file *file, const char *path, sn_cf_variable *v) {
  *v = (sn_cf_variable){.scale = 1, .least = -INFINITY, .most = INFINITY};
  hid_t dataset = H5Dopen2(sn_file_id(file), path, sn_file_links(file));
  sn_status status = dataset < 0 ? sn_file_error(file, path) : SN_OK;
  if (!status) {
    hid_t type = H5Dget_type(dataset);
    status = find(file, path, dataset, type, v);
    H5Tclose(type);
    H5Dclose(dataset);
  }
  return sn_collective_status(sn_file_comm(file), status);
}

/* Why a raw value is missing, or NULL. */
static const char *find_reason(const sn_cf_variable *v, double raw) {
  for (int k = 0; k < v->missing_count; k++)
    if (raw == v->missing[k].raw) return v->missing[k].name;
  return raw < v->least || raw > v->most ? "valid range" : NULL;
}

/* Whether some of the raw values may be missing, in loops that are vectorized: nearly always none is. */
static bool looks_odd(const sn_cf_variable *v, ptrdiff_t count, const double *raw) {
  int64_t odd = 0; /* as wide as the values */
  for (int m = 0; m < v->missing_count; m++)
    for (ptrdiff_t k = 0; k < count; k++) odd |= raw[k] == v->missing[m].raw;
  for (ptrdiff_t k = 0; k < count; k++) odd |= (raw[k] < v->least) | (raw[k] > v->most);
  return odd != 0;
}

static void unpack(const sn_cf_variable *v, ptrdiff_t count, double *values) {
  for (ptrdiff_t k = 0; v->packed && k < count; k++) values[k] = v->scale * values[k] + v->offset;
}

ptrdiff_t sn_cf_decode(const sn_cf_variable *v, ptrdiff_t count, double *values) {
  enum { AT_ONCE = 1024 };
  for (ptrdiff_t start = 0; start < count; start += AT_ONCE) {
    double *raw = values + start;
    const ptrdiff_t some = count - start < AT_ONCE ? count - start : AT_ONCE;
    ptrdiff_t whole = some;
    for (ptrdiff_t k = 0; v->wrap > 0 && k < some; k++) raw[k] += raw[k] < 0 ? v->wrap : 0;
    if (looks_odd(v, some, raw))
      for (whole = 0; whole < some && !find_reason(v, raw[whole]);) whole++;
    unpack(v, whole, raw);
    if (whole < some) return start + whole;
  }
  return -1;
}

void sn_cf_explain(const sn_cf_variable *v, double raw, char *text, size_t size) {
  const char *reason = find_reason(v, raw);
  if (!reason)
    snprintf(text, size, "%.9g", raw);
  else if (raw < v->least || raw > v->most)
    snprintf(text, size, "%.9g, outside of the valid range %.9g to %.9g", raw, v->least, v->most);
  else
    snprintf(text, size, "%.9g, the %s", raw, reason);
}

/* Local. */
static sn_status decode_part(const sn_file *file, const char *path, const sn_cf_variable *v, const sn_file_part *part,
                             double *values) {
  char reason[120];
  const ptrdiff_t bad = sn_cf_decode(v, (ptrdiff_t)part->count[0], values);
  if (bad < 0) return SN_OK;
  sn_cf_explain(v, values[bad], reason, sizeof reason);
  return SN_ERROR(SN_ERROR_FILE, "%s: %s[%td] is missing: it holds %s; give it its value", sn_file_path(file),
                  path + (*path == '/'), (ptrdiff_t)part->start[0] + bad, reason);
}

sn_status sn_cf_read(sn_file *file, const char *path, const sn_cf_variable *v, const sn_file_part *part,
                     double *values) {
  SN_TRY(sn_file_read(file, path, H5T_NATIVE_DOUBLE, part, values));
  return sn_collective_status(sn_file_comm(file), decode_part(file, path, v, part, values));
}
