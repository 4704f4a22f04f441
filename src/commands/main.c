/* sinode COMMAND CONFIG.yaml [--set section.key=value]... [--quiet]: the program. */
#include "commands.h"

int main(int argc, char **argv) { return sn_program_main(&sn_sinode, argc, argv); }
