/* How entries of the schema are written: the type of a key with the place of its member, its range, its readers. */
#ifndef SINODE_CONFIG_KEY_TYPES_H
#define SINODE_CONFIG_KEY_TYPES_H

#include <math.h>
#include <stddef.h>

#include "schema.h"

/* The type of a key and the place of its member, which the compiler refuses if it is not of a type for that. */
#define MEMBER(member) (((sn_config *)0)->member)
#define OF_SIZE(member, bytes) .offset = offsetof(sn_config, member), .size = (bytes)
#define CHECKED_SIZE(member, bytes)                                                      \
  sizeof(struct {                                                                        \
    _Static_assert(sizeof MEMBER(member) == (bytes), "a key's member has another size"); \
    char all[bytes];                                                                     \
  })
#define INTEGER(member) \
  SN_KEY_INTEGER, OF_SIZE(member, _Generic(MEMBER(member), int : sizeof(int), long : sizeof(long), long long : 8))
#define REAL(member) SN_KEY_REAL, OF_SIZE(member, _Generic(MEMBER(member), double : sizeof(double)))
#define DURATION(member) SN_KEY_DURATION, OF_SIZE(member, _Generic(MEMBER(member), double : sizeof(double)))
#define SWITCH(member) SN_KEY_SWITCH, OF_SIZE(member, _Generic(MEMBER(member), bool : sizeof(bool)))
#define PATH(member) SN_KEY_PATH, OF_SIZE(member, CHECKED_SIZE(member, SN_CONFIG_PATH))
#define NAMES(member) SN_KEY_NAMES, OF_SIZE(member, CHECKED_SIZE(member, SN_CONFIG_PATH))
#define CHOICE(member, names) SN_KEY_CHOICE, OF_SIZE(member, CHECKED_SIZE(member, sizeof(int))), .choices = (names)
#define SCHEME(member) \
  SN_KEY_SCHEME, OF_SIZE(member, _Generic(MEMBER(member), const sn_tableau * : sizeof(const sn_tableau *)))
#define WIDTHS(member) \
  SN_KEY_WIDTHS, OF_SIZE(member, _Generic(MEMBER(member), sn_network_widths : sizeof(sn_network_widths)))
#define COEFFICIENTS(member) \
  SN_KEY_COEFFICIENTS, OF_SIZE(member, _Generic(MEMBER(member), sn_linear_init : sizeof(sn_linear_init)))
#define DERIVATIVES(member) \
  SN_KEY_DERIVATIVES, OF_SIZE(member, _Generic(MEMBER(member), sn_linear_init : sizeof(sn_linear_init)))
#define NUMBERS(member) \
  SN_KEY_NUMBERS, OF_SIZE(member, _Generic(MEMBER(member), sn_equation_values : sizeof(sn_equation_values)))
#define FROM(least) .low = (least), .high = INFINITY
#define ABOVE(least) .low = (least), .high = INFINITY, .above_low = true
#define WITHIN(least, most) .low = (least), .high = (most)
#define ANY WITHIN(-INFINITY, INFINITY)
#define ROLLS (SN_FOR_BENCHMARK | SN_FOR_TRAIN | SN_FOR_PREDICT | SN_FOR_GRADIENT | SN_FOR_LYAPUNOV)
/* predict, lyapunov: where their model is none */
#define BUILDS (SN_FOR_BENCHMARK | SN_FOR_TRAIN | SN_FOR_PREDICT | SN_FOR_LYAPUNOV)
#define LEARNS (SN_FOR_BENCHMARK | SN_FOR_TRAIN | SN_FOR_GRADIENT)

/* What of a trajectory file is observed: keys of a section. */
/* clang-format off */
#define OBSERVED(section, member, readers)                                                                              \
  {section ".stride", INTEGER(member.stride), .fallback = "1", WITHIN(1, 1e9), .unit = "points", .commands = (readers), \
   .help = "every so manieth grid point is observed; nothing is known of the others"},                                  \
  {section ".offset", INTEGER(member.offset), .fallback = "0", WITHIN(0, 1e9), .unit = "points",                        \
   .commands = (readers), .help = "the first of them"},                                                                 \
  {section ".mask", PATH(member.mask), .fallback = "''", .example = "mask", .commands = (readers),                      \
   .help = "variable of the data, of the dimensions of u or of x alone, that is 0 where nothing is observed; empty: "   \
           "none"},                                                                                                     \
  {section ".missing", CHOICE(member.missing, sn_missings), .fallback = "refuse", .commands = (readers),                \
   .help = "values that are NaN or _FillValue: refuse the file, or skip them as not observed"}
/* clang-format on */

#endif
