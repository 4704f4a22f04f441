/*
 * What the stored numbers of a variable stand for by the conventions of netCDF and CF: packing, missing values, units.
 * One place for every variable that a trajectory file is read for.
 */
#ifndef SINODE_IO_CF_VARIABLE_H
#define SINODE_IO_CF_VARIABLE_H

#include "hdf5_file.h"

enum { SN_CF_MISSING_MOST = 24, SN_CF_UNITS = 96 };

typedef struct {
  bool packed;          /* value = scale * raw + offset */
  double scale, offset; /* 1 and 0 where nothing is packed */
  double wrap;          /* added to negative raw values (_Unsigned); 0: none */
  double least, most;   /* raw values that are valid */
  int missing_count;    /* raw values that stand for none */
  struct {
    double raw;
    const char *name; /* of the attribute that says so */
  } missing[SN_CF_MISSING_MOST];
  double precision;        /* relative, of the stored type, at least that of doubles */
  double step;             /* between neighbouring values of packed integers; 0: of anything else */
  char units[SN_CF_UNITS]; /* "" where there are none */
} sn_cf_variable;

/*
 * Reads what a variable's attributes, and the fill value that HDF5 has for rows never written, say of it. Collective.
 * Error: scale_factor, add_offset, _FillValue, missing_value or valid_* are no such numbers.
 */
SN_MUST_CHECK sn_status sn_cf_find(sn_file *file, const char *path, sn_cf_variable *variable);

/*
 * Makes values of raw numbers, in place. Returns the index of the first that is missing, which stays raw, as do those
 * behind it; -1: none is. Local.
 */
ptrdiff_t sn_cf_decode(const sn_cf_variable *variable, ptrdiff_t count, double *values);

/* Why a raw number is missing: "its _FillValue (1e+20)", into text. Local. */
void sn_cf_explain(const sn_cf_variable *variable, double raw, char *text, size_t size);

/* Reads each rank's part of a variable of one dimension, and decodes it. Error also: a value is missing. */
SN_MUST_CHECK sn_status sn_cf_read(sn_file *file, const char *path, const sn_cf_variable *variable,
                                   const sn_file_part *part, double *values);

#endif
