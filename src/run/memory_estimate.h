/* What a run will have resident, before it has it. */
#ifndef SINODE_RUN_MEMORY_ESTIMATE_H
#define SINODE_RUN_MEMORY_ESTIMATE_H

#include "sinode/parameters.h"

/* Bytes that the process has beside its arrays: at the start of a run, libraries. Local. */
double sn_memory_of_libraries(void);

/*
 * Bytes a rank will have resident at its peak, when its arrays are `arrays` bytes and the process had `libraries`
 * bytes beside its arrays at the start: with files written. Local.
 */
double sn_memory_estimate_peak(const sn_parameters *parameters, double arrays, double libraries);

#endif
