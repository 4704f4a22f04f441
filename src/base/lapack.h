/*
 * LAPACK and ScaLAPACK, as far as they are used: they come without C headers. The last arguments, without names, are
 * the hidden lengths of the strings. Not installed.
 */
#ifndef SINODE_BASE_LAPACK_H
#define SINODE_BASE_LAPACK_H

#include <stddef.h>

/* Dense: LU, and Cholesky. */
void dgetrf_(const int *rows, const int *columns, double *a, const int *leading, int *pivots, int *info);
void dgetrs_(const char *way, const int *order, const int *columns, const double *a, const int *leading,
             const int *pivots, double *b, const int *b_leading, int *info, size_t);
void dpotrf_(const char *part, const int *order, double *a, const int *leading, int *info, size_t);
void dpotrs_(const char *part, const int *order, const int *columns, const double *a, const int *leading, double *b,
             const int *b_leading, int *info, size_t);
void descinit_(int *descriptor, const int *rows, const int *columns, const int *row_block, const int *column_block,
               const int *first_row, const int *first_column, const int *context, const int *leading, int *info);
void pdgetrf_(const int *rows, const int *columns, double *a, const int *row, const int *column, const int *descriptor,
              int *pivots, int *info);
void pdgetrs_(const char *way, const int *order, const int *columns, const double *a, const int *row, const int *column,
              const int *descriptor, const int *pivots, double *b, const int *b_row, const int *b_column,
              const int *b_descriptor, int *info, size_t);
void pdpotrf_(const char *part, const int *order, double *a, const int *row, const int *column, const int *descriptor,
              int *info, size_t);
void pdpotrs_(const char *part, const int *order, const int *columns, const double *a, const int *row,
              const int *column, const int *descriptor, double *b, const int *b_row, const int *b_column,
              const int *b_descriptor, int *info, size_t);
void pdgemm_(const char *a_way, const char *b_way, const int *rows, const int *columns, const int *inner,
             const double *weight, const double *a, const int *a_row, const int *a_column, const int *a_descriptor,
             const double *b, const int *b_row, const int *b_column, const int *b_descriptor, const double *keep,
             double *c, const int *c_row, const int *c_column, const int *c_descriptor, size_t, size_t);

/* Bands: Cholesky, and LU. */
void dpbtrf_(const char *part, const int *order, const int *width, double *band, const int *leading, int *info, size_t);
void dpbtrs_(const char *part, const int *order, const int *width, const int *columns, const double *band,
             const int *leading, double *b, const int *b_leading, int *info, size_t);
void dgbtrf_(const int *rows, const int *columns, const int *lower, const int *upper, double *band, const int *leading,
             int *pivots, int *info);
void dgbtrs_(const char *way, const int *order, const int *lower, const int *upper, const int *columns,
             const double *band, const int *leading, const int *pivots, double *b, const int *b_leading, int *info,
             size_t);
void pdpbtrf_(const char *part, const int *order, const int *width, double *band, const int *first,
              const int *descriptor, double *fill, const int *fill_size, double *work, const int *work_size, int *info,
              size_t);
void pdpbtrs_(const char *part, const int *order, const int *width, const int *columns, const double *band,
              const int *first, const int *descriptor, double *b, const int *b_first, const int *b_descriptor,
              const double *fill, const int *fill_size, double *work, const int *work_size, int *info, size_t);
void pdgbtrf_(const int *order, const int *lower, const int *upper, double *band, const int *first,
              const int *descriptor, int *pivots, double *fill, const int *fill_size, double *work,
              const int *work_size, int *info);
void pdgbtrs_(const char *way, const int *order, const int *lower, const int *upper, const int *columns,
              const double *band, const int *first, const int *descriptor, const int *pivots, double *b,
              const int *b_first, const int *b_descriptor, const double *fill, const int *fill_size, double *work,
              const int *work_size, int *info, size_t);

#endif
