/* Attributes of the objects of a file. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hdf5_file.h"

/* The longest text of an attribute: hundreds of times ours. */
static const size_t text_most = (size_t)1 << 20;

static sn_status failed(const sn_file *file, const char *verb, const char *name) {
  char what[160];
  snprintf(what, sizeof what, "attribute %s cannot be %s", name, verb);
  return sn_file_error(file, what);
}

/* Replaces an attribute of that name. */
static sn_status set(sn_file *file, hid_t object, const char *name, hid_t type, const void *value) {
  if (H5Aexists(object, name) > 0) H5Adelete(object, name);
  hid_t space = H5Screate(H5S_SCALAR), attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  const bool bad = attribute < 0 || H5Awrite(attribute, type, value) < 0;
  sn_status status = bad ? failed(file, "written", name) : SN_OK;
  if (attribute >= 0) H5Aclose(attribute);
  H5Sclose(space);
  return status;
}

sn_status sn_file_set_string(sn_file *file, hid_t object, const char *name, const char *value) {
  hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, strlen(value) + 1);
  H5Tset_cset(type, H5T_CSET_UTF8);
  sn_status status = set(file, object, name, type, value);
  H5Tclose(type);
  return status;
}

sn_status sn_file_set_int(sn_file *file, hid_t object, const char *name, long value) {
  return set(file, object, name, H5T_NATIVE_LONG, &value);
}

sn_status sn_file_set_double(sn_file *file, hid_t object, const char *name, double value) {
  return set(file, object, name, H5T_NATIVE_DOUBLE, &value);
}

bool sn_file_has(const sn_file *file, hid_t object, const char *name) {
  (void)file;
  return H5Aexists(object, name) > 0;
}

/* Opens a scalar attribute of a class of types. */
static sn_status find(sn_file *file, hid_t object, const char *name, H5T_class_t wanted, hid_t *attribute) {
  *attribute = H5Aopen(object, name, H5P_DEFAULT);
  if (*attribute < 0) {
    H5Eclear2(H5E_DEFAULT);
    return SN_ERROR(SN_ERROR_FILE, "%s: has no attribute %s", sn_file_path(file), name);
  }
  hid_t type = H5Aget_type(*attribute), space = H5Aget_space(*attribute);
  const H5T_class_t found = H5Tget_class(type);
  const bool number = wanted == H5T_FLOAT && found == H5T_INTEGER;
  const bool right = (found == wanted || number) && H5Sget_simple_extent_npoints(space) == 1;
  H5Tclose(type);
  H5Sclose(space);
  if (right) return SN_OK;
  H5Aclose(*attribute);
  return SN_ERROR(SN_ERROR_FILE, "%s: attribute %s is not one %s", sn_file_path(file), name,
                  wanted == H5T_STRING ? "text" : "number");
}

sn_status sn_file_get_string(sn_file *file, hid_t object, const char *name, char *value, size_t size) {
  hid_t attribute;
  SN_TRY(find(file, object, name, H5T_STRING, &attribute));
  hid_t type = H5Aget_type(attribute), memory = H5Tcopy(H5T_C_S1);
  H5Tset_cset(memory, H5Tget_cset(type));
  sn_status status = SN_OK;
  if (H5Aget_storage_size(attribute) > text_most) {
    status = SN_ERROR(SN_ERROR_FILE, "%s: attribute %s is longer than %zu bytes", sn_file_path(file), name, text_most);
  } else if (H5Tis_variable_str(type) > 0) {
    char *text = NULL;
    H5Tset_size(memory, H5T_VARIABLE);
    if (H5Aread(attribute, memory, &text) < 0 || !text)
      status = failed(file, "read", name);
    else
      snprintf(value, size, "%s", text);
    H5free_memory(text);
  } else {
    /* Read at its own length and cut to ours. */
    const size_t length = H5Tget_size(type);
    char *text = calloc(length + 1, 1);
    H5Tset_size(memory, length + 1);
    if (!text || H5Aread(attribute, memory, text) < 0)
      status = failed(file, "read", name);
    else
      snprintf(value, size, "%s", text);
    free(text);
  }
  H5Tclose(memory);
  H5Tclose(type);
  H5Aclose(attribute);
  return status;
}

sn_status sn_file_get_int(sn_file *file, hid_t object, const char *name, long *value) {
  double number;
  SN_TRY(sn_file_get_double(file, object, name, &number)); /* other programs write 1 as 1.0 */
  if (!(fabs(number) <= 1e15) || number != rint(number))
    return SN_ERROR(SN_ERROR_FILE, "%s: attribute %s is %g, but must be a whole number", sn_file_path(file), name,
                    number);
  *value = (long)number;
  return SN_OK;
}

sn_status sn_file_get_double(sn_file *file, hid_t object, const char *name, double *value) {
  hid_t attribute;
  SN_TRY(find(file, object, name, H5T_FLOAT, &attribute));
  sn_status status = H5Aread(attribute, H5T_NATIVE_DOUBLE, value) < 0 ? failed(file, "read", name) : SN_OK;
  H5Aclose(attribute);
  return status;
}

sn_status sn_file_get_doubles(sn_file *file, hid_t object, const char *name, hid_t as, int most, double *values,
                              int *count) {
  hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  if (attribute < 0) return failed(file, "read", name);
  hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  const H5T_class_t class = H5Tget_class(type);
  const hssize_t found = H5Sget_simple_extent_npoints(space);
  const size_t bytes = H5Tget_size(as) > sizeof(double) ? H5Tget_size(as) : sizeof(double);
  char *buffer = calloc((size_t)most, bytes);
  sn_status status = SN_OK;
  if ((class != H5T_FLOAT && class != H5T_INTEGER) || found < 1 || found > most)
    status = SN_ERROR(SN_ERROR_FILE, "%s: attribute %s is not %d number%s or fewer", sn_file_path(file), name, most,
                      most == 1 ? "" : "s");
  else if (!buffer || H5Aread(attribute, as, buffer) < 0 ||
           H5Tconvert(as, H5T_NATIVE_DOUBLE, (size_t)found, buffer, NULL, H5P_DEFAULT) < 0)
    status = failed(file, "read", name);
  if (!status) memcpy(values, buffer, (size_t)found * sizeof *values);
  *count = (int)found;
  free(buffer);
  H5Sclose(space);
  H5Tclose(type);
  H5Aclose(attribute);
  return status;
}

static void print_checksum(uint64_t sum, char *text, size_t size) { snprintf(text, size, "%016" PRIx64, sum); }

sn_status sn_file_set_checksum(sn_file *file, hid_t object, uint64_t sum) {
  char text[24];
  print_checksum(sum, text, sizeof text);
  return sn_file_set_string(file, object, "checksum", text);
}

sn_status sn_file_compare_checksum(sn_file *file, hid_t object, uint64_t sum) {
  char expected[24], found[24];
  SN_TRY(sn_file_get_string(file, object, "checksum", expected, sizeof expected));
  print_checksum(sum, found, sizeof found);
  if (strcmp(found, expected) == 0) return SN_OK;
  return SN_ERROR(SN_ERROR_FILE, "%s: the checksum of the contents is %s, but should be %s: the file is damaged",
                  sn_file_path(file), found, expected);
}

/* Whether a value can be read, whatever it is. */
static bool is_readable(hid_t attribute) {
  hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  const hssize_t count = H5Sget_simple_extent_npoints(space);
  void *value = calloc((size_t)(count > 0 ? count : 1), H5Tget_size(type));
  const bool readable = value && H5Aread(attribute, type, value) >= 0;
  if (readable) H5Dvlen_reclaim(type, space, H5P_DEFAULT, value);
  free(value);
  H5Sclose(space);
  H5Tclose(type);
  return readable;
}

static herr_t read_attribute(hid_t object, const char *name, const H5A_info_t *info, void *context) {
  (void)info, (void)context;
  hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  if (attribute < 0) return -1;
  const bool readable = is_readable(attribute);
  H5Aclose(attribute);
  return readable ? 0 : -1;
}

static herr_t read_attributes(hid_t root, const char *name, const H5O_info_t *info, void *context) {
  (void)info, (void)context;
  hid_t object = H5Oopen(root, name, H5P_DEFAULT);
  if (object < 0) return -1;
  const herr_t result = H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, read_attribute, NULL);
  H5Oclose(object);
  return result;
}

sn_status sn_file_read_attributes(const sn_file *file) {
  if (H5Ovisit2(sn_file_id(file), H5_INDEX_NAME, H5_ITER_NATIVE, read_attributes, NULL, H5O_INFO_BASIC) >= 0)
    return SN_OK;
  return sn_file_error(file, "an attribute that was written cannot be read back (is the disk full?)");
}
