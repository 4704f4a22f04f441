/* Band matrices, and the small dense ones of their updates, in LAPACK and ScaLAPACK, which come without C headers. */
#ifndef SINODE_LINEAR_BAND_LIBRARIES_H
#define SINODE_LINEAR_BAND_LIBRARIES_H

#include <stddef.h>

/* The last arguments are the hidden lengths of the strings. */
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
void dgetrf_(const int *rows, const int *columns, double *a, const int *leading, int *pivots, int *info);
void dgetrs_(const char *way, const int *order, const int *columns, const double *a, const int *leading,
             const int *pivots, double *b, const int *b_leading, int *info, size_t);

#endif
