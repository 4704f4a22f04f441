/*
 * Steps of ETDRK4 for equations whose factors are complex (odd derivatives), whose terms are more than u u_x, or whose
 * members have parameters of their own. One field at a time. Private to this folder.
 */
#ifndef SINODE_KS_ETDRK4_TERMS_H
#define SINODE_KS_ETDRK4_TERMS_H

#include "etdrk4_ops.h"
#include "sinode/fourier.h"

typedef struct sn_etdrk4_terms sn_etdrk4_terms;

/* For transforms of one field (kept, not owned) and members with these options. Local. */
SN_MUST_CHECK sn_status sn_etdrk4_terms_create(sn_fourier *fourier, const sn_grid *grid,
                                               const sn_etdrk4_options *options, sn_etdrk4_terms **out);
void sn_etdrk4_terms_destroy(sn_etdrk4_terms **terms);

/* Advances the field of a member of this replica. Collective over space. */
SN_MUST_CHECK sn_status sn_etdrk4_terms_step(sn_etdrk4_terms *terms, ptrdiff_t member, sn_etdrk4_arrays arrays,
                                             ptrdiff_t steps);

/*
 * *sum += what the terms but for u u_x add to the square of the field, as etdrk4_ops.h counts it; u u_x adds nothing,
 * which its discrete form is judged by. w is overwritten. Collective over space.
 */
SN_MUST_CHECK sn_status sn_etdrk4_terms_add_work(sn_etdrk4_terms *terms, ptrdiff_t member, const double complex *v,
                                                 double complex *w, double *sum);

#endif
